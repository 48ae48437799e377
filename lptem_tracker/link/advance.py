"""One frame after another into the window: candidates in, matching repaired, old decisions made final.

The matching is exact for everything inside the window. A decision is final once `window - 1` further
frames with detections have been seen; with a window of one frame this is the classical
frame-by-frame assignment.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lptem_tracker.link.assignment import FREE, Edges, Window, match_column, match_row
from lptem_tracker.link.belief import believe
from lptem_tracker.link.candidates import Costs, gather
from lptem_tracker.link.jit import jit

NODES, EDGES, DECIDED, TRACKS, SEARCHES = 0, 1, 2, 3, 4
"""Places in the counters: detections, edges, decided columns, identities given, searches made."""

BELIEF_SWEEPS = 6
"""Sweeps of messages at a time; they are carried on, so that an edge sees at least twelve before it is decided."""

DROP_NATS = 18.0
"""Edges this much worse than their column's best are left out: their share is below 1e-7."""


@jit
def age_rows(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int) -> None:
    """Raise the end bonus of rows before `lo`, now that they could have been seen in one more frame."""
    rank, succ, bonus, u, end, first_out = win.rank, win.succ, win.bonus, win.u, costs.end, win.first_out
    now, last, decided = rank[lo], len(end) - 1, counts[DECIDED]
    i = lo - 1
    while i >= 0 and now - rank[i] <= last:
        gain = -end[now - rank[i]] - bonus[i]
        if gain > 0 and not FREE < succ[i] < decided:
            bonus[i] += gain
            if succ[i] != FREE:
                u[i] += gain
            elif first_out[i] != FREE:
                release_row(win, edges, counts, i)
        i -= 1


@jit
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


@jit
def insert_columns(
    win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int, row: Any, col: Any, weight: Any
) -> None:
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
    succ, pred, u, bonus, first_out = win.succ, win.pred, win.u, win.bonus, win.first_out
    e_row, e_col, e_weight, e_next, e_message = edges.row, edges.col, edges.weight, edges.following, edges.message
    for j in range(lo, hi):
        succ[j], pred[j], first_out[j] = FREE, FREE, FREE
        u[j], bonus[j], win.stamp[j] = 0.0, 0.0, 0
        best, choice = 0.0, FREE
        for n in range(first[j - lo], first[j - lo + 1]):
            i = row[order[n]]
            gain = weight[order[n]] + bonus[i] - u[i]
            if gain > best:
                best, choice = gain, i
        at = counts[EDGES]
        win.first_in[j] = at
        alone = costs.log_false + win.doubt[j] - start
        if alone > -DROP_NATS:
            if alone > best:
                best, choice = alone, j
            e_row[at], e_col[at], e_weight[at], e_next[at], e_message[at] = j, j, alone, FREE, 1.0
            first_out[j] = at
            at += 1
        for n in range(first[j - lo], first[j - lo + 1]):
            i, w = row[order[n]], weight[order[n]]
            if w + bonus[i] - u[i] > best - DROP_NATS:
                e_row[at], e_col[at], e_weight[at], e_next[at], e_message[at] = i, j, w, first_out[i], 1.0
                first_out[i] = at
                at += 1
        win.last_in[j] = at
        counts[EDGES] = at
        win.v[j] = best
        if choice != FREE and succ[choice] == FREE:
            succ[choice], pred[j] = j, choice  # the best row is free: nothing else has to move
        elif choice != FREE:
            counts[SEARCHES] += 1
            match_column(win, edges, j, counts[DECIDED], counts[SEARCHES])


@jit
def decide(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int, adopt: bool) -> None:
    """Make the columns [lo, hi) of one frame final and name their tracks."""
    if adopt:
        leftover, taken = False, win.pred
        for j in range(lo, hi):
            leftover |= taken[j] == FREE or taken[j] == j
        if leftover:
            adopt_leftovers(win, edges, counts, costs, lo, hi)
    counts[DECIDED] = hi
    pred, track, belief, row = win.pred, win.track, win.belief, edges.row
    first_in, last_in, share = win.first_in, win.last_in, edges.belief
    for j in range(lo, hi):
        belief[j] = math.nan
        for e in range(first_in[j], last_in[j]):
            if row[e] == pred[j] and row[e] != j:
                belief[j] = share[e]
        if pred[j] == FREE or pred[j] == j:
            track[j] = counts[TRACKS]
            counts[TRACKS] += 1
        else:
            track[j] = track[pred[j]]


