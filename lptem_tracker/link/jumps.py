"""Frames between which the whole field jumps, by as much as the distance between neighbours."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lptem_tracker.link.blocks import Run, Source
from lptem_tracker.link.candidates import grid_of, nearest_within
from lptem_tracker.link.core import Points
from lptem_tracker.link.jit import jit
from lptem_tracker.link.steps import pairs_within

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW = 4
"""Particles a frame below which a common motion cannot be told from their own."""

MOST = 300
"""About how many particles of a frame show its drift."""

PATIENCE = 6
"""Frames, worst first, in which no jump is found before the search is given up."""

REFINED = 3
"""Shifts of which the best is chosen after refinement."""

HELD = 500_000
"""Detections of odd frames that are read together."""

N, SUM_X, SUM_Y, SQUARE, CROSS, ARM = range(6)
"""Places in a frame's moments: see `drift.pair_moments`."""


class Usual(NamedTuple):
    """How frames fit onto the next as a rule: mean square distance left, px², and share of particles found again."""

    left: float
    share: float


def usual_fit(moments: Floats, count: Ints) -> Usual:
    """Return the medians over frames with `count` detections and these moments."""
    n = np.maximum(moments[:, N], 1)
    share = min(float(np.median(n / np.minimum(count, MOST))), 1.0)
    return Usual(float(np.median(moments[:, SQUARE] / n)), share)


def badness(moments: Floats, count: Ints, spacing: float, usual: Usual) -> Floats:
    """Return how badly each frame fits onto the next; 0 where it fits, or holds too few to say."""
    n = np.maximum(moments[:, N], 1)
    left, found = moments[:, SQUARE] / n, n / np.minimum(count, MOST)
    mean = np.hypot(moments[:, SUM_X], moments[:, SUM_Y]) / n
    few = found < usual.share - 3 * np.sqrt(usual.share * (1 - usual.share) / n) - 0.01
    odd = (left > 1.3 * usual.left) | (mean > 0.12 * spacing) | few
    bad = left / max(usual.left, 1e-300) + mean / spacing + 10 * (usual.share - found)
    return np.where(odd & (count >= FEW), bad, 0.0)


def find_jumps(source: Source, moments: Floats, spacing: float, steps: Floats) -> NDArray[np.bool_]:
    """Look for another shift where a frame fits badly onto the next; `steps` is updated in place.

    Returns
    -------
    bool, shape (F − 1,)
        Frames after which the field jumped.
    """
    bad = badness(moments, source.count[:-1], spacing, usual_fit(moments, source.count[:-1]))
    jumped = np.zeros(len(steps), bool)
    misses = 0
    worst = np.argsort(-bad, kind="stable")[: int((bad > 0).sum())]
    ahead: dict[Run, Points] = {}
    for at, f in enumerate(worst):
        if misses >= PATIENCE:
            break
        pair = (int(f), int(f) + 2)
        if pair not in ahead:
            ahead = source.runs([(int(g), int(g) + 2) for g in _affordable(source, worst[at:])])
        xy = ahead[pair].xy
        new = best_shift(xy[: source.count[f]], xy[source.count[f] :], steps[f], spacing)
        jumped[f] = np.hypot(*(new - steps[f])) > 0.1 * spacing
        misses = 0 if jumped[f] else misses + 1
        if jumped[f]:
            steps[f] = new
    return jumped


def _affordable(source: Source, frames: Ints) -> Ints:
    """Return as many of the frames, from the first on, as can be held together with their successors."""
    size = np.cumsum(source.count[frames] + source.count[frames + 1])
    return frames[: max(int(np.searchsorted(size, HELD)), 1)]


def best_shift(a: Floats, b: Floats, first: Floats, spacing: float) -> Floats:
    """Return the shift that brings `a`, shape (n, 2), best onto `b`; `first` unless another is clearly better."""
    a = a[:: max(len(a) // MOST, 1)]
    row, col = pairs_within(a + first, b, 1.5 * spacing, 12)
    d = b[col] - a[row]
    if len(d) < FEW:
        return first
    bins = 0.1 * spacing
    starts = _most_voted((d - first) / bins, 24) * bins + first
    # all are looked at once; of those that bring more onto a particle than `first` the most promising are refined
    starts = np.vstack([first, starts])
    fits = fits_of(a, b, starts, (0.15 * spacing) ** 2, spacing)
    starts = starts[[k for k in np.argsort(-fits, kind="stable")[:REFINED] if fits[k] > fits[0]]]
    if len(starts) == 0:
        return first
    tree = cKDTree(b)
    old_fit = refine_shift(a, tree, b, first, spacing, still=True)[1]
    best, best_fit = first, old_fit + 10.0
    for start in [first, *starts]:
        new, fit = refine_shift(a, tree, b, start, spacing)
        if fit > best_fit:
            best, best_fit = new, fit
    return best


@jit
def fits_of(a: Any, b: Any, shifts: Any, var: float, spacing: float) -> Any:
    """Return the log-likelihood (k,) with which each of `shifts`, shape (k, 2), brings `a` near neighbours in `b`."""
    low, found, square = 0.1 / spacing**2, np.empty(1, np.int64), np.empty(1)
    grid, out = grid_of(b), np.empty(len(shifts))
    for k in range(len(shifts)):
        out[k] = 0.0
        for i in range(len(a)):
            dense = low
            x, y = a[i, 0] + shifts[k, 0], a[i, 1] + shifts[k, 1]
            # farther off than six standard deviations nothing is left of the peak
            if nearest_within(b, grid, x, y, 6 * math.sqrt(var), found, square):
                dense += 0.9 / (2 * math.pi * var) * math.exp(-square[0] / (2 * var))
            out[k] += math.log(dense)
    return out


def _most_voted(votes: Floats, most: int) -> Floats:
    """Return the places on a unit grid, shape (k, 2), about which most of `votes`, shape (n, 2), lie."""
    half = int(np.abs(votes).max()) + 2
    at = np.floor(votes + 0.5).astype(int) + half
    count = np.zeros((2 * half + 1,) * 2)
    np.add.at(count, (at[:, 0], at[:, 1]), 1.0)
    support: Floats = np.sum([np.roll(count, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    support[count == 0] = 0
    best = np.argsort(-support, axis=None, kind="stable")[: min(most, int((count > 0).sum()))]
    return np.asarray(np.column_stack(np.unravel_index(best, support.shape)) - half, np.float64)


def refine_shift(
    a: Floats, tree: Any, b: Floats, shift: Floats, spacing: float, *, still: bool = False
) -> tuple[Floats, float]:
    """Improve a shift by matching nearest neighbours again and again; return it with its log-likelihood.

    With `still` the shift stays and only the spread about it is fitted.
    """
    var = (0.15 * spacing) ** 2
    for _ in range(8):
        far, which = tree.query(a + shift)
        p = 0.9 / (2 * math.pi * var) * np.exp(-(far**2) / (2 * var))
        p /= p + 0.1 / spacing**2
        left = b[which] - a - shift
        move = (p[:, None] * left).sum(0) / max(p.sum(), 1e-12) * (not still)
        var = max(float((p * ((left - move) ** 2).sum(1)).sum() / (2 * max(p.sum(), 1.0))), (0.01 * spacing) ** 2)
        shift = shift + move
        if np.abs(move).max() < 1e-3 * spacing:
            break
    return shift, float(fits_of(a, b, shift[None], var, spacing)[0])
