"""One frame after another into the window: candidates in, matching repaired, old decisions made final.

The matching is exact for everything inside the window. A decision is final once `window - 1` further
frames with detections have been seen; with a window of one frame this is the classical
frame-by-frame assignment.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from lptem_tracker.link.assignment import FREE, Edges, Window, match_column, match_row
from lptem_tracker.link.candidates import Costs, gather

NODES, EDGES, DECIDED, TRACKS, SEARCHES = 0, 1, 2, 3, 4
"""Places in the counters: detections, edges, decided columns, identities given, searches made."""

DROP_NATS = 18.0
"""Edges this much worse than their column's best are left out: their share is below 1e-7."""


@njit(cache=True)
def age_rows(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int) -> None:
    """Raise the end bonus of rows before `lo`, now that they could have been seen in one more frame."""
    now = win.rank[lo]
    last = len(costs.end) - 1
    i = lo - 1
    while i >= 0 and now - win.rank[i] <= last:
        gain = -costs.end[now - win.rank[i]] - win.bonus[i]
        if gain > 0 and not (win.succ[i] != FREE and win.succ[i] < counts[DECIDED]):
            win.bonus[i] += gain
            if win.succ[i] != FREE:
                win.u[i] += gain
            else:
                release_row(win, edges, counts, i)
        i -= 1


@njit(cache=True)
def release_row(win: Window, edges: Edges, counts: Any, i: int) -> None:
    """Look for the best use of a free row whose dual is no longer known."""
    win.u[i] = 0.0
    e = win.first_out[i]
    while e != FREE:
        j = edges.col[e]
        if j >= counts[DECIDED]:
            win.u[i] = max(win.u[i], edges.weight[e] + win.bonus[i] - win.v[j])
        e = edges.following[e]
    if win.u[i] > 0:
        counts[SEARCHES] += 1
        match_row(win, edges, i, counts[DECIDED], counts[SEARCHES])


@njit(cache=True)
def insert_columns(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int,
                   row: Any, col: Any, weight: Any) -> None:
    """Give the new columns their edges and match them one by one."""
    first = np.zeros(hi - lo + 1, np.int64)
    for e in range(len(col)):
        first[col[e] - lo + 1] += 1
    for j in range(hi - lo):
        first[j + 1] += first[j]
    fill, order = first[:-1].copy(), np.empty(len(col), np.int64)
    for e in range(len(col)):
        order[fill[col[e] - lo]] = e
        fill[col[e] - lo] += 1
    start = costs.start[min(win.rank[lo], len(costs.start) - 1)]
    for j in range(lo, hi):
        win.succ[j], win.pred[j], win.first_out[j] = FREE, FREE, FREE
        win.u[j], win.bonus[j], win.stamp[j] = 0.0, 0.0, 0
        best = 0.0
        for n in range(first[j - lo], first[j - lo + 1]):
            e = order[n]
            best = max(best, weight[e] + win.bonus[row[e]] - win.u[row[e]])
        alone = costs.log_false + win.doubt[j] - start
        win.first_in[j] = counts[EDGES]
        if alone > -DROP_NATS:
            best = max(best, alone)
            counts[EDGES] = add_edge(win, edges, counts[EDGES], j, j, alone)
        for n in range(first[j - lo], first[j - lo + 1]):
            e = order[n]
            if weight[e] + win.bonus[row[e]] - win.u[row[e]] > best - DROP_NATS:
                counts[EDGES] = add_edge(win, edges, counts[EDGES], row[e], j, weight[e])
        win.last_in[j] = counts[EDGES]
        win.v[j] = best
        if best > 0:
            counts[SEARCHES] += 1
            match_column(win, edges, j, counts[DECIDED], counts[SEARCHES])


@njit(cache=True)
def add_edge(win: Window, edges: Edges, at: int, i: int, j: int, weight: float) -> int:
    """Append an edge and return the next free place."""
    edges.row[at], edges.col[at], edges.weight[at] = i, j, weight
    edges.following[at] = win.first_out[i]
    win.first_out[i] = at
    return at + 1


