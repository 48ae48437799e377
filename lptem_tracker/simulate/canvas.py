"""A specimen before it meets the camera, and what may happen to its particles' contrast."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate.population import Population

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


def draw_count(
    rng: np.random.Generator, shape: Size, radius: float, cover: tuple[float, float], most: int = 2000
) -> int:
    area = shape[0] * shape[1] / (np.pi * radius**2)
    return int(np.clip(loguniform(rng, *cover) * area + rng.random(), 1, most))


def set_camera(
    rng: np.random.Generator, canvas: Canvas, *, snr: tuple[float, float], blur: tuple[float, float] = (0.3, 1.3)
) -> Canvas:
    """Draw the camera's noise, its correlation and the optical blur."""
    canvas.snr = loguniform(rng, *snr)
    canvas.lag1 = 0.0 if rng.random() < 0.1 else float(rng.uniform(0.05, 0.45))
    canvas.blur_px = float(rng.uniform(*blur))
    return canvas


def add_lattice_fringes(
    rng: np.random.Generator, population: Population, *, share: float, strong: bool = False
) -> None:
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


def add_diffraction_contrast(rng: np.random.Generator, population: Population) -> None:
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


def add_fresnel_fringes(rng: np.random.Generator, population: Population) -> None:
    if rng.random() < 0.45:
        p = population.particles
        p["fringe"] = rng.uniform(-0.1, 0.4) * np.abs(p["depth"]) * rng.uniform(0.2, 1.0)
        p["fringe_px"] = np.minimum(rng.uniform(0.8, 3.5), 0.7 + 0.15 * p["radius"])
        np.clip(p["fringe"], -0.1, 0.3, out=p["fringe"])
