"""Order of an assembly: bond-orientational, on lattice sites, of rods, and the shape of clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay, QhullError, cKDTree

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies
    from lptem_tracker.analysis.clusters import History

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HEX_REACH = 1.45  # in spacings: between the first (1) and second (1.73) shell of a triangular lattice
SQUARE_REACH = 1.21  # between 1 and 1.41
OPEN_ANGLE = np.deg2rad(110)  # a wider gap between neighbours: the particle stands at an edge
MIN_CLUSTER = 5


@dataclass(frozen=True)
class BondOrder:
    """|ψ4| and |ψ6| of each particle of a frame, who is interior, neighbours, and the lattice spacing in px."""

    psi4: Floats
    psi6: Floats
    interior: Bools
    interior4: Bools
    neighbours: Ints
    spacing: float


def bond_order(xy: Floats) -> BondOrder | None:
    """Bond-orientational order of points (N, 2) with neighbours in the first shell.

    Neighbours for ψ6 are Delaunay edges of at most 1.45 spacings (the median distance to the nearest neighbour), so
    that neither the field's edge nor a crystal's draws in far ones; for ψ4 those within 1.21 of the median distance of
    such neighbours. Interior
    are those with no opening wider than 110° between neighbours. ψ_n = |Σ_k exp(i n θ_k)|/N_k (Halperin & Nelson 1978).
    """
    if len(xy) < 7:
        return None
    spacing = float(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1]))
    try:
        triangles = Delaunay(xy).simplices
    except QhullError:  # all on a line
        return None
    edges = _edges(triangles, len(xy))
    length = np.hypot(*(xy[edges[:, 0]] - xy[edges[:, 1]]).T)
    psi6, open6, count6 = _psi(xy, edges[length <= HEX_REACH * _typical(length, spacing)], 6)
    tree = cKDTree(xy)
    near = tree.query_pairs(SQUARE_REACH * spacing, output_type="ndarray")
    # the distance to the nearest neighbour is biased short by jitter
    side = float(np.median(np.hypot(*(xy[near[:, 0]] - xy[near[:, 1]]).T))) if len(near) else spacing
    psi4, open4, _ = _psi(xy, tree.query_pairs(SQUARE_REACH * side, output_type="ndarray"), 4)
    return BondOrder(psi4, psi6, open6 < OPEN_ANGLE, open4 < OPEN_ANGLE, count6, spacing)


def _edges(triangles: npt.NDArray[Any], n: int) -> Ints:
    """Return each side (E, 2) of triangles (T, 3) of n points once, the smaller number first, in rising order."""
    one = np.concatenate([triangles[:, 0], triangles[:, 1], triangles[:, 0]]).astype(np.int64)
    other = np.concatenate([triangles[:, 1], triangles[:, 2], triangles[:, 2]]).astype(np.int64)
    # one number a side: rows of two take ten times as long to sort
    return np.column_stack(np.divmod(np.unique(np.minimum(one, other) * n + np.maximum(one, other)), n))


def _typical(length: Floats, spacing: float) -> float:
    """Median length of the edges near one spacing: the nearest neighbour alone is biased short by jitter."""
    near = length[length < 1.4 * spacing]
    return float(np.median(near)) if len(near) else spacing


def _psi(xy: Floats, edges: Ints, fold: int) -> tuple[Floats, Floats, Ints]:
    """|ψ|, widest opening between neighbours (rad), and number of neighbours of each point."""
    n = len(xy)
    a = np.concatenate([edges[:, 0], edges[:, 1]])
    b = np.concatenate([edges[:, 1], edges[:, 0]])
    angle = np.arctan2(xy[b, 1] - xy[a, 1], xy[b, 0] - xy[a, 0])
    count = np.bincount(a, minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        psi = np.hypot(np.bincount(a, np.cos(fold * angle), n), np.bincount(a, np.sin(fold * angle), n)) / count
    order = np.lexsort((angle, a))
    a, angle = a[order], angle[order]
    opening = np.full(n, 2 * np.pi)
    if len(a):
        step = np.diff(angle, append=angle[-1])
        head = np.flatnonzero(np.diff(a, prepend=-1))
        tail = np.append(head[1:], len(a)) - 1
        step[tail] = 2 * np.pi - (angle[tail] - angle[head])
        opening[a[head]] = np.maximum.reduceat(step, head)
    return psi, opening, count


def mean_order(bodies: Bodies, frames: list[Ints], scale: float, unit: str) -> dict[str, Any]:
    """ψ4 and ψ6 over the interior particles of the given frames, with the spread between frames."""
    six, four, spacing, inside, total = [], [], [], 0, 0
    for rows in frames:
        found = bond_order(np.column_stack([bodies.x[rows], bodies.y[rows]]))
        if found is None:
            continue
        total += len(rows)
        inside += int(found.interior.sum())
        six.append(found.psi6[found.interior])
        four.append(found.psi4[found.interior4])
        spacing.append(found.spacing)
    psi6, psi4 = (np.concatenate(v) if v else np.empty(0) for v in (six, four))
    out: dict[str, Any] = {"psi6_interior_mean": None, "psi4_interior_mean": None}
    if len(psi6):
        out["psi6_interior_mean"] = float(psi6.mean())
        out["psi6_interior_share"] = inside / total
    if len(psi4):
        out["psi4_interior_mean"] = float(psi4.mean())
    if spacing:
        out[f"nearest_neighbour_{unit}"] = float(np.median(spacing) * scale)
    return out


def lattice_sites(bodies: Bodies, rows: Ints, min_rows: int = 20) -> dict[str, Any] | None:
    """Mean position of each particle relative to its neighbours, and how far it strays from it.

    Positions are taken relative to the mean of the neighbours of the particle's mean position (cage-relative, so
    that drift, turning of the whole and long waves drop out), scaled for the neighbours' own motion by n/(n + 1).

    Returns
    -------
    dict or None
        `n_sites`, `rms_px` (root mean square distance from the site, both axes together) and `lindemann` (over
        the spacing); None with fewer than 7 particles of 20 rows in a common lattice.
    """
    count = np.bincount(bodies.particle[rows], minlength=len(bodies.ids))
    kept = np.flatnonzero(count >= max(min_rows, 0.5 * count.max(initial=0)))
    if len(kept) < 7:
        return None
    start = int(bodies.frame[rows].min())
    span = int(bodies.frame[rows].max()) - start + 1
    if len(kept) * span > 20_000_000:
        kept = kept[: 20_000_000 // span]
    number = np.full(len(bodies.ids), -1)
    number[kept] = np.arange(len(kept))
    use = rows[number[bodies.particle[rows]] >= 0]
    grid = np.full((2, len(kept), span), np.nan)
    grid[:, number[bodies.particle[use]], bodies.frame[use] - start] = bodies.x[use], bodies.y[use]
    drift = np.nanmean(grid - np.nanmean(grid, axis=2, keepdims=True), axis=1, keepdims=True)
    site = np.nanmean(grid - drift, axis=2).T
    spacing = float(np.median(cKDTree(site).query(site, k=2)[0][:, 1]))
    near = cKDTree(site).query_pairs(HEX_REACH * spacing, output_type="ndarray")
    links = [np.concatenate([near[near[:, 0] == k, 1], near[near[:, 1] == k, 0]]) for k in range(len(kept))]
    squares, steps = [], 0
    for k, others in enumerate(links):
        if len(others) < 3:
            continue
        relative = grid[:, k] - grid[:, others].mean(axis=1)
        known = np.isfinite(relative[0])
        if known.sum() >= min_rows:
            squares.append(relative[:, known].var(axis=1, ddof=1).sum() * len(others) / (len(others) + 1))
            steps += int(known.sum())
    if len(squares) < 7:
        return None
    rms = float(np.sqrt(np.mean(squares)))
    return {"n_sites": len(squares), "rms_px": rms, "lindemann": rms / spacing, "n_positions": steps}


def nematic_order(bodies: Bodies, frames: list[Ints]) -> float | None:
    """S = <cos 2(θ − θ_director)> of rods, with the N^(−1/2) that random angles give taken off; None without rods.

    S² = (N |m|² − 1)/(N − 1) per frame with m = <exp 2iθ>, averaged before the root.
    """
    squares = []
    for rows in frames:
        rods = rows[bodies.half_length[rows] > 1.3 * bodies.half_width[rows]]
        n = len(rods)
        if n >= 3:
            m = np.exp(2j * bodies.angle[rods]).mean()
            squares.append((n * abs(m) ** 2 - 1) / (n - 1))
    return float(np.sqrt(max(np.mean(squares), 0.0))) if squares else None


def cluster_shapes(bodies: Bodies, history: History, scale: float, unit: str) -> dict[str, Any] | None:
    """Fractal dimension n ~ R_g^D of the clusters in the last frame, and elongation of those of 5 or more.

    None with fewer than 5 clusters of 3 or more. The radius of gyration includes each disk's own, R²/2, so that one
    particle has a size too.
    """
    members = _members_at(history, len(bodies.ids))
    rows = bodies.row(np.arange(len(bodies.ids)), np.full(len(bodies.ids), int(history.frame[-1])))
    size, gyration, aspect = [], [], []
    for nodes in members:
        at = rows[nodes]
        at = at[at >= 0]
        if len(at) == 0:
            continue
        xy = np.column_stack([bodies.x[at], bodies.y[at]])
        own = np.mean(bodies.radius[at] ** 2) / 2
        tensor = np.cov(xy.T, bias=True) if len(at) > 1 else np.zeros((2, 2))
        size.append(len(at))
        gyration.append(np.sqrt(np.trace(tensor) + own))
        if len(at) >= MIN_CLUSTER:
            low, high = np.linalg.eigvalsh(tensor + np.eye(2) * own / 2)
            aspect.append(np.sqrt(high / low))
    n, rg = np.array(size, float), np.array(gyration)
    big = n >= 3
    if big.sum() < 5 or len(np.unique(n[big])) < 3:
        return None
    slope, covariance = _loglog(n[big], rg[big])
    return {
        "n_clusters": int(big.sum()), "fractal_dimension": 1 / slope, "fractal_dimension_std": covariance / slope**2,
        "mean_aspect_ratio": float(np.mean(aspect)) if aspect else None,
        f"largest_gyration_radius_{unit}": float(rg.max() * scale), "largest_size": int(n.max()),
    }  # fmt: skip


def _loglog(n: Floats, rg: Floats) -> tuple[float, float]:
    x, y = np.log(n), np.log(rg)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt(rest @ rest / max(len(x) - 2, 1) / (x @ x)))


def _members_at(history: History, n: int) -> list[Ints]:
    """Particle indices of each cluster at the end of the movie."""
    label = np.full(n, -1)
    for _, particle, cluster in history.membership:
        label[particle] = cluster
    known = np.flatnonzero(label >= 0)
    order = known[np.argsort(label[known], kind="stable")]
    return list(np.split(order, np.flatnonzero(np.diff(label[order])) + 1)) if len(order) else []
