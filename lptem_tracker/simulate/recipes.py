"""What the field films: one function a kind of specimen, each drawing a canvas ready for the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate import fields
from lptem_tracker.simulate.population import Population, PopulationPlan, draw_population, random_shapes
from lptem_tracker.simulate.shapes import extents, make_outlines, slopes
from lptem_tracker.simulate.stamp import new_particles, stamp

Pixels = NDArray[np.float32]
Size = tuple[int, int]


@dataclass
class Canvas:
    """A specimen before it meets the camera.

    Attributes
    ----------
    background : numpy.ndarray
        Shape (Y, X), float32: relative intensity without particles, about 1 where there is beam.
    populations : list of Population
        Drawn one over the other.
    additive : bool
        Dark field: particles add intensity.
    snr : float
        Wanted per-pixel signal over noise of a typical particle after the camera.
    signal : float
        Relative intensity difference that `snr` refers to.
    lag1 : float
        Noise correlation of neighbouring pixels.
    blur_px : float
        Standard deviation of the optical blur.
    motion_px : float
        Typical path of a particle within the exposure.
    """

    background: Pixels
    populations: list[Population] = field(default_factory=list)
    additive: bool = False
    snr: float = 3.0
    signal: float = 0.3
    lag1: float = 0.2
    blur_px: float = 0.6
    motion_px: float = 0.0


def loguniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw from a distribution that is flat in the logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _count(rng: np.random.Generator, shape: Size, radius: float, cover: tuple[float, float], most: int = 2000) -> int:
    area = shape[0] * shape[1] / (np.pi * radius**2)
    return int(np.clip(loguniform(rng, *cover) * area + rng.random(), 1, most))


def _camera(
    rng: np.random.Generator, canvas: Canvas, *, snr: tuple[float, float], blur: tuple[float, float] = (0.3, 1.3)
) -> Canvas:
    canvas.snr = loguniform(rng, *snr)
    canvas.lag1 = 0.0 if rng.random() < 0.1 else float(rng.uniform(0.05, 0.45))
    canvas.blur_px = float(rng.uniform(*blur))
    return canvas


def _liquid(rng: np.random.Generator, shape: Size) -> Pixels:
    swing = rng.choice([rng.uniform(0, 0.2), rng.uniform(0.1, 0.7), rng.uniform(0.5, 1.3)])
    background = fields.illumination(rng, shape, float(swing))
    if rng.random() < 0.12:
        background *= fields.beam_edge(rng, shape)
    if rng.random() < 0.3:
        grain = fields.fractal(rng, shape, rng.uniform(20, 200), rng.uniform(2, 12), rng.uniform(0.5, 1.0))
        background *= np.exp(np.float32(loguniform(rng, 0.004, 0.06)) * grain)
    if rng.random() < 0.12:
        background *= 1 + np.float32(loguniform(rng, 0.01, 0.08)) * fields.speckle(rng, shape, rng.uniform(3, 8))
    return background


def _clutter(rng: np.random.Generator, background: Pixels, contrast: float, *, bubbles: bool = True) -> None:
    """Add what is no particle: smears out of focus, bubbles, scratches and films, in place."""
    shape = (background.shape[0], background.shape[1])
    size = max(shape)
    if rng.random() < 0.35:
        haze = np.zeros(shape, np.float32)
        for _ in range(rng.integers(1, 7)):
            radius = loguniform(rng, 5, 40)
            _disk(haze, rng.uniform(0, shape[1]), rng.uniform(0, shape[0]), radius, 1.0)
        sigma = rng.uniform(5, 25)
        haze = cv2.GaussianBlur(haze, (0, 0), sigma)
        background *= np.exp(
            np.float32(rng.choice([-1, -1, 1]))
            * haze
            / max(float(haze.max()), 1e-6)
            * np.float32(rng.uniform(0.1, 0.7) * min(contrast, 0.4))
        )
    if bubbles and rng.random() < 0.10:
        dots = new_particles(int(rng.integers(1, 4)))
        dots["x"], dots["y"] = rng.uniform(0, shape[1], len(dots)), rng.uniform(0, shape[0], len(dots))
        dots["radius"] = np.exp(rng.uniform(np.log(0.16), np.log(0.5), len(dots))) * size
        dots["depth"], dots["profile"] = -rng.uniform(0.05, 0.5, len(dots)), rng.choice([0.0, 0.5, 0.15])
        dots["fringe"], dots["fringe_px"] = -rng.uniform(0.0, 0.15), rng.uniform(2, 8)
        pool = (
            make_outlines("irregular", 2, rng, roughness=0.03)
            if rng.random() < 0.5
            else make_outlines("sphere", 1, rng)
        )
        dots["outline"] = rng.integers(0, len(pool), len(dots))
        stamp(background, dots, pool, slopes(pool), extents(pool[dots["outline"]], dots["radius"], dots["angle"]))
    if rng.random() < 0.10:
        line = np.zeros(shape, np.float32)
        for _ in range(rng.integers(1, 4)):
            ends = rng.uniform(-0.3, 1.3, 4) * size
            cv2.line(
                line,
                (int(ends[0]), int(ends[1])),
                (int(ends[2]), int(ends[3])),
                1.0,
                int(rng.integers(1, 12)),
                cv2.LINE_AA,
            )
        background *= np.exp(
            np.float32(rng.uniform(-1, 1) * 0.6 * contrast) * cv2.GaussianBlur(line, (0, 0), rng.uniform(0.7, 6))
        )
    if rng.random() < 0.08:  # an edge of a film, a window frame or a thickness step
        background *= np.exp(
            np.float32(rng.uniform(-0.8, 0.8)) * fields.support_mask(rng, shape, rng.uniform(0.2, 0.8))
        )


def _disk(field_: Pixels, x: float, y: float, radius: float, value: float) -> None:
    cv2.circle(field_, (round(x * 8), round(y * 8)), round(radius * 8), value, -1, cv2.LINE_AA, 3)


def _crystalline(rng: np.random.Generator, population: Population, *, share: float, strong: bool = False) -> None:
    """Give some particles lattice fringes and diffraction contrast, in place."""
    p = population.particles
    n = len(p)
    has = (rng.random(n) < share) & (p["radius"] > 4)
    period = loguniform(rng, 2.2, 9.0 if strong else 5.0)
    turn = rng.uniform(0, np.pi, n)
    wave = 2 * np.pi / period * rng.uniform(0.85, 1.15, n)
    p["mod1"] = np.where(has, rng.uniform(0.05, 0.9 if strong else 0.4, n), 0)
    p["k1x"], p["k1y"] = wave * np.cos(turn), wave * np.sin(turn)
    crossed = has & (rng.random(n) < (0.7 if strong else 0.3))
    second = turn + rng.choice([np.pi / 2, np.pi / 3, np.deg2rad(70.5)])
    p["mod2"] = np.where(crossed, p["mod1"], 0)
    p["k2x"], p["k2y"] = wave * np.cos(second), wave * np.sin(second)
    p["phase"] = rng.uniform(0, 2 * np.pi, n)


def _diffraction(rng: np.random.Generator, population: Population) -> None:
    """Let each particle's contrast depend on how it lies: darker, fainter, or half dark."""
    p = population.particles
    n = len(p)
    kind = rng.random()
    if kind < 0.35:
        p["depth"] *= np.exp(rng.uniform(0.2, 0.7) * rng.standard_normal(n)).clip(0.15, 3)
    elif kind < 0.5:
        p["depth"] *= np.where(rng.random(n) < rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.6), 1.0)
    if rng.random() < 0.25:
        turn, much = rng.uniform(0, 2 * np.pi, n), np.abs(rng.normal(0, 0.4, n)).clip(0, 1.2)
        p["tilt_x"], p["tilt_y"] = much * np.cos(turn), much * np.sin(turn)


