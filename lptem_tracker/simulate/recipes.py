"""What the field films: one function a kind of specimen, each drawing a canvas ready for the camera."""

from __future__ import annotations

from collections.abc import Callable

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
from lptem_tracker.simulate.catalysts import catalyst_bright_field, catalyst_dark_field, dark_field, draw_support
from lptem_tracker.simulate.population import PopulationPlan, draw_population, random_shapes
from lptem_tracker.simulate.scenery import brighten, clutter, finish, flip, liquid
from lptem_tracker.simulate.shapes import Shape

Pixels = NDArray[np.float32]
Size = tuple[int, int]


def liquid_cell(rng: np.random.Generator, shape: Size) -> Canvas:
    """Particles of any shape in a liquid cell, dark on bright or the reverse, from few to crowded."""
    size = min(shape)
    radius = loguniform(rng, 2.2, 60) if rng.random() < 0.8 else loguniform(rng, 3, 12)
    contrast = loguniform(rng, 0.04, 0.9)
    canvas = set_camera(rng, Canvas(liquid(rng, shape)), snr=(0.5, 12))
    clutter(rng, canvas.background, contrast)
    shapes = random_shapes(rng)
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.003, 0.4), 2000 if size > 300 else 900),
        radius_sd=float(rng.choice([0.03, 0.1, 0.25, 0.45])),
        shapes=shapes,
        aspect=rng.uniform(1.0, 1.5) if "rod" not in shapes else rng.uniform(1.6, 5),
        aspect_sd=rng.uniform(0, 0.2),
        roughness=float(rng.choice([0, 0, 0.02, 0.05])),
        contrast=contrast,
        contrast_sd=rng.uniform(0, 0.3),
        thickness_power=float(rng.choice([0, 1])),
        core=float(rng.choice([1.0, 1.0, 1.05, 0.75, 0.4, 0.0])),
        clustering=float(rng.choice([0, 0, 0.3, 0.7, 0.95])),
        gap_px=loguniform(rng, 0.1, 5),
        profile=None if rng.random() < 0.7 else float(rng.choice([0.0, 0.15, 0.5])),
    )
    if plan.clustering > 0:
        plan.core = max(plan.core, 0.75)
    main = draw_population(plan, rng, shape)
    finish(rng, canvas, main, contrast, lattice_share=0.15)
    if rng.random() < 0.15:  # two kinds of particle in one sample
        plan.radius_px, plan.count = radius * rng.uniform(0.3, 2.5), max(1, plan.count // 3)
        plan.contrast, plan.shapes = contrast * rng.uniform(0.3, 1.0), random_shapes(rng)
        plan.count = min(plan.count, draw_count(rng, shape, plan.radius_px, (0.01, 0.2)))
        canvas.populations.append(draw_population(plan, rng, shape))
    if rng.random() < 0.15:
        flip(rng, canvas)
    if rng.random() < 0.2:
        canvas.motion_px = float(rng.uniform(0.2, 1.2) * min(radius, 8))
    return canvas


def noisy_rods(rng: np.random.Generator, shape: Size) -> Canvas:
    """Few rods or spheres at a dose so low that the eye barely finds them."""
    radius = loguniform(rng, 4, 22)
    contrast = rng.uniform(0.12, 0.5)
    canvas = set_camera(rng, Canvas(liquid(rng, shape)), snr=(0.4, 2.5))
    clutter(rng, canvas.background, contrast)
    rods = rng.random() < 0.75
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.001, 0.06), 60),
        radius_sd=rng.uniform(0.03, 0.2),
        shapes=("rod",) if rods else random_shapes(rng),
        aspect=rng.uniform(1.7, 5),
        aspect_sd=0.15,
        contrast=contrast,
        contrast_sd=rng.uniform(0.05, 0.3),
        core=float(rng.choice([1.0, 0.5])),
        clustering=float(rng.choice([0, 0, 0.3])),
        profile=float(rng.choice([0.0, 0.2, 0.5])),
    )
    main = draw_population(plan, rng, shape)
    # a rod out of the window's plane is seen shortened, and one out of focus is faint
    main.particles["depth"] *= rng.uniform(0.6, 1.1, len(main.particles))
    canvas.signal = contrast
    canvas.populations.append(main)
    canvas.blur_px = float(rng.uniform(0.5, 2.0))
    if rng.random() < 0.5:
        canvas.motion_px = float(rng.uniform(0.2, 1.0) * min(radius, 8))
    return canvas


