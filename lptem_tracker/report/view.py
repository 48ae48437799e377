"""From positions in a frame to positions on the picture that is drawn of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError


@dataclass(frozen=True)
class View:
    """A rectangle of the frame, magnified.

    Attributes
    ----------
    x0, y0 : float
        Upper left corner of the rectangle in frame px, measured at the corner of a pixel (the first
        pixel's outer corner is at −0.5).
    scale : float
        Picture px per frame px.
    width, height : int
        Size of the picture in px, both even.
    """

    x0: float
    y0: float
    scale: float
    width: int
    height: int

    def points(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Return picture coordinates of frame coordinates, shape (..., 2); pixel centres are integers in both."""
        moved: NDArray[np.float64] = (xy - np.array([self.x0, self.y0])) * self.scale - 0.5
        return moved

    def moved_to(self, x: float, y: float) -> View:
        """Return the same view centred on a frame position."""
        half_w, half_h = self.width / self.scale / 2, self.height / self.scale / 2
        return View(x - half_w, y - half_h, self.scale, self.width, self.height)

    def render(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture of a grey frame, shape (height, width), black outside the frame."""
        if self.scale == 1 and self.x0 == self.y0 == -0.5 and grey.shape == (self.height, self.width):
            return grey
        if self.scale < 1 and (self.x0, self.y0) == (-0.5, -0.5):
            return self._binned(grey)
        scale = self.scale
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC if scale < 4 else cv2.INTER_NEAREST
        size = (self.width, self.height)
        whole = self._whole_pixels(grey)
        if scale > 1 and whole is not None:
            # the same picture as below, several times as fast
            magnified: NDArray[np.uint8] = cv2.resize(whole, size, interpolation=method)
            return magnified
        # warpAffine maps pixel centres, so the half pixels are put back by hand
        matrix = np.array([[scale, 0, -self.x0 * scale - 0.5], [0, scale, -self.y0 * scale - 0.5]])
        picture: NDArray[np.uint8] = cv2.warpAffine(grey, matrix, size, flags=method, borderMode=cv2.BORDER_CONSTANT)
        return picture

    def _whole_pixels(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the part of a frame that fills the picture with whole pixels, if it does."""
        x, y, width, height = self.x0 + 0.5, self.y0 + 0.5, self.width / self.scale, self.height / self.scale
        inside = min(x, y) >= 0 and x + width <= grey.shape[1] and y + height <= grey.shape[0]
        if not inside or any(value % 1 for value in (x, y, width, height)):
            return None
        return grey[int(y) : int(y + height), int(x) : int(x + width)]

    def _binned(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        full = (max(1, round(grey.shape[1] * self.scale)), max(1, round(grey.shape[0] * self.scale)))
        small = cv2.resize(grey, full, interpolation=cv2.INTER_AREA)
        picture = np.zeros((self.height, self.width), np.uint8)
        rows, columns = min(self.height, small.shape[0]), min(self.width, small.shape[1])
        picture[:rows, :columns] = small[:rows, :columns]
        return picture


LARGEST_SIDE = 8192
SIDES = (640, 2048)
GIF_SIDES = (360, 800)
"""Shortest and longest side of a picture whose zoom was not given: of a movie, and of a GIF, which hardly packs."""


def fit_view(
    shape: tuple[int, int],
    *,
    crop: tuple[int, int, int, int] | None = None,
    zoom: float | None = None,
    binning: int = 1,
    sides: tuple[int, int] = SIDES,
) -> View:
    """Return the view of a frame, or of a part of it, at a size that plays everywhere.

    Small frames are magnified by a whole number until marks and text have room; large ones are reduced
    to what hardware decoders accept.

    Parameters
    ----------
    shape : (Y, X)
    crop : (x, y, width, height), optional
        Part of the frame in px.
    zoom : float, optional
        Picture px per frame px; chosen where not given.
    binning : int
        Frame px averaged to one, each way.
    sides : (least, largest)
        Between which the longer side of the picture is to be, where there is no `zoom`.

    Raises
    ------
    SettingsError
        The picture would be larger than `LARGEST_SIDE`.
    """
    x, y, width, height = crop or (0, 0, shape[1], shape[0])
    side = max(width, height) / binning
    if zoom is None:
        least, largest = sides
        zoom = float(np.ceil(least / side)) if side < least else min(1.0, largest / side)
    scale = zoom / binning
    if max(width, height) * scale > LARGEST_SIDE:
        raise SettingsError(
            f"A zoom of {zoom:g} makes a picture of {width * scale:.0f}x{height * scale:.0f} px, more than the "
            f"{LARGEST_SIDE} px a side that players show; give a smaller zoom, or a crop."
        )
    return View(x - 0.5, y - 0.5, scale, even(width * scale), even(height * scale))


def even(length: float) -> int:
    """Return the even whole number at or above a length, at least 2: H.264 codes pairs of pixels."""
    return max(2, 2 * int(np.ceil(round(length, 6) / 2)))