@njit(cache=True)
def decide(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int, adopt: bool) -> None:
    """Make the columns [lo, hi) of one frame final and name their tracks."""
    if adopt:
        adopt_leftovers(win, edges, counts, costs, lo, hi)
    counts[DECIDED] = hi
    for j in range(lo, hi):
        i = win.pred[j]
        if i == FREE or i == j:
            win.track[j] = counts[TRACKS]
            counts[TRACKS] += 1
        else:
            win.track[j] = win.track[i]


@njit(cache=True)
def adopt_leftovers(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int) -> None:
    """Link starts to ends within the user's own largest step, nearest first, where nobody else could be meant.

    Only reached when that step is given: a user who allows it expects it to be used however unlikely
    the estimated motion makes it. Nobody else: no other detection of either frame is within that step.
    """
    ends = np.empty(lo, np.int64)
    n_ends, i = 0, lo - 1
    while i >= 0 and win.frame[lo] - win.frame[i] <= costs.max_lag:
        if win.succ[i] == FREE or win.succ[i] == i:
            ends[n_ends] = i
            n_ends += 1
        i -= 1
    pairs_i, pairs_j, far = [0], [0], [0.0]
    for j in range(lo, hi):
        if win.pred[j] == FREE or win.pred[j] == j:
            for e in range(n_ends):
                d = math.hypot(win.xy[j, 0] - win.xy[ends[e], 0], win.xy[j, 1] - win.xy[ends[e], 1])
                if d <= costs.max_step * (1 + 1e-9) and only_choice(win, counts, costs, ends[e], lo, hi, j):
                    pairs_i.append(ends[e])
                    pairs_j.append(j)
                    # a shorter gap goes before a shorter way
                    far.append(d + costs.max_step * (win.rank[lo] - win.rank[ends[e]] - 1))
    for n in np.argsort(np.array(far[1:]), kind="mergesort"):
        i, j = pairs_i[n + 1], pairs_j[n + 1]
        taken = not (win.succ[i] == FREE or win.succ[i] == i) or not (win.pred[j] == FREE or win.pred[j] == j)
        if taken:
            continue
        if win.succ[i] == i:
            win.pred[i] = FREE
        alone = win.pred[j] == j
        win.succ[i], win.pred[j] = j, i
        if alone:
            win.succ[j] = FREE
            before = counts[DECIDED]
            counts[DECIDED] = hi
            release_row(win, edges, counts, j)
            counts[DECIDED] = before


@njit(cache=True)
def only_choice(win: Window, counts: Any, costs: Costs, i: int, lo: int, hi: int, j: int) -> bool:
    """Whether i and j, of the frame [lo, hi), are each other's only neighbour within the largest step."""
    for b in range(lo, hi):
        if b != j and math.hypot(win.xy[b, 0] - win.xy[i, 0], win.xy[b, 1] - win.xy[i, 1]) <= costs.max_step:
            return False
    a = i
    while a > 0 and win.rank[a - 1] == win.rank[i]:
        a -= 1
    while win.rank[a] == win.rank[i]:
        if a != i and math.hypot(win.xy[a, 0] - win.xy[j, 0], win.xy[a, 1] - win.xy[j, 1]) <= costs.max_step:
            return False
        a += 1
    return True


@njit(cache=True)
def add_frame(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int, rows: Any,
              log_mode: Any, mean: Any, var: Any) -> bool:
    """Bring the detections [lo, hi) of the next frame in; False when `edges` has no room for them."""
    row, col, weight = gather(win.xy[:hi], win.noise[:hi], win.looks[:hi], win.rank[:hi], win.frame[:hi], rows, lo,
                              costs, log_mode, mean, var)
    if counts[EDGES] + len(row) + hi - lo > len(edges.row):
        return False
    age_rows(win, edges, counts, costs, lo)
    insert_columns(win, edges, counts, costs, lo, hi, row, col, weight)
    counts[NODES] = hi
    return True


