"""How sure a link is: its share among all ways to link the window, by sum-product on the assignment graph.

Messages live on the edges and are carried from frame to frame, so that a few sweeps a frame are
enough (Williams & Lau 2014, eqs. 24–27).
"""

from __future__ import annotations

import math

import numpy as np

from lptem_tracker.link.assignment import FREE, Edges, Window
from lptem_tracker.link.jit import jit

SETTLED = 1e-3
"""Messages that change by less than this are not passed again."""


@jit
def believe(win: Window, edges: Edges, decided: int, nodes: int, n_edges: int, sweeps: int) -> None:
    """Pass messages over the undecided edges and set their posteriors.

    Parameters
    ----------
    decided, nodes, n_edges : int
        First undecided column, number of detections, number of edges.
    sweeps : int
    """
    if decided >= nodes:
        return
    first = win.first_in[decided]
    m = n_edges - first
    row, col, message = edges.row[first:n_edges], edges.col[first:n_edges], edges.message[first:n_edges]
    succ, bonus, weight, belief = win.succ, win.bonus, edges.weight[first:n_edges], edges.belief[first:n_edges]
    odds, up = np.empty(m), np.empty(m)
    low = nodes
    for e in range(m):
        i = row[e]
        low = min(low, i)
        gone = FREE < succ[i] < decided
        odds[e] = 0.0 if gone else math.exp(min(weight[e] + bonus[i], 600.0))
    rows, cols = np.empty(nodes - low), np.empty(nodes - decided)
    for _ in range(sweeps):
        rows[:] = 1.0
        for e in range(m):
            rows[row[e] - low] += odds[e] * message[e]
        cols[:] = 1.0
        for e in range(m):
            up[e] = odds[e] / max(rows[row[e] - low] - odds[e] * message[e], 1.0)
            cols[col[e] - decided] += up[e]
        change = 0.0
        for e in range(m):
            new = 1.0 / max(cols[col[e] - decided] - up[e], 1.0)
            change = max(change, abs(new - message[e]))
            message[e] = new
        if change < SETTLED:
            break
    rows[:] = 1.0
    for e in range(m):
        rows[row[e] - low] += odds[e] * message[e]
    for e in range(m):
        belief[e] = odds[e] * message[e] / rows[row[e] - low]
