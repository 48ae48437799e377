"""Pairs that move as one: they touch, whatever their radii say, and so tell how far off the radii are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.hold_evidence import FEW_ROLL, hold_evidence, pair_path
from lptem_tracker.analysis.mobility import common_motion, measure_mobility
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
CLAIM = 3.0  # logarithm of the odds from which a pair is said to be bound
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
    surfaces of a bound pair are 0 apart by physics: what the radii leave between them is their error. Of many pairs
    that are near each other some look rigid by chance: a pair counts where all its rigid windows together are more
    than 20 times as likely of a bound pair, for each pair that was looked at (Bonferroni).

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
    rigid &= np.isin(pair, _held(bodies, noise, near, rows[rigid], len(np.unique(pair))))
    spread = np.sqrt(2 * noise.position_px**2 + 2 * noise.radius_px**2)
    return _lasting(np.median(near.gap[rows], axis=1)[rigid], pair[rigid], spread)


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


def _held(bodies: Bodies, noise: Noise, near: NearPairs, windows: Ints, n_pairs: int) -> Ints:
    """Numbers of the pairs whose windows, rows of `near` (K, W), show together that they are bound."""
    rows = np.unique(windows)
    if not len(rows):
        return rows
    number = near.a[rows] * len(bodies.ids) + near.b[rows]
    cut = np.flatnonzero(np.diff(number, prepend=-1))
    row_a, row_b = bodies.row(near.a[rows], near.frame[rows]), bodies.row(near.b[rows], near.frame[rows])
    x, y, frame = bodies.x[row_b] - bodies.x[row_a], bodies.y[row_b] - bodies.y[row_a], near.frame[rows].astype(float)
    paths = [pair_path(x[part], y[part], frame[part]) for part in np.split(np.arange(len(rows)), cut[1:])]
    alone = np.ones(len(bodies.frame), bool)
    alone[bodies.row(near.a, near.frame)] = alone[bodies.row(near.b, near.frame)] = False
    ends = near.a[rows[cut]], near.b[rows[cut]]
    mobility = measure_mobility(bodies, alone if alone.any() else ~alone, noise, np.unique(np.concatenate(ends)))
    odds = np.array([mobility.of_pair(int(a), int(b)) for a, b in zip(*ends)])
    width = near.reach_px + 2 * float(np.sqrt(mobility.error2))
    sure = hold_evidence(paths, odds, mobility, FEW_ROLL, width) >= CLAIM + np.log(n_pairs)
    return np.asarray(number[cut][sure])


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