def well_dispersed(rng: np.random.Generator, shape: Size) -> Canvas:
    """One synthesis on a quiet background: like particles that seldom touch, sparse to crowded, many of them rods."""
    radius = loguniform(rng, 2.5, 45)
    contrast = loguniform(rng, 0.04, 0.8)
    background = fields.illumination(rng, shape, float(rng.choice([0.0, rng.uniform(0, 0.3), rng.uniform(0.2, 1.0)])))
    canvas = set_camera(rng, Canvas(background), snr=(0.6, 9))
    if rng.random() < 0.25:
        clutter(rng, canvas.background, contrast)
    kind = rng.random()
    shapes: tuple[Shape, ...] = ("sphere",) if kind < 0.35 else ("rod",) if kind < 0.7 else random_shapes(rng)
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.003, 0.35), 1200),
        radius_sd=float(rng.choice([0.03, 0.1, 0.2])),
        shapes=shapes,
        aspect=rng.uniform(1.4, 6) if shapes == ("rod",) else rng.uniform(1.0, 1.6),
        aspect_sd=rng.uniform(0, 0.2),
        contrast=contrast,
        contrast_sd=rng.uniform(0, 0.2),
        thickness_power=float(rng.choice([0, 1])),
        core=rng.uniform(1.0, 1.5),
        clustering=float(rng.choice([0, 0, 0, 0.15])),
        gap_px=loguniform(rng, 0.3, 5),
        profile=None if rng.random() < 0.4 else float(rng.choice([0.0, 0.0, 0.15, 0.5, 1.0])),
        aligned=rng.random() < 0.1,
    )
    main = draw_population(plan, rng, shape)
    if rng.random() < 0.2:
        add_diffraction_contrast(rng, main)
    add_fresnel_fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    if rng.random() < 0.3:
        brighten(main, slice(None))
    if rng.random() < 0.2:
        canvas.motion_px = float(rng.uniform(0.2, 0.8) * min(radius, 8))
    return canvas


def dense_film(rng: np.random.Generator, shape: Size) -> Canvas:
    """Monolayers: hexagonal or square crystals, glassy films and islands of small particles."""
    radius = loguniform(rng, 2.0, 9) if rng.random() < 0.75 else loguniform(rng, 6, 30)
    contrast = loguniform(rng, 0.06, 0.8)
    canvas = set_camera(rng, Canvas(liquid(rng, shape)), snr=(0.8, 15), blur=(0.3, min(0.35 + 0.15 * radius, 1.4)))
    clutter(rng, canvas.background, contrast)
    crystal = str(rng.choice(["hexagonal", "hexagonal", "square", "", ""]))
    shapes = (
        ("cube",)
        if crystal == "square" and rng.random() < 0.7
        else (("sphere",) if rng.random() < 0.7 else random_shapes(rng))
    )
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.15, 0.6)),
        radius_sd=float(rng.choice([0.03, 0.06, 0.12, 0.2])),
        shapes=shapes,
        aspect=1.1,
        contrast=contrast,
        contrast_sd=rng.uniform(0.02, 0.3),
        core=float(rng.choice([1.0, 1.0, 1.1, 0.9])),
        clustering=float(rng.choice([0, 0.5, 0.95])),
        gap_px=loguniform(rng, 0.2, 3),
        crystal=crystal,
        spacing=float(rng.choice([rng.uniform(1.0, 1.15), rng.uniform(1.1, 1.8)])),
        aligned=rng.random() < 0.7,
        options={"jitter": loguniform(rng, 0.01, 0.07)},
    )
    main = draw_population(plan, rng, shape)
    finish(rng, canvas, main, contrast, lattice_share=0.05)
    if rng.random() < 0.15:
        flip(rng, canvas)
    return canvas


