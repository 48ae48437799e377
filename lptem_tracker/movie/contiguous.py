"""Frames that lie uncompressed one behind the other in a file: read one at a time, never mapped as a whole.

A mapped file counts as memory of the process for as long as it is mapped, so that reading through a movie larger
than memory would fill it; plain reads stay at one frame.
"""

from __future__ import annotations

import math
import weakref
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.grey import native


class ContiguousFrames:
    """Frames of one shape and dtype at equal distances in a file.

    Parameters
    ----------
    path : pathlib.Path
    dtype : numpy.dtype
        In the byte order of the file.
    shape : tuple of int
        (T, Y, X) or (T, Y, X, colours).
    offset : int
        Where the first frame starts, in bytes.
    stride : int, optional
        From the start of a frame to that of the next, in bytes; one frame where not given.

    Frames come out in the machine's byte order.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, stride: int | None = None
    ) -> None:
        self.path, self.dtype, self.shape, self.offset = path, np.dtype(dtype), tuple(map(int, shape)), int(offset)
        self.frame_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        self.stride = self.frame_bytes if stride is None else int(stride)
        self._file: FileIO | None = None
        self._buffer: NDArray[Any] | None = None

    def whole(self) -> int:
        """Return how many of the frames lie in the file with all their bytes."""
        room = self.path.stat().st_size - self.offset - self.frame_bytes
        return 0 if room < 0 else min(self.shape[0], room // self.stride + 1)

    def cut(self, what: str, warnings: list[str]) -> ContiguousFrames:
        """Return the frames that the file really holds, with a warning where it announces more.

        Raises
        ------
        MovieError
            There is not one whole frame.
        """
        whole = self.whole()
        if whole == self.shape[0]:
            return self
        if whole == 0:
            raise MovieError(
                f"{self.path} announces {self.shape[0]} frames of {self.shape[2]} × {self.shape[1]} px but holds not "
                "one whole frame: it is damaged or incomplete; copy it again from where it was recorded."
            )
        warnings.append(
            f"The {what} is incomplete or damaged: it announces {self.shape[0]} frames and holds {whole} whole ones, "
            "which are used."
        )
        return ContiguousFrames(self.path, self.dtype, (whole, *self.shape[1:]), self.offset, self.stride)

    def __getitem__(self, index: int) -> NDArray[Any]:
        if self._file is None:
            self._file = self.path.open("rb", buffering=0)
            weakref.finalize(self, self._file.close)
            # pixels in foreign byte order are copied in any case: one buffer takes them all in
            self._buffer = None if self.dtype.isnative else np.empty(self.shape[1:], self.dtype)
        self._file.seek(self.offset + index * self.stride)
        out = np.empty(self.shape[1:], self.dtype) if self._buffer is None else self._buffer
        if self._file.readinto(out.reshape(-1).view(np.uint8).data) != self.frame_bytes:
            raise MovieError(f"Frame {index} of {self.path} is cut off; the file is incomplete.")
        return out if self._buffer is None else native(out)

    def close(self) -> None:
        """Close the file; it is opened again when a frame is asked for."""
        if self._file is not None:
            self._file.close()
            self._file = None
