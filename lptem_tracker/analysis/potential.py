"""Pair potential from positions alone, at any density: the likelihood of each particle among its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack, vstack
from scipy.spatial import cKDTree
from scipy.special import expit

from lptem_tracker.analysis.by_frame import rows_by_frame
from lptem_tracker.analysis.radial import PairCorrelation

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

REACH = 2.5  # range of the potential in distances of the well
FINE = 1.5  # up to where the bins are those of g(r), in the same
_COARSE_BINS = 6
_MIN_SEEN = 3  # pairs in a bin below which it counts as within the hard core
_MIN_SITES = 200
_SITES = 100_000  # particles that take part
_UNIFORM = 0.4  # uniform points for each particle of the field
_BLOCKS, _MIN_BLOCKS = 20, 5
_ITERATIONS = 40
_CONVERGED_KT = 1e-4
_RIDGE = 1e-6
_MAX_ERROR = 0.25  # of the depth: beyond it the sample is too small


@dataclass(frozen=True)
class Well:
    """Minimum of a pair potential: depth in kT, where in px, and the depth of −ln g alone."""

    depth_kt: float
    depth_std_kt: float
    r_px: float
    raw_depth_kt: float
    potential_kt: Floats
    corrected: bool


@dataclass(frozen=True)
class PotentialFit:
    """u(r) in kT per bin, infinite in the hard core, and how each block of frames moves it, (blocks, bins)."""

    edges: Floats
    u: Floats
    influence: Floats

    def at(self, r: Floats, u: Floats | None = None) -> Floats:
        """Potential at distances in px, 0 beyond the last edge."""
        into = np.searchsorted(self.edges, r, "right") - 1
        values = np.append(self.u if u is None else u, 0.0)
        return values[np.minimum(into, len(self.u))]


@dataclass(frozen=True)
class _Sites:
    """Particles and random points of the inner field.

    `neighbours` (N, bins) in each bin of distance, `real` (N,) which are particles, `density` (N,) of random points in
    px⁻² as it would be without the site itself, `block` (N,) of frames.
    """

    neighbours: csr_matrix
    real: Bools
    density: Floats
    block: Ints


def potential_well(bodies: Bodies, rows: Ints, found: PairCorrelation) -> Well | None:
    """Depth and place of the first well of the pair potential.

    −ln g is the potential of mean force, which the particles around make shallower or deeper; where `fit_potential`
    succeeds, the well is that of the pair potential itself, with an error by jackknife over 20 blocks of frames; in
    fewer than 5 frames there is none, and −ln g stands.

    Returns
    -------
    Well or None
        None where g(r) has no maximum that stands three errors above 1.
    """
    mean_force = np.log(np.maximum(found.g, 1e-12))
    raw = _peak(found, mean_force)
    if raw is None:
        return None
    height, place, error = raw
    uncorrected = Well(height, error, place, height, np.where(found.pairs > 0, -mean_force, np.nan), False)
    fit = fit_potential(bodies, rows, found, place)
    if fit is None or len(fit.influence) < _MIN_BLOCKS:
        return uncorrected
    potential = fit.at(found.r)
    well = _peak(found, -potential)
    without = [_peak(found, -fit.at(found.r, fit.u - change)) for change in fit.influence]
    depths = np.array([left[0] for left in without if left is not None])
    if well is None or len(depths) < len(without):
        return uncorrected
    # blocks of frames are no blocks where particles hardly move: then g(r) knows its error better
    std = max(float(np.sqrt((len(depths) - 1) * depths.var())), error)
    if std > _MAX_ERROR * abs(well[0]):
        return uncorrected
    return Well(well[0], std, well[1], height, potential, True)


def fit_potential(bodies: Bodies, rows: Ints, found: PairCorrelation, place: float) -> PotentialFit | None:
    """Fit u(r) in bins by the pseudo-likelihood of the particles' positions.

    At equilibrium a particle is at x, given all others, with the intensity λ(x) = z exp(−Σ_j u(|x − x_j|)). Random
    points of known density ρ(x) are thrown in; a site is then a particle with the probability λ/(λ + ρ), which makes z
    and u a logistic regression on the numbers of neighbours in each bin: unbiased at any density, concave, and no
    integral is approximated (Baddeley, Coeurjolly, Rubak & Waagepetersen 2014, Biometrika 101, 377). Random points lie
    uniformly and about the particles as g(r) has it, where λ is large.

    Parameters
    ----------
    place : float
        Distance of the well in px, which sets the range.

    Returns
    -------
    PotentialFit or None
        None where the field has too few particles farther than the range from its border, or no fit is reached.
    """
    edges = _edges(found, place)
    middle = (edges[1:] + edges[:-1]) / 2
    total = np.concatenate([[0], np.cumsum(found.pairs)])
    pairs = np.diff(np.interp(edges, np.arange(len(total)) * found.dr, total))
    seen = pairs >= _MIN_SEEN - 1e-6
    g = np.interp(middle, found.r, found.g)
    sites = _sites(bodies, rows, edges, np.where(seen & (middle < FINE * place), g, 0.0))
    if sites is None or sites.real.sum() < _MIN_SITES:
        return None
    return _regress(sites, edges, seen, np.where(seen, -np.log(np.maximum(g, 1e-9)), 0.0))


def _edges(found: PairCorrelation, place: float) -> Floats:
    fine = np.arange(max(int(FINE * place / found.dr), 2) + 1) * found.dr
    return np.concatenate([fine, np.linspace(fine[-1], max(REACH * place, 1.2 * fine[-1]), _COARSE_BINS + 1)[1:]])


def _sites(bodies: Bodies, rows: Ints, edges: Floats, shell: Floats) -> _Sites | None:
    """Draw random points; `shell` is their density in each bin about a particle, up to a factor."""
    reach = float(edges[-1])
    low = np.array(bodies.origin) + reach - 0.5
    high = np.array(bodies.origin) + np.array(bodies.field) - reach - 0.5
    ring = np.pi * np.diff(edges**2)
    if (high - low).min() <= 0 or not (shell * ring).sum() > 0:
        return None
    share = shell * ring / (shell * ring).sum()
    frames = rows_by_frame(bodies, rows)
    most = max(_BLOCKS, int(_SITES * len(frames) / len(rows)))
    frames = frames.some(np.unique(np.linspace(0, len(frames) - 1, most).astype(int)))
    n_uniform = int(np.ceil(_UNIFORM * frames.count.mean()))
    rng = np.random.default_rng(0)
    parts = []
    for part in frames:
        xy = np.column_stack([bodies.x[part], bodies.y[part]])
        own = np.flatnonzero(((xy > low) & (xy < high)).all(axis=1))
        points = np.concatenate([rng.uniform(low, high, (n_uniform, 2)), _about(xy, edges, share, rng)])
        points = points[((points > low) & (points < high)).all(axis=1)]
        parts.append((_neighbours(xy, own, points, edges), len(own), len(points)))
    count = np.array([(real, drawn) for _, real, drawn in parts])
    real = np.repeat(np.tile([True, False], len(parts)), count.ravel())
    block = np.repeat(np.arange(len(parts)) * min(_BLOCKS, len(parts)) // len(parts), count.sum(axis=1))
    counts = vstack([into for into, _, _ in parts], format="csr")
    return _Sites(counts, real, n_uniform / float(np.prod(high - low)) + counts @ (share / ring), block)


def _about(xy: Floats, edges: Floats, share: Floats, rng: np.random.Generator) -> Floats:
    """One random point about each particle, (N, 2), in each bin of distance with its share."""
    bins = rng.choice(len(share), len(xy), p=share)
    distance = np.sqrt(rng.uniform(edges[bins] ** 2, edges[bins + 1] ** 2))
    turn = rng.uniform(0, 2 * np.pi, len(xy))
    return np.asarray(xy + distance[:, None] * np.column_stack([np.cos(turn), np.sin(turn)]))


def _neighbours(xy: Floats, own: Ints, points: Floats, edges: Floats) -> csr_matrix:
    """Bin of distance of each neighbour of the particles `own` and of the points, a row a site."""
    sites = np.concatenate([xy[own], points])
    near = cKDTree(sites).sparse_distance_matrix(cKDTree(xy), edges[-1], output_type="ndarray")
    self_of = np.concatenate([own, np.full(len(points), -1)])
    near = near[self_of[near["i"]] != near["j"]]
    into = np.searchsorted(edges, near["v"], "right") - 1
    inside = into < len(edges) - 1
    shape = (len(sites), len(edges) - 1)
    return csr_matrix((np.ones(inside.sum()), (near["i"][inside], into[inside])), shape)


def _regress(sites: _Sites, edges: Floats, seen: Bools, start: Floats) -> PotentialFit | None:
    """Newton's method on the logistic likelihood; sites with a neighbour in the hard core have λ = 0 and drop out."""
    free = np.asarray(sites.neighbours @ (~seen).astype(float)) == 0
    real, block = sites.real[free], sites.block[free]
    offset = -np.log(sites.density[free])
    counts = sites.neighbours[free][:, seen]
    if not real.any() or real.all():
        return None
    design = hstack([csr_matrix(np.ones((len(real), 1))), -counts]).tocsr()
    theta = np.concatenate([[np.log(real.sum() / np.exp(offset[~real]).sum())], start[seen]])
    for _ in range(_ITERATIONS):
        share = expit(design @ theta + offset)
        curvature = (design.T @ design.multiply((share * (1 - share))[:, None])).toarray()
        curvature[np.diag_indices_from(curvature)] += _RIDGE
        step = np.linalg.solve(curvature, design.T @ (real - share))
        theta = theta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < _CONVERGED_KT:
            break
    else:
        return None
    miss = real - expit(design @ theta + offset)
    scores = np.stack([design[block == k].T @ miss[block == k] for k in np.unique(block)])
    moved = np.linalg.solve(curvature, scores.T).T[:, 1:]
    u, influence = np.full(len(seen), np.inf), np.zeros((len(moved), len(seen)))
    u[seen], influence[:, seen] = theta[1:], moved
    return PotentialFit(edges, u, influence)


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
