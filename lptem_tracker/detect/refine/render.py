"""Pictures of all particles of a frame at once: what they take away, and whose pixel each is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine.compiled import compiled, inlined
from lptem_tracker.detect.refine.pixels import normal_edge
from lptem_tracker.detect.refine.shapes import (
    CONTRAST,
    CORNER,
    DISK,
    ELLIPSE,
    LOG_S,
    TABLE,
    THETA,
    A,
    B,
    Q,
    X,
    Y,
    distance,
    fraction,
)


@compiled
def _render(kinds: Any, params: Any, use: Any, table: Any, total: Any) -> None:
    height, width = total.shape
    z, cdf, pdf = np.empty(width), np.empty(width), np.empty(width)
    for i in range(len(kinds)):
        p = params[i]
        if not use[i]:
            continue
        cos, sin, s = math.cos(p[THETA]), math.sin(p[THETA]), math.exp(p[LOG_S])
        reach = max(p[A], p[B]) * (1.0 if kinds[i] < 3 else 1.415) + 5.0 * s
        flat = kinds[i] == DISK and p[Q] == 0.0
        for iy in range(max(0, math.ceil(p[Y] - reach)), min(height - 1, math.floor(p[Y] + reach)) + 1):
            dy = iy - p[Y]
            half = math.sqrt(max(reach * reach - dy * dy, 0.0))
            x0, x1 = max(0, math.ceil(p[X] - half)), min(width - 1, math.floor(p[X] + half)) + 1
            line = total[iy]
            if flat:
                count, ox = max(x1 - x0, 0), x0 - p[X]
                for j in range(count):
                    z[j] = (p[A] - math.sqrt((ox + j) * (ox + j) + dy * dy)) / s
                normal_edge(z, count, cdf, pdf)
                for j in range(count):
                    line[x0 + j] += p[CONTRAST] * cdf[j]
                continue
            for ix in range(x0, x1):
                dx = ix - p[X]
                u, v = cos * dx + sin * dy, cos * dy - sin * dx
                d = distance(kinds[i], u, v, p[A], p[B], p[CORNER])
                if d > -5.0 * s:
                    line[ix] += p[CONTRAST] * fraction(kinds[i], u, v, d, p, s, table)


@inlined
def _depths(kind: Any, p: Any, b: float, iy: int, x0: int, x1: int, depth: Any) -> None:
    """Write the distances to an outline along a run of pixels of a line."""
    cos, sin, dy = math.cos(p[THETA]), math.sin(p[THETA]), iy - p[Y]
    if kind == ELLIPSE:
        ia, ib = 1 / (p[A] * p[A]), 1 / (b * b)
        for k in range(x1 - x0):
            dx = x0 + k - p[X]
            u, v = cos * dx + sin * dy, cos * dy - sin * dx
            u, v = u * u * ia, v * v * ib
            rho, g = math.sqrt(u + v), math.sqrt(u * ia + v * ib)
            depth[k] = min(p[A], b) if g < 1e-9 else (1 - rho) * rho / g
        return
    for k in range(x1 - x0):
        dx = x0 + k - p[X]
        depth[k] = distance(kind, cos * dx + sin * dy, cos * dy - sin * dx, p[A], b, p[CORNER])


@compiled
def _own(kinds: Any, params: Any, grow: float, owner: Any) -> None:
    height, width = owner.shape
    mine, theirs = np.empty(width), np.empty(1)
    for i in range(len(kinds)):
        p = params[i]
        b = p[A] if kinds[i] == DISK else p[B]
        reach = max(p[A], b) * (1.0 if kinds[i] < 3 else 1.415) + grow
        x0, x1 = max(0, math.ceil(p[X] - reach)), min(width - 1, math.floor(p[X] + reach))
        y0, y1 = max(0, math.ceil(p[Y] - reach)), min(height - 1, math.floor(p[Y] + reach))
        for iy in range(y0, y1 + 1):
            _depths(kinds[i], p, b, iy, x0, x1 + 1, mine)
            line = owner[iy]
            for ix in range(x0, x1 + 1):
                if mine[ix - x0] > -grow:
                    other = line[ix]
                    if other >= 0:
                        q = params[other]
                        _depths(kinds[other], q, q[A] if kinds[other] == DISK else q[B], iy, ix, ix + 1, theirs)
                    if other < 0 or mine[ix - x0] > theirs[0]:
                        line[ix] = i


def render(
    total: NDArray[np.float32], kinds: NDArray[np.int64], params: NDArray[np.float64], use: NDArray[np.bool_]
) -> None:
    """Write what the shapes take away from the background to `total`, shape (Y, X)."""
    total.fill(0.0)
    _render(kinds, params, use, TABLE, total)


def owners(
    shape: tuple[int, int], kinds: NDArray[np.int64], params: NDArray[np.float64], grow: float
) -> NDArray[np.int32]:
    """Return the row of the particle deepest at each pixel within `grow` px of its outline, or -1."""
    owner = np.full(shape, -1, dtype=np.int32)
    _own(kinds, params, grow, owner)
    return owner
