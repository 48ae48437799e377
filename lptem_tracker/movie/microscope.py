"""DM3/DM4, EMD, MRC, SER, TVIPS and the rest of what microscopes write, through RosettaSciIO, lazily."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Movie
from lptem_tracker.movie.contiguous import ContiguousFrames
from lptem_tracker.movie.grey import native, to_grey
from lptem_tracker.movie.guard import check_fits, check_frame, opening, reading
from lptem_tracker.movie.microscope_meta import Axes, arrange, read_calibration, record
from lptem_tracker.movie.ser import SerMovie
from lptem_tracker.movie.sniff import first_bytes

_NAMES = {
    "digitalmicrograph": "DigitalMicrograph", "emd": "EMD", "mrc": "MRC", "tia": "TIA SER", "tvips": "TVIPS",
    "blockfile": "Blockfile", "quantumdetector": "Quantum Detectors MIB", "hspy": "HyperSpy", "zspy": "HyperSpy zarr",
    "nexus": "NeXus", "semper": "Semper", "ripple": "Ripple", "numpy": "NumPy", "pantarhei": "Panta Rhei",
}  # fmt: skip
_COMPRESSED = {"emd", "hspy", "zspy", "nexus", "pantarhei"}
_RATIO = 2000.0  # deflate cannot do better than about 1000 to 1; blosc somewhat
_ONE_CHUNK = {"digitalmicrograph", "mrc", "blockfile"}
_BLOCK_BYTES = 2**28
_PIXELS_ELSEWHERE = {".emi", ".rpl"}


class MicroscopeMovie(Movie):
    """A file in a format of an electron microscope.

    Of several pictures in the file (detectors of a scan, say) the one with the most frames is taken, and a
    warning names the others. One axis may be there beside y and x: it is the time, and its step the
    frame interval where its unit is one of time. A stack of another unit (µm: depth, °: tilt) is read
    all the same, with a warning.

    Parameters
    ----------
    path : pathlib.Path
    module : str
        The reader, a module of `rsciio`.

    Raises
    ------
    MovieError
        It cannot be read, holds no real-valued pictures, or has more axes.
    """

    def __init__(self, path: Path, module: str) -> None:
        source, name = str(path), _NAMES[module]
        self._data: Any = None
        warnings: list[str] = []
        with opening(source, name):
            datasets = _load(path, module)
            axes = self._pick(source, datasets, warnings)
            dataset = datasets[axes.dataset]
            check_frame(source, *axes.shape[1:], dataset["data"].dtype.itemsize)
            self._data = _frames(path, module, dataset, axes, warnings)
            calibration = read_calibration(dataset, axes, warnings)
            dtype = to_grey(np.empty((1, 1), self._data.dtype)).dtype
        shape = (self._data.shape[0], *axes.shape[1:])
        super().__init__(
            source, name, shape, native(np.empty(0, dtype)).dtype, calibration, record(dataset), None, warnings
        )
        if axes.interval_s is not None and len(self) > 1:
            self.times_s = np.arange(len(self), dtype=np.float64) * axes.interval_s

    @staticmethod
    def _pick(source: str, datasets: list[dict[str, Any]], warnings: list[str]) -> Axes:
        found, refused = [], ""
        for number, dataset in enumerate(datasets):
            try:
                found.append(arrange(number, dataset))
            except MovieError as error:
                refused = refused or str(error)
        if not found:
            raise MovieError(f"{source} holds no movie: {refused or 'there is no picture in it'}.")
        best = max(found, key=lambda axes: (axes.shape[0], math.prod(axes.shape[1:]), -axes.dataset))
        if len(found) > 1:
            titles = [
                str(datasets[axes.dataset].get("metadata", {}).get("General", {}).get("title", "untitled"))
                for axes in found
            ]
            chosen = titles[found.index(best)]
            warnings.append(f"The file holds {len(found)} pictures or stacks ({', '.join(titles)}); {chosen} is read.")
        return best

    def _read(self, index: int) -> NDArray[Any]:
        if self._data is None:
            raise MovieError(f"{self.source} is closed; open it again.")
        with reading(self.source, f"frame {index}"):
            return np.ascontiguousarray(to_grey(self._data[index]))

    def close(self) -> None:
        """Release the file."""
        if isinstance(self._data, ContiguousFrames):
            self._data.close()
        self._data = None


def open_microscope(path: Path, module: str) -> Movie:
    """Return the movie of a microscope's file, by the module of `rsciio` that reads its format."""
    if module == "tia" and path.suffix.lower() != ".emi":
        return SerMovie(path)
    return MicroscopeMovie(path, module)


