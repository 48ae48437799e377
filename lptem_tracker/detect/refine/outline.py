"""Free outlines: the fitted shape's radius in every direction, corrected by a Fourier series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import compiled, inlined
from lptem_tracker.detect.refine.frame import State, subtracted
from lptem_tracker.detect.refine.pixels import (
    BLOCK,
    DX,
    DY,
    FAR,
    INSIDE,
    N_ROWS,
    PIXEL_CAP,
    PLANE_CAP,
    VALUE,
    WEIGHT,
    Z_CUT,
    gather,
)
from lptem_tracker.detect.refine.solver import cholesky, fill, invert, substitute

RAYS = 32
_FINE = 128
_HARMONICS = 7  # of orders 2 to 8: order 0 is the size and order 1 the place, which the shape has
_SPREAD = 0.3  # of the radius over the order: prior standard deviation of a coefficient
_STEPS = 15


@inlined
def _radius(kind, p, angle):  # type: ignore[no-untyped-def]
    """Return the shape's radius in a direction of the image by bisection."""
    cos, sin = math.cos(angle - p[sh.THETA]), math.sin(angle - p[sh.THETA])
    low, high = 0.0, 1.5 * max(p[sh.A], p[sh.B]) + 1.0
    for _ in range(40):
        r = 0.5 * (low + high)
        if sh.distance(kind, r * cos, r * sin, p[sh.A], p[sh.B], p[sh.CORNER]) > 0:
            low = r
        else:
            high = r
    return 0.5 * (low + high)


@inlined
def _wave(coefficients, cos, sin, columns):  # type: ignore[no-untyped-def]
    """Write cos kφ and sin kφ of orders 2 on from cos φ and sin φ; return the series' value."""
    c, s, total = cos, sin, 0.0
    for k in range(_HARMONICS):
        c, s = c * cos - s * sin, s * cos + c * sin
        columns[2 * k], columns[2 * k + 1] = c, s
        total += coefficients[2 * k] * c + coefficients[2 * k + 1] * s
    return total


