"""The contract of the movie room: a Movie gives Frames lazily, whatever file they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import MovieError


@dataclass(frozen=True)
class Frame:
    """One picture of a movie.

    Attributes
    ----------
    index : int
        Position in the movie, from 0.
    pixels : numpy.ndarray
        Shape (Y, X), in the depth of the file (8/16/32-bit integer or float).
    time_s : float or None
        Start of the frame since the first one in s, where the file tells it.
    """

    index: int
    pixels: NDArray[Any]
    time_s: float | None = None


@dataclass
class Movie(ABC):
    """A sequence of grey frames of one size, read one at a time in constant memory.

    Attributes
    ----------
    source : str
        What was opened, as a user would recognise it.
    format : str
        Name of the file format.
    shape : tuple of int
        (T, Y, X).
    dtype : numpy.dtype
    calibration : Calibration
    metadata : mapping
        What the file says of itself, for the record; never interpreted again.
    times_s : numpy.ndarray or None
        Start of each frame in s since the first, shape (T,), where the file tells it. As long as the
        frame interval is unknown (a video that plays at some rate) this is a playback clock, not time.
    warnings : list of str
        Reservations found while opening or reading (dropped frames, odd sizes).
    left_out : dict of int to str
        Frames that `frames` could not read and went past, each with the reason.
    """

    source: str
    format: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    calibration: Calibration = field(default_factory=Calibration)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    times_s: NDArray[np.float64] | None = None
    warnings: list[str] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def _read(self, index: int) -> NDArray[Any]:
        """Return the (Y, X) pixels of frame `index`, 0 <= index < len(self)."""

    def read(self, index: int) -> Frame:
        """Return one frame; negative indices count from the end.

        Raises
        ------
        MovieError
            There is no such frame, or it cannot be decoded.
        """
        n = len(self)
        if not -n <= index < n:
            raise MovieError(f"{self.source} has frames 0 to {n - 1}; frame {index} was asked for.")
        index %= n
        time = None if self.times_s is None else float(self.times_s[index])
        return Frame(index, self._read(index), time)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Yield the readable frames in order; a reader that is faster in sequence overrides this.

        A frame that cannot be read is left out and named in `warnings`, so that the rest of a
        damaged movie can be analysed: go by `Frame.index`, never by counting.

        Raises
        ------
        MovieError
            Not one of the frames asked for can be read.
        """
        some, reason = False, ""
        for index in range(*slice(start, stop, step).indices(len(self))):
            try:
                frame = self.read(index)
            except MovieError as error:
                reason = str(error)
                self.leave_out(index, reason)
                continue
            some = True
            yield frame
        if reason and not some:
            raise MovieError(reason)

    def leave_out(self, index: int, reason: str) -> None:
        """Note a frame that cannot be read, in one line of `warnings` for all of them."""
        before = self._left_out_line()
        self.left_out.setdefault(index, reason)
        if before in self.warnings:
            self.warnings.remove(before)
        self.warnings.append(self._left_out_line())

    def _left_out_line(self) -> str:
        if not self.left_out:
            return ""
        first = list(islice(self.left_out, 8))
        more = ", …" if len(self.left_out) > len(first) else ""
        return (
            f"{len(self.left_out)} of {len(self)} frames could not be read and were left out "
            f"({', '.join(map(str, first))}{more}); the first: {self.left_out[first[0]]}"
        )

    def close(self) -> None:  # noqa: B027 - a movie in memory has nothing to release
        """Release the file; reading afterwards is an error."""

    def __enter__(self) -> Movie:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ArrayMovie(Movie):
    """A movie held in memory: the twin of the file readers that keeps tests fast.

    Parameters
    ----------
    pixels : array_like
        Shape (T, Y, X), or a sequence of (Y, X) arrays.
    """

    def __init__(
        self,
        pixels: NDArray[Any] | Sequence[NDArray[Any]],
        *,
        calibration: Calibration | None = None,
        source: str = "array",
    ) -> None:
        stack = np.asarray(pixels)
        if stack.ndim != 3 or 0 in stack.shape:
            raise MovieError(f"A movie has the shape (T, Y, X) with no empty axis; got {stack.shape}.")
        shape = (stack.shape[0], stack.shape[1], stack.shape[2])
        super().__init__(source, "array", shape, stack.dtype, calibration or Calibration())
        self._pixels = stack

    def _read(self, index: int) -> NDArray[Any]:
        frame: NDArray[Any] = self._pixels[index]
        return frame
