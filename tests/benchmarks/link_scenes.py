"""Scenes with known identities, the bound that no linker can beat by much, and other linkers, for `bench_link.py`."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

SPACING, MISS, FALSE, GAP = 10.0, 0.05, 0.02, 3

SCENES: dict[str, dict[str, float]] = {
    "core, 0.10": {"sigma": 0.10, "core": 0.5},
    "core, 0.25": {"sigma": 0.25, "core": 0.5},
    "gas, 0.10": {"sigma": 0.10},
    "gas, 0.25": {"sigma": 0.25},
    "own velocity 0.3": {"sigma": 0.05, "speed": 0.3},
    "stuck and hop": {"sigma": 0.20, "hop": True},
}
"""Step, core and speed in units of the spacing."""

STUCK = 0.005


def scene(
    n: int, frames: int, sigma: float, seed: int, *, core: float = 0.0, speed: float = 0.0, hop: float = False
) -> pd.DataFrame:
    """Particles in a field with walls seen with misses and false detections.

    `hop`: stuck for 20 frames in the mean, then mobile as long. Besides `frame, x, y` the table holds `true`, the
    identity (−1: false), and what an oracle may be told: `vx, vy`, the mean of the next step, and `var`, its variance.
    """
    rng = np.random.default_rng(seed)
    side = SPACING * np.sqrt(n)
    xy = rng.uniform(0, side, (n, 2))
    if core:
        grid = int(np.ceil(np.sqrt(n)))
        xy = (np.stack(np.divmod(np.arange(grid**2), grid), 1)[rng.permutation(grid**2)[:n]] + 0.5) * side / grid
    angle = rng.uniform(0, 2 * np.pi, n)
    velocity = speed * SPACING * np.column_stack([np.cos(angle), np.sin(angle)])
    mobile = rng.random(n) < 0.5
    rows = []
    for t in range(-50 if core else 0, frames):
        seen = rng.random(n) >= MISS
        false = rng.uniform(0, side, (rng.poisson(FALSE * n), 2))
        var = np.where(mobile, sigma, STUCK) ** 2 if hop else np.full(n, sigma**2)
        if t >= 0:
            at, blank = np.vstack([xy[seen], false]), np.zeros((len(false), 2))
            ahead = np.vstack([velocity[seen], blank])
            told = np.concatenate([var[seen], np.full(len(false), sigma**2)]) * SPACING**2
            name = np.concatenate([np.flatnonzero(seen), np.full(len(false), -1)])
            rows.append(
                pd.DataFrame(
                    {
                        "frame": t,
                        "x": at[:, 0],
                        "y": at[:, 1],
                        "true": name,
                        "vx": ahead[:, 0],
                        "vy": ahead[:, 1],
                        "var": told,
                    }
                ).iloc[rng.permutation(len(at))]
            )
        step = rng.normal(0, SPACING, (n, 2)) * np.sqrt(var)[:, None] + velocity
        mobile ^= rng.random(n) < 0.05
        if core:
            xy = _without_overlap(xy, step, side, core * SPACING)
        else:
            new = xy + step
            velocity = np.where((new < 0) | (new > side), -velocity, velocity)
            xy = side - np.abs(side - np.abs(new))
    out = pd.concat(rows, ignore_index=True)
    out.attrs["side"] = side
    return out


def _without_overlap(xy: np.ndarray, step: np.ndarray, side: float, core: float) -> np.ndarray:
    new = np.where((xy + step < 0) | (xy + step > side), xy, xy + step)
    for _ in range(60):
        close = cKDTree(new).query_pairs(core, output_type="ndarray")
        moved = np.unique(close)
        moved = moved[(new[moved] != xy[moved]).any(1)]
        if len(moved) == 0:
            break
        new[moved] = xy[moved]
    return new


def bound(table: pd.DataFrame, sigma: float, *, oracle: bool = False) -> np.ndarray:
    """Link by the exact most probable assignment of the whole film, under the true parameters.

    Exact for Brownian steps. With `oracle` it is told the velocity and the step variance of the particle behind each
    detection at that moment, which no linker can know.
    """
    order, side = np.lexsort((table["x"], table["frame"])), table.attrs["side"]
    table = table.iloc[order]
    frame, xy = table["frame"].to_numpy(), table[["x", "y"]].to_numpy()
    drift, var = np.zeros_like(xy), np.full(len(xy), (sigma * SPACING) ** 2)
    if oracle:
        drift, var = table[["vx", "vy"]].to_numpy(), table["var"].to_numpy()
    m, last = len(frame), frame.max()
    rho = 1 / SPACING**2
    start = np.log(rho * (1 - MISS)) + np.minimum(frame, GAP + 1) * np.log(MISS)
    end = np.minimum(last - frame, GAP + 1) * np.log(MISS)
    places = np.searchsorted(frame, np.arange(last + 2))
    trees = [cKDTree(xy[a:b]) for a, b in zip(places, places[1:])]
    i, j, w = [np.arange(m)], [np.arange(m)], [np.log(FALSE * rho) - start - end]
    for k in range(1, GAP + 2):
        for t in range(last + 1 - k):
            here = slice(places[t], places[t + 1])
            # an oracle knows the mode now, not the one after the first of several missed frames
            spread = var[here] if k == 1 else np.maximum(var[here], (sigma * SPACING) ** 2)
            ahead = xy[here] + k * drift[here]
            tree = cKDTree(side - np.abs(side - np.abs(ahead)) if oracle else ahead)
            d = tree.sparse_distance_matrix(trees[t + k], 4.5 * np.sqrt(spread.max() * k), output_type="coo_matrix")
            a, b, v = d.row + places[t], d.col + places[t + k], spread[d.row] * k
            i.append(a)
            j.append(b)
            miss = (k - 1) * np.log(MISS)
            w.append(np.log(1 - MISS) + miss - np.log(2 * np.pi * v) - d.data**2 / (2 * v) - start[b] - end[a])
    row, col, weight = map(np.concatenate, (i, j, w))
    keep = weight > 0
    row, col, weight = row[keep], col[keep], weight[keep]
    top = weight.max() + 1
    cost = np.concatenate([top - weight, np.full(m, top)])
    places_of = np.concatenate([row, np.arange(m)]), np.concatenate([col, m + np.arange(m)])
    a, b = min_weight_full_bipartite_matching(csr_matrix((cost, places_of), shape=(m, 2 * m)))
    good = (b < m) & (a != b)
    label = connected_components(csr_matrix((np.ones(good.sum()), (a[good], b[good])), shape=(m, m)), directed=False)[1]
    out = np.empty(m, int)
    out[order] = label
    return out


def hungarian_ids(table: pd.DataFrame, sigma: float) -> np.ndarray:
    """Link frame by frame: the exact assignment of each frame to the live tracks, by likelihood, sigma told."""
    frame, xy = table["frame"].to_numpy(), table[["x", "y"]].to_numpy()
    ids, count = np.full(len(table), -1), 0
    last_xy, last_t, last_id = np.empty((0, 2)), np.empty(0, int), np.empty(0, int)
    fresh = np.log((FALSE + 0.01) / SPACING**2)
    for t in np.unique(frame):
        live = t - last_t <= GAP + 1
        last_xy, last_t, last_id = last_xy[live], last_t[live], last_id[live]
        new = np.flatnonzero(frame == t)
        n, m = len(last_id), len(new)
        taken = np.full(m, -1)
        if n:
            lag = t - last_t
            reach = 4.5 * sigma * SPACING * np.sqrt(lag.max())
            d = cKDTree(last_xy).sparse_distance_matrix(cKDTree(xy[new]), reach, output_type="coo_matrix")
            v = (sigma * SPACING) ** 2 * lag[d.row]
            gain = np.log(1 - MISS) - np.log(2 * np.pi * v) - d.data**2 / (2 * v) - np.log(MISS) - fresh
            row, col, gain = d.row[gain > 0], d.col[gain > 0], gain[gain > 0]
            top = gain.max(initial=0) + 1
            cost = np.concatenate([top - gain, np.full(n, top)])
            shape = (np.concatenate([row, np.arange(n)]), np.concatenate([col, m + np.arange(n)]))
            a, b = min_weight_full_bipartite_matching(csr_matrix((cost, shape), shape=(n, m + n)))
            taken[b[b < m]] = a[b < m]
        old = taken >= 0
        ids[new[old]] = last_id[taken[old]]
        ids[new[~old]] = count + np.arange((~old).sum())
        count += int((~old).sum())
        gone = np.delete(np.arange(n), taken[old])
        last_xy = np.vstack([last_xy[gone], xy[new]])
        last_t = np.concatenate([last_t[gone], np.full(m, t)])
        last_id = np.concatenate([last_id[gone], ids[new]])
    return ids


def trackpy_ids(table: pd.DataFrame, reach: float, **options: float) -> np.ndarray:
    """Link with trackpy at the given search range."""
    import trackpy

    trackpy.quiet()
    out = trackpy.link(table.assign(row=np.arange(len(table))), reach, memory=GAP, **options)
    return out.sort_values("row")["particle"].to_numpy()


def trackpy_ways(table: pd.DataFrame, sigma: float) -> list[np.ndarray]:
    """Return trackpy's links at several search ranges, adaptive too, as far as it does not refuse."""
    found = []
    # where steps are long, wider gates make it refuse, or search for hours
    plain = (2.5, 3.5, 4.5) if sigma < 0.2 else (2.5,)
    for gate, adaptive in (*((gate, False) for gate in plain), (3.5, True)):
        options = {"adaptive_stop": 0.3 * sigma * SPACING, "adaptive_step": 0.9} if adaptive else {}
        try:
            found.append(trackpy_ids(table, gate * sigma * SPACING, **options))
        except Exception as error:  # noqa: BLE001 - a peer may refuse in its own way
            print(f"      trackpy at {gate} sigma{', adaptive' * adaptive}: {type(error).__name__}", flush=True)
    return found


def laptrack_ways(table: pd.DataFrame, sigma: float) -> list[np.ndarray]:
    """Return laptrack's links at several search ranges; nothing where it is not installed or would take minutes."""
    if importlib.util.find_spec("laptrack") is None or len(table) > 25_000:
        return []
    from laptrack import LapTrack

    found = []
    for gate in (3.0, 4.0):
        reach = (gate * sigma * SPACING) ** 2
        tracker = LapTrack(cutoff=reach, gap_closing_cutoff=reach * 2, gap_closing_max_frame_count=GAP)
        bare = table[["frame", "x", "y"]].assign(row=np.arange(len(table)))
        out, _, _ = tracker.predict_dataframe(bare, ["x", "y"], frame_col="frame", only_coordinate_cols=False)
        found.append(out.sort_values("row")["track_id"].to_numpy())
    return found
