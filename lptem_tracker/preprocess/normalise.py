"""Make frames of any gain, depth and illumination look alike: background 0, noise 1."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

_SAMPLE = 128
"""About as many pixels a side tell how grey a frame is."""
_HOT = 12.001
"""Departure from the median of the neighbours, over the typical one, from which a lone pixel counts as hot; off the
whole numbers, on which counts of few grey levels would be decided by rounding."""
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
    whole = bool(valid.all())
    known = _all_known(image.shape) if whole else _cells(valid.astype(np.float32))
    background = _background(image, known)
    residual = image - background
    noise = _noise(image, background, known, None if whole else valid)
    if noise is None:
        return np.zeros(image.shape, np.float32)
    signal = np.divide(residual, noise, out=residual)
    coarse = _coarse(signal)
    signal -= coarse
    out = _compressed(signal)
    out += _compressed(coarse)
    if not whole:
        out[~valid] = 0.0
    return np.ascontiguousarray(out, dtype=np.float32)


def _compressed(signal: Image) -> Image:
    """Return `signal` where it is small and its logarithm where it is large, in place."""
    signal *= np.float32(1.0 / _KNEE)
    np.arcsinh(signal, out=signal)
    signal *= np.float32(_KNEE)
    return signal


def _standardised(image: NDArray[Any]) -> tuple[Image, NDArray[np.bool_]]:
    """Bring any dtype to float32 of order 1 around its median, and tell which pixels hold data."""
    wide = image.astype(np.float64) if image.dtype.itemsize > 2 else image.astype(np.float32)
    valid = np.isfinite(wide)
    whole = bool(valid.all())
    if not whole:
        wide = np.where(valid, wide, 0.0)
    some = tuple(slice(None, None, max(1, side // _SAMPLE)) for side in image.shape)
    known = wide[some][valid[some]]
    if known.size == 0:
        known = wide[valid]
    if known.size == 0:
        return np.zeros(image.shape, np.float32), valid
    low, middle, high = _quantiles(known, 0.01, 0.5, 0.99)
    span = high - low or float(np.ptp(wide[valid])) or 1.0
    wide -= wide.dtype.type(middle)
    wide *= wide.dtype.type(1.0 / span)
    flat = np.clip(wide, -1e3, 1e3, out=wide).astype(np.float32, copy=False)
    if not whole:
        flat[~valid] = 0.0
    return flat, valid


def _quantiles(values: NDArray[Any], *shares: float) -> list[float]:
    """Return quantiles of some values, linear between neighbours; `np.quantile` takes several times as long."""
    if len(shares) > 1:
        ordered = np.sort(values, axis=None)
        return [_quantile(ordered, share) for share in shares]
    at = shares[0] * (values.size - 1)
    k = int(at)
    parted = np.partition(values, k, axis=None)
    beyond = parted[k + 1 :].min() if at > k else parted[k]
    return [float(parted[k] + (at - k) * (beyond - parted[k]))]


def _quantile(ordered: NDArray[Any], share: float) -> float:
    """Return a quantile of values in rising order."""
    at = share * (len(ordered) - 1)
    k = int(at)
    return float(ordered[k] + (at - k) * (ordered[min(k + 1, len(ordered) - 1)] - ordered[k]))


def _without_hot_pixels(image: Image) -> Image:
    if min(image.shape) < 3:
        return image
    median = cv2.medianBlur(image, 3)
    departure = cv2.absdiff(image, median)
    (typical,) = _quantiles(departure[::2, ::2], 0.75)
    hot = departure > np.float32(_HOT * typical) if typical > 0 else np.zeros(image.shape, bool)
    if not hot.any():
        return image
    # a particle's own pixels come in groups: only a lone departure is a hot pixel
    neighbours = cv2.blur(hot.astype(np.float32), (3, 3), borderType=cv2.BORDER_CONSTANT) * 9.0
    return np.where(hot & (neighbours < 1.5), median, image)


def _cells(image: Image) -> Image:
    """Average over cells of `_CELL_PX`."""
    height, width = (max(1, round(side / _CELL_PX)) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=8)
def _all_known(shape: tuple[int, ...]) -> Image:
    """Return the share of each cell that holds data where all pixels do, 1 but for rounding; not to be written to."""
    return _cells(np.ones(shape, np.float32))


def _smooth(values: Image, weights: Image) -> Image:
    sigma = _SMOOTH_PX / _CELL_PX
    size = (2 * int(2.5 * sigma) + 1,) * 2
    top = cv2.GaussianBlur(values * weights, size, sigma, borderType=cv2.BORDER_CONSTANT)
    bottom = cv2.GaussianBlur(weights, size, sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(top / np.maximum(bottom, 1e-6), np.float32)


def _upsample(cells: Image, shape: tuple[int, ...]) -> Image:
    return np.asarray(cv2.resize(cells, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _background(image: Image, known: Image) -> Image:
    """Return the background of a picture, (Y, X), given the share of each cell that holds data."""
    cells = np.asarray(_cells(image) / np.maximum(known, 1e-3), np.float32)
    basis = _quadratic(cells.shape[0], cells.shape[1])
    weights, sure = known, known > 0.5
    surface = np.zeros_like(cells)
    local = surface
    for _ in range(4):
        w = weights.reshape(-1, 1)
        normal = basis.T @ (basis * w) + 1e-4 * max(float(w.sum()), 1.0) * np.eye(6)
        fitted = basis @ np.linalg.solve(normal, basis.T @ (cells.reshape(-1, 1) * w))
        surface = fitted.reshape(cells.shape).astype(np.float32)
        local = _smooth(cells - surface, weights)
        departure = np.abs(cells - surface - local)
        scale = 1.4826 * _quantiles(departure[sure], 0.5)[0] if sure.any() else 0.0
        # Tukey's weight: particles, bright or dark, leave the average
        u = departure / max(4.0 * scale, 1e-6)
        weights = known * np.where(u < 1.0, (1.0 - u * u) ** 2, 0.0).astype(np.float32) + 1e-4 * known
    return _upsample(np.asarray(surface + local, np.float32), image.shape)


@lru_cache(maxsize=8)
def _quadratic(height: int, width: int) -> NDArray[np.float64]:
    """Return 1, x, y, x², xy and y² at the cells of a grid that reaches from -1 to 1, (cells, 6)."""
    y, x = np.mgrid[-1 : 1 : complex(0, height), -1 : 1 : complex(0, width)]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)


def _coarse(signal: Image) -> Image:
    """Return the part of a picture that changes slowly, (Y, X)."""
    return _upsample(cv2.GaussianBlur(_cells(signal), (0, 0), _COARSE_CELLS), signal.shape)


def _noise(image: Image, background: Image, known: Image, valid: NDArray[np.bool_] | None) -> Image | None:
    """Return the local standard deviation of fine structure, or None for a frame without any.

    Which pixels hold data is `valid`, None: all, and their share of each cell is `known`.

    Brighter places of a film are noisier: the noise is that typical of the background's brightness, times what this
    place departs from it. Limiting the departure keeps the particles out of it, not the bright places.
    """
    fine = np.asarray(cv2.absdiff(image, cv2.GaussianBlur(image, (0, 0), _NOISE_PX)), np.float32)
    step = max(1, round(np.sqrt(fine.size) / 160))
    if valid is not None and not valid[::step, ::step].any():
        step = 1

    def sample(values: Image) -> Image:
        part = values[::step, ::step]
        return part.ravel() if valid is None else part[valid[::step, ::step]]

    some, level = sample(fine), sample(background)
    typical = 1.4826 * _quantiles(some, 0.5)[0]
    if typical <= 0.0:
        typical = 1.2533 * float(some.mean())
    lowest, highest = _quantiles(sample(image) - level, 0.01, 0.99)
    spread = highest - lowest
    if max(typical, spread) <= 1e-9:
        return None
    least = np.float32(max(0.25 * typical, 0.01 * spread, 1e-9))
    usual = np.maximum(_by_brightness(background, level, some), least)
    fine /= usual
    ratio = _cells(np.minimum(fine, np.float32(4.0), out=fine))
    local = np.float32(1.2533) * _smooth(ratio, known)
    usual *= _upsample(local, image.shape)
    return np.asarray(np.maximum(usual, least, out=usual), np.float32)


def _by_brightness(background: Image, level: Image, fine: Image) -> Image:
    """Return the median noise at the background of each place, (Y, X), given that of some places (N,)."""
    order = np.argsort(level)
    n = min(_LEVELS, len(level))
    levels, noises = (np.array_split(values[order], n) for values in (level, fine))
    middle = [_quantile(part, 0.5) for part in levels]
    noise = [1.4826 * _quantiles(part, 0.5)[0] for part in noises]
    return _upsample(np.interp(_cells(background), middle, noise).astype(np.float32), background.shape)
