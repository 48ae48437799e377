"""TIFF stacks, BigTIFF, ImageJ and OME-TIFF: pages read one at a time, or read where they lie together."""

from __future__ import annotations

import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Movie
from lptem_tracker.movie.contiguous import ContiguousFrames
from lptem_tracker.movie.grey import native, to_grey
from lptem_tracker.movie.guard import Complaints, check_fits, check_frame, opening, reading
from lptem_tracker.movie.scale import from_metadata
from lptem_tracker.movie.tiff_meta import read_scale


class TiffMovie(Movie):
    """A TIFF file of one or more pages, or an OME-TIFF of several files.

    Pages that lie together uncompressed (ImageJ stacks beyond 4 GB too) are read where they lie, others
    are decoded one at a time. Of an ImageJ or OME hyperstack one axis may be longer than 1 beside Y, X and
    colour: it is taken for time. MINISWHITE pages keep the values that are stored.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    MovieError
        It is no TIFF, is damaged, or has more than one axis besides Y and X.
    """

    def __init__(self, path: Path) -> None:
        source = str(path)
        self._plain: ContiguousFrames | None = None
        self._pages: Any = None
        self._tif: Any = None
        warnings: list[str] = []
        try:
            with opening(source, "a TIFF stack"), Complaints("tifffile") as complaints:
                self._tif = tifffile.TiffFile(path)
                weakref.finalize(self, self._tif.close)
                first = self._tif.pages[0]
                check_frame(source, int(first.imagelength), int(first.imagewidth), int(first.dtype.itemsize))
                self._order = str(first.axes)
                shape, dtype = self._lay_out(path, warnings)
                scale = read_scale(self._tif, shape[0], warnings)
        except MovieError:
            self.close()
            raise
        if complaints.lines:
            warnings.append(f"The TIFF is damaged or incomplete in part ({complaints.lines[0][:160]}).")
        calibration = from_metadata(
            warnings, pixel_size_nm=scale.pixel_size_nm, frame_interval_s=scale.frame_interval_s,
            exposure_s=scale.exposure_s,
        )  # fmt: skip
        super().__init__(
            source, scale.format, shape, native(np.empty(0, dtype)).dtype, calibration, scale.metadata,
            scale.times_s, warnings,
        )  # fmt: skip

    def _lay_out(self, path: Path, warnings: list[str]) -> tuple[tuple[int, int, int], np.dtype[Any]]:
        first = self._tif.pages[0]
        height, width = int(first.imagelength), int(first.imagewidth)
        described = self._tif.flags & {"ome", "imagej", "shaped", "mmstack", "stk", "lsm", "nih"}
        if described and not (described == {"shaped"} and self._is_written_page_by_page()):
            series = self._tif.series[0]
            announced = int((self._tif.imagej_metadata or {}).get("images", 1)) if self._tif.is_imagej else 1
            if announced > 1 and len(series.pages) == 1 and first.compression == 1:
                # the stack is cut off: there is no series of it any more, but its frames lie behind the first
                shape = (announced, *first.shape)
                plain = ContiguousFrames(
                    path, np.dtype(self._tif.byteorder + first.dtype.char), shape, first.dataoffsets[0]
                )
                self._plain = plain.cut("TIFF", warnings)
                return (self._plain.shape[0], height, width), first.dtype
            self._pages = series.pages
            self._order = _frame_axes(str(path), series)
            count = math.prod(series.shape) // math.prod(
                n for n, axis in zip(series.shape, series.axes, strict=True) if axis in self._order
            )
            height, width = (series.shape[series.axes.index(axis)] for axis in "YX")
            if series.dataoffset is not None:
                count = self._lie_together(path, series, count, warnings)
        else:
            self._pages = self._tif.pages
            count = len(self._pages)
            if count > 1 and self._pages[1].shape != first.shape:
                warnings.append("Pages of a TIFF that are of another size than the first (thumbnails) are left out.")
        if not count:
            raise MovieError(f"{path} holds no complete frame; it is empty or incomplete.")
        if self._plain is None and first.compression == 1:
            check_fits(str(path), "a TIFF page", math.prod(first.shape) * first.dtype.itemsize, path)
        return (int(count), int(height), int(width)), first.dtype

    def _is_written_page_by_page(self) -> bool:
        """Whether each page, or run of pages, was described as a picture of its own: together they are the movie.

        A stack and a picture of another kind after it, a thumbnail, are not.
        """
        first, *others = self._tif.series
        alike = any((each.keyframe.shape, each.dtype) == (first.keyframe.shape, first.dtype) for each in others)
        return alike and sum(len(each.pages) for each in (first, *others)) == len(self._tif.pages)

    def _lie_together(self, path: Path, series: Any, count: int, warnings: list[str]) -> int:
        shape = [n for n, axis in zip(series.shape, series.axes, strict=True) if axis in self._order]
        dtype = np.dtype(self._tif.byteorder + series.dtype.char)
        self._plain = ContiguousFrames(path, dtype, (count, *shape), series.dataoffset).cut("TIFF", warnings)
        return self._plain.shape[0]

    def _read(self, index: int) -> NDArray[Any]:
        if self._tif is None:
            raise MovieError(f"{self.source} is closed; open it again.")
        with reading(self.source, f"frame {index}"):
            pixels = self._plain[index] if self._plain is not None else self._page(index)
            if self._order.startswith("S"):
                pixels = np.moveaxis(pixels, 0, -1)
            grey = to_grey(pixels)
        if grey.shape != self.shape[1:]:
            raise MovieError(
                f"Frame {index} of {self.source} is {grey.shape[1]} × {grey.shape[0]} px; the movie is "
                f"{self.shape[2]} × {self.shape[1]}."
            )
        return grey

    def _page(self, index: int) -> NDArray[Any]:
        page = self._pages[index]
        if page is None:
            raise MovieError(f"Frame {index} of {self.source} lies in a file that is not there.")
        height, width = (int(page.shape[str(page.axes).index(axis)]) for axis in "YX")
        check_frame(self.source, height, width, int(page.dtype.itemsize))
        usual = self._tif.pages[0].dtype  # the first of `_pages` may lie in a file that is not there
        if page.dtype != usual:
            raise MovieError(f"Frame {index} of {self.source} holds {page.dtype}; the movie {usual}.")
        handle = page.parent.filehandle
        elsewhere = bool(handle.closed)  # a further file of a multi-file OME-TIFF
        if elsewhere:
            handle.open()
        try:
            pixels: NDArray[Any] = page.asarray()
        finally:
            if elsewhere:
                handle.close()
        return pixels

    def close(self) -> None:
        """Release the file."""
        if self._plain is not None:
            self._plain.close()
        self._plain = self._pages = None
        if self._tif is not None:
            self._tif.close()
            self._tif = None


