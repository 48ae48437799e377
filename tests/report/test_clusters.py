"""Which particles hang together, through contacts, losses and coalescence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import SettingsError
from lptem_tracker.report.clusters import row_clusters

FRAMES = np.arange(80)


def _disk(particle: int, x: np.ndarray, y: float, radius: np.ndarray | float = 6.0, frames: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(particle)
    table = pd.DataFrame({"particle": particle, "frame": FRAMES, "x": x, "y": y, "radius": radius, "observed": True})
    table[["x", "y"]] += rng.normal(0, 0.05, (80, 2))
    return table[:frames]


def _scene() -> pd.DataFrame:
    """0 meets 1 in frame 20 and takes it up in 40; 2 and 4 touch from the start, 3 joins them in frame 20."""
    arriving = 1.4 * np.clip(20 - FRAMES, 0, None)
    pieces = [
        _disk(0, np.where(FRAMES < 40, 50.0, 56.0), 50, np.where(FRAMES < 40, 6.0, 6.0 * 2 ** (1 / 3))),
        _disk(1, 62.0 + arriving, 50, frames=40),
        _disk(2, np.full(80, 150.0), 150),
        _disk(3, 162.0 + arriving, 150),
        _disk(4, np.full(80, 138.0), 150),
    ]
    return pd.concat(pieces, ignore_index=True)


def test_clusters_form_and_end_with_the_contacts() -> None:
    """Contacts of the first frame count, a chain is one cluster, and after a coalescence the one left is single."""
    tracks = _scene()
    cluster = tracks.assign(cluster=row_clusters(tracks)).set_index(["particle", "frame"])["cluster"]
    assert cluster[2, 5] == cluster[4, 5]
    assert np.isnan([cluster[0, 5], cluster[1, 5], cluster[3, 5]]).all()
    assert cluster[0, 30] == cluster[1, 30]
    assert cluster[2, 30] == cluster[3, 30] == cluster[4, 30] != cluster[0, 30]
    assert np.isnan(cluster[0, 60])
    assert cluster[2, 60] == cluster[3, 60] == cluster[4, 60]


def test_rows_keep_their_order() -> None:
    """The cluster of a row does not depend on the rows around it in the table."""
    tracks = _scene()
    mixed = tracks.sample(frac=1, random_state=1)
    assert row_clusters(mixed) == pytest.approx(row_clusters(tracks)[mixed.index], nan_ok=True)


def test_contacts_need_sizes() -> None:
    """Without radii the message says what to do instead; without rows there is nothing to do."""
    with pytest.raises(SettingsError, match="colour by speed"):
        row_clusters(_scene().drop(columns="radius"))
    assert len(row_clusters(_scene()[:0])) == 0
