"""What is computed once where a fit ends: its covariance in correlated noise, and what other shapes would gain."""

from __future__ import annotations

import math

import numpy as np

from lptem_tracker.detect.refine.compiled import inlined
from lptem_tracker.detect.refine.pixels import COLUMN, DX, DY, INSIDE, LINE, WEIGHT
from lptem_tracker.detect.refine.shapes import LEVEL, A, X, Y
from lptem_tracker.detect.refine.solver import cholesky, substitute

# columns of the statistics of a fit
(CHI2, N_ACTIVE, CHI2_OUT, N_OUT, CHI2_IN, N_IN, ITERATIONS, CONVERGED, ELONGATION, SEEN, CLIPPED, LOG_V,
 DOME_SCORE, DOME_WEIGHT) = range(14)  # fmt: skip
N_STATS = 14


@inlined
def sandwich(jac, px, n, free, m, sums, lags, grid, inverse, work, cov):  # type: ignore[no-untyped-def]
    """Write H⁻¹ (JᵀRJ + (H - JᵀJ)) H⁻¹ with R the noise's correlation at the given lags.

    lags : (L, 3) rows of x, y (half plane) and correlation. Beyond the outline the plane's columns vary
    slowly, so there the sum over lags is the sum of the correlations. `work`, (m, n) or larger, is scratch:
    the columns of J at all lags, each times its correlation, added up.
    """
    x0, y0 = px[COLUMN, 0], px[LINE, 0]
    for j in range(n):
        x0, y0 = min(x0, px[COLUMN, j]), min(y0, px[LINE, j])
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            grid[row, column] = -1
    for j in range(n):
        row, column = int(px[LINE, j] - y0) + 3, int(px[COLUMN, j] - x0) + 3
        if row < grid.shape[0] - 3 and column < grid.shape[1] - 3:
            grid[row, column] = j
    work[:m, :n] = 0.0
    kappa = 0.0
    for t in range(lags.shape[0]):
        kappa += 2 * lags[t, 2]
        lx, ly, rho = int(lags[t, 0]), int(lags[t, 1]), lags[t, 2]
        for j in range(n):
            row, column = int(px[LINE, j] - y0) + 3 + ly, int(px[COLUMN, j] - x0) + 3 + lx
            at = grid[row, column] if row < grid.shape[0] and column < grid.shape[1] else -1
            if at >= 0:
                for i in range(m):
                    work[i, j] += rho * jac[free[i], at]
    extra, half = np.zeros((m, m)), np.zeros((m, m))
    for i in range(m):
        for k in range(m):
            total = 0.0
            row_i, row_k = jac[free[i]], work[k]
            for j in range(n):
                total += row_i[j] * row_k[j]
            extra[i, k] += total
            extra[k, i] += total
            if free[i] >= LEVEL and free[k] >= LEVEL:
                lo, hi = min(free[i], free[k]) - LEVEL, max(free[i], free[k]) - LEVEL
                extra[i, k] += kappa * (sums[hi] if lo == 0 else sums[1 + lo + hi])
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
def elongation(jac, res, px, n, p, origin):  # type: ignore[no-untyped-def]
    """Return the larger of two statistics (two degrees of freedom each) that a disk's residuals are twofold.

    One is the score of an elliptic deformation of the rim (Rao 1948); the other weighs residuals by their
    distance, for outlines far from the disk's.
    """
    best = 0.0
    for wide in range(2):
        gc, gs, hc, hs, hcs = 0.0, 0.0, 1e-12, 1e-12, 0.0
        for j in range(n):
            dx, dy = px[DX, j] + origin[X] - p[X], px[DY, j] + origin[Y] - p[Y]
            r2 = dx * dx + dy * dy + 1e-9
            along = px[WEIGHT, j] / math.sqrt(r2) if wide else jac[A, j] / r2
            c, s = along * (dx * dx - dy * dy), along * 2 * dx * dy
            gc += c * res[j]
            gs += s * res[j]
            hc += c * c
            hs += s * s
            hcs += c * s
        det = hc * hs - hcs * hcs
        if det > 1e-9 * hc * hs:
            best = max(best, (gc * gc * hs - 2 * gc * gs * hcs + gs * gs * hc) / det)
    return best


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


@inlined
def inner_residuals(res, px, n, s, stats):  # type: ignore[no-untyped-def]
    """Sum the squared residuals deep inside the outline, for the noise's rise with the mean."""
    stats[CHI2_IN], stats[N_IN] = 0.0, 0.0
    for j in range(n):
        if px[INSIDE, j] > 2 * s:
            stats[CHI2_IN] += res[j] * res[j]
            stats[N_IN] += 1
