"""What pictures of different specimens share: the liquid, what is no particle in it, the finish of the particles."""

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
    loguniform,
)
from lptem_tracker.simulate.population import Population
from lptem_tracker.simulate.shapes import extents, make_outlines, slopes
from lptem_tracker.simulate.stamp import new_particles, stamp

Pixels = NDArray[np.float32]
Size = tuple[int, int]


def liquid(rng: np.random.Generator, shape: Size) -> Pixels:
    """Return the brightness behind the particles of a liquid cell, about 1, float32 (Y, X)."""
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


def clutter(rng: np.random.Generator, background: Pixels, contrast: float, *, bubbles: bool = True) -> None:
    """Add what is no particle: smears out of focus, bubbles, scratches and films, in place."""
    shape = (background.shape[0], background.shape[1])
    size = max(shape)
    if rng.random() < 0.35:
        # soft things are drawn at a quarter of the size
        haze = np.zeros((-(-shape[0] // 4), -(-shape[1] // 4)), np.float32)
        for _ in range(rng.integers(1, 7)):
            radius = loguniform(rng, 5, 40) / 4
            _disk(haze, rng.uniform(0, haze.shape[1]), rng.uniform(0, haze.shape[0]), radius, 1.0)
        haze = cv2.GaussianBlur(haze, (0, 0), rng.uniform(5, 25) / 4)
        haze *= np.float32(rng.uniform(0.1, 0.7) * min(contrast, 0.4) / max(float(haze.max()), 1e-6))
        haze = cv2.resize(haze, shape[::-1], interpolation=cv2.INTER_LINEAR)
        background *= np.exp(np.float32(rng.choice([-1, -1, 1])) * haze)
    if bubbles and rng.random() < 0.10:
        dots = new_particles(int(rng.integers(1, 4)))
        dots["x"], dots["y"] = rng.uniform(0, shape[1], len(dots)), rng.uniform(0, shape[0], len(dots))
        # larger than any particle, so that a sharp bubble is not taken for one
        dots["radius"] = np.exp(rng.uniform(np.log(max(0.16 * size, 75.0)), np.log(max(0.5 * size, 110.0)), len(dots)))
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
        film = fields.without_islands(fields.support_mask(rng, shape, rng.uniform(0.2, 0.8)), 0.05 * size**2)
        background *= np.exp(np.float32(rng.uniform(-0.8, 0.8)) * film)


def _disk(field_: Pixels, x: float, y: float, radius: float, value: float) -> None:
    cv2.circle(field_, (round(x * 8), round(y * 8)), round(radius * 8), value, -1, cv2.LINE_AA, 3)


def finish(
    rng: np.random.Generator, canvas: Canvas, population: Population, contrast: float, *, lattice_share: float
) -> None:
    """Add a population to a canvas, with diffraction contrast, Fresnel fringes and, now and then, lattice fringes."""
    add_diffraction_contrast(rng, population)
    if rng.random() < lattice_share:
        add_lattice_fringes(rng, population, share=rng.uniform(0.2, 1))
    add_fresnel_fringes(rng, population)
    canvas.signal = contrast
    canvas.populations.append(population)


def flip(rng: np.random.Generator, canvas: Canvas) -> None:
    """Make all or some particles brighter than what surrounds them."""
    share = float(rng.choice([1.0, 1.0, 0.5, 0.2]))
    for population in canvas.populations:
        brighten(population, rng.random(len(population.particles)) < share)


def brighten(population: Population, bright: NDArray[np.bool_] | slice) -> None:
    """Make these particles brighter than what surrounds them."""
    p = population.particles
    p["depth"][bright] = -np.minimum(p["depth"][bright], 1.0)
    p["fringe"][bright] *= -1
