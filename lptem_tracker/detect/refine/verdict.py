"""Whether a fit can be believed, and what is said of a particle whose fit cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import compiled
from lptem_tracker.detect.refine.frame import State
from lptem_tracker.detect.refine.scores import CHI2, CONVERGED, ITERATIONS, N_ACTIVE, SEEN
from lptem_tracker.detect.refine.start import BLUR_SPREAD

# Linear error propagation is short: an edge's slope is the same over a blur only. Measured on simulated disks of
# radius 4 to 15 px with per-pixel SNR from 1 to 4, the variances of places are 1 + 1.2 v/blur² times the linear ones
# v (of domes 1 + 2.6 v/blur²), those of sizes 1 + 1.8 v/blur². On ellipses and rods of aspect 1.5 to 5 whose contrast
# has a significance z from 11 to 50 the shares are k aspect^0.7/z², 1.7 times that where nothing but the particle
# itself tells its blur. All are larger in correlated noise, by the power 0.4 of its power at long wavelengths.
_PLACE_EXCESS, _DOME_EXCESS, _SIZE_EXCESS, _CORRELATION_POWER, _MOST_EXCESS = 1.2, 2.6, 1.8, 0.4, 2.0
_LONG_PLACE_EXCESS, _LONG_SIZE_EXCESS = (43.0, 33.0), (50.0, 36.0)  # of ellipses, of rods and rectangles
_ASPECT_POWER, _OWN_BLUR = 0.7, 0.7

LEAST_SIGNIFICANCE = 3.2
_LEAST_SIGNAL = 4.0  # standard deviations of the sum over the outline: noise alone goes beyond in one box of 200
_MOST_MISFIT = 0.25  # of the contrast, as root mean square near the outline
_SIZE_RANGE = (0.4, 2.2)  # of the box's
_MOST_LONGER = 1.6  # than the box, whose sides err by 5 to 20 %
_LEAST_SEEN = 0.3
_CENTROID_ERROR = 0.15  # of the box's size: what the outline's irregularity may do to a centroid


@dataclass(frozen=True)
class Verdict:
    """Flags of the fits of a frame, each of shape (n,).

    Attributes
    ----------
    fit_ok, edge, saturated : numpy.ndarray of bool
    """

    fit_ok: NDArray[np.bool_]
    edge: NDArray[np.bool_]
    saturated: NDArray[np.bool_]


def judge(state: State, box: NDArray[np.float64], ends: tuple[float, float]) -> Verdict:
    """Say which fits hold; `ends` are the grey values at which the file's scale ends (NaN: none)."""
    p, st = state.params, state.stats
    n = np.maximum(st[:, N_ACTIVE], 1)
    size = np.sqrt(box[:, 2] * box[:, 3]) / 2
    radius = np.sqrt(np.maximum(sh.area(state.kinds, p), 0) / np.pi)
    excess = np.sqrt(np.maximum(st[:, CHI2] / n - 1 - 3 * _spread(state), 0) * state.noise.variance(p[:, sh.LEVEL]))
    moved = np.hypot(p[:, sh.X] - box[:, 0], p[:, sh.Y] - box[:, 1])
    reach = np.maximum(box[:, 2], box[:, 3]) / 2
    ok = np.isfinite(p).all(axis=1) & np.isfinite(state.covs[:, sh.X, sh.X]) & (state.covs[:, sh.X, sh.X] > 0)
    ok &= (st[:, CONVERGED] > 0) | (st[:, ITERATIONS] > 0)
    ok &= (state.significance() > LEAST_SIGNIFICANCE) & (_signal(state) > _LEAST_SIGNAL)
    ok &= excess < _MOST_MISFIT * np.abs(p[:, sh.CONTRAST])
    ok &= (moved < 0.6 * reach + 1) & (radius > _SIZE_RANGE[0] * size) & (radius < _SIZE_RANGE[1] * size + 1)
    ok &= st[:, SEEN] > _LEAST_SEEN
    height, width = state.image.shape
    ext = _extents(state)
    # longer than the box: a neighbour that was not detected is fitted as a part of it; sides that are equal to the last
    # digit come from a radius, which does not say how long a rod is
    one_radius = box[:, 2] == box[:, 3]
    cos, sin = np.abs(np.cos(box[:, 4])), np.abs(np.sin(box[:, 4]))
    upright = 0.5 * np.column_stack([box[:, 2] * cos + box[:, 3] * sin, box[:, 2] * sin + box[:, 3] * cos])
    ok &= one_radius | (ext < _MOST_LONGER * upright + 1.5).all(axis=1)
    cut = (p[:, sh.X] - ext[:, 0] < -0.5) | (p[:, sh.X] + ext[:, 0] > width - 0.5)
    cut |= (p[:, sh.Y] - ext[:, 1] < -0.5) | (p[:, sh.Y] + ext[:, 1] > height - 0.5)
    share = np.zeros(len(p))
    if np.isfinite(ends).any():
        _at_ends(state.image, box, ends, share)
    return Verdict(ok, cut | (st[:, SEEN] < 0.97), share > 0.02)


