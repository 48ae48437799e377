"""Weighted least-squares fits of blurred shapes, one compiled loop over all particles of a frame.

Every particle is fitted by Levenberg-Marquardt (Marquardt 1963) in a window of its own, with weights
from the frame's noise model, Gaussian priors on some parameters, and a covariance that holds under the
noise's measured short-range correlation (sandwich: White 1980, eq. 5, with the autocorrelation known).
Far from the outline a model is its background plane alone: those pixels enter once, as sums.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from lptem_tracker.detect.refine.shapes import (
    A,
    B,
    CONTRAST,
    CORNER,
    DISK,
    ELLIPSE,
    LEVEL,
    LOG_S,
    N_PARAMS,
    SLOPE_X,
    SLOPE_Y,
    THETA,
    X,
    Y,
    Q,
    distance,
    edge,
    fraction,
    outline_terms,
)
from lptem_tracker.detect.refine.solver import cholesky, invert, substitute

# columns of the statistics of a fit
CHI2, N_ACTIVE, CHI2_OUT, N_OUT, CHI2_IN, N_IN, ITERATIONS, CONVERGED, ELONGATION, SEEN, CLIPPED, LOG_V = range(12)
N_STATS = 12

Z_CUT = 4.0  # blurs from the outline beyond which an edge is not seen (Φ(-4) = 3e-5)
PIXEL_CAP = 40_000
PLANE_CAP = 6_000


@numba.njit(cache=True, nogil=True, fastmath=True)
def _gather(image, total, counted, owner, me, kind, p, window, noise, slack, clip, table, px, sums, stats):  # type: ignore[no-untyped-def]
    """Collect a particle's pixels: x, y, value and root weight near the outline, sums beyond.

    Returns the number of pixels near the outline. px : (7, capacity) rows dx, dy, value, root weight, d, and
    the integer position of each; sums : (10,) Σw(1, x, y, xx, xy, yy), Σw·value·(1, x, y), Σw·value².
    """
    cos, sin, s = math.cos(p[THETA]), math.sin(p[THETA]), math.exp(p[LOG_S])
    a, b = p[A], (p[A] if kind == DISK else p[B])
    near, reach2 = Z_CUT * s + slack, window[2] * window[2]
    x0, x1 = max(0, math.ceil(window[0] - window[2])), min(image.shape[1] - 1, math.floor(window[0] + window[2]))
    y0, y1 = max(0, math.ceil(window[1] - window[2])), min(image.shape[0] - 1, math.floor(window[1] + window[2]))
    stride = max(1, math.ceil(math.sqrt(math.pi * reach2 / PLANE_CAP)))
    rim = max(1, math.ceil(math.sqrt(14 * near * max(a, b) / PIXEL_CAP)))
    n, seen, inside = 0, 0, 0
    sums[:] = 0.0
    stats[N_OUT], stats[CLIPPED], stats[LOG_V] = 0.0, 0.0, 0.0
    for iy in range(y0, y1 + 1):
        for ix in range(x0, x1 + 1):
            if (ix - window[0]) ** 2 + (iy - window[1]) ** 2 > reach2:
                continue
            dx, dy = ix - p[X], iy - p[Y]
            u, v = cos * dx + sin * dy, cos * dy - sin * dx
            d = distance(kind, u, v, a, b, p[CORNER])
            skip = stride if abs(d) > near else rim
            if skip > 1 and (ix % skip != 0 or iy % skip != 0):
                continue
            if d > 0:
                inside += 1
            value = image[iy, ix]
            if not math.isfinite(value):
                continue
            if owner[iy, ix] >= 0 and owner[iy, ix] != me:
                continue
            own = p[CONTRAST] * fraction(kind, u, v, d, p, s, table) if d > -near else 0.0
            plane = p[LEVEL] + p[SLOPE_X] * dx + p[SLOPE_Y] * dy
            others = total[iy, ix] - (own if counted else 0.0) if total[iy, ix] != 0.0 else 0.0
            variance = max(noise[2], noise[1] + noise[0] * (plane - own - others))
            weight = 1.0 / variance
            value += others
            if clip > 0 and (value - plane + own) ** 2 > clip * clip * variance:
                stats[CLIPPED] += 1
                continue
            if d > 0:
                seen += 1
            if d > -near:
                if n < px.shape[1]:
                    px[0, n], px[1, n], px[2, n], px[3, n], px[4, n] = dx, dy, value, math.sqrt(weight), d
                    px[5, n], px[6, n] = ix, iy
                    stats[LOG_V] += math.log(variance)
                    n += 1
                continue
            value -= p[LEVEL]
            stats[N_OUT] += 1
            wx, wy, wv = weight * dx, weight * dy, weight * value
            sums[0] += weight
            sums[1] += wx
            sums[2] += wy
            sums[3] += wx * dx
            sums[4] += wx * dy
            sums[5] += wy * dy
            sums[6] += wv
            sums[7] += wv * dx
            sums[8] += wv * dy
            sums[9] += wv * value
    if stats[N_OUT] > 0:
        # the background's variance hardly varies over a window: the logarithm of the mean weight will do
        stats[LOG_V] -= stats[N_OUT] * math.log(sums[0] / stats[N_OUT])
    whole = math.pi * a * b if stride == 1 and kind <= ELLIPSE else float(inside)
    stats[SEEN] = seen / max(whole, float(inside), 1.0)
    return n


@numba.njit(cache=True, nogil=True, fastmath=True)
def _evaluate(kind, p, origin, px, n, table, d, h, jac, res):  # type: ignore[no-untyped-def]
    """Write the weighted residuals and Jacobian at p; return the sum of squares near the outline."""
    cos, sin = math.cos(p[THETA]), math.sin(p[THETA])
    s, q, c = math.exp(p[LOG_S]), p[Q], p[CONTRAST]
    ox, oy = origin[X] - p[X], origin[Y] - p[Y]
    chi2 = 0.0
    for j in range(n):
        w = px[3, j]
        gx, gy = px[0, j], px[1, j]
        dx, dy = gx + ox, gy + oy
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        outline_terms(kind, u, v, p[A], p[B], p[CORNER], d, h)
        z = d[0] / s
        cdf, pdf, g, dg = edge(z, table)
        f, f_d, f_h, f_s, f_q = cdf, pdf / s, 0.0, -z * pdf, 0.0
        if g > 0:
            root = math.sqrt(max(h[0] * s, 1e-12))
            thick = root * g
            f_q = thick - cdf
            f += q * f_q
            f_d += q * (root * dg - pdf) / s
            f_h = q * 0.5 * thick / max(h[0], 1e-9)
            f_s += q * (root * (0.5 * g - z * dg) + z * pdf)
        f_u, f_v = f_d * d[1] + f_h * h[1], f_d * d[2] + f_h * h[2]
        cw = -c * w
        jac[X, j] = cw * (f_v * sin - f_u * cos)
        jac[Y, j] = -cw * (f_u * sin + f_v * cos)
        jac[A, j] = cw * (f_d * d[3] + f_h * h[3])
        jac[B, j] = cw * (f_d * d[4] + f_h * h[4])
        jac[THETA, j] = cw * (f_u * v - f_v * u)
        jac[CORNER, j] = cw * (f_d * d[5] + f_h * h[5])
        jac[LOG_S, j] = cw * f_s
        jac[Q, j] = cw * f_q
        jac[CONTRAST, j] = -w * f
        jac[LEVEL, j] = w
        jac[SLOPE_X, j] = w * gx
        jac[SLOPE_Y, j] = w * gy
        r = w * (px[2, j] - (p[LEVEL] + p[SLOPE_X] * gx + p[SLOPE_Y] * gy - c * f))
        res[j] = r
        chi2 += r * r
    return chi2


@numba.njit(cache=True, nogil=True, fastmath=True)
def _plane(p, origin, sums, grad):  # type: ignore[no-untyped-def]
    """Return the sum of squares of the pixels beyond the outline, and their gradient for the plane."""
    b0, b1, b2 = p[LEVEL] - origin[LEVEL], p[SLOPE_X], p[SLOPE_Y]
    s0 = sums[0] * b0 + sums[1] * b1 + sums[2] * b2
    s1 = sums[1] * b0 + sums[3] * b1 + sums[4] * b2
    s2 = sums[2] * b0 + sums[4] * b1 + sums[5] * b2
    grad[0], grad[1], grad[2] = sums[6] - s0, sums[7] - s1, sums[8] - s2
    return max(sums[9] - 2 * (b0 * sums[6] + b1 * sums[7] + b2 * sums[8]) + b0 * s0 + b1 * s1 + b2 * s2, 0.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g):  # type: ignore[no-untyped-def]
    """Write the normal matrix and gradient of the free parameters, priors included."""
    for i in range(m):
        a = free[i]
        for k in range(i + 1):
            b = free[k]
            total = 0.0
            ra, rb = jac[a], jac[b]
            for j in range(n):
                total += ra[j] * rb[j]
            if a >= LEVEL and b >= LEVEL:
                lo, hi = min(a, b) - LEVEL, max(a, b) - LEVEL
                total += sums[hi] if lo == 0 else sums[2 + lo + hi - 1]
            hess[i, k] = total
            hess[k, i] = total
        total = 0.0
        ra = jac[a]
        for j in range(n):
            total += ra[j] * res[j]
        if a >= LEVEL:
            total += grad[a - LEVEL]
        hess[i, i] += precision[a] + 1e-12
        g[i] = total + precision[a] * (prior[a] - p[a])


@numba.njit(cache=True, nogil=True, fastmath=True)
def _penalty(p, prior, precision):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(N_PARAMS):
        if precision[k] > 0:
            total += precision[k] * (p[k] - prior[k]) ** 2
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _step(kind, p, free, m, delta, trial):  # type: ignore[no-untyped-def]
    """Write p plus a step shortened to where the linear model can be trusted, inside the bounds."""
    b = p[A] if kind == DISK else p[B]
    scale = 1.0
    for i in range(m):
        k, size = free[i], abs(delta[i])
        limit = np.inf
        if k in (X, Y):
            limit = 0.3 * b + 0.5
        elif k == A:
            limit = 0.35 * p[A]
        elif k in (B, CORNER):
            limit = 0.35 * b
        elif k in (THETA, LOG_S):
            limit = 0.5
        elif k == Q:
            limit = 1.0
        if size > limit:
            scale = min(scale, limit / size)
    for k in range(N_PARAMS):
        trial[k] = p[k]
    for i in range(m):
        trial[free[i]] += scale * delta[i]
    trial[A], trial[B] = max(trial[A], 0.3), max(trial[B], 0.3)
    trial[LOG_S] = min(max(trial[LOG_S], -1.2), math.log(0.7 * max(b, 1.0) + 1.0))
    trial[Q] = min(max(trial[Q], -0.5), 1.5)
    trial[CORNER] = min(max(trial[CORNER], 0.0), min(trial[A], trial[B]))
    return scale


@numba.njit(cache=True, nogil=True, fastmath=True)
def _sandwich(jac, px, n, free, m, sums, lags, grid, inverse, work, cov):  # type: ignore[no-untyped-def]
    """Write H⁻¹ (JᵀRJ + (H - JᵀJ)) H⁻¹ with R the noise's correlation at the given lags.

    lags : (L, 3) rows of x, y (half plane) and correlation. Beyond the outline the plane's columns vary
    slowly, so there the sum over lags is the sum of the correlations.
    """
    x0, y0 = px[5, 0], px[6, 0]
    for j in range(n):
        x0, y0 = min(x0, px[5, j]), min(y0, px[6, j])
    grid[:] = -1
    for j in range(n):
        row, column = int(px[6, j] - y0) + 3, int(px[5, j] - x0) + 3
        if row < grid.shape[0] - 3 and column < grid.shape[1] - 3:
            grid[row, column] = j
    extra = np.zeros((m, m))
    kappa = 0.0
    for t in range(lags.shape[0]):
        kappa += 2 * lags[t, 2]
        lx, ly, rho = int(lags[t, 0]), int(lags[t, 1]), lags[t, 2]
        count = 0
        for j in range(n):
            row, column = int(px[6, j] - y0) + 3 + ly, int(px[5, j] - x0) + 3 + lx
            if row < grid.shape[0] and column < grid.shape[1] and grid[row, column] >= 0:
                work[0, count], work[1, count] = j, grid[row, column]
                count += 1
        for i in range(m):
            for k in range(m):
                total = 0.0
                ri, rk = jac[free[i]], jac[free[k]]
                for c in range(count):
                    total += ri[work[0, c]] * rk[work[1, c]]
                extra[i, k] += rho * total
                extra[k, i] += rho * total
    for i in range(m):
        for k in range(m):
            if free[i] >= LEVEL and free[k] >= LEVEL:
                lo, hi = min(free[i], free[k]) - LEVEL, max(free[i], free[k]) - LEVEL
                extra[i, k] += kappa * (sums[hi] if lo == 0 else sums[1 + lo + hi])
    half = inverse @ extra @ inverse
    for i in range(m):
        for k in range(m):
            cov[i, k] = inverse[i, k] + half[i, k]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _elongation(jac, res, px, n, p, origin):  # type: ignore[no-untyped-def]
    """Return the score statistic (two degrees of freedom) of an elliptic deformation of a disk."""
    gc, gs, hc, hs, hcs = 0.0, 0.0, 1e-12, 1e-12, 0.0
    for j in range(n):
        dx, dy = px[0, j] + origin[X] - p[X], px[1, j] + origin[Y] - p[Y]
        r2 = dx * dx + dy * dy + 1e-9
        rim = jac[A, j] * p[A]
        c, s = rim * (dx * dx - dy * dy) / r2, rim * 2 * dx * dy / r2
        gc += c * res[j]
        gs += s * res[j]
        hc += c * c
        hs += s * s
        hcs += c * s
    det = hc * hs - hcs * hcs
    return (gc * gc * hs - 2 * gc * gs * hcs + gs * gs * hc) / det if det > 1e-9 * hc * hs else 0.0


@numba.njit(cache=True, nogil=True, fastmath=True)
def _descend(kind, p, prior, precision, px, n, sums, free, m, table, max_iter, tol, buf, stats):  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt from p, in place; leaves the Jacobian and normal matrix of the last point."""
    d, h, jac, res, hess, g, factor, damped, trial, grad, origin = buf
    origin[:] = p
    chi2 = _evaluate(kind, p, origin, px, n, table, d, h, jac, res)
    cost = chi2 + _plane(p, origin, sums, grad) + _penalty(p, prior, precision)
    _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g)
    damping, converged, it = 1e-3, 0.0, 0
    while it < max_iter:
        it += 1
        for i in range(m):
            for k in range(m):
                damped[i, k] = hess[i, k]
            damped[i, i] *= 1 + damping
        if not cholesky(damped, m, factor):
            damping = max(damping * 30, 1e-2)
            continue
        delta = g[:m].copy()
        substitute(factor, m, delta)
        gain = 0.0
        for i in range(m):
            gain += g[i] * delta[i]
        scale = _step(kind, p, free, m, delta, trial)
        chi2 = _evaluate(kind, trial, origin, px, n, table, d, h, jac, res)
        new = chi2 + _plane(trial, origin, sums, grad) + _penalty(trial, prior, precision)
        if new <= cost + 1e-9 * abs(cost):
            p[:] = trial
            cost = new
            damping *= 0.2
            _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g)
            if gain < tol and scale == 1.0:
                converged = 1.0
                break
        else:
            damping *= 8
            if damping > 1e8 or gain < tol:
                converged = 1.0 if gain < 10 * tol else 0.0
                break
    stats[ITERATIONS], stats[CONVERGED] = it, converged
    chi2 = _evaluate(kind, p, origin, px, n, table, d, h, jac, res)
    stats[CHI2], stats[N_ACTIVE] = chi2, n
    stats[CHI2_OUT] = _plane(p, origin, sums, grad)
    _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _inner(res, px, n, s, stats):  # type: ignore[no-untyped-def]
    """Sum the squared residuals deep inside the outline, for the noise's rise with the mean."""
    stats[CHI2_IN], stats[N_IN] = 0.0, 0.0
    for j in range(n):
        if px[4, j] > 2 * s:
            stats[CHI2_IN] += res[j] * res[j]
            stats[N_IN] += 1


