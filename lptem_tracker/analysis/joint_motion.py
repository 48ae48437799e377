"""Pairs that move as one: they touch, whatever their radii say, and so tell how far off the radii are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.noise import Noise

if TYPE_CHECKING:
    from lptem_tracker.analysis.contacts import NearPairs

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

WINDOWS = (8, 12, 16, 24, 32, 48)
INFORMATIVE = 6.0  # spread of free motion over that of the noise from which a window can tell
STIFF = 0.3  # spread of the distance over that expected of free motion, below which a window counts as rigid
MIN_WINDOWS = 4
MAX_WINDOWS = 2000
MIN_PAIRS = 2
LEAST_OFFSET_PX = 1.0  # smaller ones are within what the thresholds allow anyway


@dataclass(frozen=True)
class GapOffset:
    """Surface gap that pairs in contact seem to keep.

    Attributes
    ----------
    px : float
        0 where the tracks do not tell, or where it is too small to matter.
    n_pairs : int
        Pairs it was measured on; 0 where the tracks do not tell.
    """

    px: float = 0.0
    n_pairs: int = 0


def measure_offset(bodies: Bodies, noise: Noise, near: NearPairs) -> GapOffset:
    """Measure the gap of pairs that move as one.

    In a window of W frames the distance of a rigid pair scatters by the localisation error alone, 2σ², while that
    of two free particles is a random walk, whose sample variance is 2s²(W + 1)/6 more, s the step per axis; how much
    the two moved is measured on their centre in the same window, so that pinned particles are no evidence. The
    surfaces of a bound pair are 0 apart by physics: what the radii leave between them is their error.

    Parameters
    ----------
    bodies : Bodies
    noise : Noise
    near : NearPairs
        Pairs up to as far apart as radii may be wrong.
    """
    free = max(noise.step_px**2 - 2 * noise.position_px**2, 0.0)
    width = next((w for w in WINDOWS if free * (w + 1) / 6 >= INFORMATIVE * noise.position_px**2), None)
    if width is None or len(near.a) < width or free == 0:
        return GapOffset()
    start = np.arange(0, len(near.a) - width + 1, max(1, width // 2))
    end = start + width - 1
    same = (near.a[start] == near.a[end]) & (near.b[start] == near.b[end])
    start = start[same & (near.frame[end] - near.frame[start] <= 1.3 * width)]
    if len(start) < MIN_WINDOWS:
        return GapOffset()
    start = start[:: -(-len(start) // MAX_WINDOWS)]
    rows = start[:, None] + np.arange(width)
    row_a, row_b = bodies.row(near.a[rows], near.frame[rows]), bodies.row(near.b[rows], near.frame[rows])
    rigid = _rigid(bodies, noise, row_a, row_b)
    pair = near.a[start] * len(bodies.ids) + near.b[start]
    spread = np.sqrt(2 * noise.position_px**2 + 2 * noise.radius_px**2)
    return _lasting(np.median(near.gap[rows], axis=1)[rigid], pair[rigid], spread)


def common_motion(bodies: Bodies) -> Floats:
    """Position of what all particles share in px, (frames, 2): the sum of the median steps, of four or more."""
    follows = np.flatnonzero((np.diff(bodies.particle) == 0) & (np.diff(bodies.frame) == 1))
    frame = bodies.frame[follows + 1] - bodies.frames[0]
    order = np.argsort(frame, kind="stable")
    step = np.zeros((bodies.frames[1] - bodies.frames[0] + 1, 2))
    for part in np.split(order, np.flatnonzero(np.diff(frame[order])) + 1):
        if len(part) >= 4:
            at = follows[part]
            step[frame[part[0]]] = (
                np.median(bodies.x[at + 1] - bodies.x[at]),
                np.median(bodies.y[at + 1] - bodies.y[at]),
            )
    return np.asarray(np.cumsum(step, axis=0))


def _rigid(bodies: Bodies, noise: Noise, a: Ints, b: Ints) -> Bools:
    """Which windows show a pair that moves, and moves as one; `a` and `b` are rows, (windows, frames)."""
    dx, dy = bodies.x[b] - bodies.x[a], bodies.y[b] - bodies.y[a]
    apart = np.hypot(dx, dy)
    drift = common_motion(bodies)
    x = (bodies.x[a] + bodies.x[b]) / 2 - drift[bodies.frame[a] - bodies.frames[0], 0]
    y = (bodies.y[a] + bodies.y[b]) / 2 - drift[bodies.frame[a] - bodies.frames[0], 1]
    shared = (x.var(axis=1) + y.var(axis=1)) / 2 - noise.position_px**2 / 2
    relative = np.maximum(apart.var(axis=1) - 2 * noise.position_px**2, 0.0)
    moved = shared > INFORMATIVE / 2 * noise.position_px**2
    # two free particles: their distance varies four times as much as their centre, per axis
    return np.asarray(moved & (relative < STIFF * shared))


def _lasting(gap: Floats, pair: Ints, spread: float) -> GapOffset:
    """Smallest gap at which rigid windows crowd: the median of those about their densest place."""
    if len(gap) < MIN_WINDOWS:
        return GapOffset()
    half = max(1.0, 2 * spread)
    count = (np.abs(gap[:, None] - gap[None]) <= half).sum(axis=1)
    centre = gap[count >= 0.8 * count.max()].min()
    inside = np.abs(gap - centre) <= half
    n_pairs = len(np.unique(pair[inside]))
    if inside.sum() < MIN_WINDOWS or n_pairs < MIN_PAIRS:
        return GapOffset()
    per_pair = [float(np.median(gap[inside & (pair == k)])) for k in np.unique(pair[inside])]
    offset = float(np.median(per_pair))
    return GapOffset(offset if abs(offset) >= LEAST_OFFSET_PX else 0.0, n_pairs)