def _fringes(rng: np.random.Generator, population: Population) -> None:
    if rng.random() < 0.45:
        p = population.particles
        p["fringe"] = rng.uniform(-0.1, 0.4) * np.abs(p["depth"]) * rng.uniform(0.2, 1.0)
        p["fringe_px"] = rng.uniform(0.8, 3.5)
        np.clip(p["fringe"], -0.1, 0.3, out=p["fringe"])


def liquid_cell(rng: np.random.Generator, shape: Size) -> Canvas:
    """Particles of any shape in a liquid cell, dark on bright or the reverse, from few to crowded."""
    size = min(shape)
    radius = loguniform(rng, 2.2, 60) if rng.random() < 0.8 else loguniform(rng, 3, 12)
    contrast = loguniform(rng, 0.04, 0.9)
    canvas = _camera(rng, Canvas(_liquid(rng, shape)), snr=(0.5, 12))
    _clutter(rng, canvas.background, contrast)
    shapes = random_shapes(rng)
    plan = PopulationPlan(
        radius_px=radius, count=_count(rng, shape, radius, (0.003, 0.4), 2000 if size > 300 else 900),
        radius_sd=float(rng.choice([0.03, 0.1, 0.25, 0.45])), shapes=shapes, aspect=rng.uniform(1.0, 1.5) if "rod" not in shapes else rng.uniform(1.6, 5),
        aspect_sd=rng.uniform(0, 0.2), roughness=float(rng.choice([0, 0, 0.02, 0.05])), contrast=contrast, contrast_sd=rng.uniform(0, 0.3),
        thickness_power=float(rng.choice([0, 1])), core=float(rng.choice([1.0, 1.0, 1.05, 0.75, 0.4, 0.0])),
        clustering=float(rng.choice([0, 0, 0.3, 0.7, 0.95])), gap_px=loguniform(rng, 0.1, 5),
        profile=None if rng.random() < 0.7 else float(rng.choice([0.0, 0.15, 0.5])),
    )  # fmt: skip
    main = draw_population(plan, rng, shape)
    _finish(rng, canvas, main, contrast, lattice_share=0.15)
    if rng.random() < 0.15:  # two kinds of particle in one sample
        plan.radius_px, plan.count = radius * rng.uniform(0.3, 2.5), max(1, plan.count // 3)
        plan.contrast, plan.shapes = contrast * rng.uniform(0.3, 1.0), random_shapes(rng)
        plan.count = min(plan.count, _count(rng, shape, plan.radius_px, (0.01, 0.2)))
        canvas.populations.append(draw_population(plan, rng, shape))
    if rng.random() < 0.15:
        _flip(rng, canvas)
    if rng.random() < 0.2:
        canvas.motion_px = float(rng.uniform(0.2, 1.2) * min(radius, 8))
    return canvas


def _finish(
    rng: np.random.Generator, canvas: Canvas, population: Population, contrast: float, *, lattice_share: float
) -> None:
    _diffraction(rng, population)
    if rng.random() < lattice_share:
        _crystalline(rng, population, share=rng.uniform(0.2, 1))
    _fringes(rng, population)
    canvas.signal = contrast
    canvas.populations.append(population)


def _flip(rng: np.random.Generator, canvas: Canvas) -> None:
    """Make all or some particles brighter than what surrounds them."""
    share = float(rng.choice([1.0, 1.0, 0.5, 0.2]))
    for population in canvas.populations:
        p = population.particles
        bright = rng.random(len(p)) < share
        p["depth"] = np.where(bright, -np.minimum(p["depth"], 1.0), p["depth"])
        p["fringe"] = np.where(bright, -p["fringe"], p["fringe"])


def noisy_rods(rng: np.random.Generator, shape: Size) -> Canvas:
    """Few rods or spheres at a dose so low that the eye barely finds them."""
    radius = loguniform(rng, 4, 22)
    contrast = rng.uniform(0.12, 0.5)
    canvas = _camera(rng, Canvas(_liquid(rng, shape)), snr=(0.4, 2.5))
    _clutter(rng, canvas.background, contrast)
    rods = rng.random() < 0.75
    plan = PopulationPlan(
        radius_px=radius, count=_count(rng, shape, radius, (0.001, 0.06), 60), radius_sd=rng.uniform(0.03, 0.2),
        shapes=("rod",) if rods else random_shapes(rng), aspect=rng.uniform(1.7, 5), aspect_sd=0.15, contrast=contrast,
        contrast_sd=rng.uniform(0.05, 0.3), core=float(rng.choice([1.0, 0.5])), clustering=float(rng.choice([0, 0, 0.3])),
        profile=float(rng.choice([0.0, 0.2, 0.5])),
    )  # fmt: skip
    main = draw_population(plan, rng, shape)
    # a rod out of the window's plane is seen shortened, and one out of focus is faint
    main.particles["depth"] *= rng.uniform(0.6, 1.1, len(main.particles))
    canvas.signal = contrast
    canvas.populations.append(main)
    canvas.blur_px = float(rng.uniform(0.5, 2.0))
    if rng.random() < 0.5:
        canvas.motion_px = float(rng.uniform(0.2, 1.0) * min(radius, 8))
    return canvas


def dense_film(rng: np.random.Generator, shape: Size) -> Canvas:
    """Monolayers: hexagonal or square crystals, glassy films and islands of small particles."""
    radius = loguniform(rng, 2.0, 9) if rng.random() < 0.75 else loguniform(rng, 6, 30)
    contrast = loguniform(rng, 0.06, 0.8)
    canvas = _camera(rng, Canvas(_liquid(rng, shape)), snr=(0.8, 15), blur=(0.3, min(0.35 + 0.15 * radius, 1.4)))
    _clutter(rng, canvas.background, contrast)
    crystal = str(rng.choice(["hexagonal", "hexagonal", "square", "", ""]))
    shapes = (
        ("cube",)
        if crystal == "square" and rng.random() < 0.7
        else (("sphere",) if rng.random() < 0.7 else random_shapes(rng))
    )
    plan = PopulationPlan(
        radius_px=radius, count=_count(rng, shape, radius, (0.15, 0.6)), radius_sd=float(rng.choice([0.03, 0.06, 0.12, 0.2])), shapes=shapes,
        aspect=1.1, contrast=contrast, contrast_sd=rng.uniform(0.02, 0.3), core=float(rng.choice([1.0, 1.0, 1.1, 0.9])),
        clustering=float(rng.choice([0, 0.5, 0.95])), gap_px=loguniform(rng, 0.2, 3), crystal=crystal,
        spacing=float(rng.choice([rng.uniform(1.0, 1.15), rng.uniform(1.1, 1.8)])), aligned=rng.random() < 0.7,
        options={"jitter": loguniform(rng, 0.01, 0.07)},
    )  # fmt: skip
    main = draw_population(plan, rng, shape)
    _finish(rng, canvas, main, contrast, lattice_share=0.05)
    if rng.random() < 0.15:
        _flip(rng, canvas)
    return canvas


def sintering(rng: np.random.Generator, shape: Size) -> Canvas:
    """Metal particles on a thin film: round to irregular, broad sizes, touching and fusing, grainy support."""
    radius = loguniform(rng, 5, 45)
    contrast = loguniform(rng, 0.08, 0.5)
    background = fields.illumination(rng, shape, rng.uniform(0, 0.4))
    grain = rng.uniform(2.5, 8)
    background *= 1 + np.float32(contrast * rng.uniform(0.03, 0.5)) * fields.speckle(rng, shape, grain)
    canvas = _camera(rng, Canvas(background), snr=(0.7, 6), blur=(0.5, 1.6))
    _clutter(rng, canvas.background, contrast, bubbles=False)
    plan = PopulationPlan(
        radius_px=radius, count=_count(rng, shape, radius, (0.05, 0.45), 900), radius_sd=rng.uniform(0.15, 0.55),
        shapes=(("sphere", "irregular"), ("irregular", "peanut"), ("ellipse", "octahedron", "peanut"), ("sphere",))[int(rng.integers(4))],
        aspect=rng.uniform(1, 1.4), aspect_sd=0.15, roughness=rng.uniform(0, 0.06), contrast=contrast, contrast_sd=rng.uniform(0.1, 0.35),
        core=float(rng.choice([1.0, 1.05, 1.15, 0.9])), clustering=float(rng.choice([0, 0.2, 0.5])), gap_px=loguniform(rng, 0.3, 6),
        thickness_power=rng.uniform(0, 1), profile=float(rng.choice([0.0, 0.1, 0.25, 0.5])),
    )  # fmt: skip
    main = draw_population(plan, rng, shape)
    _diffraction(rng, main)
    if rng.random() < 0.6:
        _crystalline(rng, main, share=rng.uniform(0.2, 1))
    _fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    return canvas


def _support(rng: np.random.Generator, shape: Size, finest_px: float) -> tuple[Pixels, Pixels]:
    """Return thickness (mean 1 where there is any) and presence (0 to 1) of a catalyst support."""
    size = max(shape)
    mask = fields.support_mask(rng, shape, rng.uniform(0.35, 1.3)) if rng.random() < 0.8 else np.ones(shape, np.float32)
    kind = rng.random()
    if kind < 0.6:
        grain = max(loguniform(rng, 0.012, 0.16) * size, finest_px)
        thick = _grains(rng, shape, mask, grain)
        mask = np.clip(thick / max(float(thick.mean()) * 0.3, 1e-6), 0, 1).astype(np.float32)
    else:
        cloud = fields.fractal(rng, shape, size * rng.uniform(0.1, 0.6), rng.uniform(3, 20), rng.uniform(0.5, 0.9))
        thick = np.asarray(np.exp(np.float32(rng.uniform(0.15, 0.7)) * cloud) * mask, np.float32)
    if rng.random() < 0.5:
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
        radius_px=radius, count=n, radius_sd=rng.uniform(0.12, 0.6), shapes=(("sphere",), ("sphere", "irregular", "octahedron"), ("irregular", "hexagon"))[int(rng.integers(3))],
        aspect=rng.uniform(1, 1.3), aspect_sd=0.1, roughness=rng.uniform(0, 0.05), contrast=strength, contrast_sd=rng.uniform(0.1, 0.5),
        thickness_power=rng.uniform(0.2, 1.0), core=float(rng.choice([1.0, 0.8, 0.5, 0.0])), clustering=float(rng.choice([0, 0.1, 0.4])),
        gap_px=loguniform(rng, 0.2, 3), allowed=allowed, profile=float(rng.choice([0.0, 0.25, 0.5, 0.5])),
    )  # fmt: skip