@numba.njit(cache=True, nogil=True, fastmath=True)
def _capacity(chosen, params, slack, lags, want):  # type: ignore[no-untyped-def]
    """Return the most pixels near an outline, and the side of the grid that holds them."""
    most, side = 0.0, 0
    for row in range(chosen.shape[0]):
        p = params[chosen[row]]
        near = Z_CUT * math.exp(p[LOG_S]) + slack
        half = max(p[A], p[B]) + near
        most = max(most, min(4 * half * half, float(PIXEL_CAP)))
        if lags.shape[0] > 0 and want > 0:
            side = max(side, int(2.9 * half) + 12)
    return int(most) + 64, side


@numba.njit(cache=True, nogil=True, fastmath=True)
def fit_particles(  # type: ignore[no-untyped-def]
    image, total, counted, owner, chosen, kinds, params, windows, priors, precisions, free, noise, lags, options, table, covs, stats
):
    """Fit the chosen particles of a frame; `params` holds the start and then the fit.

    Parameters
    ----------
    image : (Y, X) float32
        Pixels; not-finite ones are no data.
    total : (Y, X) float64
        What the shapes of other particles take away, and for those that are `counted` their own at `params`.
    counted : (n,) bool
    owner : (Y, X) int32
        Row of the particle to which a pixel belongs; -1 for everybody's.
    chosen : (k,) int64
        Rows to fit. The arrays below have a row for every particle of the frame.
    kinds : (n,) int64
    params, priors, precisions : (n, 12) float64
        Start, centre and inverse variance of Gaussian priors (0: none).
    windows : (n, 3) float64
        Centre x, y and radius in px of the pixels used.
    free : (4, 12) bool
        Free parameters of each kind of shape.
    noise : (3,) float64
        Gain, readout variance, and least variance.
    lags : (L, 3) float64
        Half-plane lags x, y and the noise's correlation there; L = 0 for white noise.
    options : (5,) float64
        Slack in px that an outline may move, clip in standard deviations (0: none), most iterations,
        tolerance in units of χ², covariance wanted (1) or not (0).
    table : (n, 4) float64
        `shapes.TABLE`.
    covs : (n, 12, 12) float64, stats : (n, N_STATS) float64
        Written: covariance of the fit and its figures.
    """
    slack, clip, max_iter, tol, want = options
    capacity, side = _capacity(chosen, params, slack, lags, want)
    px, jac, res = np.empty((7, capacity)), np.zeros((N_PARAMS, capacity)), np.empty(capacity)
    d, h, grad, sums = np.zeros(6), np.zeros(6), np.zeros(3), np.zeros(10)
    origin, trial, g, column = np.zeros(N_PARAMS), np.zeros(N_PARAMS), np.zeros(12), np.zeros(12)
    hess, factor, damped = np.zeros((12, 12)), np.zeros((12, 12)), np.zeros((12, 12))
    buf = (d, h, jac, res, hess, g, factor, damped, trial, grad, origin)
    grid = np.empty((side, side), np.int32)
    work = np.empty((2, capacity if side else 0), np.int32)
    for row in range(chosen.shape[0]):
        i = chosen[row]
        kind, p, st = kinds[i], params[i], stats[i]
        which = np.nonzero(free[kind])[0]
        m = which.shape[0]
        if kind == DISK:
            p[B] = p[A]
        n = _gather(image, total, counted[i], owner, i, kind, p, windows[i], noise, slack, clip, table, px, sums, st)
        st[CONVERGED] = 0.0
        if n + st[N_OUT] <= m + 3 or n < 4:
            st[N_ACTIVE], st[CHI2], st[CHI2_OUT], st[N_IN], st[CHI2_IN] = n, 0.0, 0.0, 0.0, 0.0
            covs[i] = np.nan
            continue
        _descend(kind, p, priors[i], precisions[i], px, n, sums, which, m, table, int(max_iter), tol, buf, st)
        # slopes refer to the window's origin: move the level to the fitted centre
        p[LEVEL] += p[SLOPE_X] * (p[X] - origin[X]) + p[SLOPE_Y] * (p[Y] - origin[Y])
        st[ELONGATION] = _elongation(jac, res, px, n, p, origin) if kind == DISK else 0.0
        _inner(res, px, n, math.exp(p[LOG_S]), st)
        if want > 0:
            covs[i] = 0.0
            if not cholesky(hess, m, factor):
                covs[i] = np.nan
                continue
            inverse, cov = np.empty((m, m)), np.empty((m, m))
            invert(factor, m, inverse, column)
            cov[:] = inverse
            if side:
                _sandwich(jac, px, n, which, m, sums, lags, grid, inverse, work, cov)
            for k in range(m):
                for t in range(m):
                    covs[i, which[k], which[t]] = cov[k, t]
