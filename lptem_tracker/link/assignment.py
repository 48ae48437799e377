"""Exact bipartite assignment that grows frame by frame, by shortest augmenting paths.

Every detection is a *row* (it may be followed by a later detection) and a *column* (it may follow an
earlier one). A link i → j has a weight in nats; a row without a link ends, a column without one
starts, both at weight 0. The matching held here is at all times the heaviest one of all links seen,
certified by duals u, v >= 0 with u_i + v_j >= w_ij (Kuhn 1955; Jonker & Volgenant 1987): a new
column costs one local search instead of a new solution, which makes the horizon nearly free.

All arrays belong to one sliding window; `Window` and `Edges` are plain structs of arrays for numba.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.jit import jit

FREE = -1


class Window(NamedTuple):
    """Detections of the window, one array entry each, sorted by frame.

    Attributes
    ----------
    frame, rank : int64
        Frame number, and the ordinal of that frame among those that hold detections.
    xy, noise : float64, shape (n, 2)
        Position with the drift removed and variance of its measurement, px and px².
    succ, pred : int64
        Matched column of a row and matched row of a column; -1 where free.
    u, v : float64
        Duals of rows and columns.
    bonus : float64
        What a link of this row gains because the row would otherwise end; grows with its age.
    first_in, last_in, first_out : int64
        A column's edges [first_in, last_in) and the head of a row's linked list of edges.
    looks : float64, shape (n, F)
        Likeness features (log size, log aspect); NaN where unknown.
    doubt : float64
        Log-likelihood ratio of the detection's confidence for false against true.
    track : int64
        Identity, from the moment the column's decision is final.
    belief : float64
        Posterior of the link into the column, from then on; NaN without one.
    """

    frame: NDArray[np.int64]
    rank: NDArray[np.int64]
    xy: NDArray[np.float64]
    noise: NDArray[np.float64]
    succ: NDArray[np.int64]
    pred: NDArray[np.int64]
    u: NDArray[np.float64]
    v: NDArray[np.float64]
    bonus: NDArray[np.float64]
    first_in: NDArray[np.int64]
    last_in: NDArray[np.int64]
    first_out: NDArray[np.int64]
    track: NDArray[np.int64]
    looks: NDArray[np.float64]
    doubt: NDArray[np.float64]
    belief: NDArray[np.float64]
    # scratch of one search: distance, parent and stamp of the last search that reached it
    dist: NDArray[np.float64]
    parent: NDArray[np.int64]
    stamp: NDArray[np.int64]
    heap_key: NDArray[np.float64]
    heap_node: NDArray[np.int64]
    order: NDArray[np.int64]


class Edges(NamedTuple):
    """Candidate links: row, column, weight without the bonus, next edge of the row, message and posterior."""

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    weight: NDArray[np.float64]
    following: NDArray[np.int64]
    message: NDArray[np.float64]
    belief: NDArray[np.float64]


def new_window(capacity: int, looks: int = 0) -> Window:
    """Return an empty window for `capacity` detections with `looks` features each."""
    ints: dict[str, Any] = {
        name: np.empty(capacity, np.int64)
        for name in (
            "frame",
            "rank",
            "succ",
            "pred",
            "first_in",
            "last_in",
            "first_out",
            "track",
            "parent",
            "stamp",
            "order",
        )
    }
    floats: dict[str, Any] = {name: np.empty(capacity) for name in ("u", "v", "bonus", "dist", "doubt", "belief")}
    ints["stamp"][:] = 0
    # every push of a search lowers a distance through one edge; the heap is cut at its end, see _push
    return Window(
        xy=np.empty((capacity, 2)),
        noise=np.empty((capacity, 2)),
        looks=np.empty((capacity, looks)),
        **ints,
        **floats,
        heap_key=np.empty(64 + 32 * capacity),
        heap_node=np.empty(64 + 32 * capacity, np.int64),
    )


def new_edges(capacity: int) -> Edges:
    """Return room for `capacity` candidate links."""
    return Edges(
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.empty(capacity),
        np.empty(capacity, np.int64),
        np.empty(capacity),
        np.empty(capacity),
    )


@jit
def _push(key: Any, node: Any, size: int, k: float, n: int) -> int:
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if key[up] <= k:
            break
        key[at], node[at] = key[up], node[up]
        at = up
    key[at], node[at] = k, n
    return size + 1


@jit
def _pop(key: Any, node: Any, size: int) -> int:
    """Remove the smallest entry (at index 0, to be read before) and return the new size."""
    size -= 1
    k, n = key[size], node[size]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and key[down + 1] < key[down]:
            down += 1
        if key[down] >= k:
            break
        key[at], node[at] = key[down], node[down]
        at = down
    if size > 0:
        key[at], node[at] = k, n
    return size


@jit
def match_column(win: Window, edges: Edges, start: int, frozen: int, search: int) -> None:
    """Give the free column `start` its place in the heaviest matching.

    Parameters
    ----------
    win, edges : Window, Edges
        `win.v[start]` is feasible; everything else is optimal without `start`.
    start : int
        The column.
    frozen : int
        Columns below this are decided, and so are the rows matched to them.
    search : int
        A number no earlier search has used.
    """
    best, end_row, end_col = win.v[start], FREE, start
    size, done, at, base = 0, 0, start, 0.0
    succ, u, v, bonus, stamp, dist = win.succ, win.u, win.v, win.bonus, win.stamp, win.dist
    while True:
        for e in range(win.first_in[at], win.last_in[at]):
            i = edges.row[e]
            if FREE < succ[i] < frozen:
                continue
            d = base + u[i] + v[at] - edges.weight[e] - bonus[i]
            if d < best and stamp[i] != -search and (stamp[i] != search or d < dist[i]):
                stamp[i], dist[i], win.parent[i] = search, d, at
                if succ[i] == FREE:
                    best, end_row, end_col = d, i, FREE
                else:
                    size = _push(win.heap_key, win.heap_node, size, d, i)
        at = FREE
        while size > 0:
            base, i = win.heap_key[0], win.heap_node[0]
            size = _pop(win.heap_key, win.heap_node, size)
            if base >= best:
                break
            if win.dist[i] == base and win.stamp[i] == search:
                win.stamp[i] = -search  # settled
                win.order[done] = i
                done += 1
                at = win.succ[i]
                break
        if at == FREE:
            break
        if base + win.v[at] < best:
            best, end_row, end_col = base + win.v[at], FREE, at
    win.v[start] -= best
    for n in range(done):
        i = win.order[n]
        if win.dist[i] < best:
            win.u[i] += best - win.dist[i]
            win.v[win.succ[i]] -= best - win.dist[i]
    if end_col != FREE:
        if end_col == start:
            return
        end_row = win.pred[end_col]
        win.pred[end_col] = FREE
        win.v[end_col] = 0.0
    i = end_row
    while True:
        j = win.parent[i]
        previous = win.pred[j]
        win.pred[j], win.succ[i] = i, j
        if j == start:
            return
        i = previous


@jit
def match_row(win: Window, edges: Edges, start: int, frozen: int, search: int) -> None:
    """Give the free row `start`, whose bonus has grown, its place in the heaviest matching.

    The mirror image of `match_column`; `win.u[start]` is feasible and everything else optimal.
    """
    best, end_row, end_col = win.u[start], start, FREE
    size, done, at, base = 0, 0, start, 0.0
    while True:
        e = win.first_out[at]
        while e != FREE:
            j = edges.col[e]
            if j >= frozen:
                d = base + win.u[at] + win.v[j] - edges.weight[e] - win.bonus[at]
                if d < best and win.stamp[j] != -search and (win.stamp[j] != search or d < win.dist[j]):
                    win.stamp[j], win.dist[j], win.parent[j] = search, d, at
                    if win.pred[j] == FREE:
                        best, end_row, end_col = d, FREE, j
                    else:
                        size = _push(win.heap_key, win.heap_node, size, d, j)
            e = edges.following[e]
        at = FREE
        while size > 0:
            base, j = win.heap_key[0], win.heap_node[0]
            size = _pop(win.heap_key, win.heap_node, size)
            if base >= best:
                break
            if win.dist[j] == base and win.stamp[j] == search:
                win.stamp[j] = -search
                win.order[done] = j
                done += 1
                at = win.pred[j]
                break
        if at == FREE:
            break
        if base + win.u[at] < best:
            best, end_row, end_col = base + win.u[at], at, FREE
    win.u[start] -= best
    for n in range(done):
        j = win.order[n]
        if win.dist[j] < best:
            win.v[j] += best - win.dist[j]
            win.u[win.pred[j]] -= best - win.dist[j]
    if end_row != FREE:
        if end_row == start:
            return
        end_col = win.succ[end_row]
        win.succ[end_row] = FREE
        win.u[end_row] = 0.0
    j = end_col
    while True:
        i = win.parent[j]
        previous = win.succ[i]
        win.pred[j], win.succ[i] = i, j
        if i == start:
            return
        j = previous
