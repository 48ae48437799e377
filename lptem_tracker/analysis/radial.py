"""Pair correlation with exact edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PAIR_BUDGET = 6_000_000
_MIN_PAIRS = 200
_MIN_PEAK_PAIRS = 100  # pairs in a bin at the first peak, for a 10 % error of one bin


@dataclass(frozen=True)
class PairCorrelation:
    """g(r) in px: `r` bin centres, `g`, its standard error `g_std`, pairs per bin, and the mean density (per px²).

    The error counts a pair of particles that stays in a bin for many frames once, not once a frame.
    """

    r: Floats
    g: Floats
    g_std: Floats
    pairs: Ints
    density: float
    n_frames: int

    @property
    def dr(self) -> float:
        """Width of a bin in px."""
        return float(self.r[1] - self.r[0])


def pair_correlation(bodies: Bodies, rows: Ints) -> PairCorrelation | None:
    """g(r) of the given rows, frame by frame, with each pair weighted for the field's edges.

    Parameters
    ----------
    rows : (K,) int
        Rows of `bodies` that count.

    Returns
    -------
    PairCorrelation or None
        None with fewer than 200 pairs.

    Notes
    -----
    g(r) = Σ_pairs A² / ((W − |Δx|)(H − |Δy|)) / (n (n − 1)/2 · π (r₂² − r₁²)/A …): the translation correction, exact
    for a rectangle and unbiased for any stationary pattern (Ohser & Stoyan 1981; Illian 2008, eq. 4.3.29).
    """
    width, height = bodies.field
    order = rows[np.argsort(bodies.frame[rows], kind="stable")]
    frames = np.split(order, np.flatnonzero(np.diff(bodies.frame[order])) + 1)
    frames = [part for part in frames if len(part) >= 2]
    if not frames:
        return None
    density = float(np.mean([len(part) for part in frames])) / (width * height)
    spacing = density**-0.5
    sizes = bodies.half_length[rows]
    contact = 2 * float(np.median(sizes[np.isfinite(sizes)])) if np.isfinite(sizes).any() else spacing / 2
    r_max = min(0.5 * min(width, height), max(6 * spacing, 6 * contact))
    expected = sum(len(part) ** 2 for part in frames) / 2 * np.pi * r_max**2 / (width * height)
    frames = frames[:: max(1, int(np.ceil(expected / _PAIR_BUDGET)))]
    distance, weight, who = _weighted_pairs(bodies, frames, r_max)
    if len(distance) < _MIN_PAIRS:
        return None
    norm = sum(len(part) * (len(part) - 1) for part in frames) / 2 / (width * height) ** 2
    edges, g, pairs = _histogram(distance, weight, norm, r_max)
    n = len(np.unique(bodies.particle[np.concatenate(frames)]))
    into = np.minimum(np.searchsorted(edges, distance, "right") - 1, len(g) - 1)
    g_std = _std(into, len(g), weight, who, n * (n - 1) // 2) / (norm * np.pi * np.diff(edges**2))
    return PairCorrelation((edges[1:] + edges[:-1]) / 2, g, g_std, pairs, density, len(frames))


def _weighted_pairs(bodies: Bodies, frames: list[Ints], r_max: float) -> tuple[Floats, Floats, Ints]:
    """Distance of each pair in each frame, its weight, and which two particles it is."""
    width, height = bodies.field
    distance, weight, who = [], [], []
    for part in frames:
        xy = np.column_stack([bodies.x[part], bodies.y[part]])
        pairs = cKDTree(xy).query_pairs(r_max, output_type="ndarray")
        d = np.abs(xy[pairs[:, 0]] - xy[pairs[:, 1]])
        distance.append(np.hypot(d[:, 0], d[:, 1]))
        weight.append(1 / (np.maximum(width - d[:, 0], 1) * np.maximum(height - d[:, 1], 1)))
        one, other = bodies.particle[part[pairs[:, 0]]], bodies.particle[part[pairs[:, 1]]]
        who.append(np.minimum(one, other) * len(bodies.ids) + np.maximum(one, other))
    return np.concatenate(distance), np.concatenate(weight), np.concatenate(who)


def _histogram(distance: Floats, weight: Floats, norm: float, r_max: float) -> tuple[Floats, Floats, Ints]:
    """Edges of as many bins as there are pairs for, g, and pairs in each."""
    bins = 1600
    while True:
        edges = np.linspace(0, r_max, bins + 1)
        pairs = np.histogram(distance, edges)[0]
        g = np.histogram(distance, edges, weights=weight)[0] / (norm * np.pi * np.diff(edges**2))
        peak = int(g[: bins // 2].argmax()) if bins > 50 else 0
        if bins <= 100 or (pairs[peak] >= _MIN_PEAK_PAIRS and pairs.sum() / bins >= _MIN_PEAK_PAIRS / 2):
            return edges, g, pairs
        bins //= 2


def _std(into: Ints, bins: int, weight: Floats, who: Ints, n_pairs: int) -> Floats:
    """Standard error of the sum of weights in each bin, from how pairs of particles differ in their sums over frames.

    Particles that move freely between frames give the counting error, particles that stand still that of one frame.
    """
    counting, total_weight = np.bincount(into, weight**2, bins), np.bincount(into, weight, bins)
    place = who * bins + into
    order = np.argsort(place, kind="stable")
    start = np.flatnonzero(np.concatenate([[True], np.diff(place[order]) != 0]))
    total = np.add.reduceat(weight[order], start)
    each = np.bincount(into[order[start]], total**2, bins)
    return np.asarray(np.sqrt(np.maximum(each - total_weight**2 / max(n_pairs, 1), counting)))