def faint_film(rng: np.random.Generator, shape: Size) -> Canvas:
    """Crowds of small particles at a dose so low that only their number and order show them: crystals and glasses."""
    radius, contrast = loguniform(rng, 2.5, 12), loguniform(rng, 0.04, 0.6)
    swing = float(rng.choice([0.0, rng.uniform(0, 0.3), rng.uniform(0.2, 1.0)]))
    canvas = Canvas(fields.illumination(rng, shape, swing))
    set_camera(rng, canvas, snr=(0.6, 2.8), blur=(0.3, min(0.35 + 0.12 * radius, 1.2)))
    if rng.random() < 0.15:
        clutter(rng, canvas.background, contrast, bubbles=False)
    crystal = str(rng.choice(["hexagonal", "hexagonal", "square", "", "", ""]))
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.15, 0.75)),
        radius_sd=float(rng.choice([0.03, 0.06, 0.12, 0.25])),
        shapes=("cube",) if crystal == "square" and rng.random() < 0.5 else ("sphere",),
        contrast=contrast,
        contrast_sd=rng.uniform(0.0, 0.2),
        thickness_power=float(rng.choice([0, 1])),
        core=float(rng.choice([1.0, 1.0, 1.1, 0.9])),
        clustering=float(rng.choice([0, 0, 0.5, 0.95])),
        gap_px=loguniform(rng, 0.2, 3),
        crystal=crystal,
        spacing=float(rng.choice([rng.uniform(1.05, 1.2), rng.uniform(1.1, 1.8)])),
        options={"jitter": loguniform(rng, 0.01, 0.07)},
        profile=float(rng.choice([0.0, 0.0, 0.15, 0.5])),
    )
    main = draw_population(plan, rng, shape)
    add_fresnel_fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    if rng.random() < 0.3:
        brighten(main, slice(None))
    return canvas


def sintering(rng: np.random.Generator, shape: Size) -> Canvas:
    """Metal particles on a thin film: round to irregular, broad sizes, touching and fusing, grainy support."""
    radius = loguniform(rng, 5, 45)
    contrast = loguniform(rng, 0.08, 0.5)
    background = fields.illumination(rng, shape, rng.uniform(0, 0.4))
    grain = rng.uniform(2.5, 8)
    background *= 1 + np.float32(contrast * rng.uniform(0.03, 0.5)) * fields.speckle(rng, shape, grain)
    canvas = set_camera(rng, Canvas(background), snr=(0.7, 6), blur=(0.5, 1.6))
    clutter(rng, canvas.background, contrast, bubbles=False)
    plan = PopulationPlan(
        radius_px=radius,
        count=draw_count(rng, shape, radius, (0.05, 0.45), 900),
        radius_sd=rng.uniform(0.15, 0.55),
        shapes=(("sphere", "irregular"), ("irregular", "peanut"), ("ellipse", "octahedron", "peanut"), ("sphere",))[
            int(rng.integers(4))
        ],
        aspect=rng.uniform(1, 1.4),
        aspect_sd=0.15,
        roughness=rng.uniform(0, 0.06),
        contrast=contrast,
        contrast_sd=rng.uniform(0.1, 0.35),
        core=float(rng.choice([1.0, 1.05, 1.15, 0.9])),
        clustering=float(rng.choice([0, 0.2, 0.5])),
        gap_px=loguniform(rng, 0.3, 6),
        thickness_power=rng.uniform(0, 1),
        profile=float(rng.choice([0.0, 0.1, 0.25, 0.5])),
    )
    main = draw_population(plan, rng, shape)
    add_diffraction_contrast(rng, main)
    if rng.random() < 0.6:
        add_lattice_fringes(rng, main, share=rng.uniform(0.2, 1))
    add_fresnel_fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    return canvas


def atomic_columns(rng: np.random.Generator, shape: Size) -> Canvas:
    """One or a few crystals whose atomic columns are resolved, on a thin amorphous film."""
    radius = rng.uniform(0.04, 0.28) * min(shape)
    contrast = loguniform(rng, 0.05, 0.5)
    background = fields.illumination(rng, shape, rng.uniform(0, 0.5))
    background *= 1 + np.float32(contrast * rng.uniform(0.1, 0.6)) * fields.speckle(rng, shape, rng.uniform(3, 10))
    canvas = set_camera(rng, Canvas(background), snr=(0.6, 6), blur=(0.4, 1.0))
    plan = PopulationPlan(
        radius_px=radius,
        count=int(rng.integers(1, 6)),
        radius_sd=0.25,
        shapes=("irregular", "octahedron", "hexagon", "decahedron", "sphere"),
        aspect=1.2,
        aspect_sd=0.15,
        contrast=contrast,
        core=float(rng.choice([1.0, 0.8])),
        clustering=float(rng.choice([0, 0.6])),
        profile=float(rng.choice([0.0, 0.2])),
    )
    main = draw_population(plan, rng, shape)
    add_lattice_fringes(rng, main, share=1.0, strong=True)
    main.particles["mod1"] = rng.uniform(0.6, 1.2, len(main.particles))
    main.particles["mod2"] = main.particles["mod1"]
    add_fresnel_fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    return canvas


