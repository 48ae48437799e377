"""Weighted least-squares fits of blurred shapes, one compiled loop over all particles of a frame.

Every particle is fitted by Levenberg-Marquardt (Marquardt 1963) in a window of its own, with weights
from the frame's noise model, Gaussian priors on some parameters, and a covariance that holds under the
noise's measured short-range correlation (sandwich: White 1980, eq. 5, with the autocorrelation known).
Far from the outline a model is its background plane alone: those pixels enter once, as sums.
"""

from __future__ import annotations

import math

import numpy as np

from lptem_tracker.detect.refine.compiled import compiled, inlined
from lptem_tracker.detect.refine.model import evaluate, plane_columns
from lptem_tracker.detect.refine.pixels import BLOCK, FAR, N_ROWS, PIXEL_CAP, Z_CUT, gather
from lptem_tracker.detect.refine.profile import dome_column
from lptem_tracker.detect.refine.scores import (
    CELLS,
    CHI2,
    CHI2_OUT,
    CONVERGED,
    ELONGATION,
    ITERATIONS,
    LOG_V,
    N_ACTIVE,
    N_OUT,
    N_STATS,
    SEEN,
    elongation,
    project,
    sandwich,
    sandwich_of,
)
from lptem_tracker.detect.refine.shapes import (
    BOX,
    CONTRAST,
    CORNER,
    DISK,
    LEVEL,
    LOG_S,
    N_PARAMS,
    SLOPE_X,
    SLOPE_Y,
    THETA,
    A,
    B,
    Q,
    X,
    Y,
)
from lptem_tracker.detect.refine.solver import cholesky, fill, has_variances, invert, substitute

ASK_ELLIPSE, ASK_DOME = 2, 3  # what else may be wanted of a run, see `fit_particles`


@inlined
def _plane(p, origin, sums, grad):  # type: ignore[no-untyped-def]
    """Return the sum of squares of the pixels beyond the outline, and their gradient for the plane."""
    b0, b1, b2 = p[LEVEL] - origin[LEVEL], p[SLOPE_X], p[SLOPE_Y]
    s0 = sums[0] * b0 + sums[1] * b1 + sums[2] * b2
    s1 = sums[1] * b0 + sums[3] * b1 + sums[4] * b2
    s2 = sums[2] * b0 + sums[4] * b1 + sums[5] * b2
    grad[0], grad[1], grad[2] = sums[6] - s0, sums[7] - s1, sums[8] - s2
    return max(sums[9] - 2 * (b0 * sums[6] + b1 * sums[7] + b2 * sums[8]) + b0 * s0 + b1 * s1 + b2 * s2, 0.0)


@inlined
def _products(jac, res, n, free, m, hess, g):  # type: ignore[no-untyped-def]
    """Write JᵀJ and Jᵀr of the free parameters, below the diagonal; by two columns and two rows at a time.

    Each pixel is then looked up half as often: that, not the products, takes the time.
    """
    for i in range(0, m, 2):
        one, other = jac[free[i]], (jac[free[i + 1]] if i + 1 < m else res)
        for k in range(0, i + 1, 2):
            left, right = jac[free[k]], (jac[free[k + 1]] if k + 1 < m else res)
            a, b, c, d = 0.0, 0.0, 0.0, 0.0
            for j in range(n):
                a += one[j] * left[j]
                b += one[j] * right[j]
                c += other[j] * left[j]
                d += other[j] * right[j]
            hess[i, k] = a
            if k + 1 < m:
                hess[i, k + 1] = b
            if i + 1 < m:
                hess[i + 1, k] = c
                hess[i + 1, min(k + 1, m - 1)] = d
        a, b = 0.0, 0.0
        for j in range(n):
            a += one[j] * res[j]
            b += other[j] * res[j]
        g[i] = a
        if i + 1 < m:
            g[i + 1] = b


@inlined
def _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g):  # type: ignore[no-untyped-def]
    """Write the normal matrix and gradient of the free parameters, priors included."""
    _products(jac, res, n, free, m, hess, g)
    for i in range(m):
        a = free[i]
        for k in range(i + 1):
            b = free[k]
            if a >= LEVEL and b >= LEVEL:
                lo, hi = min(a, b) - LEVEL, max(a, b) - LEVEL
                hess[i, k] += sums[hi] if lo == 0 else sums[2 + lo + hi - 1]
            hess[k, i] = hess[i, k]
        if a >= LEVEL:
            g[i] += grad[a - LEVEL]
        hess[i, i] += precision[a] + 1e-12
        g[i] += precision[a] * (prior[a] - p[a])


