"""What is computed once where a fit ends: its covariance in correlated noise, and what other shapes would gain."""

from __future__ import annotations

import math

import numpy as np

from lptem_tracker.detect.refine.compiled import inlined
from lptem_tracker.detect.refine.pixels import COLUMN, DX, DY, LINE, WEIGHT
from lptem_tracker.detect.refine.shapes import LEVEL, A, X, Y
from lptem_tracker.detect.refine.solver import cholesky, substitute

# columns of the statistics of a fit
CHI2, N_ACTIVE, CHI2_OUT, N_OUT, ITERATIONS, CONVERGED, ELONGATION, SEEN, LOG_V, DOME_SCORE, DOME_WEIGHT = range(11)
N_STATS = 11

CELLS = 4096  # of the grid on which a strip of the Jacobian is correlated with itself
_REACH = 2  # px, of the noise's correlation


@inlined
def _strip(row, cells, first, last, out):  # type: ignore[no-untyped-def]
    for j in range(first, last):
        out[cells[j]] = row[j]


@inlined
def _lag(lags, k, stride):  # type: ignore[no-untyped-def]
    """Return by how many cells the k-th lag shifts, and the correlation there; 0 beyond the last one."""
    if k >= lags.shape[0]:
        return 0, np.float32(0.0)
    return int(lags[k, 1]) * stride + int(lags[k, 0]), np.float32(lags[k, 2])


@inlined
def _lagged(column, lags, stride, span, out):  # type: ignore[no-untyped-def]
    """Write the sum of a column at all lags, each times the noise's correlation there; four lags at a time."""
    for k in range(0, lags.shape[0], 4):
        (s0, r0), (s1, r1) = _lag(lags, k, stride), _lag(lags, k + 1, stride)
        (s2, r2), (s3, r3) = _lag(lags, k + 2, stride), _lag(lags, k + 3, stride)
        c0, c1, c2, c3 = column[s0:], column[s1:], column[s2:], column[s3:]
        if k == 0:
            for t in range(span):
                out[t] = r0 * c0[t] + r1 * c1[t] + r2 * c2[t] + r3 * c3[t]
        else:
            for t in range(span):
                out[t] += r0 * c0[t] + r1 * c1[t] + r2 * c2[t] + r3 * c3[t]


