"""The noise that an image itself shows: its rise with the mean, and how far it is correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine.compiled import compiled, inlined

_BLOCK = 24
_MOST_BLOCKS = 160
_REACH = 2
_LAGS = np.array([(x, y) for y in range(_REACH + 1) for x in range(-_REACH, _REACH + 1) if y > 0 or x > 0])
_SLOPE_SPREAD = 0.35
FEW_BLOCKS = 24
"""Blocks of background below which the noise is measured again in what the fits leave."""


@dataclass(frozen=True)
class NoiseModel:
    """Variance ``gain · mean + readout_var`` and short-range correlation of a frame's noise.

    Attributes
    ----------
    gain, readout_var : float
        In grey values and their square; `readout_var` is negative where the file's zero is not zero electrons.
    floor : float
        Least variance allowed.
    lags : numpy.ndarray
        Shape (L, 3): x, y in px (a half plane) and the correlation coefficient; L = 0 for white noise.
    level : float
        Mean of the background in grey values.
    n_blocks : int
        Blocks of background that were measured.
    """

    gain: float
    readout_var: float
    floor: float
    lags: NDArray[np.float64]
    level: float
    n_blocks: int

    @property
    def kappa(self) -> float:
        """Noise power at long wavelengths over that of white noise of the same variance."""
        return max(1.0 + 2.0 * float(self.lags[:, 2].sum()), 0.2)

    def variance(self, mean: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the variance in grey values squared at a mean."""
        return np.maximum(self.gain * np.asarray(mean, dtype=np.float64) + self.readout_var, self.floor)

    def packed(self) -> NDArray[np.float64]:
        """Return gain, readout variance and floor, as the compiled loops take them."""
        return np.array([self.gain, self.readout_var, self.floor])


@inlined
def _copied(image: Any, busy: Any, y0: int, x0: int, size: int, base: float, buffer: Any, used: Any) -> None:
    """Write a block less `base`, zero where not used, its lines `_REACH` cells apart."""
    for y in range(size):
        at = y * (size + _REACH)
        line, skip = image[y0 + y, x0 : x0 + size], busy[y0 + y, x0 : x0 + size]
        out, use = buffer[at : at + size], used[at : at + size]
        for x in range(size):
            use[x] = 1.0 if (abs(line[x]) < np.inf) & (not skip[x]) else 0.0
        for x in range(size):
            out[x] = line[x] - base if use[x] > 0 else 0.0


@inlined
def _flatten(size: int, places: Any, buffer: Any, used: Any) -> tuple[float, float, float]:
    """Free a block of its plane; return count, mean, and sum of squares."""
    cells, fx, fy = size * (size + _REACH), places[0], places[1]
    n, sx, sy, xx, xy, yy, sv, vx, vy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(cells):
        ux, uy = used[t] * fx[t], used[t] * fy[t]
        n += used[t]
        sx += ux
        sy += uy
        xx += ux * fx[t]
        xy += ux * fy[t]
        yy += uy * fy[t]
        sv += buffer[t]
        vx += buffer[t] * fx[t]
        vy += buffer[t] * fy[t]
    if n < 0.5 * size * size:
        return n, 0.0, 0.0
    sx, sy, mean = sx / n, sy / n, sv / n
    xx, xy, yy, vx, vy = xx - n * sx * sx, xy - n * sx * sy, yy - n * sy * sy, vx - sv * sx, vy - sv * sy
    det = max(xx * yy - xy * xy, 1e-12)
    gx, gy, squares = (vx * yy - vy * xy) / det, (vy * xx - vx * xy) / det, 0.0
    for t in range(cells):
        buffer[t] -= used[t] * (mean + gx * (fx[t] - sx) + gy * (fy[t] - sy))
    for t in range(cells):
        squares += buffer[t] * buffer[t]
    return n, mean, squares


@inlined
def _product(first: Any, second: Any, n: int) -> float:
    total = 0.0
    for t in range(n):
        total += first[t] * second[t]
    return total