def catalyst_dark_field(rng: np.random.Generator, shape: Size) -> Canvas:
    """Dark-field STEM of bright metal particles on a thick, uneven, bright support over black vacuum."""
    radius = loguniform(rng, 1.8, 10) if rng.random() < 0.7 else loguniform(rng, 6, 40)
    thick, mask = _support(rng, shape, 2.5 * radius)
    vacuum = loguniform(rng, 0.004, 0.15)
    background = np.asarray(vacuum + thick, np.float32)
    canvas = _camera(rng, Canvas(background, additive=True), snr=(1.0, 20), blur=(0.5, min(4.0, 0.6 + 0.25 * radius)))
    plan = _supported_plan(rng, shape, mask, radius, 0.5)
    main = draw_population(plan, rng, shape)
    p = main.particles
    strength = loguniform(rng, 0.2, 4.0)
    p["depth"] = np.minimum(np.abs(p["depth"]) / np.log(2) * strength, 12 * strength)
    if rng.random() < 0.3:
        _crystalline(rng, main, share=rng.uniform(0.2, 1))
    canvas.signal = strength
    canvas.populations.append(main)
    return canvas


def catalyst_bright_field(rng: np.random.Generator, shape: Size) -> Canvas:
    """High-resolution TEM of dark particles on an amorphous or graphitic support, out of focus, beside vacuum."""
    radius = loguniform(rng, 3, 12) if rng.random() < 0.5 else loguniform(rng, 8, 40)
    thick, mask = _support(rng, shape, 5 * radius)
    contrast = loguniform(rng, 0.08, 0.7)
    background = np.exp(-np.float32(min(loguniform(rng, 0.04, 0.5), contrast)) * thick.clip(0, 3))
    background *= (
        1
        + np.float32(rng.uniform(0.02, 0.3) * min(1.0, 2 * contrast))
        * fields.speckle(rng, shape, rng.uniform(3, 9))
        * mask
    )
    background = np.maximum(background, np.float32(0.02)) * fields.illumination(rng, shape, rng.uniform(0, 0.3))
    canvas = _camera(rng, Canvas(background), snr=(0.8, 8), blur=(0.4, 1.2))
    main = draw_population(_supported_plan(rng, shape, mask, radius, contrast), rng, shape)
    _diffraction(rng, main)
    if rng.random() < 0.5:
        _crystalline(rng, main, share=rng.uniform(0.2, 1), strong=True)
    _fringes(rng, main)
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
    canvas = _camera(rng, Canvas(background, additive=True), snr=(0.7, 15))
    shapes = random_shapes(rng)
    plan = PopulationPlan(
        radius_px=radius, count=_count(rng, shape, radius, (0.003, 0.35), 900), radius_sd=float(rng.choice([0.05, 0.2, 0.4])), shapes=shapes,
        aspect=rng.uniform(1, 1.5) if "rod" not in shapes else rng.uniform(1.6, 5), aspect_sd=0.1, contrast=0.5, contrast_sd=rng.uniform(0.05, 0.4),
        core=float(rng.choice([1.0, 0.8, 0.4, 0.0])), clustering=float(rng.choice([0, 0.3, 0.8])), gap_px=loguniform(rng, 0.2, 3),
    )  # fmt: skip
    main = draw_population(plan, rng, shape)
    strength = 1.0
    main.particles["depth"] = np.abs(main.particles["depth"]) / np.log(2) * strength
    if rng.random() < 0.2:
        _crystalline(rng, main, share=0.7)
    canvas.signal = strength
    canvas.populations.append(main)
    return canvas


