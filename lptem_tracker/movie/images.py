"""Folders, globs and lists of single images in natural order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Movie
from lptem_tracker.movie.grey import to_grey
from lptem_tracker.movie.guard import check_frame, reading
from lptem_tracker.movie.microscope import open_microscope, read_picture
from lptem_tracker.movie.natural import frame_numbers, missing_numbers
from lptem_tracker.movie.sniff import family
from lptem_tracker.movie.tiff import TiffMovie, read_page

_PROBED = 16


class ImageSequence(Movie):
    """One image a frame, each file read when its frame is asked for.

    Frames of another size or depth than most, and files that cannot be read, are left out with a warning.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        In the order of the frames.
    source : str
        What the user gave: a folder, a glob or a file.
    number_gaps : bool
        Whether gaps in the running numbers of the names are worth a warning.

    Raises
    ------
    MovieError
        No image can be read, they have no common size, or the files are movies themselves.
    """

    def __init__(self, paths: Sequence[Path], source: str, *, number_gaps: bool = True) -> None:
        self.paths = list(paths)
        warnings: list[str] = []
        size, first = self._probe(source, warnings)
        with _open_single(self.paths[first]) as movie:
            pixels = movie.read(0).pixels
            name, metadata, calibration = movie.format, movie.metadata, movie.calibration
            warnings += [line for line in movie.warnings if line not in warnings]
        super().__init__(
            source, name if len(self.paths) == 1 else f"{name} images", (len(self.paths), *size), pixels.dtype,
            calibration, {**metadata, "first_file": self.paths[0].name, "last_file": self.paths[-1].name},
            warnings=warnings,
        )  # fmt: skip
        if number_gaps and len(self.paths) > 1:
            numbers = frame_numbers(self.paths)
            gaps = None if numbers is None else missing_numbers(numbers)
            if gaps:
                self.warnings.append(gaps)

    def _probe(self, source: str, warnings: list[str]) -> tuple[tuple[int, int], int]:
        """Return the size that most of some frames across the series have, and the first frame of that size."""
        probed = np.unique(np.linspace(0, len(self.paths) - 1, _PROBED).astype(int))
        sizes: dict[int, tuple[int, int]] = {}
        reason = ""
        for index in map(int, probed):
            try:
                sizes[index] = image_size(self.paths[index])
            except MovieError as error:
                if "frames by itself" in str(error):
                    raise
                reason = reason or str(error)
        if not sizes:
            raise MovieError(
                reason if len(self.paths) == 1 else f"No image of {source} can be read; the first: {reason}"
            )
        (size, most), *others = Counter(sizes.values()).most_common()
        if others and most <= len(sizes) / 2:
            (height, width) = others[0][0]
            raise MovieError(
                f"The images of {source} have different sizes ({size[1]} × {size[0]} px, {width} × {height} px, …); "
                "a movie has frames of one size. Give a folder or glob of the frames of one movie."
            )
        return size, next(index for index, found in sizes.items() if found == size)

    def _read(self, index: int) -> NDArray[Any]:
        path = self.paths[index]
        pixels = _pixels(path)
        if pixels.shape != self.shape[1:]:
            raise MovieError(
                f"{path.name} is {pixels.shape[1]} × {pixels.shape[0]} px; "
                f"the movie is {self.shape[2]} × {self.shape[1]}."
            )
        if pixels.dtype != self.dtype:
            raise MovieError(f"{path.name} has {pixels.dtype} pixels; the movie has {self.dtype}.")
        return pixels


class PlainImage(Movie):
    """One png, jpeg, bmp, … as a movie of one frame. Resolution tags of these are for paper and not read.

    Raises
    ------
    MovieError
        It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(str(path), "an image"), Image.open(path) as image:
            width, height = image.size
            kind = f"{image.format or path.suffix.lstrip('.')}"
            check_frame(str(path), height, width, 1)
        super().__init__(str(path), kind, (1, height, width), np.dtype(np.uint8), Calibration())

    def _read(self, index: int) -> NDArray[Any]:
        return read_plain(self._path)


def read_plain(path: Path) -> NDArray[Any]:
    """Return the picture of a png, jpeg, bmp, … file, shape (Y, X), in its own depth.

    Raises
    ------
    MovieError
        It is damaged.
    """
    with reading(str(path), "an image"), Image.open(path) as opened:
        image: Image.Image = opened
        if opened.format == "PNG" and image.mode in {"RGB", "RGBA"}:
            # Pillow takes 16-bit colour down to 8 bits
            return to_grey(np.asarray(imagecodecs.png_decode(path.read_bytes())))
        if image.mode not in {"1", "L", "LA", "I", "F", "RGB", "RGBA"} and not image.mode.startswith("I;16"):
            image = image.convert("RGB")
        return to_grey(np.asarray(image))


def _pixels(path: Path) -> NDArray[Any]:
    kind, module = family(path)
    if kind == "tiff":
        return read_page(path)
    if kind == "microscope":
        return read_picture(path, module)
    if kind == "image":
        return read_plain(path)
    raise MovieError(f"{path} is a video, not an image.")


def _open_single(path: Path) -> Movie:
    kind, module = family(path)
    movie: Movie
    if kind == "image":
        return PlainImage(path)
    if kind == "tiff":
        movie = TiffMovie(path)
    elif kind == "microscope":
        movie = open_microscope(path, module)
    else:
        raise MovieError(f"{path} is a video with frames by itself, not an image; give it alone.")
    if len(movie) > 1:
        n = len(movie)
        movie.close()
        raise MovieError(f"{path} holds {n} frames by itself; a series has one frame a file. Give this file alone.")
    return movie


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) from the header of an image, without decoding it.

    Raises
    ------
    MovieError
        It cannot be read, or is a movie by itself.
    """
    with _open_single(path) as movie:
        return movie.shape[1:]
