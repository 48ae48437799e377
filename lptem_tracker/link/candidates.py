"""Which detections of a frame may continue which earlier ones, and at what log-likelihood ratio.

The weight of a link i → j over k frames, in nats, is that of "j is the next sight of i's particle"
against "i's particle ends and j's begins" (Reid 1979, eq. 16; Jaqaman 2008, supplementary note 4):

``w = log p(z_j | i, k) + log(seen) + misses·log(miss) + log(likeness) − start(j) − end(i)``

with ``p`` a mixture of Gaussians, one for each motion mode. The end term changes while the row
waits and is therefore kept apart (`Window.bonus`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.jit import jit

LOG_2PI = math.log(2 * math.pi)

NEAREST = 12
"""Candidates kept for a row and lag; enough that at four particles a gate none of weight is lost."""

NOTHING = 25.0
"""Nats below the densest mode from which on a mode adds nothing."""


class Costs(NamedTuple):
    """Constants of the weights; log-likelihoods in nats, lengths in px.

    Attributes
    ----------
    max_lag : int
        Largest frame difference of a link.
    gate : float64
        Half-width of the search in standard deviations of each mode.
    max_step : float
        Hard limit of the distance between successive sights; inf where not given.
    log_seen, log_miss : float
        Log-probability of detecting a particle, and of missing it in one frame.
    start, end : float64
        Log-density of a start by the rank of the frame, and log-probability of an end by age; the last
        entry serves all later ones.
    log_false : float
        Log-density of false detections; -inf where there are none.
    log_mode, step_var, once_var : float64
        Log-weight, step variance (px² a frame and axis) and variance of a single long step, whatever the
        number of frames (px² an axis), of each mode of a memoryless motion.
    look_change, look_mean, look_spread : float64
        For each kind of likeness: standard deviation between two sights of one particle, mean and
        standard deviation over all particles.
    doubt_level, doubt_slope, doubt_most : float
        Log-likelihood ratio for a false detection: ``level + slope · logit(confidence)``, bounded by ±`most`.
    """

    max_lag: int
    gate: NDArray[np.float64]
    max_step: float
    log_seen: float
    log_miss: float
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    log_false: float
    log_mode: NDArray[np.float64]
    step_var: NDArray[np.float64]
    once_var: NDArray[np.float64]
    look_change: NDArray[np.float64]
    look_mean: NDArray[np.float64]
    look_spread: NDArray[np.float64]
    doubt_level: float = 0.0
    doubt_slope: float = 0.0
    doubt_most: float = 0.0

    def doubts(self, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-likelihood ratio for false against real of each confidence; 0 where it says nothing."""
        if self.doubt_most == 0.0:
            return np.zeros(len(confidence))
        doubt = self.doubt_level + self.doubt_slope * logit(confidence)
        return np.where(np.isfinite(doubt), np.clip(doubt, -self.doubt_most, self.doubt_most), 0.0)