def _signal(state: State) -> NDArray[np.float64]:
    """Return the contrast summed over what is seen of the outlines, over the noise of that sum, shape (n,)."""
    p = state.params
    seen = np.maximum(sh.area(state.kinds, p), 0) * np.clip(state.stats[:, SEEN], 0, 1)
    out: NDArray[np.float64] = np.abs(p[:, sh.CONTRAST]) * np.sqrt(
        seen / (state.noise.variance(p[:, sh.LEVEL]) * state.noise.kappa)
    )
    return out


def widen(state: State) -> None:
    """Add to the covariances what linear propagation misses and what residuals beyond the noise say, in place."""
    kinds, p = state.kinds, state.params
    z2 = np.maximum(state.significance(), 1.0) ** 2
    n = np.maximum(state.stats[:, N_ACTIVE], 1)
    ratio = state.stats[:, CHI2] / n
    ratio = np.where(ratio > 1 + 3 * _spread(state), ratio, 1.0)
    aspect = np.maximum(p[:, sh.A], p[:, sh.B]) / np.maximum(np.minimum(p[:, sh.A], p[:, sh.B]), 0.1)
    alone = np.minimum(BLUR_SPREAD**-2 / np.maximum(state.precisions[:, sh.LOG_S], 1e-9), 1.0)
    longer = np.clip(aspect, 1.0, 10.0) ** _ASPECT_POWER * (1 + _OWN_BLUR * alone) / z2
    which = [kinds == sh.DISK, kinds == sh.ELLIPSE]
    steep = np.exp(-2 * p[:, sh.LOG_S])[:, None] * np.diagonal(state.covs, axis1=1, axis2=2)
    round_ = np.where(p[:, sh.Q] == 0, _PLACE_EXCESS, _DOME_EXCESS)
    places = np.select(which, [round_, _LONG_PLACE_EXCESS[0] * longer], _LONG_PLACE_EXCESS[1] * longer)
    sizes = np.select(which, [_SIZE_EXCESS, _LONG_SIZE_EXCESS[0] * longer], _LONG_SIZE_EXCESS[1] * longer)
    excess = np.where(which[0], sizes * np.minimum(steep[:, sh.A], _MOST_EXCESS), sizes)[:, None].repeat(len(p.T), 1)
    for axis in (sh.X, sh.Y):
        excess[:, axis] = np.where(which[0], places * np.minimum(steep[:, axis], _MOST_EXCESS), places)
    factor = np.sqrt((1 + state.noise.kappa**_CORRELATION_POWER * excess) * ratio[:, None])
    state.covs *= factor[:, :, None] * factor[:, None, :]


def _spread(state: State) -> NDArray[np.float64]:
    """Return the standard deviation of a fit's χ² per pixel under the noise alone."""
    n = np.maximum(state.stats[:, N_ACTIVE], 1)
    out: NDArray[np.float64] = np.sqrt(2 * (1 + 2 * float((state.noise.lags[:, 2] ** 2).sum())) / n)
    return out


@compiled
def _histogram(pixels: Any, low: Any, count: Any) -> None:
    for line in pixels:
        for v in line:
            count[np.int64(v) - low] += 1


def _piled(last: int, next_: int, third: int) -> bool:
    """Tell whether the last grey value holds what lies beyond: far more than the next, or more while those fall."""
    falling = third - next_ > 3 * math.sqrt(third + next_)
    return bool(last > 4 * next_ + 20 or (falling and last > 1.5 * next_ + 20))


