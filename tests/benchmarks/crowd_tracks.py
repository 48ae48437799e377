"""Tables of tracks of dense films: disks that diffuse, rattle or lie still, and stick where they meet or never do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

SUBSTEPS = 3
TOUCH_PX = 0.5  # gap at which two disks of a sticky film may stick


@dataclass(frozen=True)
class Crowd:
    """What a film contains: lengths in px, times in frames."""

    n: int = 800
    field: float = 384.0
    frames: int = 40
    radius: tuple[float, float] = (3.0, 4.0)
    diffusion: float = 0.05
    error: float = 0.4
    stuck: float = 0.0  # share that never moves
    rattle: float = 0.0  # amplitude about a place of their own; those that rattle do not diffuse
    growth: float = 0.0  # of the radius, a frame
    drift: tuple[float, float] = (0.1, -0.07)
    sticking: float = 0.0  # probability, a frame in touch
    missed: float = 0.03


FREE: dict[str, Crowd] = {
    "D .01": Crowd(diffusion=0.01),
    "D .05": Crowd(),
    "D .05, error .2": Crowd(error=0.2),
    "D .05, error .6": Crowd(error=0.6),
    "D .05, 200 frames": Crowd(frames=200, n=400),
    "D .3": Crowd(diffusion=0.3),
    "D 1": Crowd(diffusion=1.0),
    "half stuck, D .2": Crowd(stuck=0.5, diffusion=0.2),
    "all stuck": Crowd(stuck=1.0),
    "rattling": Crowd(rattle=0.3, stuck=1.0),
}
STICKY: dict[str, Crowd] = {
    "sticky, D .05": Crowd(n=300, sticking=0.02, frames=200),
    "sticky, D .3": Crowd(n=300, sticking=0.02, diffusion=0.3, frames=100),
    "sticky, D 1": Crowd(n=150, sticking=0.1, diffusion=1.0, frames=100),
}


@dataclass
class Film:
    """Tracks as they would be measured, true events, and what happened."""

    tracks: pd.DataFrame
    events: pd.DataFrame
    field: tuple[float, float]
    frames: int


def make_film(crowd: Crowd, seed: int) -> Film:
    """Simulate one film; a move that would overlap is not made."""
    rng = np.random.default_rng(seed)
    places, radius = _scattered(crowd, rng)
    home, held = places.copy(), rng.random(len(places)) < crowd.stuck
    bonds: set[tuple[int, int]] = set()
    group = np.arange(len(places))
    rows, events = [], []
    for frame in range(crowd.frames):
        grown = radius * (1 + crowd.growth * frame)
        for _ in range(SUBSTEPS if frame else 0):
            places = _moved(crowd, rng, places, grown, group, held)
        if crowd.rattle:
            places = np.where(held[:, None], home, home + rng.normal(0, crowd.rattle, home.shape))
        for a, b in _meetings(crowd, rng, places, grown, group, frame):
            if group[a] != group[b]:
                events.append(("attach", frame, a, b, *(0.5 * (places[a] + places[b]))))
                bonds.add((a, b))
                group = _grouped(len(places), bonds)
        seen = places + np.array(crowd.drift) * frame + rng.normal(0, crowd.error, places.shape)
        size = grown * (1 + rng.normal(0, 0.05, len(grown)))
        rows.append(np.column_stack([np.arange(len(places)), np.full(len(places), frame), seen, size]))
    table = pd.DataFrame(np.concatenate(rows), columns=["particle", "frame", "x", "y", "radius"])
    table = table[rng.random(len(table)) >= crowd.missed].astype({"particle": int, "frame": int})
    table = table.assign(x_std=0.85 * crowd.error, y_std=0.85 * crowd.error).reset_index(drop=True)
    columns = ["kind", "frame", "particle_a", "particle_b", "x", "y"]
    return Film(table, pd.DataFrame(events, columns=columns), (crowd.field, crowd.field), crowd.frames)


def _scattered(crowd: Crowd, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    radius = rng.uniform(*crowd.radius, crowd.n)
    places = np.full((crowd.n, 2), -1e6)
    for k in range(crowd.n):
        for _ in range(400):
            trial = rng.uniform(radius[k], crowd.field - radius[k], 2)
            if (np.hypot(*(places[:k] - trial).T) > radius[:k] + radius[k] + 0.3).all():
                places[k] = trial
                break
    there = places[:, 0] > 0
    return places[there], radius[there]


def _moved(
    crowd: Crowd, rng: np.random.Generator, places: np.ndarray, radius: np.ndarray, group: np.ndarray, held: np.ndarray
) -> np.ndarray:
    count = np.bincount(group, minlength=len(group))
    still = np.bincount(group, held, minlength=len(group)) > 0
    step = rng.normal(0, np.sqrt(2 * crowd.diffusion / SUBSTEPS), places.shape) / np.sqrt(np.maximum(count, 1))[:, None]
    trial = places + np.where(still[:, None], 0.0, step)[group]
    pairs = cKDTree(trial).query_pairs(2 * radius.max(), output_type="ndarray")
    a, b = pairs[group[pairs[:, 0]] != group[pairs[:, 1]]].T
    bad = np.hypot(*(trial[a] - trial[b]).T) < radius[a] + radius[b]
    refused = np.zeros(len(group), bool)
    refused[group[a[bad]]] = refused[group[b[bad]]] = True
    return np.where(refused[group][:, None], places, trial)


def _meetings(
    crowd: Crowd, rng: np.random.Generator, places: np.ndarray, radius: np.ndarray, group: np.ndarray, frame: int
) -> list[tuple[int, int]]:
    if not crowd.sticking or frame == 0:
        return []
    pairs = cKDTree(places).query_pairs(2 * radius.max() + TOUCH_PX, output_type="ndarray")
    gap = np.hypot(*(places[pairs[:, 0]] - places[pairs[:, 1]]).T) - radius[pairs].sum(axis=1)
    stick = (gap < TOUCH_PX) & (rng.random(len(pairs)) < crowd.sticking)
    return [(int(a), int(b)) for a, b in pairs[stick]]


def _grouped(n: int, bonds: set[tuple[int, int]]) -> np.ndarray:
    ends = np.array(sorted(bonds))
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])
