"""Gatan in-situ trees, ``Hour_NN/Minute_NN/Second_NN/*_Frame_NNNN.dm4``: the true times are in the names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import MovieError
from lptem_tracker.movie.images import ImageSequence
from lptem_tracker.movie.scale import from_metadata
from lptem_tracker.movie.sniff import IMAGE, MICROSCOPE, TIFF

_STAMP = re.compile(r"Hour_(\d+).*?Minute_(\d+).*?Second_(\d+).*Frame_(\d+)[^/\\]*$", re.IGNORECASE)
_LEVEL = re.compile(r"(Hour|Minute|Second)_\d+$", re.IGNORECASE)
_SUFFIXES = TIFF | IMAGE | set(MICROSCOPE)


def stamp(path: Path | str) -> tuple[int, int] | None:
    """Return (second since hour 0, frame number) from a name of the in-situ layout and the folders above it.

    Examples
    --------
    >>> stamp(Path("Hour_00/Minute_01/Second_05/a_Frame_0150.dm4"))
    (65, 150)
    """
    text = os.fspath(path)
    # a tree may hold a million names, so that they are searched as text, the short one first
    if "second_" not in text.lower():
        return None
    found = _STAMP.search(os.path.basename(text)) or _STAMP.search("/".join(Path(text).parts[-4:]))
    if found is None:
        return None
    hour, minute, second, frame = map(int, found.groups())
    return 3600 * hour + 60 * minute + second, frame


def find_tree(folder: Path) -> list[str]:
    """Return the frames of an in-situ tree or of one level of it, in no order; empty where it is none."""
    with os.scandir(folder) as entries:
        inside = list(entries)
    if not any(entry.is_dir() and _LEVEL.search(entry.name) for entry in inside):
        return [entry.path for entry in inside if _may_be_frame(entry.name) and stamp(entry.path) is not None]
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _LEVEL.search(name)]
        found += [os.path.join(where, name) for name in names if _may_be_frame(name)]
    return found


def _may_be_frame(name: str) -> bool:
    if name.startswith(".") or "frame_" not in name.lower():
        return False
    return os.path.splitext(name)[1].lower() in _SUFFIXES


class InsituMovie(ImageSequence):
    """The frames of an in-situ camera, in the order and at the times that their names give.

    Frames are numbered within each second, or through the whole recording (found from the numbers). The
    frame rate is the number of frames of the seconds that are complete: those with another second after
    them. Frames missing from the numbering are reported; the others keep their true times.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        Files with names of the layout, in any order.
    source : str

    Raises
    ------
    MovieError
        Two files stand for the same frame, or none can be read.
    """

    def __init__(self, paths: Iterable[Path | str], source: str) -> None:
        keyed = sorted((key, os.fspath(path)) for path in paths if (key := stamp(path)) is not None)
        if not keyed:
            raise MovieError(f"{source} holds no files named …_Second_NN_…_Frame_NNNN; expected an in-situ recording.")
        stamps = np.array([key for key, _ in keyed], np.int64)
        twice = np.flatnonzero(np.all(np.diff(stamps, axis=0) == 0, axis=1))
        if len(twice):
            a, b = (Path(keyed[int(twice[0]) + i][1]) for i in (0, 1))
            raise MovieError(
                f"{a.name} and {b.name} in {source} are the same frame of two recordings; give one folder each."
            )
        super().__init__([Path(path) for _, path in keyed], source, number_gaps=False)
        self.format = f"Gatan in-situ tree of {self.format}"
        clock = read_clock(stamps)
        if clock is None:
            self.warnings.append(
                "The names cover less than two seconds, which do not tell the frame rate; give --frame-interval-s."
            )
            return
        rate, times, missing = clock
        self.times_s = times - times[0]
        self._calibrate(1 / rate)
        if missing:
            self.warnings.append(
                f"{missing} frames are missing from the recording (by the numbers in the names); the frames on both "
                "sides of a gap count as consecutive, though their times are kept."
            )

    def _calibrate(self, interval_s: float) -> None:
        old: Calibration = self.calibration
        self.calibration = from_metadata(
            self.warnings, pixel_size_nm=old.pixel_size_nm, exposure_s=old.exposure_s, frame_interval_s=interval_s
        )


def read_clock(stamps: NDArray[np.int64]) -> tuple[float, NDArray[np.float64], int] | None:
    """Return the frame rate in 1/s, the time of each frame in s, and the number of missing frames.

    Parameters
    ----------
    stamps : numpy.ndarray
        Ascending (second, frame number), shape (T, 2).

    Returns
    -------
    tuple or None
        None where no second is known to be complete.
    """
    seconds, frames = stamps[:, 0], stamps[:, 1]
    starts = np.flatnonzero(np.diff(seconds, prepend=seconds[0] - 1))
    if len(starts) < 2:
        return None
    running = bool(np.all(np.diff(frames) > 0))
    if running:
        return _running_clock(seconds, frames, starts)
    return _restarting_clock(seconds, frames, starts)


def _running_clock(
    seconds: NDArray[np.int64], frames: NDArray[np.int64], starts: Sequence[int] | NDArray[np.intp]
) -> tuple[float, NDArray[np.float64], int]:
    first, last = starts[0], starts[-1]
    if len(starts) > 2:  # the first second may have been entered in its middle
        first = starts[1]
    rate = float(frames[last] - frames[first]) / float(seconds[last] - seconds[first])
    missing = int(np.sum(np.diff(frames) - 1))
    return rate, seconds[first] + (frames - frames[first]) / rate, missing


def _restarting_clock(
    seconds: NDArray[np.int64], frames: NDArray[np.int64], starts: NDArray[np.intp]
) -> tuple[float, NDArray[np.float64], int]:
    highest = np.maximum.reduceat(frames, starts)
    base = int(frames.min())
    per_second = highest[:-1] - base + 1
    # 24 and 25 frames by turns are a rate between them; a larger spread means that frames are missing
    steady = per_second.max() - per_second.min() <= 1 and len(per_second) > 1
    rate = float(per_second.mean() if steady else per_second.max())
    times = seconds + (frames - base) / rate
    whole = np.where(per_second < per_second.max() - 1, per_second.max(), per_second)
    whole[0] -= frames[0] - base  # the recording may have begun in the middle of its first second
    missing = int(np.sum(np.maximum(whole - np.diff(starts), 0)))
    tail = seconds == seconds[-1]
    missing += int(frames[tail].max() - base + 1 - tail.sum())
    gaps = np.diff(seconds[starts]) - 1
    return rate, times, missing + int(np.rint(gaps.sum() * rate))