def atomic_columns(rng: np.random.Generator, shape: Size) -> Canvas:
    """One or a few crystals whose atomic columns are resolved, on a thin amorphous film."""
    radius = rng.uniform(0.04, 0.28) * min(shape)
    contrast = loguniform(rng, 0.05, 0.5)
    background = fields.illumination(rng, shape, rng.uniform(0, 0.5))
    background *= 1 + np.float32(contrast * rng.uniform(0.1, 0.6)) * fields.speckle(rng, shape, rng.uniform(3, 10))
    canvas = _camera(rng, Canvas(background), snr=(0.6, 6), blur=(0.4, 1.0))
    plan = PopulationPlan(
        radius_px=radius, count=int(rng.integers(1, 6)), radius_sd=0.25, shapes=("irregular", "octahedron", "hexagon", "decahedron", "sphere"),
        aspect=1.2, aspect_sd=0.15, contrast=contrast, core=float(rng.choice([1.0, 0.8])), clustering=float(rng.choice([0, 0.6])),
        profile=float(rng.choice([0.0, 0.2])),
    )  # fmt: skip
    main = draw_population(plan, rng, shape)
    _crystalline(rng, main, share=1.0, strong=True)
    main.particles["mod1"] = rng.uniform(0.6, 1.2, len(main.particles))
    main.particles["mod2"] = main.particles["mod1"]
    _fringes(rng, main)
    canvas.signal = contrast
    canvas.populations.append(main)
    return canvas


