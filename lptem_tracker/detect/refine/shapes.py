"""The blurred shapes that are fitted: signed distances, edge profiles, and their derivatives.

A particle takes ``C f(x, y)`` away from its background. `f` depends on the signed distance `d` to the
outline (positive inside), on the edge blur `s`, and on how thickness falls towards the rim::

    f = (1 - q) Φ(d/s) + q √(h s) G(d/s),     G(z) = E √max(z + Z, 0),  Z standard normal

`q = 0` is a plate (flat contrast; for a disk Φ(d/s) = ½ erfc((ρ - R)/(√2 s))), `q = 1` the projected
thickness √(1 - ρ²/R²) of a sphere (or spherocylinder) blurred across its rim: with
1 - ρ²/R² = h d and a locally constant h, its expectation over the blur is √(h s) G(d/s).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine.compiled import inlined

DISK, ELLIPSE, ROD, BOX = 0, 1, 2, 3
SHAPE_NAMES = ("disk", "ellipse", "rod", "rectangle")

# One parameter vector serves all shapes; which entries are free depends on the shape.
X, Y, A, B, THETA, CORNER, LOG_S, Q, CONTRAST, LEVEL, SLOPE_X, SLOPE_Y = range(12)
N_PARAMS = 12

FREE: NDArray[np.bool_] = np.ones((4, N_PARAMS), dtype=np.bool_)
FREE[DISK, [B, THETA, CORNER]] = False
FREE[ELLIPSE, CORNER] = False
FREE[ROD, CORNER] = False

Z_MAX = 6.0
PER_UNIT = 64


def _edge_table() -> NDArray[np.float64]:
    """Return Φ, φ, G and G' on a grid of z from -Z_MAX to Z_MAX, shape (n, 4)."""
    z = np.linspace(-Z_MAX, Z_MAX, int(2 * Z_MAX * PER_UNIT) + 1)
    phi = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    # √ has no second derivative at 0: with the substitution u = √(z+Z) the integrand is smooth
    u, step = np.linspace(0.0, math.sqrt(2 * Z_MAX + 2), 2001, retstep=True)
    t = u**2 - z[:, None]
    density = 2 * u**2 * np.exp(-0.5 * t**2) / math.sqrt(2 * math.pi)
    g, dg = density.sum(axis=1) * step, (density * t).sum(axis=1) * step
    return np.ascontiguousarray(np.stack([cdf, phi, g, dg], axis=1))


TABLE = _edge_table()


