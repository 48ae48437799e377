"""Which particles hang together in each frame, replayed from the events of a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def row_clusters(tracks: pd.DataFrame, events: pd.DataFrame) -> NDArray[np.float64]:
    """Return the cluster of each row: the smallest number among the particles bound together, NaN for single ones.

    A bond lasts from an ``attach`` to the ``detach`` of the same two particles.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Columns `particle` and `frame`.
    events : pandas.DataFrame
        The events table.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    clusters = np.full(len(tracks), np.nan)
    changes = events[events["kind"].isin(["attach", "detach"]) & events["particle_b"].notna()].sort_values(
        "frame", kind="stable"
    )
    particle, frame = tracks["particle"].to_numpy(), tracks["frame"].to_numpy()
    bonds: set[frozenset[int]] = set()
    starts = np.append(changes["frame"].to_numpy(dtype=float), np.inf)
    for n, event in enumerate(changes.itertuples()):
        bond = frozenset((int(event.particle_a), int(event.particle_b)))
        bonds = bonds | {bond} if event.kind == "attach" else bonds - {bond}
        if starts[n + 1] == starts[n]:
            continue
        now = (frame >= starts[n]) & (frame < starts[n + 1])
        label = _components(bonds)
        clusters[now] = [label.get(int(p), np.nan) for p in particle[now]]
    return clusters


def _components(bonds: set[frozenset[int]]) -> dict[int, int]:
    """Return for each bound particle the smallest number in its component."""
    label: dict[int, int] = {}
    members: dict[int, set[int]] = {}
    for bond in bonds:
        joined = set(bond)
        for particle in bond:
            if particle in label:
                joined |= members.pop(label[particle], set())
        smallest = min(joined)
        members[smallest] = joined
        label |= dict.fromkeys(joined, smallest)
    return label