@inlined
def _correlated(jac, px, n, free, m, lags, dense, cells, extra):  # type: ignore[no-untyped-def]
    """Write JᵀPJ, with P the noise's correlation at the lags of one half plane, strip of lines after strip."""
    column, line = px[COLUMN], px[LINE]
    left, right = np.int32(column[0]), np.int32(column[0])
    for j in range(n):
        left, right = min(left, np.int32(column[j])), max(right, np.int32(column[j]))
    stride = int(right - left) + 1 + _REACH
    lines = max(1, CELLS // stride - _REACH)
    first = 0
    while first < n:
        top, below = int(line[first]), first
        while below < n and line[below] < top + lines + _REACH:
            below += 1
        last = below
        while line[last - 1] >= top + lines:
            last -= 1
        for j in range(first, below):
            cells[j] = (np.int64(line[j]) - top) * stride + np.int64(column[j]) - left
        span = (int(line[last - 1]) - top + 1) * stride
        whole = max(span + (_REACH + 1) * stride, (int(line[below - 1]) - top + 1) * stride)
        for i in range(m):
            strip = dense[i, :whole]
            for t in range(whole):
                strip[t] = 0.0
            _strip(jac[free[i]], cells, first, below, strip)
        for k in range(m):
            lagged = dense[m, :span]
            _lagged(dense[k, :whole], lags, stride, span, lagged)
            for i in range(0, m, 2):
                # two at a time: what they share is looked up once
                strip, other = dense[i, :span], dense[min(i + 1, m), :span]
                total, beside = np.float32(0.0), np.float32(0.0)
                for t in range(span):
                    total += strip[t] * lagged[t]
                    beside += other[t] * lagged[t]
                extra[i, k] += total
                if i + 1 < m:
                    extra[i + 1, k] += beside
        first = last


@inlined
def sandwich(jac, px, n, free, m, sums, lags, dense, cells, inverse, cov):  # type: ignore[no-untyped-def]
    """Write H⁻¹ (JᵀRJ + (H - JᵀJ)) H⁻¹ with R the noise's correlation at the given lags.

    lags : (L, 3) rows of x, y (half plane) and correlation. Beyond the outline the plane's columns vary
    slowly, so there the sum over lags is the sum of the correlations. `dense`, (m + 1, cells) float32, and
    `cells` are scratch.
    """
    half, extra, kappa = np.zeros((m, m)), np.zeros((m, m)), 0.0
    _correlated(jac, px, n, free, m, lags, dense, cells, half)
    for t in range(lags.shape[0]):
        kappa += 2 * lags[t, 2]
    for i in range(m):
        for k in range(m):
            extra[i, k] = half[i, k] + half[k, i]
            if free[i] >= LEVEL and free[k] >= LEVEL:
                lo, hi = min(free[i], free[k]) - LEVEL, max(free[i], free[k]) - LEVEL
                extra[i, k] += kappa * (sums[hi] if lo == 0 else sums[1 + lo + hi])
    half[:] = 0.0
    for i in range(m):
        for b in range(m):
            for a in range(m):
                half[i, b] += inverse[i, a] * extra[a, b]
    for i in range(m):
        for k in range(m):
            total = 0.0
            for b in range(m):
                total += half[i, b] * inverse[b, k]
            cov[i, k] = inverse[i, k] + total


@inlined
def sandwich_of(entries, jac, px, n, free, m, sums, lags, dense, cells, inverse, scratch, cov):  # type: ignore[no-untyped-def]
    """Write to the diagonal of `cov` what `sandwich` would write there for two parameters (indices into `free`)."""
    kappa, pair, both = 0.0, np.zeros((2, 2)), np.arange(2)
    for t in range(lags.shape[0]):
        kappa += 2 * lags[t, 2]
    for e in range(2):
        column = scratch[e]
        for j in range(n):
            column[j] = 0.0
        for i in range(m):
            row, share = jac[free[i]], inverse[i, entries[e]]
            for j in range(n):
                column[j] += share * row[j]
    _correlated(scratch, px, n, both, 2, lags, dense, cells, pair)
    for e in range(2):
        at, plane = entries[e], 0.0
        for i in range(m):
            for k in range(m):
                if free[i] >= LEVEL and free[k] >= LEVEL:
                    lo, hi = min(free[i], free[k]) - LEVEL, max(free[i], free[k]) - LEVEL
                    plane += inverse[i, at] * inverse[k, at] * (sums[hi] if lo == 0 else sums[1 + lo + hi])
        cov[at, at] = inverse[at, at] + 2 * pair[e, e] + kappa * plane


@inlined
def elongation(jac, res, px, n, p, origin, scratch):  # type: ignore[no-untyped-def]
    """Return the larger of two statistics (two degrees of freedom each) that a disk's residuals are twofold.

    One is the score of an elliptic deformation of the rim (Rao 1948); the other weighs residuals by their
    distance, for outlines far from the disk's.
    """
    x, y, w, along, r2 = px[DX], px[DY], px[WEIGHT], scratch[0], scratch[1]
    ox, oy, by_a = origin[X] - p[X], origin[Y] - p[Y], jac[A]
    for j in range(n):
        r2[j] = (x[j] + ox) ** 2 + (y[j] + oy) ** 2 + 1e-9
    for j in range(n):
        along[j] = by_a[j] / r2[j]
    rim = _twofold(along, x, y, ox, oy, res, n)
    for j in range(n):
        along[j] = w[j] / math.sqrt(r2[j])
    return max(rim, _twofold(along, x, y, ox, oy, res, n))


@inlined
def _twofold(along, x, y, ox, oy, res, n):  # type: ignore[no-untyped-def]
    gc, gs, hc, hs, hcs = 0.0, 0.0, 1e-12, 1e-12, 0.0
    for j in range(n):
        dx, dy = x[j] + ox, y[j] + oy
        c, s = along[j] * (dx * dx - dy * dy), along[j] * 2 * dx * dy
        gc += c * res[j]
        gs += s * res[j]
        hc += c * c
        hs += s * s
        hcs += c * s
    det = hc * hs - hcs * hcs
    return (gc * gc * hs - 2 * gc * gs * hcs + gs * gs * hc) / det if det > 1e-9 * hc * hs else 0.0


@inlined
def project(off, jac, res, n, free, m, hess, precision, factor, cross, solved, stats):  # type: ignore[no-untyped-def]
    """Write the residuals' product with a difference, and its square, both free of what the fit could take up.

    What the data alone say of the parameters counts (Rao 1948), not the priors that the fit had.
    """
    for i in range(m):
        hess[i, i] -= precision[free[i]] * (1 - 1e-9)
    score, information = 0.0, 0.0
    for j in range(n):
        score += off[j] * res[j]
        information += off[j] * off[j]
    for i in range(m):
        row, total = jac[free[i]], 0.0
        for j in range(n):
            total += row[j] * off[j]
        cross[i] = total
        solved[i] = total
    stats[DOME_SCORE], stats[DOME_WEIGHT] = 0.0, 0.0
    if not cholesky(hess, m, factor):
        return
    substitute(factor, m, solved)
    for i in range(m):
        row, slope = jac[free[i]], 0.0
        for j in range(n):
            slope += row[j] * res[j]
        score -= slope * solved[i]
        information -= cross[i] * solved[i]
    stats[DOME_SCORE], stats[DOME_WEIGHT] = score, max(information, 0.0)