@inlined
def _bend(kind, p, px, n, coefficients, hess, factor, g, columns):  # type: ignore[no-untyped-def]
    """Gauss-Newton for the series' coefficients on the pixels near the outline."""
    m, s, contrast = 2 * _HARMONICS + 1, math.exp(p[sh.LOG_S]), p[sh.CONTRAST]
    cos_t, sin_t = math.cos(p[sh.THETA]), math.sin(p[sh.THETA])
    radius = math.sqrt(p[sh.A] * (p[sh.A] if kind == sh.DISK else p[sh.B]))
    for _ in range(_STEPS):
        for i in range(m):
            weight = ((i // 2 + 2) / (_SPREAD * radius)) ** 2 if i < m - 1 else 0.0
            g[i] = -weight * coefficients[i]
            for k in range(m):
                hess[i, k] = weight if i == k else 0.0
        for j in range(n):
            x, y = px[DX, j], px[DY, j]
            r = math.sqrt(x * x + y * y) + 1e-9
            u, v = (cos_t * x + sin_t * y) / r, (cos_t * y - sin_t * x) / r
            ahead = sh.distance(kind, (r + 0.01) * u, (r + 0.01) * v, p[sh.A], p[sh.B], p[sh.CORNER])
            steep = (px[INSIDE, j] - ahead) / 0.01
            z = (px[INSIDE, j] + steep * _wave(coefficients, x / r, y / r, columns)) / s
            cdf = 0.5 * math.erfc(-z / math.sqrt(2.0))
            slope = -contrast * steep * math.exp(-0.5 * z * z) / (s * math.sqrt(2 * math.pi)) * px[WEIGHT, j]
            plane = p[sh.LEVEL] + p[sh.SLOPE_X] * x + p[sh.SLOPE_Y] * y
            res = px[WEIGHT, j] * (px[VALUE, j] - plane + contrast * cdf)
            if z < -Z_CUT:
                continue
            for i in range(m - 1):
                columns[i] *= slope
            columns[m - 1] = -px[WEIGHT, j] * cdf
            for i in range(m):
                g[i] += columns[i] * res
                for k in range(i + 1):
                    hess[i, k] += columns[i] * columns[k]
        if not cholesky(hess, m, factor):
            return False
        substitute(factor, m, g)
        largest = 0.0
        for i in range(m - 1):
            largest = max(largest, abs(g[i]))
        scale = min(1.0, s / max(largest, 1e-12))
        for i in range(m - 1):
            coefficients[i] += scale * g[i]
        contrast += scale * g[m - 1]
    return True


@inlined
def _spread(factor, m, scale, around, column):  # type: ignore[no-untyped-def]
    """Write the lower factor of the series' covariance, the contrast unknown too; zero where there is none."""
    inverse = np.zeros((m, m))
    invert(factor, m, inverse, column)
    for i in range(m - 1):
        for k in range(m - 1):
            inverse[i, k] *= scale
    if not (math.isfinite(inverse[0, 0]) and cholesky(inverse, m - 1, around)):
        fill(around, 0.0)


@compiled
def _outlines(image, total, counted, owner, kinds, params, windows, noise, kappa, table, radii):  # type: ignore[no-untyped-def]
    capacity, m = 64, 2 * _HARMONICS + 1
    for i in range(len(kinds)):
        half = max(params[i, sh.A], params[i, sh.B]) + Z_CUT * math.exp(params[i, sh.LOG_S]) + 3
        capacity = max(capacity, int(min(4 * half * half, PIXEL_CAP)) + 64 + BLOCK)
    px, far, scratch, sums = (
        np.empty((N_ROWS, capacity)),
        np.empty((N_ROWS, FAR)),
        np.empty((5, capacity)),
        np.zeros(11),
    )
    hess, factor, g, columns = np.zeros((m, m)), np.zeros((m, m)), np.zeros(m), np.zeros(m)
    around, trial = np.zeros((m, m)), np.zeros(m)
    for i in range(len(kinds)):
        p, coefficients = params[i], np.zeros(m)
        if not math.isfinite(p[sh.X] + p[sh.A] + p[sh.CONTRAST]):
            continue
        slack = min(3.0 + 0.2 * p[sh.B], 10.0)
        n, _, _ = gather(
            image, total, counted[i], owner, i, kinds[i], p, windows[i], noise, slack, 6.0, (PIXEL_CAP, PLANE_CAP),
            table, px, far, scratch, sums,
        )  # fmt: skip
        fill(around, 0.0)
        if _bend(kinds[i], p, px, n, coefficients, hess, factor, g, columns):
            _spread(factor, m, kappa, around, trial)
        for k in range(radii.shape[2]):
            angle = 2 * math.pi * k / radii.shape[2]
            middle = _radius(kinds[i], p, angle)
            for t in range(radii.shape[1]):
                for c in range(m - 1):
                    step = 0.0 if t == 0 else (1.0 - 2.0 * (t % 2)) * around[c, (t - 1) // 2]
                    trial[c] = coefficients[c] + step
                radii[i, t, k] = max(middle + _wave(trial, math.cos(angle), math.sin(angle), columns), 0.0)


@inlined
def _hull_area(x, y, keep):  # type: ignore[no-untyped-def]
    """Return the area of the convex hull of a star-shaped polygon by Graham's scan from its farthest corner."""
    n, first = len(x), 0
    for k in range(n):
        if x[k] * x[k] + y[k] * y[k] > x[first] * x[first] + y[first] * y[first]:
            first = k
    size = 0
    for step in range(n + 1):
        k = (first + step) % n
        while size > 1:
            a, b = keep[size - 2], keep[size - 1]
            if (x[b] - x[a]) * (y[k] - y[a]) - (y[b] - y[a]) * (x[k] - x[a]) > 0:
                break
            size -= 1
        keep[size] = k
        size += 1
    total = 0.0
    for t in range(size - 1):
        a, b = keep[t], keep[t + 1]
        total += 0.5 * (x[a] * y[b] - x[b] * y[a])
    return total


@compiled
def _hull_areas(x, y, out):  # type: ignore[no-untyped-def]
    keep = np.zeros(x.shape[1] + 2, dtype=np.int64)
    for i in range(len(out)):
        out[i] = _hull_area(x[i], y[i], keep)


def outlines(state: State) -> NDArray[np.float64]:
    """Fit a free outline to each particle around its fitted shape.

    Radial displacements of the blurred outline are a Fourier series (Zahn & Roskies 1972, in polar form) of
    orders 2 to 8, fitted by weighted least squares with priors that fall with the order.

    Parameters
    ----------
    state : State
        After the last fit.

    Returns
    -------
    numpy.ndarray
        Shape (n, 29, 128): radii in px at equal angles from +x towards +y around the fitted centre; first the
        outline's, then with one standard deviation more and less along each axis of the series' covariance.
    """
    # corners of a rectangle that fits a triangle badly would stay: a disk has none to lose
    square = state.kinds == sh.BOX
    state = state.copy()
    state.params[square, sh.A] = np.sqrt(sh.area(state.kinds, state.params)[square] / np.pi)
    state.kinds[square] = sh.DISK
    around = subtracted(state)
    radii = np.full((len(state.kinds), 1 + 4 * _HARMONICS, _FINE), np.nan)
    _outlines(
        state.image, around.total, around.counted, around.owner, state.kinds, state.params, state.windows,
        state.noise.packed(), state.noise.kappa, sh.TABLE, radii,
    )  # fmt: skip
    return radii


def outline_columns(radii: NDArray[np.float64]) -> dict[str, Any]:
    """Return area, radius, circularity and solidity of polygons with their errors, and their radii along 32 rays.

    Noise bends outlines, and so lowers circularity and solidity: by the mean over its covariance to second order
    (Box 1971), which is taken out.

    Parameters
    ----------
    radii : numpy.ndarray
        Shape (n, 29, 128), from `outlines`.
    """
    angle = 2 * np.pi * np.arange(radii.shape[2]) / radii.shape[2]
    x, y = radii * np.cos(angle), radii * np.sin(angle)
    x1, y1 = np.roll(x, -1, axis=2), np.roll(y, -1, axis=2)
    area = 0.5 * (x * y1 - x1 * y).sum(axis=2)
    around = np.hypot(x1 - x, y1 - y).sum(axis=2)
    hull = np.empty(area.size)
    _hull_areas(np.nan_to_num(x).reshape(-1, len(angle)), np.nan_to_num(y).reshape(-1, len(angle)), hull)
    rays = radii[:, 0, :: radii.shape[2] // RAYS]
    out: dict[str, Any] = {"outline": list(rays)}
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "area": area, "radius": np.sqrt(area / np.pi), "circularity": 4 * np.pi * area / around**2,
            "solidity": area / hull.reshape(area.shape),
        }  # fmt: skip
    for name, value in found.items():
        middle, more, less = value[:, 0], value[:, 1::2], value[:, 2::2]
        bent = 0.5 * (more + less) - middle[:, None]
        out[f"{name}_std"] = np.sqrt((0.25 * (more - less) ** 2 + 2 * bent**2).sum(axis=1))
        out[name] = middle - bent.sum(axis=1)
        if name in ("circularity", "solidity"):
            out[name] = np.minimum(out[name], 1.0)
    return out