def read_picture(path: Path, module: str) -> NDArray[Any]:
    """Return the one picture of a file, shape (Y, X): for series, where opening each file lazily would cost most.

    Raises
    ------
    MovieError
        It is damaged, or holds a movie or none.
    """
    if module != "digitalmicrograph":  # other formats may be compressed: only a lazy reader looks at the header first
        with open_microscope(path, module) as movie:
            return movie.read(0).pixels
    with reading(str(path), "DigitalMicrograph"):
        datasets = import_module(f"rsciio.{module}").file_reader(str(path))
        pictures = [data for data in (np.squeeze(dataset["data"]) for dataset in datasets) if data.ndim == 2]
        if not pictures:
            raise MovieError(f"{path} holds no single picture; a series has one frame a file.")
        return np.ascontiguousarray(to_grey(max(pictures, key=lambda picture: picture.size)))


def _load(path: Path, module: str) -> list[dict[str, Any]]:
    read = import_module(f"rsciio.{module}").file_reader
    # one chunk for all: the frames are read where they lie, and dividing a damaged header's size takes for ever
    options: dict[str, Any] = {"chunks": -1} if module in _ONE_CHUNK else {}
    if module == "mrc" and _big_endian_mrc(path):
        options["endianness"] = ">"
    try:
        return list(read(str(path), lazy=True, **options))
    except ValueError as error:
        if "RGBA" not in str(error):
            raise
        return list(read(str(path), lazy=False))  # colour pictures of DigitalMicrograph are screenshots, and small


def _big_endian_mrc(path: Path) -> bool:
    return first_bytes(path)[212:214] == b"\x11\x11"


def _frames(path: Path, module: str, dataset: dict[str, Any], axes: Axes, warnings: list[str]) -> Any:
    """Return what gives frame i as ``[i]``: plain reads where the frames lie as they are, dask blocks otherwise."""
    data = dataset["data"]
    plain = None
    if module == "mrc":
        plain = _mrc_frames(path, dataset, axes)
    elif module == "digitalmicrograph" and axes.in_order(data.ndim):
        image = dataset["original_metadata"].get("ImageList", {}).get("TagGroup0", {}).get("ImageData", {})
        place = image.get("Data", {})
        if isinstance(place, Mapping) and place.get("size_bytes") == data.dtype.itemsize * math.prod(data.shape):
            plain = ContiguousFrames(path, data.dtype, axes.shape, place["offset"])
    if plain is not None:
        return plain.cut(f"{_NAMES[module]} file", warnings)
    ratio = _RATIO if module in _COMPRESSED else 1.0
    if path.is_file() and path.suffix.lower() not in _PIXELS_ELSEWHERE:
        n_bytes = math.prod(axes.shape) * data.dtype.itemsize
        check_fits(str(path), _NAMES[module], n_bytes, path, compression=ratio)
    return DaskFrames(axes.as_movie(data))


def _mrc_frames(path: Path, dataset: dict[str, Any], axes: Axes) -> ContiguousFrames:
    header = dataset["original_metadata"]["std_header"]
    dtype = dataset["data"].dtype
    low, high = (float(np.ravel(header.get(key, 0))[0]) for key in ("AMIN", "AMAX"))
    if dtype == np.uint8 and low < 0 and high <= 127:
        # MRC2014 bytes are signed, those of older writers and of counting cameras are not: the header's extremes tell
        dtype = np.dtype(np.int8)
    if _big_endian_mrc(path):
        dtype = dtype.newbyteorder(">")
    return ContiguousFrames(path, dtype, axes.shape, 1024 + int(np.ravel(header["NEXT"])[0]))


class DaskFrames:
    """Frames of a lazy array, a block at a time where a block holds several and fits.

    Parameters
    ----------
    data : dask.array.Array or numpy.ndarray
        Shape (T, Y, X).
    """

    def __init__(self, data: Any) -> None:
        self.shape, self.dtype, self._data = data.shape, data.dtype, data
        self._starts = np.cumsum((0, *data.chunks[0])) if hasattr(data, "chunks") else None
        self._block: tuple[int, Any] | None = None

    def __getitem__(self, index: int) -> NDArray[Any]:
        if self._starts is None:
            return np.asarray(self._data[index])
        block = int(np.searchsorted(self._starts, index, side="right")) - 1
        start, stop = int(self._starts[block]), int(self._starts[block + 1])
        if (stop - start) * math.prod(self.shape[1:]) * self.dtype.itemsize > _BLOCK_BYTES:
            return np.asarray(self._data[index].compute(scheduler="synchronous"))
        if self._block is None or self._block[0] != block:
            self._block = None
            self._block = (block, np.asarray(self._data[start:stop].compute(scheduler="synchronous")))
        return np.asarray(self._block[1][index - start])
