"""How far particles step: a mixture fitted to pairs of neighbouring frames before anything is linked.

Which pairs belong together is not known, so every candidate pair carries a probability: sum-product
on the assignment graph of the two frames (Williams & Lau 2014) gives it, the weighted second moment
gives the variance, and the two are repeated (Dempster, Laird & Rubin 1977). Unlike nearest-neighbour
distances this is not biased low where particles are as near to each other as their steps are long.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.candidates import grid_of, nearest_within
from lptem_tracker.link.jit import jit


class Pairs(NamedTuple):
    """Candidate pairs of neighbouring frames.

    Attributes
    ----------
    row, col : int64, shape (P,)
        Places of the earlier and the later detection.
    step : float64, shape (P, 2)
        Displacement in px.
    noise : float64, shape (P,)
        Summed measurement variance per axis, px².
    n_rows, n_cols : int
        How many detections are on either side.
    """

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    step: NDArray[np.float64]
    noise: NDArray[np.float64]
    n_rows: int
    n_cols: int


@jit
def pairs_within(a: Any, b: Any, radius: float, most: int) -> Any:
    """Return (row, col) of up to `most` nearest points of `b`, shape (m, 2), within `radius` of each of `a`."""
    grid = grid_of(b)
    found, square = np.empty(most, np.int64), np.empty(most)
    row, col, n = np.empty(len(a) * most, np.int64), np.empty(len(a) * most, np.int64), 0
    for i in range(len(a)):
        for f in range(nearest_within(b, grid, a[i, 0], a[i, 1], radius, found, square)):
            row[n], col[n] = i, found[f]
            n += 1
    return row[:n], col[:n]


@jit
def pair_posterior(row: Any, col: Any, odds: Any, n_rows: int, n_cols: int, rounds: int, message: Any) -> Any:
    """Probability of each pair given that each side is used at most once (Williams & Lau 2014, eqs. 24–27).

    Parameters
    ----------
    odds : float64, shape (P,)
        Likelihood of the pair over that of both being without partner.
    message : float64, shape (P,)
        Column-to-row messages to start from; updated in place.
    """
    sums = np.empty(n_rows)
    back = np.empty(n_cols)
    up = np.empty(len(odds))
    for _ in range(rounds):
        sums[:] = 1.0
        for e in range(len(odds)):
            sums[row[e]] += odds[e] * message[e]
        back[:] = 1.0
        for e in range(len(odds)):
            up[e] = odds[e] / (sums[row[e]] - odds[e] * message[e])
            back[col[e]] += up[e]
        change = 0.0
        for e in range(len(odds)):
            new = 1.0 / (back[col[e]] - up[e])
            change = max(change, abs(new - message[e]))
            message[e] = new
        if change < 1e-4:
            break
    sums[:] = 1.0
    for e in range(len(odds)):
        sums[row[e]] += odds[e] * message[e]
    out = np.empty(len(odds))
    for e in range(len(odds)):
        out[e] = odds[e] * message[e] / sums[row[e]]
    return out


@jit
def fit_steps(
    row: Any,
    col: Any,
    square: Any,
    noise: Any,
    n_rows: int,
    n_cols: int,
    area: float,
    share: Any,
    var: Any,
    floor: float,
    rounds: int,
) -> float:
    """Fit a mixture of centred Gaussians to the steps; `share` and `var` are updated in place.

    Parameters
    ----------
    square, noise : float64, shape (P,)
        Squared displacement (px²) and summed measurement variance per axis (px²).
    area : float
        Area of the field in px².
    share, var : float64, shape (M,)
        Shares and step variances (px² per axis) of the modes.
    floor : float
        Least variance of a mode: repeated positions would otherwise draw one to zero.

    Returns
    -------
    float
        Probability that a detection has a successor in the next frame.
    """
    modes = len(share)
    linked = 0.8 * min(1.0, n_cols / n_rows)
    message = np.ones(len(row))
    odds = np.empty(len(row))
    part = np.empty((len(row), modes))
    for _ in range(rounds):
        unlinked = max(n_cols - linked * n_rows, 0.01 * n_cols) / area
        for e in range(len(row)):
            total = 0.0
            for m in range(modes):
                v = var[m] + noise[e]
                part[e, m] = share[m] / (2 * math.pi * v) * math.exp(-0.5 * square[e] / v)
                total += part[e, m]
            odds[e] = linked / (1 - linked) * total / unlinked
            for m in range(modes):
                part[e, m] /= max(total, 1e-300)
        p = pair_posterior(row, col, odds, n_rows, n_cols, 6, message)
        moved = abs(linked - min(p.sum() / n_rows, 0.995))
        linked = min(p.sum() / n_rows, 0.995)
        for m in range(modes):
            weight, second = 0.0, 0.0
            for e in range(len(row)):
                q = p[e] * part[e, m]
                # the part of the observed step that is motion, given this mode (one EM step, exact for noise = 0)
                gain = var[m] / (var[m] + noise[e])
                second += q * (gain * gain * 0.5 * square[e] + gain * noise[e])
                weight += q
            new = second / max(weight, 1e-12)
            moved = max(moved, abs(new - var[m]) / max(var[m], 1e-12))
            var[m] = max(new, floor)
            share[m] = weight / max(p.sum(), 1e-12)
        if moved < 2e-3:
            break
    return linked