def logit(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of probabilities, kept within 1e-3 of 0 and 1; NaN outside [0, 1]."""
    p = np.where((confidence >= 0) & (confidence <= 1), np.clip(confidence, 1e-3, 1 - 1e-3), np.nan)
    return np.asarray(np.log(p / (1 - p)))


@jit
def build_grid(xy: Any, low: Any, cell: float, shape: Any) -> Any:
    """Sort points into square cells; return the start of each cell and the points in cell order."""
    n = len(xy)
    at = np.empty(n, np.int64)
    first = np.zeros(shape[0] * shape[1] + 1, np.int64)
    for p in range(n):
        cx = min(int((xy[p, 0] - low[0]) / cell), shape[0] - 1)
        cy = min(int((xy[p, 1] - low[1]) / cell), shape[1] - 1)
        at[p] = cx * shape[1] + cy
        first[at[p] + 1] += 1
    for c in range(shape[0] * shape[1]):
        first[c + 1] += first[c]
    fill = first[:-1].copy()
    points = np.empty(n, np.int64)
    for p in range(n):
        points[fill[at[p]]] = p
        fill[at[p]] += 1
    return first, points


@jit
def grid_of(xy: Any) -> Any:
    """Choose a grid of about one point a cell for `xy`, shape (n, 2)."""
    low = np.array([xy[:, 0].min(), xy[:, 1].min()])
    size = np.array([xy[:, 0].max(), xy[:, 1].max()]) - low
    n = len(xy)
    cell = max(math.sqrt(size[0] * size[1] / n), max(size[0], size[1]) / (4.0 * n), 1e-9 + 1e-12 * np.abs(low).max())
    shape = np.array([int(size[0] / cell) + 1, int(size[1] / cell) + 1])
    first, points = build_grid(xy, low, cell, shape)
    return low, cell, shape, first, points


@jit
def keep_nearest(found: Any, square: Any, count: int, point: int, d: float) -> int:
    """Insert a point into the list sorted by squared distance; the farthest falls out of a full one."""
    at = count
    if at == len(found):
        at -= 1
        if d >= square[at]:
            return count
    count = at + 1
    while at > 0 and square[at - 1] > d:
        found[at], square[at] = found[at - 1], square[at - 1]
        at -= 1
    found[at], square[at] = point, d
    return count


@jit
def nearest_within(xy: Any, grid: Any, x: float, y: float, radius: float, found: Any, square: Any) -> int:
    """Collect up to ``len(found)`` nearest points within `radius`, nearest first.

    Parameters
    ----------
    xy : float64, shape (n, 2)
    grid : tuple
        Of `grid_of(xy)`.
    found, square : int64 and float64 of equal length
        Receive the points and their squared distances.

    Returns
    -------
    int
        How many were found.
    """
    low, cell, shape, first, points = grid
    most, count, reach = len(found), 0, radius * radius
    if radius < 3 * cell:
        # few cells: those of one x lie side by side and are read in one go
        lo_x = max(math.floor((max(x - radius, low[0] - cell) - low[0]) / cell), 0)
        hi_x = min(math.floor((min(x + radius, low[0] + shape[0] * cell) - low[0]) / cell), shape[0] - 1)
        lo_y = max(math.floor((max(y - radius, low[1] - cell) - low[1]) / cell), 0)
        hi_y = min(math.floor((min(y + radius, low[1] + shape[1] * cell) - low[1]) / cell), shape[1] - 1)
        if lo_y > hi_y:
            return 0
        for ix in range(lo_x, hi_x + 1):
            for p in range(first[ix * shape[1] + lo_y], first[ix * shape[1] + hi_y + 1]):
                q = points[p]
                d = (xy[q, 0] - x) ** 2 + (xy[q, 1] - y) ** 2
                if d <= reach:
                    count = keep_nearest(found, square, count, q, d)
        return count
    cx = min(max(math.floor(min(max((x - low[0]) / cell, -1.0), 1.0 * shape[0])), 0), shape[0] - 1)
    cy = min(max(math.floor(min(max((y - low[1]) / cell, -1.0), 1.0 * shape[1])), 0), shape[1] - 1)
    fx, fy = x - low[0] - cx * cell, y - low[1] - cy * cell
    inner = min(min(fx, cell - fx), min(fy, cell - fy))
    ring = 0
    while True:
        if ring > 0:
            near = max(inner + (ring - 1) * cell, 0.0)
            if near * near > reach or (
                cx - ring < 0 and cy - ring < 0 and cx + ring >= shape[0] and cy + ring >= shape[1]
            ):
                break
        for ix in range(max(cx - ring, 0), min(cx + ring, shape[0] - 1) + 1):
            step = 1 if (ix == cx - ring or ix == cx + ring or ring == 0) else 2 * ring
            for iy in range(cy - ring, cy + ring + 1, step):
                if iy < 0 or iy >= shape[1]:
                    continue
                for p in range(first[ix * shape[1] + iy], first[ix * shape[1] + iy + 1]):
                    q = points[p]
                    d = (xy[q, 0] - x) ** 2 + (xy[q, 1] - y) ** 2
                    if d > reach or (count == most and d >= square[most - 1]):
                        continue
                    count = keep_nearest(found, square, count, q, d)
                    if count == most:
                        reach = min(reach, square[most - 1])
        ring += 1
    return count


@jit
def likeness(costs: Costs, looks: Any, i: int, j: int) -> float:
    """Log-likelihood ratio that detections `i` and `j` look like one particle, not like any two; NaN tells nothing."""
    out = 0.0
    for f in range(len(costs.look_change)):
        a, b = looks[i, f], looks[j, f]
        if not (math.isnan(a) or math.isnan(b)):
            s, big = costs.look_change[f], costs.look_spread[f]
            apart, typical = (b - a) / s, (b - costs.look_mean[f]) / big
            # a far outlier must not veto a link by itself: shapes change when particles turn
            out += max(math.log(big / s) - 0.5 * apart * apart + 0.5 * min(typical * typical, 9.0), -6.0)
    return out


@jit
def motion_loglik(log_mode: Any, peak: Any, mean: Any, var: Any, r: int, xy: Any, noise: Any, j: int) -> float:
    """Log-density of the sight `j` under the prediction of row `r`, a mixture of axis-aligned Gaussians.

    `peak` is that of the row, as of `peaks`.
    """
    exact = noise[j, 0] == 0.0 and noise[j, 1] == 0.0
    top, total = -np.inf, 0.0
    for m in range(len(peak)):
        vx, vy, ll = var[r, m, 0] + noise[j, 0], var[r, m, 1] + noise[j, 1], peak[m]
        if not exact:
            ll = log_mode[r, m] - LOG_2PI - 0.5 * math.log(vx * vy)
        ll -= 0.5 * ((xy[j, 0] - mean[r, m, 0]) ** 2 / vx + (xy[j, 1] - mean[r, m, 1]) ** 2 / vy)
        if ll > top:
            total = total * math.exp(top - ll) + 1.0 if ll < top + NOTHING else 1.0
            top = ll
        elif ll > top - NOTHING:
            total += math.exp(ll - top)
    # the logarithm of nearly 1 by its series, as far as 1e-9
    more = total - 1.0
    return top + (more - 0.5 * more * more if more < 1e-3 else math.log(total))


@jit
def peaks(log_mode: Any, var: Any, out: Any) -> None:
    """Write the log-density of each mode at its centre, for a sight without error, into `out`."""
    for m in range(len(log_mode)):
        out[m] = log_mode[m] - LOG_2PI - 0.5 * math.log(var[m, 0] * var[m, 1])


@jit
def search_radius(peak: Any, var: Any, gate: Any, typical: Any, worst: Any, least: float) -> float:
    """Return how far from the middle of a mixture, whose modes lie there, a sight may be.

    Parameters
    ----------
    peak, var, gate : float64, shapes (M,), (M, 2), (G,)
        Log-density at the centre of each mode, variance, and half-width in standard deviations.
    typical, worst : float64, shape (2,)
        Mean and largest measurement variance of the sights.
    least : float
        Log-density below which a sight is of no use; no mixture is denser than M times its densest mode.
    """
    gated, useful = 0.0, 0.0
    for m in range(len(peak)):
        g = gate[min(m, len(gate) - 1)]
        gated = max(gated, g * g * max(var[m, 0] + typical[0], var[m, 1] + typical[1]))
        above = peak[m] + math.log(len(peak)) - least
        useful = max(useful, 2 * above * max(var[m, 0] + worst[0], var[m, 1] + worst[1]))
    return math.sqrt(min(gated, useful))


@jit
def alike_but_place(log_mode: Any, var: Any, r: int) -> bool:
    """Whether the prediction of row r differs from that of the row before in its means only."""
    for m in range(log_mode.shape[1]):
        if log_mode[r, m] != log_mode[r - 1, m] or var[r, m, 0] != var[r - 1, m, 0] or var[r, m, 1] != var[r - 1, m, 1]:
            return False
    return True


@jit
def most_alike(costs: Costs) -> float:
    """Return the largest log-likelihood ratio that `likeness` gives."""
    out = 0.0
    for f in range(len(costs.look_change)):
        out += max(math.log(costs.look_spread[f] / costs.look_change[f]), -4.5) + 4.5
    return out


@jit
def gather(
    xy: Any,
    noise: Any,
    looks: Any,
    ranks: Any,
    frames: Any,
    rows: Any,
    lo: int,
    costs: Costs,
    log_mode: Any,
    mean: Any,
    var: Any,
) -> Any:
    """List the candidate links into one frame.

    Parameters
    ----------
    xy, noise, looks, ranks, frames : arrays over the window
        The new frame's detections begin at `lo` and end with the arrays.
    rows : int64, shape (n,)
        Rows that may be continued.
    log_mode, mean, var : float64, shapes (n, M), (n, M, 2), (n, M, 2)
        Prediction for each of `rows` at the new frame.

    Returns
    -------
    row, col, weight : arrays
        In the order of `rows`, nearest first.
    """
    new_xy = xy[lo:]
    grid = grid_of(new_xy)
    found, square = np.empty(NEAREST, np.int64), np.empty(NEAREST)
    most = 0
    row, col, weight = (
        np.empty(len(rows) * NEAREST, np.int64),
        np.empty(len(rows) * NEAREST, np.int64),
        np.empty(len(rows) * NEAREST),
    )
    modes = log_mode.shape[1]
    typical = np.array([noise[lo:, 0].mean(), noise[lo:, 1].mean()])
    worst = np.array([noise[lo:, 0].max(), noise[lo:, 1].max()])
    peak, alike, floor = np.empty(modes), most_alike(costs), costs.end[len(costs.end) - 1]
    longest, wide = (costs.max_step * (1 + 1e-9)) ** 2, 0.0
    start = costs.start[min(ranks[lo], len(costs.start) - 1)]
    for r in range(len(rows)):
        i = rows[r]
        base = costs.log_seen + (ranks[lo] - ranks[i] - 1) * costs.log_miss - start
        if r == 0 or frames[i] != frames[rows[r - 1]] or not alike_but_place(log_mode, var, r):
            peaks(log_mode[r], var[r], peak)
            wide = search_radius(peak, var[r], costs.gate, typical, worst, floor - base - alike)
        x, y, spread = 0.0, 0.0, 0.0
        for m in range(modes):
            x += mean[r, m, 0] / modes
            y += mean[r, m, 1] / modes
        for m in range(modes):
            spread = max(spread, (mean[r, m, 0] - x) ** 2 + (mean[r, m, 1] - y) ** 2)
        radius = min(wide + math.sqrt(spread), costs.max_step + math.sqrt((x - xy[i, 0]) ** 2 + (y - xy[i, 1]) ** 2))
        for f in range(nearest_within(new_xy, grid, x, y, radius, found, square)):
            j = lo + found[f]
            if (xy[j, 0] - xy[i, 0]) ** 2 + (xy[j, 1] - xy[i, 1]) ** 2 > longest:
                continue
            w = base + motion_loglik(log_mode, peak, mean, var, r, xy, noise, j) + likeness(costs, looks, i, j)
            if w > floor:
                row[most], col[most], weight[most] = i, j, w
                most += 1
    return row[:most], col[:most], weight[:most]
