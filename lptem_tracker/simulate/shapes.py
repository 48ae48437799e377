"""Outlines of particles as seen in projection: one radius per direction, scaled to unit area radius."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Shape = Literal[
    "sphere",
    "ellipse",
    "rod",
    "cube",
    "rectangle",
    "triangle",
    "tetrahedron",
    "octahedron",
    "hexagon",
    "decahedron",
    "irregular",
    "peanut",
]

SHAPES: tuple[Shape, ...] = (
    "sphere", "ellipse", "rod", "cube", "rectangle", "triangle", "tetrahedron", "octahedron", "hexagon", "decahedron",
    "irregular", "peanut",
)  # fmt: skip

N_ANGLES = 256
_THETA = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
_COS, _SIN = np.cos(_THETA), np.sin(_THETA)

_PROFILE: dict[str, float] = {
    "sphere": 0.5,
    "ellipse": 0.5,
    "rod": 0.5,
    "tetrahedron": 0.8,
    "octahedron": 0.6,
    "decahedron": 0.5,
}

Outlines = NDArray[np.float64]
_Maker = Callable[[int, np.random.Generator, NDArray[np.float64]], Outlines]


def thickness_exponent(shape: Shape) -> float:
    """Return p of the thickness profile (1 - q²)^p with q the distance from the centre over that of the outline.

    0 is a flat plate, 0.5 a sphere or a cylinder lying down, and larger values are pyramids.
    """
    return _PROFILE.get(shape, 0.0)


def make_outlines(
    shape: Shape,
    n: int,
    rng: np.random.Generator,
    *,
    aspect: float = 1.0,
    aspect_sd: float = 0.0,
    roughness: float = 0.0,
) -> Outlines:
    """Draw `n` outlines of one shape.

    Parameters
    ----------
    shape : Shape
    n : int
    rng : numpy.random.Generator
    aspect : float
        Long over short axis; kept at 1 by shapes that have none.
    aspect_sd : float
        Relative standard deviation of `aspect` between particles.
    roughness : float
        Relative amplitude of slow bumps on the outline.

    Returns
    -------
    numpy.ndarray
        Shape (n, N_ANGLES): distance from the centroid to the outline in each direction from the long axis,
        scaled so that the area is pi.
    """
    ratio = np.maximum(1.0, aspect * (1 + aspect_sd * rng.standard_normal(n)))[:, None]
    rho = _RAW[shape](n, rng, ratio)
    if roughness > 0:
        rho = rho * _bumps(n, rng, roughness)
    return _unit_area(rho)


def _polygon(
    n: int, rng: np.random.Generator, sides: int, distances: NDArray[np.float64], sharp: tuple[float, float]
) -> Outlines:
    # a p-norm over half planes rounds the corners: p = 2 with four planes is an ellipse, p -> inf a polygon
    power = rng.uniform(*sharp, (n, 1))
    turn = 2 * np.pi * np.arange(sides) / sides
    facing = np.maximum(np.cos(_THETA[:, None] - turn), 0.0)  # (angles, sides)
    total = np.zeros((n, N_ANGLES))
    for k in range(sides):
        total += (facing[:, k] / distances[:, k : k + 1]) ** power
    result: Outlines = total ** (-1 / power)
    return result


def _regular(sides: int, sharp: tuple[float, float], spread: float) -> _Maker:
    def make(n: int, rng: np.random.Generator, ratio: NDArray[np.float64]) -> Outlines:
        return _polygon(n, rng, sides, 1 + spread * rng.standard_normal((n, sides)).clip(-2, 2), sharp)

    return make


def _box(sharp: tuple[float, float]) -> _Maker:
    def make(n: int, rng: np.random.Generator, ratio: NDArray[np.float64]) -> Outlines:
        one = np.ones((n, 1))
        return _polygon(n, rng, 4, np.hstack([ratio, one, ratio, one]), sharp)

    return make


def _disk(n: int, rng: np.random.Generator, ratio: NDArray[np.float64]) -> Outlines:
    return np.ones((n, N_ANGLES))


def _capsule(n: int, rng: np.random.Generator, ratio: NDArray[np.float64]) -> Outlines:
    half = np.maximum(ratio - 1, 0.0)  # half length of the straight part over the cap radius
    c, s = np.abs(_COS), np.abs(_SIN)
    side = 1 / np.maximum(s, 1e-9)
    tip = half * c + np.sqrt(np.maximum(1 - (half * s) ** 2, 0.0))
    return np.where(side * c <= half, side, tip)


def _harmonics(n: int, rng: np.random.Generator, ratio: NDArray[np.float64]) -> Outlines:
    ellipse = (_COS**2 / ratio**2 + _SIN**2) ** -0.5
    return np.asarray(ellipse * _bumps(n, rng, 0.10), np.float64)


def _two_disks(n: int, rng: np.random.Generator, ratio: NDArray[np.float64]) -> Outlines:
    # two fused disks seen from a point between them: the outline of a particle that is still coalescing
    other = rng.uniform(0.6, 1.0, (n, 1))
    apart = rng.uniform(0.45, 0.8, (n, 1)) * (1 + other)
    left = _disk_from(-apart * other / (1 + other), 1.0)
    right = _disk_from(apart / (1 + other), other)
    neck = rng.uniform(6, 14, (n, 1))
    result: Outlines = (np.maximum(left, 1e-3) ** neck + np.maximum(right, 1e-3) ** neck) ** (1 / neck)
    return result


def _disk_from(offset: NDArray[np.float64], radius: NDArray[np.float64] | float) -> Outlines:
    along = offset * _COS
    inside: Outlines = along + np.sqrt(np.maximum(along**2 - offset**2 + np.square(radius), 0.0))
    return inside


def _bumps(n: int, rng: np.random.Generator, amplitude: float) -> Outlines:
    order = np.arange(2, 8)
    size = amplitude * rng.standard_normal((n, order.size)) / (order - 1)
    phase = rng.uniform(0, 2 * np.pi, (n, order.size))
    waves = np.cos(order[None, :, None] * _THETA + phase[:, :, None])
    return np.asarray(np.maximum(1 + np.einsum("nk,nka->na", size, waves), 0.3), np.float64)


def _unit_area(rho: Outlines) -> Outlines:
    """Move the origin to the centroid and scale to the area pi."""
    dtheta = 2 * np.pi / N_ANGLES
    area = 0.5 * dtheta * np.sum(rho**2, axis=1, keepdims=True)
    cx = dtheta / 3 * np.sum(rho**3 * _COS, axis=1, keepdims=True) / area
    cy = dtheta / 3 * np.sum(rho**3 * _SIN, axis=1, keepdims=True) / area
    if np.any(np.hypot(cx, cy) > 1e-6):
        x, y = rho * _COS - cx, rho * _SIN - cy
        angle, radius = np.arctan2(y, x) % (2 * np.pi), np.hypot(x, y)
        rho = np.stack(
            [np.interp(_THETA, a[k := np.argsort(a)], r[k], period=2 * np.pi) for a, r in zip(angle, radius)]
        )
        area = 0.5 * dtheta * np.sum(rho**2, axis=1, keepdims=True)
    result: Outlines = rho * np.sqrt(np.pi / area)
    return result


_RAW = {
    "sphere": _disk,
    "ellipse": _box((2.0, 2.0)),
    "rod": _capsule,
    "cube": _regular(4, (6.0, 30.0), 0.03),
    "rectangle": _box((6.0, 30.0)),
    "triangle": _regular(3, (8.0, 30.0), 0.04),
    "tetrahedron": _regular(3, (5.0, 20.0), 0.06),
    "octahedron": _regular(6, (12.0, 40.0), 0.10),
    "hexagon": _regular(6, (12.0, 50.0), 0.04),
    "decahedron": _regular(5, (12.0, 40.0), 0.05),
    "irregular": _harmonics,
    "peanut": _two_disks,
}


def slopes(outlines: Outlines) -> Outlines:
    """Return the cosine between outline normal and radius, which turns a radial into a normal distance."""
    step = (np.roll(outlines, -1, axis=1) - np.roll(outlines, 1, axis=1)) / (4 * np.pi / N_ANGLES)
    result: Outlines = 1 / np.sqrt(1 + (step / outlines) ** 2)
    return result


def extents(outlines: Outlines, radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each outline reaches from its centre.

    Parameters
    ----------
    outlines : numpy.ndarray
        Shape (n, N_ANGLES), of unit area radius.
    radius : numpy.ndarray
        Shape (n,), equal-area radius in px.
    angle : numpy.ndarray
        Shape (n,), rotation in rad from +x towards +y.

    Returns
    -------
    numpy.ndarray
        Shape (n, 4): left, top, right, bottom reach in px, all relative to the centre.
    """
    away = radius[:, None] * np.array([-1.0, -1.0, 1.0, 1.0])
    other = np.ptp(outlines, axis=1) > 1e-9
    if not other.all():
        if other.any():
            away[other] = extents(outlines[other], radius[other], angle[other])
        return np.asarray(away, np.float64)
    # every other direction is enough where there are many: the arc between them bulges by 0.0003 radii
    step = 2 if len(outlines) > 100 else 1
    outlines = outlines[:, ::step]
    x, y = outlines * _COS[::step], outlines * _SIN[::step]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    u, v = (x * c - y * s) * radius[:, None], (x * s + y * c) * radius[:, None]
    return np.stack([u.min(1), v.min(1), u.max(1), v.max(1)], axis=1)
