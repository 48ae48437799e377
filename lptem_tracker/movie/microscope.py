"""DM3/DM4, EMD, MRC, SER, TVIPS and the rest of what microscopes write, through RosettaSciIO, lazily."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Movie
from lptem_tracker.movie.grey import native, to_grey
from lptem_tracker.movie.guard import check_fits, check_frame, opening, reading
from lptem_tracker.movie.microscope_meta import Axes, arrange, read_calibration, record

_NAMES = {
    "digitalmicrograph": "DigitalMicrograph", "emd": "EMD", "mrc": "MRC", "tia": "TIA SER", "tvips": "TVIPS",
    "blockfile": "Blockfile", "quantumdetector": "Quantum Detectors MIB", "hspy": "HyperSpy", "zspy": "HyperSpy zarr",
    "nexus": "NeXus", "semper": "Semper", "ripple": "Ripple", "numpy": "NumPy", "pantarhei": "Panta Rhei",
}  # fmt: skip
_COMPRESSED = {"emd", "hspy", "zspy", "nexus", "pantarhei"}
_RATIO = 2000.0  # deflate cannot do better than about 1000 to 1; blosc somewhat


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
        with opening(source, f"a {name} file"):
            datasets = import_module(f"rsciio.{module}").file_reader(source, lazy=True)
            axes = self._pick(source, datasets, warnings)
            dataset = datasets[axes.dataset]
            data = dataset["data"]
            shape = axes.shape
            check_frame(source, shape[1], shape[2], data.dtype.itemsize)
            limit = _RATIO if module in _COMPRESSED else 1.0
            if path.is_file() and path.suffix.lower() not in {".emi", ".rpl"}:  # the pixels lie in another file
                check_fits(source, f"a {name} file", math.prod(shape) * data.dtype.itemsize, path, compression=limit)
            self._data = axes.as_movie(_signed(data, dataset, module))
            calibration = read_calibration(dataset, axes, warnings)
            dtype = to_grey(np.empty((1, 1), self._data.dtype)).dtype
        super().__init__(
            source, name, shape, native(np.empty(0, dtype)).dtype, calibration, record(dataset), None, warnings
        )
        if axes.interval_s is not None and len(self) > 1:
            self.times_s = np.arange(len(self)) * axes.interval_s

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
            frame = self._data[index]
            pixels = frame.compute(scheduler="synchronous") if hasattr(frame, "compute") else np.asarray(frame)
            return np.ascontiguousarray(to_grey(pixels))

    def close(self) -> None:
        """Release the file."""
        self._data = None


def _signed(data: Any, dataset: dict[str, Any], module: str) -> Any:
    """Return MRC bytes signed as MRC2014 has them, unless the header shows values that only fit unsigned ones."""
    if module != "mrc" or data.dtype != np.uint8:
        return data
    header = dataset.get("original_metadata", {}).get("std_header", {})
    low, high = (float(np.ravel(header.get(key, 0))[0]) for key in ("AMIN", "AMAX"))
    return data.view(np.int8) if low < 0 and high <= 127 else data
