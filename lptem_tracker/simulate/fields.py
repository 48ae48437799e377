"""What lies behind the particles: beam, liquid, windows, supports, bubbles and contamination."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate.shapes import extents, make_outlines, slopes
from lptem_tracker.simulate.stamp import new_particles, stamp

Pixels = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], period_px: float) -> Pixels:
    """Return a zero-mean, unit-variance random field that changes over about `period_px`, float32 (Y, X)."""
    if period_px >= 10 and min(shape) >= 64:
        # slow fields are made small and enlarged: a quarter of the size is a sixteenth of the work
        shrink = 4 if period_px >= 20 else 2
        small = smooth_noise(rng, (-(-shape[0] // shrink), -(-shape[1] // shrink)), period_px / shrink)
        return np.asarray(cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    height, width = shape
    grid = (max(2, int(np.ceil(height / period_px)) + 3), max(2, int(np.ceil(width / period_px)) + 3))
    coarse = rng.standard_normal(grid, dtype=np.float32)
    # a window of the enlarged grid, so that neither its phase nor its edge is always the same
    y, x = rng.uniform(0, 1, 2)
    scale = np.array([[1 / period_px, 0, 0.5 + x], [0, 1 / period_px, 0.5 + y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    field = cv2.warpAffine(coarse, scale, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(field * np.float32(1.35), np.float32)


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], longest_px: float, shortest_px: float, roughness: float
) -> Pixels:
    """Return texture of several lengths, each half the previous one and weaker by `roughness`, unit variance."""
    total, weight, power = np.zeros(shape, np.float32), 1.0, 0.0
    period = longest_px
    while period >= shortest_px:
        total += np.float32(weight) * (
            smooth_noise(rng, shape, period) if period >= 2 else rng.standard_normal(shape, dtype=np.float32)
        )
        power += weight**2
        weight *= roughness
        period /= 2
    return total / np.float32(np.sqrt(max(power, 1e-9)))


def speckle(rng: np.random.Generator, shape: tuple[int, int], period_px: float) -> Pixels:
    """Return the grain of an amorphous film out of focus: noise of about one spatial period, unit variance."""
    white = rng.standard_normal(shape, dtype=np.float32)
    sigma = period_px / 4.5
    band = cv2.GaussianBlur(white, (0, 0), sigma) - cv2.GaussianBlur(white, (0, 0), 1.6 * sigma)
    return np.asarray(band / np.float32(max(float(band.std()), 1e-9)), np.float32)


def illumination(rng: np.random.Generator, shape: tuple[int, int], swing: float) -> Pixels:
    """Return beam and liquid thickness over the frame: gradient, bulge and clouds, mean about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (Y, X).
    swing : float
        Natural logarithm of brightest over darkest, roughly.
    """
    height, width = shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    turn = rng.uniform(0, 2 * np.pi)
    cx, cy = rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.7)
    curve = rng.uniform(-0.6, 0.6)
    log = (
        np.float32(np.cos(turn)) * x
        + np.float32(np.sin(turn)) * y
        + np.float32(curve) * ((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2)
    )
    log = log + np.float32(0.3) * smooth_noise(rng, shape, max(shape) / rng.uniform(1.5, 6))
    log = (log - log.mean()) * np.float32(swing / max(float(np.ptp(log)), 1e-6))
    return np.asarray(np.exp(log), np.float32)


def beam_edge(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Return the illuminated disk of the beam, 1 inside and nearly 0 outside, with a soft edge."""
    height, width = shape
    size = max(shape)
    radius = size * rng.uniform(0.55, 0.9)
    cx, cy = width / 2 + size * rng.uniform(-0.2, 0.2), height / 2 + size * rng.uniform(-0.2, 0.2)
    y, x = np.ogrid[:height, :width]
    distance = np.sqrt((x - cx).astype(np.float32) ** 2 + (y - cy).astype(np.float32) ** 2)
    soft = size * rng.uniform(0.01, 0.08)
    return np.asarray(0.03 + 0.97 / (1 + np.exp(np.clip((distance - radius) / soft, -30, 30))), np.float32)


def blob_field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    n: int,
    radius_px: tuple[float, float],
    elongated: float = 0.2,
    flat: float = 0.3,
    centres: NDArray[np.float64] | None = None,
) -> Pixels:
    """Return the summed thickness of many overlapping grains, such as a carbon or oxide support, float32 (Y, X).

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (Y, X).
    n : int
        Number of grains.
    radius_px : tuple of float
        Smallest and largest grain.
    elongated, flat : float
        Share of rod-like grains, and of grains with a flat top.
    centres : numpy.ndarray, optional
        Shape (n, 2), x and y in px; drawn uniformly otherwise.
    """
    height, width = shape
    shrink = int(np.clip(radius_px[0] / 6, 1, 6))
    small = (max(8, height // shrink), max(8, width // shrink))
    grains = new_particles(n)
    where = rng.uniform(-0.05, 1.05, (n, 2)) * (width, height) if centres is None else centres
    grains["x"], grains["y"] = where[:, 0] / shrink, where[:, 1] / shrink
    grains["radius"] = np.exp(rng.uniform(np.log(radius_px[0]), np.log(radius_px[1]), n)) / shrink
    grains["angle"] = rng.uniform(-np.pi, np.pi, n)
    grains["depth"] = grains["radius"] / grains["radius"].max() * rng.uniform(0.5, 1.5, n)
    grains["profile"] = np.where(rng.random(n) < flat, 0.25, 0.5)
    pool = np.vstack(
        [
            make_outlines("irregular", 8, rng, aspect=1.15),
            make_outlines("rod", 4, rng, aspect=rng.uniform(2.5, 6), aspect_sd=0.2),
            make_outlines("octahedron", 4, rng),
        ]
    )
    grains["outline"] = np.where(
        rng.random(n) < elongated, rng.integers(8, 12, n), rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15], n)
    )
    field = np.zeros(small, np.float32)
    reach = extents(pool[grains["outline"]], grains["radius"], grains["angle"])
    stamp(field, grains, pool, slopes(pool), reach, additive=True, coarse=True)
    if shrink > 1:
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.maximum(field, 0), np.float32)


def support_mask(rng: np.random.Generator, shape: tuple[int, int], cover: float) -> Pixels:
    """Return where a support lies: 1 on it, 0 in vacuum, with a ragged edge, float32 (Y, X)."""
    field = fractal(rng, shape, max(shape) / rng.uniform(1.0, 2.5), 8, rng.uniform(0.4, 0.65))
    level = np.quantile(field[::8, ::8], max(0.0, 1 - cover))
    sharp = rng.uniform(3, 25)
    return np.asarray(1 / (1 + np.exp(np.clip(-(field - np.float32(level)) * np.float32(sharp), -30, 30))), np.float32)


def without_islands(mask: Pixels, smallest_px2: float) -> Pixels:
    """Return a mask without islands and holes smaller than an area, which would pass for particles; float32 (Y, X)."""
    shrink = 4
    small = cv2.resize(mask, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA) > 0.5
    wrong = np.zeros(small.shape, bool)
    for inside in (small, ~small):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)
        lost = stats[:, cv2.CC_STAT_AREA] * shrink**2 < smallest_px2
        lost[0] = False  # label 0 is all that is not inside
        wrong |= lost[labels]
    if not wrong.any():
        return mask
    # a margin takes the soft edge along
    change = cv2.dilate(wrong.astype(np.float32), np.ones((5, 5), np.uint8))
    change, mended = (
        cv2.resize(part, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        for part in (change, (small ^ wrong).astype(np.float32))
    )
    return np.asarray(mask * (1 - change) + mended * change, np.float32)
