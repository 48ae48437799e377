"""Electrons to picture: Poisson statistics, the camera's transfer function, gain, readout and file depth."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


def fast_generator(rng: np.random.Generator) -> np.random.Generator:
    """Return a quicker generator whose stream is fixed by the state of `rng`."""
    return np.random.Generator(np.random.SFC64(int(rng.integers(2**63))))


def mtf_tap(lag1: float) -> float:
    """Return the side tap a of the kernel (a, 1, a)/(1 + 2a) that gives white noise the lag-1 correlation `lag1`.

    The autocovariance of the kernel at lag 1 over lag 0 is 2a/(1 + 2a²) in each axis, solved for a.
    """
    if lag1 <= 0:
        return 0.0
    return (1 - math.sqrt(1 - 2 * lag1**2)) / (2 * lag1)


def mtf_noise_factor(lag1: float) -> float:
    """Return by what factor the kernel of `mtf_tap` lowers the standard deviation of white noise in two dimensions."""
    a = mtf_tap(lag1)
    return (1 + 2 * a * a) / (1 + 2 * a) ** 2


def apply_mtf(pixels: Pixels, lag1: float) -> Pixels:
    """Return the picture after the camera's point spread, float32 (Y, X)."""
    if lag1 <= 0:
        return pixels
    a = mtf_tap(lag1)
    kernel = np.array([a, 1, a], np.float32) / np.float32(1 + 2 * a)
    return np.asarray(
        cv2.sepFilter2D(pixels, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def count_electrons(mean: Pixels, rng: np.random.Generator, exact_below: float = 12.0) -> Pixels:
    """Draw Poisson counts of the given mean, float32 (Y, X).

    Exact below `exact_below` electrons a pixel; above, the Cornish-Fisher expansion of the Poisson quantile to second
    order, whose mean and variance are the Poisson's, rounded to whole electrons.
    """
    low = mean < exact_below
    if low.all():
        return rng.poisson(np.maximum(mean, 0)).astype(np.float32)
    z = rng.standard_normal(mean.shape, dtype=np.float32)
    counts = np.rint(mean + np.sqrt(np.maximum(mean, 0)) * z + (z * z - 1) / np.float32(6))
    if low.any():
        counts[low] = rng.poisson(np.maximum(mean[low], 0))
    return np.asarray(counts, np.float32)


def expose(
    mean: Pixels,
    rng: np.random.Generator,
    *,
    lag1: float = 0.0,
    gain: float = 1.0,
    offset: float = 0.0,
    readout: float = 0.0,
) -> Pixels:
    """Take one picture.

    Parameters
    ----------
    mean : numpy.ndarray
        Shape (Y, X), float32, expected electrons in each pixel.
    rng : numpy.random.Generator
    lag1 : float
        Correlation of the shot noise of neighbouring pixels, 0 to 0.7, made by the camera's point spread.
    gain, offset, readout : float
        Counts per electron, counts at no electron, and standard deviation of the readout noise in counts.

    Returns
    -------
    numpy.ndarray
        Shape (Y, X), float32, in counts. Variance = gain² · mean · `mtf_noise_factor(lag1)`² + readout².
    """
    picture = apply_mtf(count_electrons(mean, rng), lag1)
    picture = picture * np.float32(gain) + np.float32(offset)
    if readout > 0:
        picture += rng.standard_normal(mean.shape, dtype=np.float32) * np.float32(readout)
    return picture


def digitise(pixels: Pixels, depth: str) -> NDArray[Any]:
    """Round and clip counts into the depth of a file: ``uint8``, ``uint16`` or ``float32``."""
    if depth == "float32":
        return pixels
    top = np.iinfo(depth).max
    return np.asarray(np.clip(np.rint(pixels), 0, top).astype(depth))


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return 8-bit pixels after JPEG compression, as float32."""
    coded = cv2.imencode(
        ".jpg", np.clip(np.rint(pixels), 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32)