@compiled
def _blocks(image: Any, busy: Any, size: int, step: int, lags: Any, out: Any) -> None:
    """Write mean, count, squares, and lag products and counts of every `step`-th block; see `estimate_noise`."""
    height, width = image.shape
    stride = size + _REACH
    cells = size * stride
    buffer, used, places = np.zeros(cells + 3 * stride), np.zeros(cells + 3 * stride), np.zeros((2, cells))
    for t in range(cells):
        places[0, t], places[1, t] = t % stride - 0.5 * (size - 1), t // stride - 0.5 * (size - 1)
    index = 0
    for y0 in range(0, height - size + 1, size):
        for x0 in range(0, width - size + 1, size):
            index += 1
            row = out[index - 1]
            row[:] = 0.0
            if index % step != 0:
                continue
            base = image[y0 + size // 2, x0 + size // 2]
            base = base if math.isfinite(base) else 0.0
            _copied(image, busy, y0, x0, size, base, buffer, used)
            n, mean, squares = _flatten(size, places, buffer, used)
            row[0], row[1], row[2] = mean + base, n, squares
            if n < 0.5 * size * size:
                continue
            for t in range(lags.shape[0]):
                lx, ly = lags[t, 0], lags[t, 1]
                shift = ly * stride + lx
                row[3 + 2 * t] = _product(buffer, buffer[shift:], cells)
                if n < size * size:
                    row[4 + 2 * t] = _product(used, used[shift:], cells)
                else:
                    row[4 + 2 * t] = (size - abs(lx)) * (size - ly)


def estimate_noise(image: NDArray[np.float32], busy: NDArray[np.bool_], *, quantum: float = 0.0) -> NoiseModel:
    """Measure the noise of a frame in blocks of background freed of their plane.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (Y, X); not-finite pixels are no data.
    busy : numpy.ndarray
        Shape (Y, X), True where particles are.
    quantum : float
        Step between grey values (1 for integers), whose rounding noise is the least there can be.
    """
    size = int(min(_BLOCK, *image.shape))
    n = (image.shape[0] // max(size, 1)) * (image.shape[1] // max(size, 1))
    out = np.zeros((n, 3 + 2 * len(_LAGS)))
    if size >= 8:
        _blocks(image, busy, size, max(1, -(-n // _MOST_BLOCKS)), _LAGS, out)
    out = out[out[:, 1] >= 0.5 * size * size]
    least = quantum**2 / 12
    if len(out) == 0:
        return _from_differences(image, least)
    variance = out[:, 2] / (out[:, 1] - 3)
    typical = float(np.median(variance))
    keep = np.abs(variance - typical) <= 0.6 * typical
    # a background that varies over the frame moves the variance too: keep what lies on a line of the mean
    if keep.mean() < 0.7:
        line = np.median(variance / np.maximum(out[:, 0], 1e-9)) * out[:, 0]
        keep = (variance > 0.4 * line) & (variance < 2.0 * line)
        keep = keep if keep.any() else np.ones(len(out), dtype=bool)
    out = out[keep]
    lags, share = _correlation(out)
    variance, level = out[:, 2] / (out[:, 1] * (1 - share)), float(np.average(out[:, 0], weights=out[:, 1]))
    spread = 1 + 2 * float((lags[:, 2] ** 2).sum())
    gain, readout = rise(out[:, 0], variance, out[:, 1] / spread)
    mean_variance = float(np.average(variance, weights=out[:, 1]))
    tiny = 1e-12 * (level * level + 1e-12)
    return NoiseModel(
        gain, readout + least * (mean_variance <= least), max(0.05 * mean_variance, least, tiny), lags, level, len(out)
    )


def noise_between(image: NDArray[np.float32], total: NDArray[np.float32], before: NoiseModel) -> NoiseModel:
    """Measure the noise of a crowded frame, which leaves no background, in what its fits leave of it.

    Of the noise at long wavelengths the fits take a part, and what they do not describe adds about as much: pulls of
    positions in films of disks are 0.88 to 1.03 (0.90 to 1.28 when such noise is taken to be white).

    Parameters
    ----------
    image : numpy.ndarray
        Shape (Y, X).
    total : numpy.ndarray
        Shape (Y, X): what the fitted particles take away.
    before : NoiseModel
        What was known without the fits; returned where a good part of the frame is background.
    """
    after = estimate_noise(image + total, np.zeros(image.shape, np.bool_))
    if after.n_blocks < 2 * before.n_blocks + 4:
        return before
    return replace(after, floor=max(after.floor, before.floor), level=before.level if before.n_blocks else after.level)


def _correlation(out: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the significant lags, and the share of the variance that the planes took away.

    A plane takes 3 long-wavelength modes of the n pixels of a block: every lag's covariance falls by
    3 S/n, with S the sum of the covariances over all lags.
    """
    sums, pairs, n = out[:, 3::2].sum(axis=0), out[:, 4::2].sum(axis=0), out[:, 1].sum()
    zero = out[:, 2].sum() / n
    if not zero > 0:
        return np.empty((0, 3)), 0.0
    c = sums / np.maximum(pairs, 1)
    loss = 3 * len(out) / n
    total = (zero + 2 * c.sum()) / max(1 - (1 + 2 * len(c)) * loss, 0.3)
    total = float(np.clip(total, 0.2 * zero, 12 * zero))
    rho = (c + loss * total) / (zero + loss * total)
    keep = np.abs(rho) > max(0.02, 3.5 / np.sqrt(max(pairs.min(), 1)))
    lags = np.column_stack([_LAGS[keep], np.clip(rho[keep], -0.9, 0.9)]).astype(np.float64)
    if not len(lags):
        return lags, float(loss)
    return lags, float(loss * total / (zero + loss * total))


def rise(mean: NDArray[np.float64], variance: NDArray[np.float64], count: NDArray[np.float64]) -> tuple[float, float]:
    """Fit variance = gain · mean + readout, leaning to pure counting noise where the means are alike.

    Parameters
    ----------
    mean, variance, count : numpy.ndarray
        Of each sample, shape (n,); `count` is its number of independent pixels.

    Returns
    -------
    gain, readout : float
    """
    v0 = float(np.average(variance, weights=count))
    m0 = float(np.average(mean, weights=count))
    if not v0 > 0 or m0 <= np.sqrt(v0):
        return 0.0, max(v0, 0.0)
    x = (mean - m0) / m0
    for _ in range(2):
        # the variance of a sample variance is 2 v²/n
        model = np.maximum(v0 * (1 + x), 0.1 * v0)
        w = count / (2 * (model / v0) ** 2)
        sxx, sx, s = float((w * x * x).sum()), float((w * x).sum()), float(w.sum())
        sxy, sy = float((w * x * variance / v0).sum()), float((w * variance / v0).sum())
        prior = 1 / _SLOPE_SPREAD**2
        # what the noise itself scatters the means by tells nothing of how the variance rises with them
        along, rising = sxx - sx * sx / s, sxy - sx * sy / s
        share = max(1 - float((w * v0 / (count * m0**2)).sum()) / max(along, 1e-300), 0.0)
        slope = (share * rising + prior) / (share * along + prior)
        level = (sy - slope * sx) / s
    slope = max(slope, 0.0)
    return v0 * slope / m0, v0 * (level - slope)


def _from_differences(image: NDArray[np.float32], least: float) -> NoiseModel:
    """Fall back on second differences at lag 2, whose median absolute deviation few outlines move."""
    pixels = image.astype(np.float64)
    d = pixels[:, 2:-2] - 0.5 * (pixels[:, :-4] + pixels[:, 4:]) if image.shape[1] > 8 else np.empty(0)
    d = d[np.isfinite(d)]
    finite = pixels[np.isfinite(pixels)]
    level = float(np.median(finite)) if finite.size else 0.0
    variance = float((1.4826 * np.median(np.abs(d))) ** 2 / 1.5) if d.size else 0.0
    tiny = 1e-12 * (level * level + 1e-12)
    floor = max(0.05 * variance, least, tiny)
    poisson = level > np.sqrt(max(variance, 0.0)) > 0
    gain, readout = (variance / level, 0.0) if poisson else (0.0, variance)
    return NoiseModel(gain, readout, floor, np.empty((0, 3)), level, 0)
