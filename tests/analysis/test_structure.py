"""g(r), bond order, lattice sites, rods, clusters: against exact patterns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis import radial
from lptem_tracker.analysis.bodies import bodies_from_tracks
from lptem_tracker.analysis.order import bond_order, lattice_sites, nematic_order
from lptem_tracker.analysis.potential import _peak, potential_well
from lptem_tracker.analysis.radial import PairCorrelation, pair_correlation
from lptem_tracker.tables import validate_tracks


def bodies_at(xy: np.ndarray, field: tuple[float, float] | None, **columns):
    """Positions (frames, particles, 2)."""
    frames, n = xy.shape[:2]
    table = pd.DataFrame({"particle": np.tile(np.arange(n), frames), "frame": np.repeat(np.arange(frames), n)})
    table["x"], table["y"] = xy[..., 0].ravel(), xy[..., 1].ravel()
    return bodies_from_tracks(validate_tracks(table.assign(**columns)), field_px=field)


def test_g_of_random_points_is_one_up_to_the_edge():
    """In a 300 × 150 px field, where no correction would read far too low; z of all bins has width 1."""
    rng = np.random.default_rng(0)
    bodies = bodies_at(rng.uniform(0, 1, (150, 60, 2)) * (300, 150) - 0.5, (300, 150), radius=3.0)
    found = pair_correlation(bodies, np.arange(len(bodies.x)))
    assert found is not None
    far = found.r > 0.7 * found.r[-1]
    assert found.g[far].mean() == pytest.approx(1, abs=4 / np.sqrt(found.pairs[far].sum()))
    z = (found.g - 1) / found.g_std
    assert 0.8 < np.sqrt(np.mean(z[found.pairs > 20] ** 2)) < 1.25


@pytest.mark.parametrize("corner", [0.0, 50.0, 4000.0])
def test_g_does_not_depend_on_where_positions_count_from(corner):
    """A field that is not known begins at 0, or where the positions do if they lie farther off than they reach."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 300, (60, 60, 2)) + corner
    found = pair_correlation(bodies_at(xy, None, radius=3.0), np.arange(xy[..., 0].size))
    assert found is not None
    reach = 300 + (corner if corner < 300 else 0)
    assert found.g[found.r > 30].mean() == pytest.approx((reach / 300) ** 2, rel=0.1)


def test_pairs_that_stand_still_count_once():
    """Eighty points at rest for 50 frames know g(r) as well as one frame does: n pairs, an error of 1/sqrt(n).

    Weights for the edges and the sum over all pairs, which is fixed, move that by some per cent.
    """
    rng = np.random.default_rng(2)
    bodies = bodies_at(np.tile(rng.uniform(0, 500, (1, 80, 2)), (50, 1, 1)), (500, 500), radius=3.0)
    found = pair_correlation(bodies, np.arange(len(bodies.x)))
    assert found is not None
    some = found.pairs >= 150
    assert some.sum() > 20
    ratio = found.g_std[some] / found.g[some] * np.sqrt(found.pairs[some] / 50)
    assert ratio == pytest.approx(np.ones(some.sum()), abs=0.1)


def test_particles_at_rest_have_no_pair_potential():
    """Points strewn at random that only jitter show no well, however many frames repeat their chance neighbours."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        xy = rng.uniform(0, 512, (60, 2)) + rng.normal(0, 0.3, (100, 60, 2))
        bodies = bodies_at(xy, (512, 512), radius=5.0)
        rows = np.arange(len(bodies.x))
        found = pair_correlation(bodies, rows)
        assert found is not None
        assert potential_well(bodies, rows, found) is None


def test_well_is_read_without_the_bias_of_the_highest_bin():
    """A parabolic well of 2 kT with noisy bins: depth within 3 %, place within 0.2 px."""
    rng = np.random.default_rng(0)
    r = np.arange(0.25, 60, 0.5)
    true = 2 - 0.1 * (r - 20) ** 2
    expected = 300 * np.exp(np.maximum(true, -4) - 2)
    pairs = rng.poisson(expected)
    g = np.where(r < 13, 0, np.maximum(np.exp(np.where(np.abs(r - 20) < 6, true, 0)), 0)) * pairs / expected
    found = PairCorrelation(r, g, g / np.sqrt(np.maximum(pairs, 1)), np.where(g > 0, pairs, 0), 1e-4, 10)
    depth, place, _ = _peak(found, np.log(np.maximum(g, 1e-9)))
    assert depth == pytest.approx(2, rel=0.05)
    assert place == pytest.approx(20, abs=0.3)


def lattice(fold: int, n: int = 12, a: float = 20.0) -> np.ndarray:
    i, j = (v.ravel() for v in np.meshgrid(np.arange(n), np.arange(n)))
    return np.column_stack([i + 0.5 * (j % 2), j * np.sqrt(3) / 2] if fold == 6 else [i, j]) * a + 40


@pytest.mark.parametrize("fold", [4, 6])
def test_bond_order_of_a_perfect_crystal_is_one_inside(fold):
    """ψ of the interior is 1 although the patch has free edges."""
    found = bond_order(lattice(fold))
    assert found is not None
    psi, inside = (found.psi6, found.interior) if fold == 6 else (found.psi4, found.interior4)
    assert psi[inside] == pytest.approx(np.ones(inside.sum()))
    assert inside.sum() == 100


def test_bond_order_of_jittered_crystal_matches_its_own_neighbours():
    """5 % of jitter: within 1 % of ψ6 over each site's six true neighbours."""
    rng = np.random.default_rng(1)
    base = lattice(6, 20)
    d = np.hypot(*(base[:, None] - base[None]).transpose(2, 0, 1))
    near = (d > 0) & (d < 24)
    inner = near.sum(1) == 6
    xy = base + rng.normal(0, 1.0, base.shape)
    way = xy[None] - xy[:, None]
    truth = np.abs(np.where(near, np.exp(6j * np.arctan2(way[..., 1], way[..., 0])), 0).sum(1) / 6)[inner].mean()
    found = bond_order(xy)
    assert found.psi6[found.interior].mean() == pytest.approx(truth, rel=0.01)


