"""The overlay movie: frames with outlines, trails, events, scale and time drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.movie.base import Movie
from lptem_tracker.report.options import OverlayOptions, playback
from lptem_tracker.report.painter import Painter
from lptem_tracker.report.source import analysed_part, checked_output, open_run_movie
from lptem_tracker.report.view import GIF_SIDES, SIDES
from lptem_tracker.report.writer import FORMATS, open_writer
from lptem_tracker.run import Run

FLASH_S = 0.9
_QUALITY = 20
_BLACK = -1e30
"""Darker than any grey, and far from overflow when scaled."""


def write_overlay(
    run: Run,
    output: str | Path | None = None,
    *,
    movie: Movie | None = None,
    format: Literal["mp4", "mkv", "gif"] = "mp4",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Path:
    """Write a movie of what was found in a run.

    Frames are read, drawn and encoded one by one, so memory does not grow with the movie; encoding runs
    beside reading and drawing.

    Parameters
    ----------
    run : Run
    output : path, optional
        File to write; its ending sets the format. Default: ``overlay.<format>`` in the run folder.
    movie : Movie, optional
        The frames that were analysed; opened from the run's record where not given.
    format : {'mp4', 'mkv', 'gif'}
        H.264, FFV1 without loss, or GIF; used where `output` is not given.
    progress : callable, optional
        Called with the number of pictures written and their total.
    **options
        Fields of `OverlayOptions`; `colour_by` and `trail_frames` default to the run's settings.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InputError
        The movie is no longer where it was, or a particle to follow is not in the tracks.
    SettingsError
        An option is out of range or needs what was not measured.
    OutputError
        The file cannot be written.
    """
    report = run.settings.report
    defaults = {"colour_by": report.colour_by, "trail_frames": report.trail_frames, **analysed_part(run)}
    chosen = _options(defaults | options)
    path = Path(output) if output is not None else run.path / f"overlay.{format}"
    checked_output(run, path, FORMATS)
    if movie is not None:
        return _write(run, movie, path, chosen, progress)
    with open_run_movie(run) as opened:
        return _write(run, opened, path, chosen, progress)


def _options(given: dict[str, Any]) -> OverlayOptions:
    known = OverlayOptions.__dataclass_fields__
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(f"Unknown overlay option {unknown[0]!r}; known: {', '.join(known)}.")
    return OverlayOptions(**given)


def _write(
    run: Run, movie: Movie, path: Path, options: OverlayOptions, progress: Callable[[int, int], None] | None
) -> Path:
    if options.quality is not None and path.suffix.lower() != ".mp4":
        raise SettingsError(f"quality of an overlay is H.264's, in .mp4; {path.name} has none. Leave it out.")
    start, stop = options.frames or (0, len(movie))
    shown = np.arange(len(movie))[slice(start, stop, options.every)]
    if not len(shown):
        raise SettingsError(f"No frames to draw: {start}:{stop} of a movie with frames 0 to {len(movie) - 1}.")
    painter = Painter(run, movie, options, sides=GIF_SIDES if path.suffix.lower() == ".gif" else SIDES)
    times = playback(painter.times_s, shown, options, clock_s=movie.times_s)
    rate = Fraction(1 / max(float(np.median(np.diff(times))), 1e-3) if len(times) > 1 else 25.0).limit_denominator(1000)
    note = {"frame_first": int(shown[0]), "frame_step": options.every, "n": len(shown)}
    painter.flash_frames = max(3, round(FLASH_S * float(rate) * options.every))
    quality = _QUALITY if options.quality is None else options.quality
    with open_writer(path, painter.picture_size, rate, note=note, quality=quality) as writer:
        for n, (frame, pixels) in enumerate(_grouped(movie, shown, options)):
            writer.write(painter.paint(pixels, frame), float(times[n]))
            if progress is not None:
                progress(n + 1, len(shown))
    return path


def _grouped(movie: Movie, shown: NDArray[np.int64], options: OverlayOptions) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (frame, pixels) of each picture; with averaging the mean of the frames it stands for.

    A picture whose frames cannot be read is black: were it left out, all later ones would come too early.
    """
    first, every = int(shown[0]), options.every
    mean = options.average and every > 1
    stop = min(int(shown[-1]) + (every if mean else 1), len(movie))
    # 0 is grey where greys have a sign
    blank: NDArray[Any] = np.zeros(movie.shape[1:], movie.dtype)
    if movie.dtype.kind not in "bu":
        blank = np.full(movie.shape[1:], _BLACK, np.float32)
    picture, count, total = 0, 0, blank
    for frame in chain(movie.frames(first, stop, 1 if mean else every), [None]):
        reached = len(shown) if frame is None else (frame.index - first) // every
        while picture < reached:
            yield int(shown[picture]), total / count if mean and count else total
            picture, count, total = picture + 1, 0, blank
        if frame is not None:
            pixels = frame.pixels.astype(np.float32) if mean else frame.pixels
            total, count = total + pixels if count else pixels, count + 1