def no_particles(rng: np.random.Generator, shape: Size) -> Canvas:
    """Everything but particles."""
    kind = rng.random()
    contrast = loguniform(rng, 0.05, 0.8)
    if kind < 0.6:
        canvas = Canvas(_liquid(rng, shape), signal=contrast)
        _clutter(rng, canvas.background, contrast)
        return _camera(rng, canvas, snr=(0.3, 20))
    if kind < 0.8:
        thick, _ = _support(rng, shape, 12.0)
        return _camera(
            rng,
            Canvas(np.asarray(loguniform(rng, 0.004, 0.3) + thick, np.float32), additive=True, signal=0.6),
            snr=(1, 20),
        )
    return _camera(rng, Canvas(catalyst_bright_field(rng, shape).background, signal=0.3), snr=(0.8, 8))


RECIPES: tuple[tuple[Callable[[np.random.Generator, Size], Canvas], float], ...] = (
    (liquid_cell, 0.28),
    (noisy_rods, 0.11),
    (dense_film, 0.14),
    (sintering, 0.12),
    (catalyst_dark_field, 0.16),
    (catalyst_bright_field, 0.06),
    (dark_field, 0.05),
    (atomic_columns, 0.02),
    (no_particles, 0.06),
)
"""Each kind of specimen and how often it is drawn."""
