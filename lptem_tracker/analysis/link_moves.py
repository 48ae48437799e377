"""Moves among all ways to link positions: the inner loops of `relinking`."""

from __future__ import annotations

import math

import numba as nb
import numpy as np


@nb.njit(cache=True)
def track_labels(pred):  # type: ignore[no-untyped-def]
    """Number of the track of each position; predecessors come first."""
    label = np.empty(len(pred), np.int64)
    n = 0
    for i in range(len(pred)):
        if pred[i] < 0:
            label[i] = n
            n += 1
        else:
            label[i] = label[pred[i]]
    return label


@nb.njit(cache=True)
def exchange(frame, xy, edges, pred, succ, links, nodes, reach2, moves, rng):  # type: ignore[no-untyped-def]
    """Metropolis-Hastings moves: a link is added, taken away, moved to another end, or two exchange successors.

    Parameters
    ----------
    frame : (M,) int, rising
    xy : (M, 2) float
    edges : tuple
        Candidate links: sources and targets (E,), the numbers of those that are proposed more often, and the bar and
        slope (G,) above which a link belongs to them.
    pred, succ : (M,) int
        Row that each is linked to, -1 for none; changed in place.
    links : tuple
        Log weight and factor of the square (G + 1, G), by the frames of the link before (0 for none) and of the link,
        and the share (G + 1,) of the step before that is expected to be taken back.
    nodes : tuple
        Log weights (M,) of a track's end, its start, and of a position on its own.
    reach2 : (G,) float
        Squared reach of candidates.
    moves : int
    rng : numpy.random.Generator
    """
    source, target, often, bar, slope = edges
    near, far = 0.5 / len(often), 0.5 / len(source)
    for _ in range(moves):
        e = often[int(rng.random() * len(often))] if rng.random() < 0.5 else int(rng.random() * len(source))
        i, j = source[e], target[e]
        on = succ[i] == j
        a, b = (-1, -1) if on else (succ[i], pred[j])
        both = a >= 0 and b >= 0
        there, back = _chance(i, j, frame, xy, bar, slope, near, far), 0.0
        if both:
            span = frame[a] - frame[b]
            if span < 1 or span > len(reach2) or _square(b, a, xy) > reach2[span - 1]:
                continue
            there += _chance(b, a, frame, xy, bar, slope, near, far)
        gain = -_local(i, j, a, b, frame, xy, pred, succ, links, nodes)
        if a >= 0:
            back += _chance(i, a, frame, xy, bar, slope, near, far)
            pred[a] = b
        if b >= 0:
            back += _chance(b, j, frame, xy, bar, slope, near, far)
            succ[b] = a
        if a >= 0 or b >= 0:
            gain += math.log(back / there)
        succ[i], pred[j] = (-1, -1) if on else (j, i)
        gain += _local(i, j, a, b, frame, xy, pred, succ, links, nodes)
        if math.log(1.0 - rng.random()) > gain:
            succ[i], pred[j] = (j, i) if on else (a, b)
            if a >= 0:
                pred[a] = i
            if b >= 0:
                succ[b] = j


@nb.njit(cache=True)
def _square(i, j, xy):  # type: ignore[no-untyped-def]
    return (xy[j, 0] - xy[i, 0]) ** 2 + (xy[j, 1] - xy[i, 1]) ** 2


@nb.njit(cache=True)
def _chance(i, j, frame, xy, bar, slope, near, far):  # type: ignore[no-untyped-def]
    """Chance that a link is proposed."""
    g = frame[j] - frame[i] - 1
    return far + near if bar[g] > slope[g] * _square(i, j, xy) else far


@nb.njit(cache=True)
def _local(i, j, a, b, frame, xy, pred, succ, links, nodes):  # type: ignore[no-untyped-def]
    """Log weight of all that a move of these four (-1 for none) changes: links out of them, ends, starts, strays."""
    total = 0.0
    for n in (i, j, a, b):
        if n < 0:
            continue
        before, after = pred[n], succ[n]
        if after < 0:
            total += nodes[2][n] if before < 0 else nodes[0][n]
            continue
        g, h = frame[after] - frame[n] - 1, 0
        dx, dy = xy[after, 0] - xy[n, 0], xy[after, 1] - xy[n, 1]
        if before < 0:
            total += nodes[1][n]
        else:
            h = frame[n] - frame[before]
            back = links[2][h]
            dx -= back * (xy[n, 0] - xy[before, 0])
            dy -= back * (xy[n, 1] - xy[before, 1])
        total += links[0][h, g] - links[1][h, g] * (dx * dx + dy * dy)
    return total