def scale_ends(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest and highest grey value where pixels pile up there, NaN where they do not."""
    if np.issubdtype(pixels.dtype, np.integer) and pixels.size and pixels.dtype.itemsize <= 2:
        low = int(pixels.min())
        count = np.zeros(int(pixels.max()) - low + 1, dtype=np.int64)
        _histogram(np.ascontiguousarray(pixels), low, count)
        at = np.flatnonzero(count)
        if len(at) < 3:
            return float("nan"), float("nan")
        lowest = low if _piled(*count[at[:3]]) else math.nan
        highest = low + int(at[-1]) if _piled(*count[at[-3:][::-1]]) else math.nan
        return float(lowest), float(highest)
    with np.errstate(invalid="ignore"):
        whole = pixels.size > 0 and math.isfinite(float(pixels.min())) and math.isfinite(float(pixels.max()))
    finite = pixels if whole else pixels[np.isfinite(pixels)]
    if finite.size < 2 or finite.min() == finite.max():
        return float("nan"), float("nan")
    top, bottom = float(finite.max()), float(finite.min())
    few = 20 + 1e-4 * finite.size
    piled = bottom != 0 and np.count_nonzero(finite == bottom) > few
    return (bottom if piled else math.nan), (top if np.count_nonzero(finite == top) > few else math.nan)


def _extents(state: State) -> NDArray[np.float64]:
    """Return the half extents of the outlines along x and y, shape (n, 2)."""
    p, kind = state.params, state.kinds
    a, b = p[:, sh.A], np.where(kind == sh.DISK, p[:, sh.A], p[:, sh.B])
    c, s = np.abs(np.cos(p[:, sh.THETA])), np.abs(np.sin(p[:, sh.THETA]))
    corner = np.where(kind == sh.ROD, b, p[:, sh.CORNER])
    straight = np.column_stack([(a - corner) * c + (b - corner) * s, (a - corner) * s + (b - corner) * c])
    bent = np.column_stack([np.hypot(a * c, b * s), np.hypot(a * s, b * c)])
    out: NDArray[np.float64] = np.where((kind <= sh.ELLIPSE)[:, None], bent, straight + corner[:, None])
    return out


@compiled
def _at_ends(image: Any, box: Any, ends: Any, share: Any) -> None:
    height, width = image.shape
    for i in range(box.shape[0]):
        n, hit = 0, 0
        half = 0.6 * max(box[i, 2], box[i, 3]) + 1
        step = max(1, int(half / 50))
        for iy in range(max(0, math.ceil(box[i, 1] - half)), min(height - 1, math.floor(box[i, 1] + half)) + 1, step):
            for ix in range(
                max(0, math.ceil(box[i, 0] - half)), min(width - 1, math.floor(box[i, 0] + half)) + 1, step
            ):
                n += 1
                hit += (image[iy, ix] <= ends[0]) | (image[iy, ix] >= ends[1])
        share[i] = hit / n if n else 0.0


@compiled
def _centroids(image: Any, box: Any, rows: Any, noise: Any, out: Any) -> None:
    """Write x, y, their standard errors and the signal's significance; see `centroids`."""
    height, width = image.shape
    for row in range(rows.shape[0]):
        b = box[rows[row]]
        half = 0.5 * math.sqrt(b[2] * b[3])
        reach = 1.7 * half + 2
        step = max(1, int(half / 40))
        x0, x1 = max(0, math.ceil(b[0] - reach)), min(width - 1, math.floor(b[0] + reach))
        y0, y1 = max(0, math.ceil(b[1] - reach)), min(height - 1, math.floor(b[1] + reach))
        ring, ring2, n_ring = 0.0, 0.0, 0
        for iy in range(y0, y1 + 1, step):
            for ix in range(x0, x1 + 1, step):
                rho = math.sqrt((ix - b[0]) ** 2 + (iy - b[1]) ** 2)
                if 1.25 * half + 1 < rho < reach and math.isfinite(image[iy, ix]):
                    ring, n_ring = ring + image[iy, ix], n_ring + 1
                    ring2 += image[iy, ix] ** 2
        level = ring / max(n_ring, 1)
        s, sx, sy, xx, yy, n = 0.0, 0.0, 0.0, 0.0, 0.0, 0
        for iy in range(y0, y1 + 1, step):
            for ix in range(x0, x1 + 1, step):
                dx, dy = ix - b[0], iy - b[1]
                if dx * dx + dy * dy <= (1.15 * half + 1) ** 2 and math.isfinite(image[iy, ix]):
                    v = level - image[iy, ix]
                    s, sx, sy, n = s + v, sx + v * dx, sy + v * dy, n + 1
                    xx, yy = xx + dx * dx, yy + dy * dy
        sigma = math.sqrt(max(noise[2], noise[1] + noise[0] * level))
        out[row, 4] = abs(s) / (sigma * math.sqrt(max(n, 1)))
        if n and n_ring and s != 0.0:
            out[row, 0], out[row, 1] = b[0] + sx / s, b[1] + sy / s
            out[row, 2], out[row, 3] = sigma * math.sqrt(xx) / abs(s), sigma * math.sqrt(yy) / abs(s)


def centroids(state: State, box: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return x, y and standard errors of the darkness (or brightness) in some boxes, shape (len(rows), 4).

    Where nothing stands out of the noise, or the centroid leaves the box, it is the box itself: its centre,
    with the standard deviation of a uniform place inside.
    """
    out = np.zeros((len(rows), 5))
    out[:, 0:2] = box[rows, 0:2]
    _centroids(state.image, box, rows, state.noise.packed(), out)
    size = np.sqrt(box[rows, 2] * box[rows, 3]) / 2
    out[:, 2:4] = np.hypot(out[:, 2:4] * np.sqrt(state.noise.kappa), _CENTROID_ERROR * size[:, None])
    away = np.hypot(out[:, 0] - box[rows, 0], out[:, 1] - box[rows, 1])
    unseen = (out[:, 4] < 4 * np.sqrt(state.noise.kappa)) | (away > 0.5 * size) | ~np.isfinite(out).all(axis=1)
    out[unseen, 0:2] = box[rows[unseen], 0:2]
    out[unseen, 2:4] = box[rows[unseen], 2:4] / np.sqrt(12)
    return out[:, :4]