def test_bond_order_of_random_points_is_low():
    """Random points are no crystal."""
    found = bond_order(np.random.default_rng(0).uniform(0, 500, (400, 2)))
    assert found.psi6[found.interior].mean() < 0.6


@pytest.mark.parametrize("xy", [np.zeros((20, 2)), np.column_stack([np.arange(20.0), np.zeros(20)]), np.zeros((3, 2))])
def test_degenerate_points_have_no_bond_order(xy):
    """All on one spot, all on a line, too few: None."""
    assert bond_order(xy) is None


def test_rms_about_the_site_is_free_of_drift():
    """Jitter of 0.8 px per axis about the sites, under a drift of 30 px: rms 0.8 √2 px within 2 %."""
    rng = np.random.default_rng(0)
    base = lattice(6)
    xy = base[None] + rng.normal(0, 0.8, (150, *base.shape)) + np.linspace(0, 30, 150)[:, None, None]
    bodies = bodies_at(xy, (400, 400), radius=8.0)
    sites = lattice_sites(bodies, np.arange(len(bodies.x)))
    assert sites["rms_px"] == pytest.approx(0.8 * np.sqrt(2), rel=0.02)


def test_nematic_order_of_random_rods_is_zero_and_of_parallel_rods_one():
    """Finite numbers are corrected for: 5 random rods a frame give nearly 0, not 0.4."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 400, (400, 5, 2))
    shape = {"width": 40.0, "height": 10.0, "radius": 11.0}
    rows = [np.arange(k, k + 5) for k in range(0, 2000, 5)]

    def order(angle):
        bodies = bodies_at(xy, (400, 400), angle=angle, **shape)
        by_frame = np.argsort(bodies.frame, kind="stable")
        return nematic_order(bodies, [by_frame[part] for part in rows])

    assert order(rng.uniform(-np.pi / 2, np.pi / 2, 2000)) < 0.15
    assert order(np.full(2000, 0.3)) == pytest.approx(1)


@pytest.mark.parametrize("n", [12, 60])
def test_pairs_in_blocks_are_those_of_each_frame_alone(n):
    """Few particles (all pairs made at once) and many (a tree a frame): counts and weights are those of plain loops."""
    rng = np.random.default_rng(5)
    xy = rng.uniform(0, 100, (30, n, 2))
    bodies = bodies_at(xy, (100, 100), radius=3.0)
    found = pair_correlation(bodies, np.arange(len(bodies.x)))
    assert found is not None
    edges = np.arange(len(found.g) + 1) * found.dr
    one, other = np.triu_indices(n, 1)
    apart = np.abs(xy[:, one] - xy[:, other]).reshape(-1, 2)
    distance = np.hypot(*apart.T)
    counts = np.histogram(distance, edges)[0]
    assert found.pairs.tolist() == counts.tolist()
    weights = np.histogram(distance, edges, weights=1 / (100 - apart).prod(1))[0]
    norm = 30 * n * (n - 1) / 2 / 100**4
    assert found.g == pytest.approx(weights / (norm * np.pi * np.diff(edges**2)), rel=1e-9)


def test_a_sample_of_pairs_gives_the_error_of_all(monkeypatch):
    """With room for a tenth of the sums g stays as it is, and its error is kept in the mean over bins within 10 %."""
    rng = np.random.default_rng(6)
    xy = np.mod(rng.uniform(0, 200, (1, 60, 2)) + np.cumsum(rng.normal(0, 1, (150, 60, 2)), axis=0), 200)
    bodies = bodies_at(xy, (200, 200), radius=3.0)
    whole = pair_correlation(bodies, np.arange(len(bodies.x)))
    monkeypatch.setattr(radial, "_MOST_SUMS", 10_000)
    part = pair_correlation(bodies, np.arange(len(bodies.x)))
    assert whole is not None
    assert part is not None
    assert part.g == pytest.approx(whole.g, rel=1e-12)
    ratio = part.g_std / whole.g_std
    assert ratio.std() > 0
    assert ratio.mean() == pytest.approx(1, abs=0.1)