@jit
def adopt_leftovers(win: Window, edges: Edges, counts: Any, costs: Costs, lo: int, hi: int) -> None:
    """Link starts to ends within the user's own largest step, nearest first.

    Only reached when that step is given: a user who allows it expects it to be used however unlikely
    the estimated motion makes it. Across missed frames, and to what looks like a false detection, only
    where nobody else could be meant: no other detection of either frame is within that step.
    """
    frame, succ, pred, xy = win.frame, win.succ, win.pred, win.xy
    ends = np.empty(lo, np.int64)
    n_ends, i, oldest = 0, lo - 1, frame[lo] - costs.max_lag
    while i >= 0 and frame[i] >= oldest:
        if succ[i] == FREE or succ[i] == i:
            ends[n_ends] = i
            n_ends += 1
        i -= 1
    pairs_i, pairs_j, far = [0], [0], [0.0]
    for j in range(lo, hi):
        if pred[j] == FREE or pred[j] == j:
            for e in range(n_ends):
                d = math.hypot(xy[j, 0] - xy[ends[e], 0], xy[j, 1] - xy[ends[e], 1])
                if d > costs.max_step * (1 + 1e-9):
                    continue
                follows = pred[j] == FREE and frame[lo] - frame[ends[e]] == 1
                if follows or only_choice(win, counts, costs, ends[e], lo, hi, j):
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


@jit
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


@jit
def add_frame(
    win: Window,
    edges: Edges,
    counts: Any,
    costs: Costs,
    lo: int,
    hi: int,
    rows: Any,
    log_mode: Any,
    mean: Any,
    var: Any,
) -> bool:
    """Bring the detections [lo, hi) of the next frame in; False when `edges` has no room for them."""
    row, col, weight = gather(
        win.xy[:hi], win.noise[:hi], win.looks[:hi], win.rank[:hi], win.frame[:hi], rows, lo, costs, log_mode, mean, var
    )
    if counts[EDGES] + len(row) + hi - lo > len(edges.row):
        return False
    age_rows(win, edges, counts, costs, lo)
    insert_columns(win, edges, counts, costs, lo, hi, row, col, weight)
    counts[NODES] = hi
    return True


@jit
def active_rows(win: Window, counts: Any, costs: Costs, lo: int) -> Any:
    """Rows that a detection of the frame starting at `lo` may continue."""
    frame, succ, decided = win.frame, win.succ, counts[DECIDED]
    oldest = frame[lo] - costs.max_lag
    i = lo
    while i > 0 and frame[i - 1] >= oldest:
        i -= 1
    out = np.empty(lo - i, np.int64)
    n = 0
    for r in range(i, lo):
        if succ[r] == FREE or succ[r] >= decided:
            out[n] = r
            n += 1
    return out[:n]


@jit
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
    modes, xy, noise, frame = len(costs.log_mode), win.xy, win.noise, win.frame
    given_mode, step_var, once_var = costs.log_mode, costs.step_var, costs.once_var
    every = max(window // 2, 1)
    for f in range(len(starts) - 1):
        lo, hi = starts[f], starts[f + 1]
        rows = active_rows(win, counts, costs, lo)
        log_mode, mean, var = (
            np.empty((len(rows), modes)),
            np.empty((len(rows), modes, 2)),
            np.empty((len(rows), modes, 2)),
        )
        for r in range(len(rows)):
            i = rows[r]
            for m in range(modes):
                log_mode[r, m] = given_mode[m]
                for axis in range(2):
                    mean[r, m, axis] = xy[i, axis]
                    var[r, m, axis] = noise[i, axis] + step_var[m] * (frame[lo] - frame[i]) + once_var[m]
        if not add_frame(win, edges, counts, costs, lo, hi, rows, log_mode, mean, var):
            return f
        if win.rank[lo] % every == 0:
            believe(win, edges, counts[DECIDED], counts[NODES], counts[EDGES], BELIEF_SWEEPS)
        decide_up_to(win, edges, counts, costs, win.rank[lo] - window + 1, adopt)
    return len(starts) - 1


@jit
def decide_up_to(win: Window, edges: Edges, counts: Any, costs: Costs, rank: int, adopt: bool) -> None:
    """Make final every frame whose rank is at most `rank`."""
    while counts[DECIDED] < counts[NODES] and win.rank[counts[DECIDED]] <= rank:
        lo = counts[DECIDED]
        hi = lo
        while hi < counts[NODES] and win.rank[hi] == win.rank[lo]:
            hi += 1
        decide(win, edges, counts, costs, lo, hi, adopt)


@jit
def compact(win: Window, edges: Edges, counts: Any, keep: int) -> None:
    """Forget the detections before `keep`, all decided and out of reach, and the edges of decided columns."""
    n = counts[NODES] - keep
    # slices overlap towards the front, so that copying forwards is safe
    for a in range(n):
        b = a + keep
        win.frame[a], win.rank[a], win.u[a], win.v[a], win.bonus[a] = (
            win.frame[b],
            win.rank[b],
            win.u[b],
            win.v[b],
            win.bonus[b],
        )
        win.belief[a] = win.belief[b]
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
                at = counts[EDGES]
                if i >= 0:
                    edges.row[at], edges.col[at], edges.weight[at] = i, j, edges.weight[e]
                    edges.following[at], edges.message[at] = win.first_out[i], edges.message[e]
                    edges.belief[at] = edges.belief[e]
                    win.first_out[i] = at
                    counts[EDGES] += 1
        win.last_in[j] = counts[EDGES]