def read_page(path: Path) -> NDArray[Any]:
    """Return the picture of a TIFF file of one page, shape (Y, X).

    Raises
    ------
    MovieError
        It is damaged, or has more than one page.
    """
    with reading(str(path), "a TIFF image"), tifffile.TiffFile(path) as tif:
        page: Any = tif.pages[0]
        if len(tif.pages) > 1:
            raise MovieError(f"{path} holds {len(tif.pages)} pages; a series has one frame a file.")
        check_frame(str(path), int(page.imagelength), int(page.imagewidth), int(page.dtype.itemsize))
        if page.compression == 1:
            check_fits(str(path), "a TIFF image", math.prod(page.shape) * page.dtype.itemsize, path)
        pixels = page.asarray()
        return to_grey(np.moveaxis(pixels, 0, -1) if str(page.axes).startswith("S") else pixels)


def _frame_axes(source: str, series: Any) -> str:
    """Return the axes within one frame ('YX', 'YXS' or 'SYX'), or refuse more than one axis beside them."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if "Y" not in sizes or "X" not in sizes:
        raise MovieError(f"{source} has the axes {series.axes}; expected pictures with Y and X.")
    long = {axis: n for axis, n in sizes.items() if axis not in "YXS" and n > 1}
    if len(long) > 1:
        axes = ", ".join(f"{axis} = {n}" for axis, n in long.items())
        raise MovieError(
            f"{source} has more than one axis beside Y and X ({axes}); a movie has one: time. "
            "Split it into one stack per channel or depth."
        )
    return "".join(axis for axis in series.axes if axis in "YXS")
