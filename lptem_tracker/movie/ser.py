"""TIA series (.ser), read element by element: RosettaSciIO's reader loads the whole file for each frame.

Layout as in C. B. Boothroyd's description of the format (2010) and the header lists of RosettaSciIO.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Movie
from lptem_tracker.movie.grey import native
from lptem_tracker.movie.guard import check_frame, opening, reading
from lptem_tracker.movie.scale import from_metadata, square_pixel, to_s

_IMAGES = 0x4122
_NARROW_UP_TO = 0x0210
_DTYPES = {1: "<u1", 2: "<u2", 3: "<u4", 4: "<i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
_ELEMENT = np.dtype(
    [("offset_x", "<f8"), ("delta_x", "<f8"), ("element_x", "<u4"), ("offset_y", "<f8"), ("delta_y", "<f8"),
     ("element_y", "<u4"), ("type", "<u2"), ("size_x", "<u4"), ("size_y", "<u4")]
)  # fmt: skip
_STAMP_SPAN_S = 100


class SerMovie(Movie):
    """A series of images that TIA wrote.

    The file stamps each image with a whole second only. Over a series of at least 100 s they give the mean frame
    interval to 1 % or better, which is then taken; over a shorter one the interval stays unknown. Rows run
    from the top of the picture as TIA shows it, which stores them from the bottom.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    MovieError
        It is damaged, holds spectra or complex images, or is a map instead of a series.
    """

    def __init__(self, path: Path) -> None:
        warnings: list[str] = []
        with opening(str(path), "TIA SER"), path.open("rb") as file:
            offsets, tags = _offsets(file, path)
            interval = _step(file) or _interval(file, tags, warnings)
            first = _element(file, int(offsets[0]))
            self._offsets = offsets
            self._dtype = np.dtype(_DTYPES.get(int(first["type"]), "V1"))
            if self._dtype.kind == "V":
                raise MovieError(
                    f"{path} holds complex or unknown pixels (type {first['type']}); expected real numbers."
                )
            height, width = int(first["size_y"]), int(first["size_x"])
            check_frame(str(path), height, width, self._dtype.itemsize)
            ends = offsets + _ELEMENT.itemsize + height * width * self._dtype.itemsize
            whole = (offsets > 0) & (ends <= path.stat().st_size)
        if not whole[0]:
            raise MovieError(f"{path} holds not one whole frame: it is incomplete; copy it again.")
        if not whole.all():
            self._offsets = offsets[whole]
            warnings.append(
                f"The SER file is incomplete: {whole.sum()} of {len(offsets)} frames are there and are used."
            )
        pixel = square_pixel(float(first["delta_x"]) * 1e9, float(first["delta_y"]) * 1e9, warnings)
        self._path = path
        self._file: BinaryIO | None = None
        super().__init__(
            str(path), "TIA SER", (len(self._offsets), height, width), native(np.empty(0, self._dtype)).dtype,
            from_metadata(warnings, pixel_size_nm=pixel, frame_interval_s=interval), {}, None, warnings,
        )  # fmt: skip

    def _read(self, index: int) -> NDArray[Any]:
        with reading(self.source, f"frame {index}"):
            if self._file is None:
                self._file = self._path.open("rb")
                weakref.finalize(self, self._file.close)
            element = _element(self._file, int(self._offsets[index]))
            size = (int(element["size_y"]), int(element["size_x"]))
            if size != self.shape[1:]:
                raise MovieError(
                    f"Frame {index} of {self.source} is {size[1]} × {size[0]} px; the movie is "
                    f"{self.shape[2]} × {self.shape[1]}."
                )
            flat = np.fromfile(self._file, self._dtype, size[0] * size[1])
            return native(np.ascontiguousarray(flat.reshape(size)[::-1]))

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _offsets(file: BinaryIO, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each image and each image's tag starts; the file is left at the dimension array."""
    if file.read(4) != b"II\x97\x01":
        raise MovieError(f"{path} is no TIA series; check what it is.")
    wide = _number(file, 4, "<u2") > _NARROW_UP_TO
    width = 8 if wide else 4
    kind, total, valid = (_number(file, at, "<u4") for at in (6, 14, 18))
    table, dimensions = _number(file, 22, f"<u{width}"), _number(file, 22 + width, "<u4")
    size = path.stat().st_size
    if kind != _IMAGES:
        raise MovieError(f"{path} holds spectra, expected pictures.")
    if dimensions > 1:
        raise MovieError(f"{path} is a map with a picture at each of its points, expected pictures in time.")
    if not 1 <= valid <= total or table + total * width > size:
        raise MovieError(
            f"{path} announces {total} pictures, {valid} of them valid, and holds none: it is empty or damaged."
        )
    file.seek(table)
    found = np.fromfile(file, f"<u{width}", 2 * total).astype(np.int64)
    images, tags = found[:valid], found[total : total + valid]
    if not 0 < images[0] < size - _ELEMENT.itemsize:
        raise MovieError(f"{path} holds no picture: it is incomplete; copy it again from where it was recorded.")
    file.seek(26 + width)
    return images, tags[(tags > 0) & (tags + 8 <= size)]


def _number(file: BinaryIO, at: int, dtype: str) -> int:
    file.seek(at)
    return int(np.frombuffer(file.read(np.dtype(dtype).itemsize), dtype)[0])


def _step(file: BinaryIO) -> float | None:
    """Return the step of the series axis in s where its unit is one of time, from the file's present place."""
    start = file.tell()
    delta = float(np.frombuffer(file.read(24), "<f8", 1, 12)[0])
    length = _number(file, start + 24, "<u4")
    unit_length = _number(file, start + 28 + length, "<u4") if length < 1024 else 0
    return to_s(delta, file.read(unit_length).decode("latin-1")) if unit_length < 64 else None


def _element(file: BinaryIO, offset: int) -> Any:
    file.seek(offset)
    return np.frombuffer(file.read(_ELEMENT.itemsize), _ELEMENT)[0]


def _interval(file: BinaryIO, tags: NDArray[np.int64], warnings: list[str]) -> float | None:
    if len(tags) < 2:
        return None
    seconds = []
    for at in (tags[0], tags[-1]):
        file.seek(int(at) + 4)
        seconds.append(int(np.frombuffer(file.read(4), "<u4")[0]))
    span = seconds[1] - seconds[0]
    if not _STAMP_SPAN_S <= span < 10**7:
        return None
    warnings.append("The frame interval is the mean over the series: the file stamps its pictures to the second only.")
    return span / (len(tags) - 1)