@inlined
def edge(z: float, table: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return Φ(z), φ(z), G(z), G'(z)."""
    if z <= -Z_MAX:
        return 0.0, 0.0, 0.0, 0.0
    if z >= Z_MAX:
        root = math.sqrt(z)
        return 1.0, 0.0, root * (1 - 0.125 / (z * z)), 0.5 / root
    t = (z + Z_MAX) * PER_UNIT
    i = min(int(t), table.shape[0] - 2)
    w = t - i
    v = 1.0 - w
    return (
        v * table[i, 0] + w * table[i + 1, 0],
        v * table[i, 1] + w * table[i + 1, 1],
        v * table[i, 2] + w * table[i + 1, 2],
        v * table[i, 3] + w * table[i + 1, 3],
    )


@inlined
def distance(kind: int, u: float, v: float, a: float, b: float, c: float) -> float:
    """Return the signed distance to the outline, positive inside, in the shape's own axes."""
    if kind == DISK:
        return a - math.sqrt(u * u + v * v)
    if kind == ELLIPSE:
        rho = math.sqrt((u / a) ** 2 + (v / b) ** 2)
        g = math.sqrt((u / (a * a)) ** 2 + (v / (b * b)) ** 2)
        return min(a, b) if g < 1e-9 else (1 - rho) * rho / g
    if kind == ROD:
        c = b
    qx, qy = abs(u) - (a - c), abs(v) - (b - c)
    if qx > 0 and qy > 0:
        return c - math.sqrt(qx * qx + qy * qy)
    return min(a - abs(u), b - abs(v))


@inlined
def _ellipse(u: float, v: float, a: float, b: float, d: Any, h: Any) -> None:
    """Distance to first order, (1-ρ)/|∇ρ| (Taubin 1991), and h = (1+ρ)|∇ρ|; see `outline_terms`."""
    a2, b2 = a * a, b * b
    rho = max(math.sqrt(u * u / a2 + v * v / b2), 1e-6)
    g = max(math.sqrt(u * u / (a2 * a2) + v * v / (b2 * b2)), 1e-6 / max(a, b))
    n = rho - rho * rho
    d[0], h[0] = n / g, (1 + rho) * g / rho
    drho = (u / (a2 * rho), v / (b2 * rho), -u * u / (a2 * a * rho), -v * v / (b2 * b * rho))
    dg = (u / (a2 * a2 * g), v / (b2 * b2 * g), -2 * u * u / (a2 * a2 * a * g), -2 * v * v / (b2 * b2 * b * g))
    for k in range(4):
        d[k + 1] = ((1 - 2 * rho) * drho[k] - d[0] * dg[k]) / g
        h[k + 1] = (1 + 1 / rho) * dg[k] - g * drho[k] / (rho * rho)
    d[5], h[5] = 0.0, 0.0


@inlined
def outline_terms(kind: int, u: float, v: float, a: float, b: float, c: float, d: Any, h: Any) -> None:
    """Write the distance d and rim factor h with their derivatives by u, v, a, b and c.

    d, h : arrays of 6: the value, then ∂/∂u, ∂/∂v, ∂/∂a, ∂/∂b, ∂/∂c (∂/∂c folded into ∂/∂b of a rod).
    """
    if kind == ELLIPSE:
        _ellipse(u, v, a, b, d, h)
        return
    d[3], d[4], d[5] = 0.0, 0.0, 0.0
    if kind == DISK:
        r = max(math.sqrt(u * u + v * v), 1e-9)
        d[0], d[1], d[2], d[3] = a - r, -u / r, -v / r, 1.0
        b = a
    else:
        if kind == ROD:
            c = b
        su, sv = (1.0 if u >= 0 else -1.0), (1.0 if v >= 0 else -1.0)
        qx, qy = su * u - (a - c), sv * v - (b - c)
        if qx > 0 and qy > 0:
            length = math.sqrt(qx * qx + qy * qy)
            nx, ny = qx / length, qy / length
            d[0], d[1], d[2] = c - length, -su * nx, -sv * ny
            d[3], d[4], d[5] = nx, ny, 1 - nx - ny
        elif a - su * u < b - sv * v:
            d[0], d[1], d[2], d[3] = a - su * u, -su, 0.0, 1.0
        else:
            d[0], d[1], d[2], d[4] = b - sv * v, 0.0, -sv, 1.0
        if kind == ROD:
            d[4] += d[5]
    # the thickness √(1-(1-d/b)²) of a rounded rim as wide as the half-width b: h = (2 - d/b)/b
    h[0] = (2 - d[0] / b) / b
    for k in range(1, 6):
        h[k] = -d[k] / (b * b)
    by_b = (2 * d[0] / b - 2) / (b * b)
    if kind == DISK:
        h[3] += by_b
    else:
        h[4] += by_b


@inlined
def fraction(kind: int, u: float, v: float, d: float, p: Any, s: float, table: Any) -> float:
    """Return f at u, v in the shape's own axes, where the distance is d and the blur s."""
    if d <= -Z_MAX * s:
        return 0.0
    cdf, _, g, _ = edge(d / s, table)
    if p[Q] == 0.0:
        return float(cdf)
    a, b = p[A], (p[A] if kind == DISK else p[B])
    h = (2 - d / b) / b
    if kind == ELLIPSE:
        rho = max(math.sqrt((u / a) ** 2 + (v / b) ** 2), 1e-6)
        h = (1 + rho) * math.sqrt((u / (a * a)) ** 2 + (v / (b * b)) ** 2) / rho
    return float((1 - p[Q]) * cdf + p[Q] * math.sqrt(max(h * s, 0.0)) * g)


def area(kind: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the areas inside the outlines in px², shape (n,)."""
    a, b = p[:, A], p[:, B]
    c = np.where(kind == ROD, b, p[:, CORNER])
    out: NDArray[np.float64] = np.select(
        [kind == DISK, kind == ELLIPSE], [np.pi * a**2, np.pi * a * b], 4 * a * b - (4 - np.pi) * c**2
    )
    return out


def perimeter(kind: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths of the outlines in px; of an ellipse by Ramanujan's second formula, shape (n,)."""
    a, b = p[:, A], p[:, B]
    c = np.where(kind == ROD, b, p[:, CORNER])
    lam = ((a - b) / np.maximum(a + b, 1e-12)) ** 2
    ellipse = np.pi * (a + b) * (1 + 3 * lam / (10 + np.sqrt(4 - 3 * lam)))
    out: NDArray[np.float64] = np.select(
        [kind == DISK, kind == ELLIPSE], [2 * np.pi * a, ellipse], 4 * (a + b) - (8 - 2 * np.pi) * c
    )
    return out
