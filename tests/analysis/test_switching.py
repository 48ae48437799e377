"""Change points."""

from __future__ import annotations

import numpy as np

from lptem_tracker.analysis.switching import fit_two_states
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths

SIGMA2 = 0.01


def test_a_hundredfold_change_is_found_where_it_is() -> None:
    """Each of ten tracks has a change within 2 frames of the true one, and the D of both states within a factor 2."""
    rng = np.random.default_rng(0)
    d = np.where(np.arange(120) < 60, 0.05, 5.0)
    paths = np.cumsum(rng.normal(size=(10, 120, 2)) * np.sqrt(2 * d)[:, None], 1)
    paths += rng.normal(0, np.sqrt(SIGMA2), paths.shape)
    states = fit_two_states(build_trackset(as_tracks(paths)), np.full(10, 2.5), np.full(10, SIGMA2), 0.0)
    assert all(min(abs(point - 60) for point in points) <= 2 for points in states.change_points)
    assert (states.gain > 9).all()
    assert (np.abs(np.log(states.d / [0.05, 5.0])) < np.log(2)).all()


def test_free_diffusion_gains_nothing() -> None:
    """Two states gain less over one than the classification asks for, in all of twenty tracks."""
    paths = brownian_paths(np.random.default_rng(1), 20, 100, 1.0, SIGMA2, 0.0)
    states = fit_two_states(build_trackset(as_tracks(paths)), np.ones(20), np.full(20, SIGMA2), 0.0)
    assert (states.gain < 9).all()


def test_tracks_too_short_have_no_states() -> None:
    """Three positions give no gain and no change point."""
    paths = brownian_paths(np.random.default_rng(2), 2, 3, 1.0, SIGMA2, 0.0)
    states = fit_two_states(build_trackset(as_tracks(paths)), np.ones(2), np.full(2, SIGMA2), 0.0)
    assert states.gain.tolist() == [0.0, 0.0]
    assert states.change_points == [[], []]
