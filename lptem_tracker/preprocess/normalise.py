"""Make frames of any gain, depth and illumination look alike: background 0, noise 1."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

_CELL_PX = 8
"""Side of the cells on which background and noise are estimated."""
_LEVELS = 12
"""Steps of brightness, each of as many pixels, in which the noise is looked at."""
_SMOOTH_PX = 80.0
"""Standard deviation of the local average; larger than the largest particle radius."""
_NOISE_PX = 3.0
"""Structure finer than this counts as noise."""
_COARSE_CELLS = 2.0
"""Standard deviation, in cells, of the average that divides coarse from fine structure."""
_KNEE = 5.0
"""Departure, in noise units, from which the output grows logarithmically."""


def normalise(pixels: NDArray[Any]) -> Image:
    """Remove the local background and divide by the local noise.

    The background is a robust quadratic surface plus a masked average over about 80 px, so that particles of up to
    that size keep their contrast. The noise is that of structures below 3 px, at the brightness of the background.
    Strong contrast is compressed by an
    inverse hyperbolic sine, so that films of 3 and of 3,000 electrons a pixel stay within one range: structures above
    and below about 16 px each by themselves, so that a faint small particle on a thick support keeps its contrast.
    Single hot pixels are replaced by the median of their neighbours. Polarity is kept.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X), any real dtype; NaN and infinite pixels count as no data.

    Returns
    -------
    numpy.ndarray
        float32 of shape (Y, X): 0 on the background and where there is no data, noise of about 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = rng.poisson(100, (64, 64))
    >>> bool(np.allclose(normalise(frame), normalise(frame * 37.0 + 500.0), atol=1e-3))
    True
    """
    image = np.asarray(pixels)
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"A frame has the shape (Y, X) with no empty axis; got {image.shape}.")
    image, valid = _standardised(image)
    if not valid.any():
        return np.zeros(image.shape, np.float32)
    image = _without_hot_pixels(image)
    background = _background(image, valid)
    residual = image - background
    noise = _noise(image, background, valid)
    if noise is None:
        return np.zeros(image.shape, np.float32)
    signal = residual / noise
    coarse = _coarse(signal)
    out = _KNEE * (np.arcsinh(coarse / _KNEE) + np.arcsinh((signal - coarse) / _KNEE))
    out[~valid] = 0.0
    return np.ascontiguousarray(out, dtype=np.float32)


def _standardised(image: NDArray[Any]) -> tuple[Image, NDArray[np.bool_]]:
    """Bring any dtype to float32 of order 1 around its median, and tell which pixels hold data."""
    wide = image.astype(np.float64) if image.dtype.itemsize > 2 else image.astype(np.float32)
    valid = np.isfinite(wide)
    if not valid.all():
        wide = np.where(valid, wide, 0.0)
    sample = wide[:: max(1, image.shape[0] // 256), :: max(1, image.shape[1] // 256)]
    known = sample[valid[:: max(1, image.shape[0] // 256), :: max(1, image.shape[1] // 256)]]
    if known.size == 0:
        known = wide[valid]
    if known.size == 0:
        return np.zeros(image.shape, np.float32), valid
    low, middle, high = np.percentile(known, [1.0, 50.0, 99.0])
    span = float(high - low) or float(np.ptp(wide[valid])) or 1.0
    flat = np.clip((wide - middle) / span, -1e3, 1e3).astype(np.float32)
    flat[~valid] = 0.0
    return flat, valid


def _without_hot_pixels(image: Image) -> Image:
    if min(image.shape) < 3:
        return image
    median = cv2.medianBlur(image, 3)
    departure = np.abs(image - median)
    typical = float(np.percentile(departure[::2, ::2], 75))
    hot = departure > 12.0 * typical if typical > 0 else np.zeros(image.shape, bool)
    # a particle's own pixels come in groups: only a lone departure is a hot pixel
    neighbours = cv2.blur(hot.astype(np.float32), (3, 3), borderType=cv2.BORDER_CONSTANT) * 9.0
    return np.where(hot & (neighbours < 1.5), median, image)


def _cells(image: Image) -> Image:
    """Average over cells of `_CELL_PX`."""
    height, width = (max(1, round(side / _CELL_PX)) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _smooth(values: Image, weights: Image) -> Image:
    sigma = _SMOOTH_PX / _CELL_PX
    size = (2 * int(2.5 * sigma) + 1,) * 2
    top = cv2.GaussianBlur(values * weights, size, sigma, borderType=cv2.BORDER_CONSTANT)
    bottom = cv2.GaussianBlur(weights, size, sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(top / np.maximum(bottom, 1e-6), np.float32)


def _upsample(cells: Image, shape: tuple[int, ...]) -> Image:
    return np.asarray(cv2.resize(cells, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _background(image: Image, valid: NDArray[np.bool_]) -> Image:
    known = _cells(valid.astype(np.float32))
    cells = np.asarray(_cells(image) / np.maximum(known, 1e-3), np.float32)
    y, x = np.mgrid[-1 : 1 : complex(0, cells.shape[0]), -1 : 1 : complex(0, cells.shape[1])]
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    weights = known.astype(np.float32)
    surface = np.zeros_like(cells)
    local = surface
    for _ in range(4):
        w = weights.reshape(-1, 1)
        normal = basis.T @ (basis * w) + 1e-4 * max(float(w.sum()), 1.0) * np.eye(6)
        fitted = basis @ np.linalg.solve(normal, basis.T @ (cells.reshape(-1, 1) * w))
        surface = fitted.reshape(cells.shape).astype(np.float32)
        local = _smooth(cells - surface, weights)
        departure = np.abs(cells - surface - local)
        scale = 1.4826 * float(np.median(departure[known > 0.5])) if (known > 0.5).any() else 0.0
        # Tukey's weight: particles, bright or dark, leave the average
        u = departure / max(4.0 * scale, 1e-6)
        weights = known * np.where(u < 1.0, (1.0 - u * u) ** 2, 0.0).astype(np.float32) + 1e-4 * known
    return _upsample(np.asarray(surface + local, np.float32), image.shape)


def _coarse(signal: Image) -> Image:
    """Return the part of a picture that changes slowly, (Y, X)."""
    return _upsample(cv2.GaussianBlur(_cells(signal), (0, 0), _COARSE_CELLS), signal.shape)


def _noise(image: Image, background: Image, valid: NDArray[np.bool_]) -> Image | None:
    """Return the local standard deviation of fine structure, or None for a frame without any.

    Brighter places of a film are noisier: the noise is that typical of the background's brightness, times what this
    place departs from it. Limiting the departure keeps the particles out of it, not the bright places.
    """
    fine = np.abs(image - cv2.GaussianBlur(image, (0, 0), _NOISE_PX))
    step = max(1, round(np.sqrt(fine.size) / 160))
    some = valid[::step, ::step]
    if not some.any():
        step, some = 1, valid
    known, level = fine[::step, ::step][some], background[::step, ::step][some]
    typical = 1.4826 * float(np.median(known))
    if typical <= 0.0:
        typical = 1.2533 * float(known.mean())
    spread = float(np.subtract(*np.percentile(image[::step, ::step][some] - level, [99.0, 1.0])))
    if max(typical, spread) <= 1e-9:
        return None
    least = np.float32(max(0.25 * typical, 0.01 * spread, 1e-9))
    usual = np.maximum(_by_brightness(background, level, known), least)
    ratio = _cells(np.minimum(fine / usual, 4.0))
    local = 1.2533 * _smooth(ratio, _cells(valid.astype(np.float32)))
    return np.asarray(np.maximum(_upsample(local, image.shape) * usual, least), np.float32)


def _by_brightness(background: Image, level: Image, fine: Image) -> Image:
    """Return the median noise at the background of each place, (Y, X), given that of some places (N,)."""
    parts = np.array_split(np.argsort(level, kind="stable"), min(_LEVELS, len(level)))
    middle = [float(np.median(level[part])) for part in parts]
    noise = [1.4826 * float(np.median(fine[part])) for part in parts]
    return _upsample(np.interp(_cells(background), middle, noise).astype(np.float32), background.shape)