@njit(cache=True)
def active_rows(win: Window, counts: Any, costs: Costs, lo: int) -> Any:
    """Rows that a detection of the frame starting at `lo` may continue."""
    out = np.empty(lo, np.int64)
    n, i = 0, lo - 1
    while i >= 0 and win.frame[lo] - win.frame[i] <= costs.max_lag:
        if win.succ[i] == FREE or win.succ[i] >= counts[DECIDED]:
            out[n] = i
            n += 1
        i -= 1
    return out[:n][::-1].copy()


@njit(cache=True)
def add_frames(win: Window, edges: Edges, counts: Any, costs: Costs, starts: Any, window: int, adopt: bool) -> int:
    """Bring frames in under memoryless motion until done or out of room.

    Parameters
    ----------
    starts : int64, shape (F + 1,)
        Where each new frame's detections begin in the window; they are filled in already.
    window : int
        Frames decided together.

    Returns
    -------
    int
        How many of the F frames were brought in.
    """
    modes = len(costs.log_mode)
    for f in range(len(starts) - 1):
        lo, hi = starts[f], starts[f + 1]
        rows = active_rows(win, counts, costs, lo)
        log_mode, mean, var = np.empty((len(rows), modes)), np.empty((len(rows), modes, 2)), np.empty((len(rows), modes, 2))
        for r in range(len(rows)):
            i = rows[r]
            for m in range(modes):
                log_mode[r, m] = costs.log_mode[m]
                for axis in range(2):
                    mean[r, m, axis] = win.xy[i, axis]
                    var[r, m, axis] = win.noise[i, axis] + costs.step_var[m] * (win.frame[lo] - win.frame[i])
        if not add_frame(win, edges, counts, costs, lo, hi, rows, log_mode, mean, var):
            return f
        decide_up_to(win, edges, counts, costs, win.rank[lo] - window + 1, adopt)
    return len(starts) - 1


@njit(cache=True)
def decide_up_to(win: Window, edges: Edges, counts: Any, costs: Costs, rank: int, adopt: bool) -> None:
    """Make final every frame whose rank is at most `rank`."""
    while counts[DECIDED] < counts[NODES] and win.rank[counts[DECIDED]] <= rank:
        lo = counts[DECIDED]
        hi = lo
        while hi < counts[NODES] and win.rank[hi] == win.rank[lo]:
            hi += 1
        decide(win, edges, counts, costs, lo, hi, adopt)


@njit(cache=True)
def compact(win: Window, edges: Edges, counts: Any, keep: int) -> None:
    """Forget the detections before `keep`, all decided and out of reach, and the edges of decided columns."""
    n = counts[NODES] - keep
    for a in range(n):
        b = a + keep
        win.frame[a], win.rank[a], win.u[a], win.v[a], win.bonus[a] = win.frame[b], win.rank[b], win.u[b], win.v[b], win.bonus[b]
        win.track[a], win.doubt[a], win.stamp[a], win.first_out[a] = win.track[b], win.doubt[b], 0, FREE
        win.succ[a] = win.succ[b] - keep if win.succ[b] != FREE else FREE
        win.pred[a] = max(win.pred[b] - keep, FREE) if win.pred[b] != FREE else FREE
        win.first_in[a], win.last_in[a] = win.first_in[b], win.last_in[b]
        for axis in range(2):
            win.xy[a, axis], win.noise[a, axis] = win.xy[b, axis], win.noise[b, axis]
        for f in range(win.looks.shape[1]):
            win.looks[a, f] = win.looks[b, f]
    counts[NODES] -= keep
    counts[DECIDED] -= keep
    old = counts[EDGES]
    counts[EDGES] = 0
    for j in range(n):
        lo, hi = win.first_in[j], win.last_in[j]
        win.first_in[j] = counts[EDGES]
        if j >= counts[DECIDED]:
            for e in range(lo, min(hi, old)):
                i = edges.row[e] - keep
                if i >= 0:
                    counts[EDGES] = add_edge(win, edges, counts[EDGES], i, j, edges.weight[e])
        win.last_in[j] = counts[EDGES]
