"""Frames in order, read ahead on a thread; what cannot be used is named and left out."""

from __future__ import annotations

import queue
import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError, SettingsError
from lptem_tracker.movie.base import Frame, Movie

Roi = tuple[int, int, int, int]


@dataclass
class FrameProblems:
    """Frames that could not be used, by reason, in the order met, which is that of the movie."""

    frames: dict[str, list[int]] = field(default_factory=dict)

    def add(self, reason: str, index: int) -> None:
        """Note that frame `index` was left out."""
        self.frames.setdefault(reason, []).append(index)

    def forget(self, first: int) -> None:
        """Drop what was noted of frame `first` and later ones, which will be read again."""
        for reason, frames in list(self.frames.items()):
            del frames[bisect_left(frames, first) :]
            if not frames:
                del self.frames[reason]

    def within(self, first: int, stop: int) -> dict[str, list[int]]:
        """Return the reasons of the frames in a range; frame numbers first <= i < stop."""
        noted = list(self.frames.items())  # a thread that reads ahead may be adding to them
        found = {reason: frames[bisect_left(frames, first) : bisect_left(frames, stop)] for reason, frames in noted}
        return {reason: frames for reason, frames in found.items() if frames}

    def sentences(self) -> list[str]:
        """Return one sentence a reason, for the report."""
        return [f"{_count(indices)} {_agreeing(reason, len(indices))}." for reason, indices in self.frames.items()]


_SINGULAR = {"hold": "holds", "are": "is", "repeat": "repeats"}


def _agreeing(reason: str, n: int) -> str:
    verb, _, rest = reason.partition(" ")
    return f"{_SINGULAR.get(verb, verb)} {rest.replace('were left', 'was left')}" if n == 1 else reason


def _count(indices: list[int]) -> str:
    shown = ", ".join(map(str, indices[:8])) + (", …" if len(indices) > 8 else "")
    return f"{len(indices)} frame{'s' * (len(indices) > 1)} ({shown})"


def stream_frames(
    movie: Movie,
    start: int = 0,
    stop: int | None = None,
    *,
    roi: Roi | None = None,
    problems: FrameProblems | None = None,
    after: int | None = None,
    ahead: int = 16,
) -> Iterator[Frame]:
    """Yield the usable frames of a movie in order while the next ones are being read.

    Parameters
    ----------
    movie : Movie
    start, stop : int
        Range of frame indices; an index keeps its meaning in the whole movie.
    roi : tuple of int, optional
        (x, y, width, height) in px to cut out; positions then count from its corner.
    problems : FrameProblems, optional
        Collects frames that hold no picture (constant, or no finite pixel) or repeat the one before; frames
        that cannot be read are in `movie.left_out`.
    after : int, optional
        Frame that the first one is compared with, when a range goes on where another ended.
    ahead : int
        Frames read in advance; bounds the memory.

    Raises
    ------
    MovieError
        Not a single frame of the range could be read.
    """
    found = problems if problems is not None else FrameProblems()
    box: queue.Queue[Frame | BaseException | None] = queue.Queue(maxsize=max(1, ahead))
    stopped = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
        """Hand an item on; False when nobody waits for it any more."""
        while not stopped.is_set():
            try:
                box.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        """Read until the end, the consumer's stop, or an error."""
        try:
            for frame in _usable(movie, start, stop, roi, found, after):
                if not put(frame):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put(error)

    thread = threading.Thread(target=produce, name="frame reader", daemon=True)
    thread.start()
    try:
        while (item := box.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _usable(
    movie: Movie, start: int, stop: int | None, roi: Roi | None, problems: FrameProblems, after: int | None
) -> Iterator[Frame]:
    previous = None if after is None else _picture(movie, after, roi)
    for frame in movie.frames(start, stop):
        pixels = frame.pixels if roi is None else _cut(frame.pixels, roi)
        if (reason := no_picture(pixels)) is not None:
            problems.add(reason, frame.index)
            continue
        if previous is not None and np.array_equal(previous, pixels):
            problems.add("repeat the frame before exactly (a duplicated frame makes motion look slower)", frame.index)
        previous = pixels
        yield Frame(frame.index, pixels, frame.time_s)


def _picture(movie: Movie, index: int, roi: Roi | None) -> NDArray[Any] | None:
    """Return the last usable picture at or before a frame."""
    for at in range(index, -1, -1):
        try:
            pixels = movie.read(at).pixels
        except MovieError:
            continue
        pixels = pixels if roi is None else _cut(pixels, roi)
        if no_picture(pixels) is None:
            return pixels
    return None


def _cut(pixels: NDArray[Any], roi: Roi) -> NDArray[Any]:
    x, y, width, height = roi
    return pixels[y : y + height, x : x + width]


def no_picture(pixels: NDArray[Any]) -> str | None:
    """Say why a frame holds no picture, or return None when it does."""
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).any():
        return "hold no finite pixel and were left out"
    low, high = np.nanmin(pixels), np.nanmax(pixels)
    if low == high:
        return f"are constant ({low:g} everywhere) and were left out"
    return None


def frame_range(text: str | None, n_frames: int) -> tuple[int, int]:
    """Return the first and the one past the last frame of ``"A:B"``; None is the whole movie.

    Raises
    ------
    SettingsError
        The range holds no frame.
    """
    if text is None:
        return 0, n_frames
    first, _, last = text.partition(":")
    start, stop = int(first or 0), min(int(last or n_frames), n_frames)
    if start >= stop:
        raise SettingsError(
            f"--frames {text} leaves none of the movie's {n_frames} frames; give A:B with A < B <= {n_frames}."
        )
    return start, stop


def checked_roi(roi: Roi | None, movie: Movie) -> Roi | None:
    """Return the region if it lies in the frame.

    Raises
    ------
    SettingsError
        It does not, or is smaller than 8x8 px.
    """
    if roi is None:
        return None
    x, y, width, height = roi
    if min(x, y) < 0 or min(width, height) < 8 or x + width > movie.shape[2] or y + height > movie.shape[1]:
        raise SettingsError(
            f"--roi X,Y,WIDTH,HEIGHT = {x},{y},{width},{height} does not lie in the frame of "
            f"{movie.shape[2]}x{movie.shape[1]} px (at least 8x8 px)."
        )
    return roi