def no_particles(rng: np.random.Generator, shape: Size) -> Canvas:
    """Everything but particles."""
    kind = rng.random()
    contrast = loguniform(rng, 0.05, 0.8)
    if kind < 0.25:  # nothing but the camera's noise, down to single electrons
        level = loguniform(rng, 0.01, 1.0)
        even = np.asarray(level * fields.illumination(rng, shape, rng.uniform(0, 0.6)), np.float32)
        return set_camera(rng, Canvas(even, additive=True, signal=0.6), snr=(0.3, 40))
    if kind < 0.6:
        canvas = Canvas(liquid(rng, shape), signal=contrast)
        clutter(rng, canvas.background, contrast)
        return set_camera(rng, canvas, snr=(0.3, 20))
    if kind < 0.85:
        thick, _ = draw_support(rng, shape, float(rng.uniform(20, 45)))
        return set_camera(
            rng,
            Canvas(np.asarray(loguniform(rng, 0.004, 0.3) + thick, np.float32), additive=True, signal=0.6),
            snr=(1, 25),
        )
    return set_camera(rng, Canvas(catalyst_bright_field(rng, shape).background, signal=0.3), snr=(0.8, 8))


def speckled_film(rng: np.random.Generator, shape: Size) -> Canvas:
    """An amorphous film out of focus, its grain as coarse as particles, bare or with a few that outdo it."""
    grain = loguniform(rng, 4, 40)
    texture = loguniform(rng, 0.02, 0.45)
    background = fields.illumination(rng, shape, rng.uniform(0, 0.5))
    film = fields.speckle(rng, shape, grain) if rng.random() < 0.6 else fields.smooth_noise(rng, shape, grain)
    if rng.random() < 0.5:  # a film of uneven thickness, or beside vacuum
        film *= fields.support_mask(rng, shape, rng.uniform(0.4, 1.2))
    background *= np.maximum(1 + np.float32(texture) * film, np.float32(0.05))
    canvas = set_camera(rng, Canvas(background, signal=2 * texture), snr=(0.6, 12))
    if rng.random() < 0.5:
        return canvas
    radius = grain * loguniform(rng, 0.3, 2.0)
    contrast = min(texture * loguniform(rng, 1.5, 6), 1.2)
    shapes = random_shapes(rng)
    plan = PopulationPlan(
        radius_px=float(np.clip(radius, 2.2, 45)),
        count=draw_count(rng, shape, radius, (0.003, 0.15), 400),
        radius_sd=float(rng.choice([0.05, 0.15, 0.3])),
        shapes=shapes,
        aspect=rng.uniform(1.0, 1.5) if "rod" not in shapes else rng.uniform(1.6, 5),
        contrast=contrast,
        contrast_sd=rng.uniform(0, 0.2),
        core=rng.uniform(0.9, 1.3),
        profile=float(rng.choice([0.0, 0.15, 0.5])),
    )
    main = draw_population(plan, rng, shape)
    finish(rng, canvas, main, contrast, lattice_share=0.1)
    if rng.random() < 0.2:
        flip(rng, canvas)
    return canvas


RECIPES: tuple[tuple[Callable[[np.random.Generator, Size], Canvas], float], ...] = (
    (liquid_cell, 0.28),
    (noisy_rods, 0.11),
    (dense_film, 0.14),
    (sintering, 0.12),
    (catalyst_dark_field, 0.18),
    (catalyst_bright_field, 0.08),
    (dark_field, 0.05),
    (atomic_columns, 0.03),
    (no_particles, 0.10),
    (well_dispersed, 0.0),
    (speckled_film, 0.0),
    (faint_film, 0.0),
)
"""Each kind of specimen and how often it is drawn; training asks for the plain ones by name."""
