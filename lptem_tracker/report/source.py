"""The movie that a run was made from, and the times of its frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import InputError
from lptem_tracker.movie import open_movie
from lptem_tracker.movie.base import Movie
from lptem_tracker.run import Run


def open_run_movie(run: Run) -> Movie:
    """Open the movie that a run was made from.

    Raises
    ------
    InputError
        The record names none, or it is no longer there.
    """
    source = run.record.get("movie", {}).get("source")
    if not source:
        raise InputError(f"The run {run.path} was made from a table: there are no frames to draw on.")
    return open_movie(source)


def frame_times(run: Run, movie: Movie) -> NDArray[np.float64] | None:
    """Return the start of each frame in s, shape (T,): the file's own times, or the interval's multiples.

    None where neither is known.
    """
    interval = run.calibration.frame_interval_s
    if movie.times_s is not None and run.calibration.frame_interval_source != "user":
        return np.asarray(movie.times_s, dtype=float)
    if interval is None:
        return None
    times: NDArray[np.float64] = np.arange(len(movie), dtype=np.float64) * np.float64(interval)
    return times
