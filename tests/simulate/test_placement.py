"""Where particles are put."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from lptem_tracker.simulate.placement import lattice, scatter


def gaps(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return the surface gap of every pair nearer than the largest contact distance and a bit."""
    pairs = cKDTree(points).query_pairs(2.2 * radius.max(), output_type="ndarray")
    i, j = pairs.T
    return np.hypot(*(points[i] - points[j]).T) - radius[i] - radius[j]


@pytest.mark.parametrize("clustering", [0.0, 0.9])
def test_hard_spheres_do_not_overlap(clustering: float) -> None:
    """Particles with a hard core never overlap, scattered or clustered, whatever their sizes."""
    radius = np.random.default_rng(0).uniform(2, 12, 400)
    points = scatter(np.random.default_rng(1), radius, (512, 512), core=1.0, clustering=clustering)
    found = np.isfinite(points[:, 0])
    assert found.mean() > 0.5
    assert gaps(points[found], radius[found]).min() > -1e-3


def test_clusters_touch() -> None:
    """With clustering most particles have a neighbour within the gap asked for."""
    radius = np.full(100, 6.0)
    points = scatter(np.random.default_rng(2), radius, (512, 512), clustering=1.0, gap_px=0.5)
    points = points[np.isfinite(points[:, 0])]
    nearest = cKDTree(points).query(points, 2)[0][:, 1]
    assert (nearest <= 12.5).mean() > 0.95


def test_only_allowed_places_are_used() -> None:
    """Centres fall where the mask allows them."""
    allowed = np.zeros((200, 200), np.uint8)
    allowed[:, 120:] = 1
    points = scatter(np.random.default_rng(3), np.full(50, 3.0), (200, 200), allowed=allowed, margin=0.0)
    assert np.nanmin(points[:, 0]) >= 119.5


@pytest.mark.parametrize(("square", "neighbours"), [(False, 6), (True, 4)])
def test_lattices_have_their_spacing(square: bool, neighbours: int) -> None:
    """Inner sites of a perfect crystal have six or four neighbours at the spacing and none nearer."""
    points = lattice(np.random.default_rng(4), (300, 300), 15.0, square=square, jitter=0.0)
    inner = points[(np.abs(points - 150) < 100).all(axis=1)]
    distance = cKDTree(points).query(inner, neighbours + 1)[0][:, 1:]
    assert distance == pytest.approx(15.0, rel=1e-9)
