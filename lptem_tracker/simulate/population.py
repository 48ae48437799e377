"""Particles of one picture: how many, how large, of what shape and how dark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate.placement import lattice, scatter
from lptem_tracker.simulate.shapes import SHAPES, Shape, extents, make_outlines, slopes, thickness_exponent
from lptem_tracker.simulate.stamp import new_particles

MAX_PARTICLES = 2000


@dataclass(frozen=True)
class Population:
    """Particles ready to be drawn, and what the truth says of them.

    Attributes
    ----------
    particles : numpy.ndarray
        Shape (n,), stamp.PARTICLE_DTYPE.
    outlines, slope : numpy.ndarray
        Shape (m, N_ANGLES); `particles["outline"]` picks a row.
    reach : numpy.ndarray
        Shape (n, 4), left, top, right, bottom from the centre in px.
    kinds : numpy.ndarray
        Shape (m,), name of each outline's shape.
    """

    particles: NDArray[Any]
    outlines: NDArray[np.float64]
    slope: NDArray[np.float64]
    reach: NDArray[np.float64]
    kinds: NDArray[np.str_]


@dataclass
class PopulationPlan:
    """Statistics that a population is drawn from.

    Attributes
    ----------
    radius_px, radius_sd : float
        Median equal-area radius in px and standard deviation of its logarithm.
    count : int
        Particles wanted; fewer where they do not fit.
    shapes : tuple of Shape
        Drawn with equal chance for each particle.
    aspect, aspect_sd, roughness : float
        See `shapes.make_outlines`.
    contrast, contrast_sd : float
        Median of 1 - exp(-depth) at the thickest point, and standard deviation of the logarithm of depth.
    thickness_power : float
        Depth grows as radius to this power within the population.
    core, clustering, gap_px : float
        See `placement.scatter`.
    crystal : {'', 'hexagonal', 'square'}
    spacing : float
        Lattice spacing over the particle's diameter.
    allowed : numpy.ndarray, optional
        Where centres may lie, uint8 (Y, X).
    """

    radius_px: float
    count: int
    radius_sd: float = 0.1
    shapes: tuple[Shape, ...] = ("sphere",)
    aspect: float = 1.0
    aspect_sd: float = 0.0
    roughness: float = 0.0
    contrast: float = 0.3
    contrast_sd: float = 0.1
    thickness_power: float = 1.0
    profile: float | None = None
    core: float = 1.0
    clustering: float = 0.0
    gap_px: float = 1.0
    crystal: str = ""
    spacing: float = 1.1
    allowed: NDArray[np.uint8] | None = None
    aligned: bool = False
    options: dict[str, float] = field(default_factory=dict)


def draw_population(plan: PopulationPlan, rng: np.random.Generator, shape: tuple[int, int]) -> Population:
    """Draw the particles of one picture of `shape` (Y, X) px from a plan."""
    pool, kinds = _pool(plan, rng)
    long_reach = pool.max(axis=1)
    if plan.crystal:
        points = _crystal(plan, rng, shape)
        n = len(points)
        radius = np.maximum(plan.radius_px * np.exp(min(plan.radius_sd, 0.12) * rng.standard_normal(n)), 0.7)
        pick = rng.integers(0, len(pool), n)
    else:
        n = min(plan.count, MAX_PARTICLES)
        radius = np.maximum(plan.radius_px * np.exp(plan.radius_sd * rng.standard_normal(n)), 0.7)
        radius = -np.sort(-radius) if plan.core > 0.9 else radius
        pick = rng.integers(0, len(pool), n)
        contact = radius * np.minimum(long_reach[pick], 0.5 * (1 + long_reach[pick]))
        points = scatter(
            rng, contact, shape, core=plan.core, clustering=plan.clustering, gap_px=plan.gap_px, allowed=plan.allowed
        )
    keep = np.isfinite(points[:, 0])
    points, radius, pick = points[keep], radius[keep], pick[keep]
    out = new_particles(len(points))
    out["x"], out["y"], out["radius"], out["outline"] = points[:, 0], points[:, 1], radius, pick
    turn = rng.uniform(-np.pi / 2, np.pi / 2)
    out["angle"] = turn + 0.08 * rng.standard_normal(len(out)) if plan.aligned else rng.uniform(-np.pi, np.pi, len(out))
    exponent = np.array([thickness_exponent(kind) for kind in kinds.tolist()])
    out["profile"] = exponent[pick] if plan.profile is None else plan.profile
    depth = -np.log1p(-min(plan.contrast, 0.97)) * np.exp(plan.contrast_sd * rng.standard_normal(len(out)))
    out["depth"] = depth * np.clip((radius / plan.radius_px) ** plan.thickness_power, 0.2, 4)
    reach = extents(pool[pick], radius, out["angle"])
    return Population(out, pool, slopes(pool), reach, kinds)


def _pool(plan: PopulationPlan, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    each = int(np.clip(plan.count // max(len(plan.shapes), 1), 1, 24))
    parts, kinds = [], []
    for shape in plan.shapes:
        n = 1 if shape == "sphere" and plan.roughness == 0 and plan.aspect_sd == 0 else each
        aspect = 1.0 if shape == "sphere" and plan.aspect_sd == 0 else plan.aspect
        parts.append(make_outlines(shape, n, rng, aspect=aspect, aspect_sd=plan.aspect_sd, roughness=plan.roughness))
        kinds += [shape] * n
    return np.vstack(parts), np.array(kinds)


def _crystal(plan: PopulationPlan, rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Lattice grains with vacancies, over the whole frame or in a patch."""
    square = plan.crystal == "square"
    spacing = max(2 * plan.radius_px * plan.spacing, 3.2)
    jitter = plan.options.get("jitter", 0.03)
    points = lattice(rng, shape, spacing, square=square, jitter=jitter)
    if rng.random() < 0.35:  # a second grain on the other side of a straight boundary
        other = lattice(rng, shape, spacing, square=square, jitter=jitter)
        turn, shift = rng.uniform(0, 2 * np.pi), rng.uniform(-0.25, 0.25) * min(shape)
        normal, middle = np.array([np.cos(turn), np.sin(turn)]), np.array(shape[::-1]) / 2
        here, there = (points - middle) @ normal - shift, (other - middle) @ normal - shift
        points = np.vstack([points[here > 0.5 * spacing], other[there < -0.5 * spacing]])
    if rng.random() < 0.5:  # an island instead of a full film
        centre, size = rng.uniform(0.2, 0.8, 2) * shape[::-1], rng.uniform(0.15, 0.7) * max(shape)
        away = points - centre
        bend = 1 + 0.2 * np.cos(3 * np.arctan2(away[:, 1], away[:, 0]) + turn_of(rng))
        points = points[np.hypot(away[:, 0], away[:, 1]) < size * bend]
    points = points[rng.random(len(points)) > rng.choice([0.0, 0.02, 0.1, 0.3])]
    if len(points) > MAX_PARTICLES:
        away = points - rng.uniform(0.1, 0.9, 2) * shape[::-1]
        bent = np.hypot(away[:, 0], away[:, 1]) * (
            1 + 0.25 * np.cos(2 * np.arctan2(away[:, 1], away[:, 0]) + turn_of(rng))
        )
        points = points[np.argsort(bent)[:MAX_PARTICLES]]
    return np.asarray(points, np.float64)


def turn_of(rng: np.random.Generator) -> float:
    """Draw a direction in rad."""
    return float(rng.uniform(0, 2 * np.pi))


def random_shapes(rng: np.random.Generator) -> tuple[Shape, ...]:
    """Draw the shapes of a synthesis: mostly spheres or one facetted shape, at times a mixture."""
    kind = rng.random()
    if kind < 0.40:
        return ("sphere",)
    if kind < 0.55:
        return ("irregular", "ellipse")
    if kind < 0.63:
        return ("rod",)
    if kind < 0.71:
        return ("cube", "rectangle")
    if kind < 0.78:
        return ("triangle", "hexagon")
    if kind < 0.84:
        return ("octahedron", "decahedron", "tetrahedron")
    names = np.array(SHAPES)
    return tuple(rng.choice(names, rng.integers(2, 6), replace=False).tolist())
