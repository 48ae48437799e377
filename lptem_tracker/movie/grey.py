"""Colour to grey, and foreign byte order to the machine's own; values are never rescaled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601; the weights add up to 1, so that grey stays what it was


def native(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the same values in the machine's byte order, without a copy where they are so already."""
    return pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))


def to_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the luminance of a colour picture in the depth of the file.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X), or (Y, X, S) with S = 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha), or
        a structured (Y, X) array with fields R, G, B. Alpha is dropped.

    Returns
    -------
    numpy.ndarray
        Shape (Y, X), the same kind and depth; equal channels come back exactly.

    Raises
    ------
    MovieError
        Any other shape, or pixels that are not real numbers.
    """
    if pixels.dtype.names:
        if not {"R", "G", "B"} <= set(pixels.dtype.names):
            raise MovieError(
                f"Pixels are made of the fields {', '.join(pixels.dtype.names)}; expected one number or RGB."
            )
        pixels = np.stack([pixels[name] for name in "RGB"], axis=-1)
    if pixels.dtype.kind not in "buif":
        raise MovieError(f"Pixels are {pixels.dtype}; expected real numbers (take the modulus of complex data first).")
    pixels = native(pixels)
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        return _luminance(pixels)
    if pixels.ndim == 3 and pixels.shape[2] in (1, 2):
        pixels = pixels[..., 0]
    if pixels.ndim != 2:
        raise MovieError(f"A frame has the shape (Y, X) or (Y, X, colours); got {pixels.shape}.")
    return pixels


def _luminance(pixels: NDArray[Any]) -> NDArray[Any]:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.ascontiguousarray(red)
    wide = np.float64 if pixels.dtype.itemsize > 2 else np.float32
    grey = red * wide(_LUMA[0]) + green * wide(_LUMA[1]) + blue * wide(_LUMA[2])
    return np.rint(grey).astype(pixels.dtype) if pixels.dtype.kind in "ui" else grey.astype(pixels.dtype)
