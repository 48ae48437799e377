"""The movie that a run was made from, and the times of its frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import InputError, MovieError, OutputError
from lptem_tracker.movie import open_movie
from lptem_tracker.movie.base import Movie
from lptem_tracker.run import Run, read_blocks
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, TRACK_DTYPES, empty_table

DRAWN = (PARTICLE, FRAME, "x", "y", OBSERVED, "width", "height", "angle", "radius")
"""Columns of the tracks that an overlay is drawn from."""


def open_run_movie(run: Run) -> Movie:
    """Open the movie that a run was made from.

    A name that was given from a working folder is also looked for from the folders around the run, so that a run
    can be drawn from anywhere, and moved together with its movie.

    Raises
    ------
    InputError
        The record names none, or it is no longer there.
    """
    source = run.record.get("movie", {}).get("source")
    if not source:
        raise InputError(f"The run {run.path} was made from a table: there are no frames to draw on.")
    return open_movie(_found(str(source), run.path.resolve()))


def checked_output(run: Run, path: Path, endings: tuple[str, ...]) -> Path:
    """Return where a drawing goes, unless that would replace the run's movie or a file of another kind.

    Parameters
    ----------
    run : Run
    path : pathlib.Path
    endings : tuple of str
        Of the files that may be replaced, with their dot.

    Raises
    ------
    OutputError
    """
    if path.is_file():
        source = run.record.get("movie", {}).get("source")
        movie = Path(_found(str(source), run.path.resolve())) if source else None
        if movie is not None and movie.is_file() and movie.samefile(path):
            raise OutputError(f"{path} is the movie that the run was made from; give another -o (output).")
        if path.suffix.lower() not in endings:
            raise OutputError(f"{path} exists and is no {' or '.join(endings)} file; give another -o (output).")
    return path


def _found(source: str, folder: Path) -> str | Path:
    """Return where a movie is: as it was named, or seen from one of the folders around the run."""
    name = Path(source)
    if name.is_absolute() or name.exists():
        return source
    pattern = any(sign in source for sign in "*?[")
    for around in folder.parents:
        if (around / name).exists() or (pattern and ".." not in name.parts and any(around.glob(source))):
            return around / name
    return source


def analysed_part(run: Run) -> dict[str, tuple[int, ...]]:
    """Return the `frames` (start, stop) and the `crop` (x, y, width, height) that a run was limited to."""
    movie = run.record.get("movie") or {}
    wanted = {"frames": movie.get("frames"), "crop": movie.get("roi")}
    return {name: tuple(int(v) for v in value) for name, value in wanted.items() if value}


def measured_tracks(run: Run) -> pd.DataFrame:
    """Return the linked tracks that were measured, sorted by particle and frame, with `observed`.

    Tracks too short to be measured are mostly detections of noise; they stay in the run's tables. Where
    nothing was measured all tracks are returned.
    """
    tracks = run.tracks if (run.path / "tracks.parquet").exists() else empty_table(TRACK_DTYPES)
    if OBSERVED not in tracks:
        tracks = tracks.assign(observed=True)
    keep = tracks[PARTICLE] >= 0
    if (run.path / "particles.csv").exists() and len(run.particles):
        keep &= tracks[PARTICLE].isin(run.particles[PARTICLE])
    return tracks[keep].sort_values([PARTICLE, FRAME], kind="stable", ignore_index=True)


def drawn_tracks(run: Run) -> pd.DataFrame:
    """Return what `measured_tracks` does, of the columns that drawing needs alone.

    The table is read block by block: whole, and put in order, it takes several times as much memory.
    """
    measured = run.particles[PARTICLE] if (run.path / "particles.csv").exists() and len(run.particles) else None
    kept = [empty_table({name: TRACK_DTYPES[name] for name in (PARTICLE, FRAME, "x", "y", OBSERVED)})]
    for block in read_blocks(run.path / "tracks.parquet", DRAWN):
        keep = block[PARTICLE] >= 0
        kept.append(block[keep if measured is None else keep & block[PARTICLE].isin(measured)])
    rows = pd.concat([part for part in kept if len(part)] or kept, ignore_index=True)
    del kept
    return rows.sort_values([PARTICLE, FRAME], kind="stable", ignore_index=True)


def pixels_of(movie: Movie, index: int) -> NDArray[Any] | None:
    """Return the pixels (Y, X) of a frame, None where it cannot be read: the run told so, and the rest is drawn."""
    try:
        return movie.read(index).pixels
    except MovieError:
        return None


def frame_times(run: Run, movie: Movie) -> NDArray[np.float64] | None:
    """Return the start of each frame in s, shape (T,): the file's own times, or the interval's multiples.

    None where neither is known.
    """
    interval = run.calibration.frame_interval_s
    # a video without a known interval has the times of its playback, which are no physical times
    if interval is not None and movie.times_s is not None and run.calibration.frame_interval_source != "user":
        return np.asarray(movie.times_s, dtype=float)
    if interval is None:
        return None
    times: NDArray[np.float64] = np.arange(len(movie), dtype=np.float64) * np.float64(interval)
    return times