@inlined
def _penalty(p, prior, precision):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(N_PARAMS):
        if precision[k] > 0:
            total += precision[k] * (p[k] - prior[k]) ** 2
    return total


@inlined
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


@inlined
def _descend(kind, p, prior, precision, px, n, sums, free, m, table, max_iter, tol, buf, stats):  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt from p, in place; leaves the Jacobian and normal matrix of the last point."""
    scratch, jac, res, hess, g, factor, damped, trial, grad, origin, delta = buf
    full = 0
    for k in range(N_PARAMS):
        origin[k] = p[k]
    for i in range(m):
        if free[i] == Q:
            full = 1
    plane_columns(px, n, jac)
    chi2 = evaluate(kind, p, origin, px, n, table, scratch, jac, res, full)
    stats[CHI2] = chi2
    cost = chi2 + _plane(p, origin, sums, grad) + _penalty(p, prior, precision)
    _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g)
    damping, converged, it, at_p = 1e-3, 0.0, 0, True
    while it < max_iter:
        it += 1
        for i in range(m):
            for k in range(m):
                damped[i, k] = hess[i, k]
            damped[i, i] *= 1 + damping
        if not cholesky(damped, m, factor):
            damping = max(damping * 30, 1e-2)
            continue
        for i in range(m):
            delta[i] = g[i]
        substitute(factor, m, delta)
        gain = 0.0
        for i in range(m):
            gain += g[i] * delta[i]
        scale = _step(kind, p, free, m, delta, trial)
        chi2 = evaluate(kind, trial, origin, px, n, table, scratch, jac, res, full)
        new = chi2 + _plane(trial, origin, sums, grad) + _penalty(trial, prior, precision)
        if new <= cost + 1e-9 * abs(cost):
            for k in range(N_PARAMS):
                p[k] = trial[k]
            cost, at_p = new, True
            stats[CHI2] = chi2
            damping *= 0.2
            if gain < tol and scale == 1.0:
                # the normal matrix hardly differs from that of the point before
                converged = 1.0
                break
            _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g)
        else:
            damping *= 8
            at_p = False
            if damping > 1e8 or gain < tol:
                converged = 1.0 if gain < 10 * tol else 0.0
                break
    stats[ITERATIONS], stats[CONVERGED] = it, converged
    if not at_p:
        stats[CHI2] = evaluate(kind, p, origin, px, n, table, scratch, jac, res, full)
    stats[CHI2_OUT] = _plane(p, origin, sums, grad)
    if not at_p:
        _normal(jac, res, n, free, m, sums, grad, p, prior, precision, hess, g)


@inlined
def _capacity(chosen, kinds, params, slack):  # type: ignore[no-untyped-def]
    """Return the most pixels near an outline, and the cells that hold three lines of them.

    Room for every particle's own: what is left out for lack of it would depend on what is fitted beside.
    """
    most, width = 0.0, 0.0
    for row in range(chosen.shape[0]):
        p = params[chosen[row]]
        near = Z_CUT * math.exp(p[LOG_S]) + slack
        half = max(p[A], p[B]) + near
        bounding = half if kinds[chosen[row]] != BOX else math.sqrt(p[A] * p[A] + p[B] * p[B]) + near
        most, width = max(most, min(4 * bounding * bounding, float(PIXEL_CAP))), max(width, 2 * bounding + 6)
    return int(most) + 64 + BLOCK, max(CELLS, 4 * int(width)) + 4 * int(width)


@inlined
def _errors(kind, p, precision, px, n, free, m, table, sums, lags, score, dense, cells, buf, inverse, cov, covs, stats):  # type: ignore[no-untyped-def]
    """Write the covariance of a fit that has ended, and where wanted what a dome would gain."""
    scratch, jac, res, hess, g, factor, _, trial, _, origin, column = buf
    fill(covs, np.nan)
    if not cholesky(hess, m, factor):
        return
    fill(covs, 0.0)
    invert(factor, m, inverse, column)
    for k in range(m):
        for t in range(m):
            cov[k, t] = inverse[k, t]
    if lags.shape[0] > 0 and score == ASK_ELLIPSE:
        blur, contrast = 0, 0
        for k in range(m):
            blur, contrast = (k if free[k] == LOG_S else blur), (k if free[k] == CONTRAST else contrast)
        sandwich_of((blur, contrast), jac, px, n, free, m, sums, lags, dense, cells, inverse, scratch, cov)
    elif lags.shape[0] > 0:
        sandwich(jac, px, n, free, m, sums, lags, dense, cells, inverse, cov)
    if not has_variances(cov, m):
        fill(covs, np.nan)
        return
    for k in range(m):
        for t in range(m):
            covs[free[k], free[t]] = cov[k, t]
    if score == ASK_DOME and p[Q] == 0.0:
        dome_column(kind, p, origin, px, n, table, scratch, trial, jac[CONTRAST], jac[Q])
        project(jac[Q], jac, res, n, free, m, hess, precision, factor, g, column, stats)


@inlined
def _gathered(image, total, counted, owner, i, kind, p, window, noise, options, table, px, far, scratch, sums, st):  # type: ignore[no-untyped-def]
    """Collect the pixels of a particle; return how many lie near its outline.

    The elongation stays: it is measured once, on the free fit of a disk.
    """
    for k in range(N_STATS):
        st[k] = st[k] if k == ELONGATION else 0.0
    caps = (int(options[5]), int(options[6]))
    n, st[SEEN], st[LOG_V] = gather(
        image,
        total,
        counted,
        owner,
        i,
        kind,
        p,
        window,
        noise,
        options[0],
        options[1],
        caps,
        table,
        px,
        far,
        scratch,
        sums,
    )
    st[N_ACTIVE], st[N_OUT] = n, sums[10]
    return n


@compiled
def fit_particles(  # type: ignore[no-untyped-def]
    image, total, counted, owner, chosen, kinds, params, windows, priors, precisions, free, noise, lags, options, table,
    covs, stats,
):  # fmt: skip
    """Fit the chosen particles of a frame; `params` holds the start and then the fit.

    Parameters
    ----------
    image : (Y, X) float32
        Pixels; not-finite ones are no data.
    total : (Y, X) float32
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
    options : (7,) float64
        Slack in px that an outline may move, clip in standard deviations (0: none), most iterations,
        tolerance in units of χ², covariance wanted (1), an ellipse's score and of the covariance the variances of
        blur and contrast alone under correlated noise (2), a dome's score and all (3), or neither (0), and about
        how many pixels near and beyond an outline are enough.
    table : (n, 4) float64
        `shapes.TABLE`.
    covs : (n, 12, 12) float64, stats : (n, N_STATS) float64
        Written: covariance of the fit and its figures.
    """
    max_iter, tol, want = int(options[2]), options[3], options[4]
    capacity, width = _capacity(chosen, kinds, params, options[0])
    px, jac, res = np.empty((N_ROWS, capacity)), np.zeros((N_PARAMS, capacity)), np.empty(capacity)
    scratch, far, grad, sums = np.zeros((7, capacity)), np.empty((N_ROWS, FAR)), np.zeros(3), np.zeros(11)
    origin, trial, g, column = np.zeros(N_PARAMS), np.zeros(N_PARAMS), np.zeros(12), np.zeros(12)
    hess, factor, damped = np.zeros((12, 12)), np.zeros((12, 12)), np.zeros((12, 12))
    buf = (scratch, jac, res, hess, g, factor, damped, trial, grad, origin, column)
    which, inverse, cov = np.zeros(N_PARAMS, np.int64), np.zeros((12, 12)), np.zeros((12, 12))
    correlated = lags.shape[0] > 0 and want > 0
    dense = np.empty((N_PARAMS + 1, width if correlated else 0), np.float32)
    cells = np.empty(capacity if correlated else 0, np.int64)
    for row in range(chosen.shape[0]):
        i = chosen[row]
        kind, p, st, m = kinds[i], params[i], stats[i], 0
        for k in range(N_PARAMS):
            if free[kind, k]:
                which[m] = k
                m += 1
        if kind == DISK:
            p[B] = p[A]
        n = _gathered(
            image, total, counted[i], owner, i, kind, p, windows[i], noise, options, table, px, far, scratch, sums, st
        )
        if n + st[N_OUT] <= m + 3 or n < 4:
            fill(covs[i], np.nan)
            continue
        _descend(kind, p, priors[i], precisions[i], px, n, sums, which, m, table, max_iter, tol, buf, st)
        # slopes refer to the window's origin: move the level to the fitted centre
        p[LEVEL] += p[SLOPE_X] * (p[X] - origin[X]) + p[SLOPE_Y] * (p[Y] - origin[Y])
        if want == ASK_ELLIPSE and kind == DISK:
            st[ELONGATION] = elongation(jac, res, px, n, p, origin, scratch)
        if want > 0:
            _errors(
                kind, p, precisions[i], px, n, which, m, table, sums, lags, want, dense, cells, buf, inverse, cov,
                covs[i], st,
            )  # fmt: skip
