"""Crowds by a second, plain simulator that shares no line with the shipped one: films, crystals, growing particles."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

KINDS = ("film", "crystal", "growing")
_FINE = 4


@dataclass(frozen=True)
class CrowdScene:
    """A picture, its boxes, and the signal over the noise of a pixel."""

    pixels: np.ndarray
    truth: pd.DataFrame
    snr: float
    radius: float


def crowd_scene(kind: str, rng: np.random.Generator) -> CrowdScene:
    """Draw a film of 500 to 800 particles of 3 to 4 px, a hexagonal crystal, or 300 particles of broad sizes.

    Particles are flat disks, dark or bright, that do not overlap (those that grow may touch); the noise is white or
    correlated, the background even or sloping.
    """
    size, centres, radii, strength = {"film": _film, "crystal": _crystal, "growing": _growing}[kind](rng)
    snr, blur = float(np.exp(rng.uniform(0, np.log(5)))), float(rng.uniform(0.5, 1.2))
    fine = np.zeros((size * _FINE, size * _FINE), np.float32)
    for (x, y), radius, value in zip(centres, radii, strength):
        at = tuple(round(float(v + 0.5) * _FINE * 16) for v in (x, y))
        cv2.circle(fine, at, round(float(radius) * _FINE * 16), float(value), -1, cv2.LINE_AA, 4)
    signal = cv2.GaussianBlur(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), (0, 0), blur)
    noise = rng.standard_normal((size, size), dtype=np.float32)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (9, 9), 0.45)
        noise /= noise.std()
    axis = np.linspace(0, 1, size, dtype=np.float32)
    slope = axis[None] + axis[:, None] ** 2 + 0.3 * np.sin(6 * axis)[None] * np.cos(4 * axis)[:, None]
    picture = rng.choice([-1, -1, 1]) * np.float32(snr) * signal + noise + np.float32(rng.choice([0, 3, 10])) * slope
    truth = pd.DataFrame({"x": centres[:, 0], "y": centres[:, 1], "width": 2 * radii, "height": 2 * radii})
    return CrowdScene(np.float32(1000) + np.float32(40) * picture, truth, snr, float(np.median(radii)))


def _film(rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    size, count = [(256, 500), (384, 800)][int(rng.integers(2))]
    radii = rng.uniform(3, 4) * np.exp(rng.normal(0, 0.1, count))
    centres, radii = _apart(rng, size, radii, gap=rng.choice([0.3, 1.0]))
    return size, centres, radii, np.exp(rng.normal(0, 0.1, len(radii)))


def _growing(rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    typical = np.exp(rng.uniform(np.log(2.5), np.log(12)))
    radii = np.maximum(typical * np.exp(rng.normal(0, 0.3, 300)), 2.5)
    centres, radii = _apart(rng, 512, radii, share=0.85)
    return 512, centres, radii, np.exp(rng.normal(0, 0.2, len(radii))) * (radii / typical) ** rng.choice([0, 0.5, 1])


def _crystal(rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    size, radius = 384, rng.uniform(3.5, 9)
    spacing, turn = 2 * radius * rng.uniform(1.03, 1.35), rng.uniform(0, np.pi)
    reach = int(size / spacing) + 4
    i, j = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    lattice = spacing * np.stack([i + j / 2, j * np.sqrt(3) / 2], -1).reshape(-1, 2)
    lattice = lattice @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + size / 2
    lattice += rng.normal(0, 0.03 * spacing, lattice.shape)
    lattice = lattice[(rng.random(len(lattice)) > 0.03) & ((lattice > 0) & (lattice < size - 1)).all(1)]
    islands = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), 50)
    x, y = lattice.astype(int).T
    lattice = lattice[islands[y, x] > np.quantile(islands, rng.choice([0, 0.3, 0.5]))]
    n = len(lattice)
    return size, lattice, radius * np.exp(rng.normal(0, 0.04, n)), np.exp(rng.normal(0, 0.08, n))


def _apart(
    rng: np.random.Generator, size: int, radii: np.ndarray, *, gap: float = 0.0, share: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Place disks at random, centres further apart than a share of the radii's sum and a gap; some may find no room."""
    centres, placed = np.zeros((0, 2)), np.zeros(0)
    for radius in radii:
        for _ in range(60):
            place = rng.uniform(0, size, 2)
            if (np.hypot(*(centres - place).T) > share * (placed + radius) + gap).all():
                centres, placed = np.vstack([centres, place]), np.append(placed, radius)
                break
    return centres, placed
