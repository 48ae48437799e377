"""Who touches whom, and which moves a hard core forbids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Pair = tuple[int, int]


def components(n: int, bonds: Mapping[Pair, int]) -> Ids:
    """Return for each of `n` particles the smallest number in its bonded cluster, shape (n,)."""
    if not bonds:
        return np.arange(n)
    i, j = np.array(list(bonds)).T
    labels = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)[1]
    first = np.full(labels.max() + 1, n)
    np.minimum.at(first, labels, np.arange(n))
    return np.asarray(first[labels], np.int64)


def near_pairs(xy: Array, radius: Array, alive: NDArray[np.bool_], gap: float) -> list[Pair]:
    """Return the pairs of living particles whose surface gap is at most `gap` px, in order."""
    ids = np.flatnonzero(alive)
    if len(ids) < 2:
        return []
    pairs = cKDTree(xy[ids]).query_pairs(2 * float(radius[ids].max()) + max(gap, 0), output_type="ndarray")
    if len(pairs) == 0:
        return []
    i, j = ids[pairs[:, 0]], ids[pairs[:, 1]]
    close = np.hypot(*(xy[i] - xy[j]).T) - radius[i] - radius[j] <= gap
    return sorted((int(min(a, b)), int(max(a, b))) for a, b in zip(i[close], j[close]))


def bounce(
    xy: Array,
    parts: Array,
    end: Array,
    radius: Array,
    alive: NDArray[np.bool_],
    cluster: Ids,
    core_gap: float,
    due: set[Pair],
) -> None:
    """Let single particles that would come too near exchange their motion along the line between them, in place.

    An exchange keeps the distribution of the steps, so that a hard core does not slow diffusion down.

    Parameters
    ----------
    xy, end : numpy.ndarray
        Shape (n, 2): positions, and moves by the frame's end, in px.
    parts : numpy.ndarray
        Shape (p, n, 2): moves within the exposure in px.
    radius, alive, cluster : numpy.ndarray
        Shape (n,).
    core_gap : float
        Smallest allowed surface gap in px.
    due : set of tuple
        Pairs that may touch.
    """
    alone = np.bincount(cluster, minlength=len(xy))[cluster] == 1
    done: set[int] = set()
    for move in (end, parts.mean(axis=0)):
        for i, j in near_pairs(xy + move, radius, alive, core_gap - 1e-9):
            if (i, j) in due or not (alone[i] and alone[j]) or i in done or j in done:
                continue
            normal = xy[j] - xy[i]
            normal /= max(float(np.hypot(*normal)), 1e-9)
            if (end[j] - end[i]) @ normal >= 0 and (move[j] - move[i]) @ normal >= 0:
                continue
            for moves in (end, *parts):
                swap = float((moves[j] - moves[i]) @ normal) * normal
                moves[i] += swap
                moves[j] -= swap
            done |= {i, j}


def settle(
    xy: Array,
    end: Array,
    middle: Array,
    radius: Array,
    alive: NDArray[np.bool_],
    cluster: Ids,
    core_gap: float,
    due: set[Pair],
    bonds: Mapping[Pair, int],
) -> NDArray[np.bool_]:
    """Tell which particles must stay where they are, because their move would end too near another cluster's.

    Parameters
    ----------
    xy, end, middle : numpy.ndarray
        Shape (n, 2): positions, moves by the frame's end, and mean moves over its exposure, in px.
    radius, alive, cluster : numpy.ndarray
        Shape (n,).
    core_gap : float
        Smallest allowed surface gap in px; pairs that are nearer already may only move apart.
    due : set of tuple
        Pairs that are planned to meet and may touch.
    bonds : mapping
        Pairs in contact.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool. Whole clusters stay.
    """
    stay = np.zeros(len(xy), bool)
    for _ in range(50):
        bad: set[int] = set()
        for move in (end, middle):
            after = xy + np.where(stay[:, None], 0.0, move)
            for i, j in near_pairs(after, radius, alive, core_gap - 1e-9):
                if cluster[i] == cluster[j] or (i, j) in bonds:
                    continue
                before, now = np.hypot(*(xy[i] - xy[j])), np.hypot(*(after[i] - after[j]))
                if now >= before - 1e-12 or ((i, j) in due and now >= radius[i] + radius[j]):
                    continue
                bad |= {int(cluster[k]) for k in (i, j) if not stay[k]}
        if not bad:
            return stay
        stay |= np.isin(cluster, list(bad))
    return np.ones(len(xy), bool)


def place_at_contact(xy: Array, radius: Array, a: int, b: int, gap: float) -> None:
    """Move two particles along their line, in place, until their surfaces are `gap` px apart."""
    way = xy[b] - xy[a]
    distance = max(float(np.hypot(*way)), 1e-9)
    shift = 0.5 * (distance - radius[a] - radius[b] - gap) * way / distance
    xy[a] += shift
    xy[b] -= shift
