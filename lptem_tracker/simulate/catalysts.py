"""Particles on a support, and bright particles: catalysts in bright field and in dark-field STEM."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate import fields
from lptem_tracker.simulate.canvas import (
    Canvas,
    add_diffraction_contrast,
    add_fresnel_fringes,
    add_lattice_fringes,
    draw_count,
    loguniform,
    set_camera,
)
from lptem_tracker.simulate.population import PopulationPlan, draw_population, random_shapes

Pixels = NDArray[np.float32]
Size = tuple[int, int]


def draw_support(rng: np.random.Generator, shape: Size, finest_px: float) -> tuple[Pixels, Pixels]:
    """Return thickness (mean 1 where there is any) and presence (0 to 1) of a catalyst support."""
    size = max(shape)
    mask = fields.support_mask(rng, shape, rng.uniform(0.35, 1.3)) if rng.random() < 0.8 else np.ones(shape, np.float32)
    kind = rng.random()
    if kind < 0.6:
        grain = max(loguniform(rng, 0.012, 0.16) * size, finest_px)
        thick = _grains(rng, shape, mask, grain)
        film = max(float(thick.mean()) * 0.3, 1e-6)
        bare = np.clip(thick / film, 0, 1).astype(np.float32)
        mask = fields.without_islands(bare, min(np.pi * (2.5 * grain) ** 2, 0.1 * shape[0] * shape[1]))
        thick = thick * np.minimum(1, mask / np.maximum(bare, 1e-3)) + film * np.maximum(mask - bare, 0)
    else:
        mask = fields.without_islands(mask, min(np.pi * (3 * finest_px) ** 2, 0.1 * shape[0] * shape[1]))
        cloud = fields.fractal(rng, shape, size * rng.uniform(0.1, 0.6), rng.uniform(3, 20), rng.uniform(0.5, 0.9))
        thick = np.asarray(np.exp(np.float32(rng.uniform(0.15, 0.7)) * cloud) * mask, np.float32)
    if rng.random() < 0.4:  # without any structure as fine as a particle
        thick = cv2.GaussianBlur(thick, (0, 0), float(finest_px * rng.uniform(0.3, 1.2)))
    elif rng.random() < 0.7:
        thick = thick * np.exp(
            np.float32(rng.uniform(0.02, 0.15))
            * fields.fractal(rng, shape, rng.uniform(8, 40), rng.uniform(1, 4), rng.uniform(0.7, 1.0))
        )
    swing = np.exp(np.float32(rng.uniform(0, 0.6)) * fields.smooth_noise(rng, shape, size * rng.uniform(0.3, 0.8)))
    thick = thick * swing
    covered = mask > 0.5
    mean = float(thick[covered].mean()) if covered.any() else 1.0
    return np.asarray(thick / max(mean, 1e-6), np.float32), mask


def _grains(rng: np.random.Generator, shape: Size, mask: Pixels, grain: float) -> Pixels:
    """Return a support of grains that lie several deep, so that none stands alone as a particle does."""
    layers = rng.uniform(2.0, 6)
    n = int(np.clip(layers * float(mask.mean()) * shape[0] * shape[1] / (np.pi * grain**2), 12, 900))
    centres = rng.uniform(-0.05, 1.05, (12 * n, 2)) * shape[::-1]
    at = np.clip(centres, 0, np.array(shape[::-1]) - 1).astype(int)
    centres = centres[mask[at[:, 1], at[:, 0]] > 0.5][:n]
    elongated = float(rng.choice([0, 0, 0.2, 0.7]))
    thick = fields.blob_field(
        rng,
        shape,
        n=len(centres),
        radius_px=(grain * 0.5, grain * 1.7),
        elongated=elongated,
        flat=rng.uniform(0, 0.8),
        centres=centres,
    )
    thick = cv2.GaussianBlur(thick, (0, 0), max(0.6, grain * rng.uniform(0.03, 0.2)))
    return np.asarray(thick + np.float32(rng.uniform(0, 0.8) * float(thick.mean())) * mask, np.float32)


def _supported_plan(
    rng: np.random.Generator, shape: Size, mask: Pixels, radius: float, strength: float
) -> PopulationPlan:
    allowed = (mask > 0.3).astype(np.uint8)
    share = max(float(allowed.mean()), 0.02)
    if rng.random() < 0.3:  # particles on a part of the support only
        allowed = allowed & (
            fields.smooth_noise(rng, shape, max(shape) * rng.uniform(0.1, 0.4)) > rng.uniform(-0.5, 0.8)
        ).astype(np.uint8)
    n = int(np.clip(loguniform(rng, 0.008, 0.25) * share * shape[0] * shape[1] / (np.pi * radius**2), 2, 450))
    if not allowed.any():
        allowed[:] = 1
    return PopulationPlan(
        radius_px=radius,
        count=n,
        radius_sd=rng.uniform(0.12, 0.6),
        shapes=(("sphere",), ("sphere", "irregular", "octahedron"), ("irregular", "hexagon"))[int(rng.integers(3))],
        aspect=rng.uniform(1, 1.3),
        aspect_sd=0.1,
        roughness=rng.uniform(0, 0.05),
        contrast=strength,
        contrast_sd=rng.uniform(0.1, 0.5),
        thickness_power=rng.uniform(0.2, 1.0),
        core=float(rng.choice([1.0, 0.8, 0.5, 0.0])),
        clustering=float(rng.choice([0, 0.1, 0.4])),
        gap_px=loguniform(rng, 0.2, 3),
        allowed=allowed,
        profile=float(rng.choice([0.0, 0.25, 0.5, 0.5])),
    )


def catalyst_dark_field(rng: np.random.Generator, shape: Size) -> Canvas:
    """Dark-field STEM of bright metal particles on a thick, uneven, bright support over black vacuum."""
    radius = loguniform(rng, 1.8, 10) if rng.random() < 0.7 else loguniform(rng, 6, 40)
    thick, mask = draw_support(rng, shape, 2.5 * radius)
    vacuum = loguniform(rng, 0.004, 0.15)
    background = np.asarray(vacuum + thick, np.float32)
    canvas = set_camera(
        rng, Canvas(background, additive=True), snr=(1.0, 25), blur=(0.5, min(4.0, 0.6 + 0.25 * radius))
    )
    plan = _supported_plan(rng, shape, mask, radius, 0.5)
    main = draw_population(plan, rng, shape)
    p = main.particles
    # from a faint particle on a thick support to one that outshines it
    strength = loguniform(rng, 0.1, 0.6) if rng.random() < 0.5 else loguniform(rng, 0.2, 4.0)
    p["depth"] = np.minimum(np.abs(p["depth"]) / np.log(2) * strength, 12 * strength)
    if rng.random() < 0.3:
        add_lattice_fringes(rng, main, share=rng.uniform(0.2, 1))
    canvas.signal = strength
    canvas.populations.append(main)
    return canvas


def catalyst_bright_field(rng: np.random.Generator, shape: Size) -> Canvas:
    """High-resolution TEM of dark particles on an amorphous or graphitic support, out of focus, beside vacuum."""
    radius = loguniform(rng, 3, 12) if rng.random() < 0.5 else loguniform(rng, 8, 40)
    thick, mask = draw_support(rng, shape, 5 * radius)
    contrast = loguniform(rng, 0.08, 0.7)
    background = np.exp(-np.float32(min(loguniform(rng, 0.04, 0.5), contrast)) * thick.clip(0, 3))
    background *= (
        1
        + np.float32(rng.uniform(0.02, 0.5) * min(1.0, 2 * contrast))
        * fields.speckle(rng, shape, rng.uniform(3, 9))
        * mask
    )
    background = np.maximum(background, np.float32(0.02)) * fields.illumination(rng, shape, rng.uniform(0, 0.3))
    canvas = set_camera(rng, Canvas(background), snr=(0.8, 8), blur=(0.4, 1.2))
    main = draw_population(_supported_plan(rng, shape, mask, radius, contrast), rng, shape)
    add_diffraction_contrast(rng, main)
    if rng.random() < 0.5:
        add_lattice_fringes(rng, main, share=rng.uniform(0.2, 1), strong=True)
    add_fresnel_fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    return canvas


def dark_field(rng: np.random.Generator, shape: Size) -> Canvas:
    """Bright particles on a nearly black, even background."""
    radius = loguniform(rng, 2.2, 50)
    pedestal = loguniform(rng, 0.02, 1.0)
    background = np.float32(pedestal) * fields.illumination(rng, shape, rng.uniform(0, 0.8))
    if rng.random() < 0.4:
        background += np.float32(pedestal * rng.uniform(0.2, 1.5)) * fields.support_mask(
            rng, shape, rng.uniform(0.3, 0.8)
        )
    canvas = set_camera(rng, Canvas(background, additive=True), snr=(0.7, 15))
    shapes = random_shapes(rng)
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.003, 0.35), 900),
        radius_sd=float(rng.choice([0.05, 0.2, 0.4])),
        shapes=shapes,
        aspect=rng.uniform(1, 1.5) if "rod" not in shapes else rng.uniform(1.6, 5),
        aspect_sd=0.1,
        contrast=0.5,
        contrast_sd=rng.uniform(0.05, 0.4),
        core=float(rng.choice([1.0, 0.8, 0.4, 0.0])),
        clustering=float(rng.choice([0, 0.3, 0.8])),
        gap_px=loguniform(rng, 0.2, 3),
    )
    main = draw_population(plan, rng, shape)
    strength = 1.0
    main.particles["depth"] = np.abs(main.particles["depth"]) / np.log(2) * strength
    if rng.random() < 0.2:
        add_lattice_fringes(rng, main, share=0.7)
    canvas.signal = strength
    canvas.populations.append(main)
    return canvas
