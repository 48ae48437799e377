"""Pair correlation with exact edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from lptem_tracker.analysis.by_frame import ByFrame, rows_by_frame

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Pairs = tuple[Floats, Floats, Ints]
"""Distance of some pairs in px, weight, and which two particles they are."""

_PAIR_BUDGET = 6_000_000
_MIN_PAIRS = 200
_MIN_PEAK_PAIRS = 100  # pairs in a bin at the first peak, for a 10 % error of one bin
_FINEST = 1600  # bins
_TOGETHER = 200_000  # pairs that are looked at together
_MOST_SUMS = 1_000_000  # sums over frames that are held; beyond them a sample of the pairs of particles stands for all
_FEW = 40  # particles in a frame up to which all their pairs are made at once, frame beside frame
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads numbers that follow each other


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

    The pairs are gone through twice, first for g and then for its error, and never held all at once.
    """
    width, height = bodies.field
    frames = rows_by_frame(bodies, rows)
    frames = frames.some(frames.count >= 2)
    if not len(frames):
        return None
    density = float(frames.count.mean()) / (width * height)
    spacing = density**-0.5
    sizes = bodies.half_length[rows]
    contact = 2 * float(np.median(sizes[np.isfinite(sizes)])) if np.isfinite(sizes).any() else spacing / 2
    r_max = min(0.5 * min(width, height), max(6 * spacing, 6 * contact))
    expected = float((frames.count**2).sum()) / 2 * np.pi * r_max**2 / (width * height)
    frames = frames.some(slice(None, None, max(1, int(np.ceil(expected / _PAIR_BUDGET)))))
    sums, pairs = _summed(_pairs(bodies, frames, r_max), r_max)
    if pairs.sum() < _MIN_PAIRS:
        return None
    norm = float((frames.count * (frames.count - 1)).sum()) / 2 / (width * height) ** 2
    edges, g, pairs = _binned(sums, pairs, norm, r_max)
    n = len(np.unique(bodies.particle[frames.within()]))
    g_std = _std(_pairs(bodies, frames, r_max), edges, n * (n - 1) // 2) / (norm * np.pi * np.diff(edges**2))
    return PairCorrelation((edges[1:] + edges[:-1]) / 2, g, g_std, pairs, density, len(frames))


def _pairs(bodies: Bodies, frames: ByFrame, r_max: float) -> Iterator[Pairs]:
    """Yield all pairs that are near enough, many frames together."""
    for n in np.unique(frames.count[frames.count <= _FEW]):
        start = frames.start[frames.count == n][:, None]
        one, other = np.triu_indices(n, 1)
        step = max(1, _TOGETHER // len(one))
        for first in range(0, len(start), step):
            at = start[first : first + step]
            yield _weighted(bodies, frames.rows[at + one].ravel(), frames.rows[at + other].ravel(), r_max)
    found: list[Ints] = []
    for part in frames.some(frames.count > _FEW):
        tree = cKDTree(np.column_stack([bodies.x[part], bodies.y[part]]))
        found.append(part[tree.query_pairs(r_max, output_type="ndarray")])
        if sum(map(len, found)) >= _TOGETHER:
            one, other = np.concatenate(found).T
            yield _weighted(bodies, one, other, r_max)
            found = []
    if found:
        one, other = np.concatenate(found).T
        yield _weighted(bodies, one, other, r_max)


def _weighted(bodies: Bodies, a: Ints, b: Ints, r_max: float) -> Pairs:
    width, height = bodies.field
    dx, dy = np.abs(bodies.x[a] - bodies.x[b]), np.abs(bodies.y[a] - bodies.y[b])
    distance = np.hypot(dx, dy)
    near = distance <= r_max
    weight = 1 / (np.maximum(width - dx[near], 1) * np.maximum(height - dy[near], 1))
    one, other = bodies.particle[a[near]], bodies.particle[b[near]]
    return distance[near], weight, np.minimum(one, other) * len(bodies.ids) + np.maximum(one, other)


def _summed(parts: Iterable[Pairs], r_max: float) -> tuple[Floats, Ints]:
    """Sum of weights, and number of pairs, in the finest bins."""
    edges = np.linspace(0, r_max, _FINEST + 1)
    sums, pairs = np.zeros(_FINEST), np.zeros(_FINEST, np.int64)
    for distance, weight, _ in parts:
        into = _bin(distance, edges)
        sums += np.bincount(into, weight, _FINEST)
        pairs += np.bincount(into, minlength=_FINEST)
    return sums, pairs


def _bin(distance: Floats, edges: Floats) -> Ints:
    return np.asarray(np.minimum(np.searchsorted(edges, distance, "right") - 1, len(edges) - 2))


def _binned(sums: Floats, pairs: Ints, norm: float, r_max: float) -> tuple[Floats, Floats, Ints]:
    """Edges of as many bins as there are pairs for, g, and pairs in each."""
    while True:
        bins = len(sums)
        edges = np.linspace(0, r_max, bins + 1)
        g = sums / (norm * np.pi * np.diff(edges**2))
        peak = int(g[: bins // 2].argmax())
        if bins <= 100 or (pairs[peak] >= _MIN_PEAK_PAIRS and pairs.sum() / bins >= _MIN_PEAK_PAIRS / 2):
            return edges, g, pairs
        sums, pairs = sums.reshape(-1, 2).sum(1), pairs.reshape(-1, 2).sum(1)


def _std(parts: Iterable[Pairs], edges: Floats, n_pairs: int) -> Floats:
    """Standard error of the sum of weights in each bin, from how pairs of particles differ in their sums over frames.

    Particles that move freely between frames give the counting error, particles that stand still that of one frame.
    """
    bins = len(edges) - 1
    counting, total_weight, each = np.zeros(bins), np.zeros(bins), _SumsByPair(bins)
    for distance, weight, who in parts:
        into = _bin(distance, edges)
        counting += np.bincount(into, weight**2, bins)
        total_weight += np.bincount(into, weight, bins)
        each.add(who * bins + into, weight)
    return np.asarray(np.sqrt(np.maximum(each.squares() - total_weight**2 / max(n_pairs, 1), counting)))


class _SumsByPair:
    """Weights summed over frames for each pair of particles and bin.

    Where there are too many, only pairs of particles are held whose number, well mixed, begins with enough zero bits:
    a sample that halves with each bit, whose members are whole (distinct sampling; Gibbons 2001).
    """

    def __init__(self, bins: int) -> None:
        self._bins, self._bits = bins, 0
        self._place, self._total = np.empty(0, np.int64), np.empty(0)
        self._waiting: list[tuple[Ints, Floats]] = []

    def add(self, place: Ints, weight: Floats) -> None:
        """Take in weights; `place` is the number of the pair of particles times the number of bins, plus the bin."""
        drawn = self._drawn(place)
        self._waiting.append((place[drawn], weight[drawn]))
        if sum(len(part) for part, _ in self._waiting) >= _TOGETHER:
            self._merge()

    def squares(self) -> Floats:
        """Return the sum over all pairs of particles of their squared sums, in each bin."""
        self._merge()
        return np.asarray(np.bincount(self._place % self._bins, self._total**2, self._bins) * 2.0**self._bits)

    def _merge(self) -> None:
        place = np.concatenate([self._place, *(part for part, _ in self._waiting)])
        total = np.concatenate([self._total, *(part for _, part in self._waiting)])
        self._waiting = []
        order = np.argsort(place, kind="stable")
        place = place[order]
        start = np.flatnonzero(np.diff(place, prepend=-1))
        self._place, self._total = place[start], np.add.reduceat(total[order], start) if len(start) else total
        while len(self._place) > _MOST_SUMS:
            self._bits += 1
            drawn = self._drawn(self._place)
            self._place, self._total = self._place[drawn], self._total[drawn]

    def _drawn(self, place: Ints) -> npt.NDArray[np.bool_]:
        if self._bits == 0:
            return np.ones(len(place), bool)
        mixed = (place // self._bins).astype(np.uint64) * _GOLDEN
        return np.asarray(mixed >> np.uint64(64 - self._bits) == 0)
