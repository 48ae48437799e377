"""Pair correlation with exact edges, and the pair potential behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PAIR_BUDGET = 6_000_000
_MIN_PAIRS = 200
_INSERTIONS = 150_000
_INSERTION_FRAMES = 200
_CONVERGED_KT = 0.01
_MAX_CORRECTION = 0.3  # of the depth: beyond it the sample has condensed, and insertion no longer tells
_UNIFORM = 0.4  # share of the insertions that are uniform
_ITERATIONS = 20
_MIN_PEAK_PAIRS = 100  # pairs in a bin at the first peak, for a 10 % error of one bin


@dataclass(frozen=True)
class PairCorrelation:
    """g(r) in px: `r` bin centres, `g`, its counting error `g_std`, pairs per bin, and the mean density (per px²)."""

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


@dataclass(frozen=True)
class Well:
    """Minimum of a pair potential: depth in kT, where in px, and the depth without density correction."""

    depth_kt: float
    depth_std_kt: float
    r_px: float
    raw_depth_kt: float
    potential_kt: Floats
    corrected: bool


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
    distance, weight = _weighted_pairs(bodies, frames, r_max)
    if len(distance) < _MIN_PAIRS:
        return None
    norm = sum(len(part) * (len(part) - 1) for part in frames) / 2 / (width * height) ** 2
    return _histogram(distance, weight, norm, r_max, density, len(frames))


def _weighted_pairs(bodies: Bodies, frames: list[Ints], r_max: float) -> tuple[Floats, Floats]:
    width, height = bodies.field
    distance, weight = [], []
    for part in frames:
        xy = np.column_stack([bodies.x[part], bodies.y[part]])
        pairs = cKDTree(xy).query_pairs(r_max, output_type="ndarray")
        d = np.abs(xy[pairs[:, 0]] - xy[pairs[:, 1]])
        distance.append(np.hypot(d[:, 0], d[:, 1]))
        weight.append(1 / (np.maximum(width - d[:, 0], 1) * np.maximum(height - d[:, 1], 1)))
    return np.concatenate(distance), np.concatenate(weight)


def _histogram(distance: Floats, weight: Floats, norm: float, r_max: float, density: float, n: int) -> PairCorrelation:
    bins = 1600
    while True:
        edges = np.linspace(0, r_max, bins + 1)
        pairs = np.histogram(distance, edges)[0]
        ring = np.pi * np.diff(edges**2)
        g = np.histogram(distance, edges, weights=weight)[0] / (norm * ring)
        peak = int(g[: bins // 2].argmax()) if bins > 50 else 0
        if bins <= 100 or (pairs[peak] >= _MIN_PEAK_PAIRS and pairs.sum() / bins >= _MIN_PEAK_PAIRS / 2):
            break
        bins //= 2
    std = g / np.sqrt(np.maximum(pairs, 1))
    return PairCorrelation((edges[1:] + edges[:-1]) / 2, g, std, pairs, density, n)


def potential_well(bodies: Bodies, rows: Ints, found: PairCorrelation) -> Well | None:
    """Depth and place of the first well of the pair potential.

    −ln g is the potential of mean force, which the particles around make shallower or deeper. The pair
    potential is the one whose test-particle g(r) is the measured one (see `inserted_potential`); it is made twice,
    from the even and the odd frames, and given up where the two differ by more than a fifth.

    Returns
    -------
    Well or None
        None where g(r) has no maximum that stands three errors above 1.
    """
    mean_force = np.log(np.maximum(found.g, 1e-12))
    fit = _peak(found, mean_force)
    if fit is None:
        return None
    halves = [inserted_potential(bodies, rows, found, part=part) for part in (0, 1)]
    wells = [_peak(found, -u) for u in halves if u is not None]
    depths = np.array([well[0] for well in wells if well is not None])
    doubtful = len(depths) < 2 or np.ptp(depths) > 0.2 * abs(depths.mean())
    if doubtful or abs(depths.mean() - fit[0]) > _MAX_CORRECTION * abs(fit[0]):
        return Well(*fit[:1], fit[2], fit[1], fit[0], np.where(found.pairs > 0, -mean_force, np.nan), False)
    potential = np.mean([u for u in halves if u is not None], axis=0)
    depth, place, std = _peak(found, -potential) or fit
    return Well(
        depth,
        float(np.hypot(std, np.ptp(depths) / 2)),
        place,
        fit[0],
        np.where(found.pairs > 0, potential, np.nan),
        True,
    )


def inserted_potential(bodies: Bodies, rows: Ints, found: PairCorrelation, *, part: int) -> Floats | None:
    """Pair potential in kT on the bins of `found`, by test-particle insertion (Stones 2019, PRL 123 098002, eqs 2, 3).

    A particle inserted at random feels Ψ = Σ_j u(r_j), and g(r) = <n(r) exp(−Ψ)>/(<exp(−Ψ)> ρ 2πr dr) for the
    right u; u is corrected by ln(g_inserted/g_measured) until both agree. No model and no simulation enter, and the
    density may be any at which insertion still succeeds. Most points are drawn near particles, where exp(−Ψ) is
    large, and weighted back.

    Parameters
    ----------
    part : {0, 1}
        Which half of the frames takes part, and the seed.

    Returns
    -------
    (K,) float or None
        0 beyond the range of the potential, infinite where no pair was ever seen; None where the field is
        too small for particles to be inserted.
    """
    reach = min(0.22 * min(bodies.field), 2.5 * float(found.r[found.g.argmax()]))
    n_bins = int(reach / found.dr)
    if n_bins < 10:
        return None
    g, seen = found.g[:n_bins], found.pairs[:n_bins] >= 3
    ring = np.pi * found.dr**2 * (2 * np.arange(n_bins) + 1)
    near = np.where(seen & (np.arange(n_bins) < n_bins / 2), g, 0.0)
    drawn = _insertions(bodies, rows, near * ring, found.dr, part)
    if drawn is None:
        return None
    counts, mean_number, area = drawn
    # density of the drawn points: a share uniform, the rest about the particles as `near` says
    density = _UNIFORM + (1 - _UNIFORM) * area / mean_number * (counts @ (near / (near * ring).sum()))
    u = np.where(seen, -np.log(np.maximum(g, 1e-12)), 30.0)
    for _ in range(_ITERATIONS):
        energy = counts @ u
        weight = np.exp(energy.min() - energy) / density
        inserted = (counts.T @ weight) / (max(float(weight.sum()), 1e-300) * found.density * ring)
        change = np.where(seen & (inserted > 0), np.log(np.maximum(inserted, 1e-12) / np.maximum(g, 1e-12)), 0.0)
        u = u + 0.7 * np.clip(change, -1, 1)
        u -= np.where(seen, u[int(0.85 * n_bins) :].mean(), 0.0)
        if np.abs(change).max() < _CONVERGED_KT:
            break
    out = np.zeros(len(found.r))
    out[:n_bins] = np.where(seen, u, np.inf)
    return out


def _insertions(
    bodies: Bodies, rows: Ints, shell: Floats, dr: float, part: int
) -> tuple[csr_matrix, float, float] | None:
    """Neighbours in each bin of distance about inserted points, (points, bins); particles a frame; area they lie in.

    `shell` is how often a point is drawn in each bin of distance from a particle.
    """
    rng = np.random.default_rng(part)
    n_bins = len(shell)
    reach = n_bins * dr
    low, high = np.array(bodies.origin) + reach - 0.5, np.array(bodies.origin) + np.array(bodies.field) - reach - 0.5
    order = rows[np.argsort(bodies.frame[rows], kind="stable")]
    frames = np.split(order, np.flatnonzero(np.diff(bodies.frame[order])) + 1)[part::2]
    if (high - low).min() <= 0 or not frames or shell.sum() <= 0:
        return None
    frames = [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, _INSERTION_FRAMES).astype(int))]
    each = _INSERTIONS // len(frames)
    area = float(np.prod(high - low))
    numbers = [len(rows_of) for rows_of in frames]
    point, column, total = [], [], 0
    for rows_of in frames:
        xy = np.column_stack([bodies.x[rows_of], bodies.y[rows_of]])
        trial = _drawn(xy, shell / shell.sum(), dr, each, low, high, len(rows_of) / float(np.mean(numbers)), rng)
        near = cKDTree(trial).sparse_distance_matrix(cKDTree(xy), reach, output_type="ndarray")
        bins = (near["v"] / dr).astype(np.int64)
        inside = bins < n_bins
        point.append(near["i"][inside] + total)
        column.append(bins[inside])
        total += len(trial)
    at, into = np.concatenate(point), np.concatenate(column)
    counts = csr_matrix((np.ones(len(at)), (at, into)), shape=(total, n_bins))
    return counts, float(np.mean(numbers)), area


def _drawn(
    xy: Floats, shell: Floats, dr: float, n: int, low: Floats, high: Floats, busy: float, rng: np.random.Generator
) -> Floats:
    """Points in the window: uniform ones, and ones about the particles xy of a frame."""
    uniform = rng.uniform(low, high, (round(_UNIFORM * n), 2))
    about = round((1 - _UNIFORM) * n * busy)
    bins = rng.choice(len(shell), about, p=shell)
    distance = np.sqrt(rng.uniform(bins**2, (bins + 1) ** 2)) * dr
    turn = rng.uniform(0, 2 * np.pi, about)
    points = xy[rng.integers(len(xy), size=about)] + distance[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
    return np.concatenate([uniform, points[(points > low).all(axis=1) & (points < high).all(axis=1)]])


def _peak(found: PairCorrelation, w: Floats) -> tuple[float, float, float] | None:
    """Height, place and error of the first maximum of w: a weighted cubic through the bins around it.

    The largest of several noisy bins would be too high; the cubic uses them all.
    """
    near = found.pairs >= 5
    candidates = np.flatnonzero(near & (found.r < 0.6 * found.r[-1]))
    if len(candidates) < 7:
        return None
    smooth = np.convolve(np.where(near, w, -9.0), np.ones(3) / 3, mode="same")
    top = int(candidates[smooth[candidates].argmax()])
    if (found.g[top] - 1) < 3 * found.g_std[top]:
        return None
    limit = w[top] - max(0.35 * abs(w[top]), 0.25)
    lo, hi = top, top
    while lo > 0 and near[lo - 1] and smooth[lo - 1] > limit:
        lo -= 1
    while hi < len(w) - 1 and near[hi + 1] and smooth[hi + 1] > limit:
        hi += 1
    lo, hi = max(0, min(lo, top - 3)), min(len(w) - 1, max(hi, top + 3))
    at = np.arange(lo, hi + 1)
    at = at[near[at]]
    x = found.r[at] - found.r[top]
    degree = min(5 if len(at) > 14 else 3, len(at) - 2)
    sigma = found.g_std[at] / found.g[at]
    scale = max(float(np.abs(x).max()), 1e-9)
    design = np.vander(x / scale, degree + 1)
    solution, *_ = np.linalg.lstsq(design / sigma[:, None], w[at] / sigma, rcond=None)
    fine = np.linspace(x[0], x[-1], 400)
    curve = np.polyval(solution, fine / scale)
    best = int(curve.argmax())
    row = np.vander([fine[best] / scale], degree + 1)
    covariance = np.linalg.pinv((design / sigma[:, None]).T @ (design / sigma[:, None]))
    return float(curve[best]), float(found.r[top] + fine[best]), float(np.sqrt((row @ covariance @ row.T)[0, 0]))
