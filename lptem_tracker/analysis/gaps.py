"""Distance between the outlines of two particles: disks, rods, ellipses, boxes, polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DIRECTIONS = 48
_GOLDEN = (np.sqrt(5) - 1) / 2
_CHUNK = 40_000


def surface_gap(bodies: Bodies, a: Ints, b: Ints) -> Floats:
    """Gap between the outlines of rows `a` and `b` in px; below 0 where they overlap.

    Parameters
    ----------
    a, b : (K,) int
        Rows of `bodies`.

    Returns
    -------
    (K,) float
        For disks the centre distance less both radii. For convex outlines the largest separation
        over all directions u, (c_b − c_a)·u − h_a(u) − h_b(−u) with h the support function, which is
        the Euclidean distance where they are apart and minus the penetration depth where not
        (Ericson 2005, Real-Time Collision Detection, section 5.2.1). A hollow polygon counts as its hull.
    """
    gap = np.hypot(bodies.x[b] - bodies.x[a], bodies.y[b] - bodies.y[a]) - bodies.half_length[a] - bodies.half_length[b]
    shaped = np.flatnonzero(~(bodies.is_round[a] & bodies.is_round[b]))
    for start in range(0, len(shaped), _CHUNK):
        part = shaped[start : start + _CHUNK]
        gap[part] = _convex_gap(bodies, a[part], b[part])
    return np.asarray(gap)


def _convex_gap(bodies: Bodies, a: Ints, b: Ints) -> Floats:
    grid = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    values = np.stack([_separation(bodies, a, b, np.full(len(a), u)) for u in grid])
    best = grid[values.argmax(0)]
    step = 2 * np.pi / _DIRECTIONS
    low, high = best - step, best + step
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    f_inner, f_outer = _separation(bodies, a, b, inner), _separation(bodies, a, b, outer)
    for _ in range(16):  # golden section: 0.26 rad · 0.618^16 = 1e-4 rad, far below 0.01 px
        left = f_inner > f_outer
        low, high = np.where(left, low, inner), np.where(left, outer, high)
        fresh = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        f_fresh = _separation(bodies, a, b, fresh)
        inner, outer = np.where(left, fresh, outer), np.where(left, inner, fresh)
        f_inner, f_outer = np.where(left, f_fresh, f_outer), np.where(left, f_inner, f_fresh)
    return np.asarray(np.maximum(np.maximum(f_inner, f_outer), values.max(0)))


def _separation(bodies: Bodies, a: Ints, b: Ints, direction: Floats) -> Floats:
    along = (bodies.x[b] - bodies.x[a]) * np.cos(direction) + (bodies.y[b] - bodies.y[a]) * np.sin(direction)
    return along - support(bodies, a, direction) - support(bodies, b, direction + np.pi)


def support(bodies: Bodies, row: Ints, direction: Floats) -> Floats:
    """How far the outline of each row reaches from its centre along `direction` (rad), in px, (K,).

    For a superellipse of exponent n: (|a cos|^q + |b sin|^q)^(1/q) with 1/n + 1/q = 1.
    """
    turn = direction - bodies.angle[row]
    n = np.maximum(bodies.exponent[row], 1.05)
    q = n / (n - 1)
    reach = (
        np.abs(bodies.half_length[row] * np.cos(turn)) ** q + np.abs(bodies.half_width[row] * np.sin(turn)) ** q
    ) ** (1 / q)
    if bodies.outline is None:
        return np.asarray(reach)
    corners = bodies.outline[row]
    u = np.stack([np.cos(direction), np.sin(direction)], axis=1)
    far = np.einsum("kcd,kd->kc", corners, u).max(1)
    return np.asarray(np.where(np.isnan(far), reach, far))
