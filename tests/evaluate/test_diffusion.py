"""Scores of estimates, and paths of known motion."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.evaluate.diffusion import bound_of_d, score
from lptem_tracker.evaluate.known_paths import (
    as_tracks,
    brownian_paths,
    directed_paths,
    fractional_paths,
    pinned_paths,
    switching_paths,
    trapped_paths,
)

N = 4000


def test_scores_by_hand() -> None:
    """Errors of -10 and +30 % with one interval that holds: bias 10 %, RMSE 22 %, coverage a half; NaN is left out."""
    nan = np.nan
    found = score(np.array([1.8, 2.6, nan]), np.array([1.0, 2.1, nan]), np.array([3.0, 3.0, nan]), 2.0, 0.4)
    assert found.n == 2
    assert found.bias == pytest.approx(0.1)
    assert found.rmse == pytest.approx(np.sqrt(0.05))
    assert found.rmse_over_bound == pytest.approx(np.sqrt(0.05) / 0.2)
    assert found.coverage == 0.5


def test_bound_shrinks_with_tracks() -> None:
    """Four tracks have half the bound of one."""
    assert bound_of_d(1.0, 0.5, 50, 0.1, 4) == pytest.approx(bound_of_d(1.0, 0.5, 50, 0.1) / 2)


def test_brownian_steps_have_their_covariance() -> None:
    """Variance 2D(1 - 2R) + 2σ² and neighbours' covariance 2RD - σ² (Berglund 2010), within 4 standard errors."""
    step = np.diff(brownian_paths(np.random.default_rng(0), N, 3, 1.0, 0.5, 0.6), axis=1)
    assert (step**2).mean() == pytest.approx(2 * 0.8 + 1.0, rel=4 * np.sqrt(2 / (4 * N)))
    assert (step[:, 0] * step[:, 1]).mean() == pytest.approx(0.2 - 0.5, abs=4 * 2.7 / np.sqrt(2 * N))


def test_fractional_motion_has_its_exponent() -> None:
    """The MSD over 8 frames is 8^alpha times that of one, within 4 standard errors, without noise and blur."""
    paths = fractional_paths(np.random.default_rng(1), N, 9, 0.6, 1.0, 1e-9, 0.0)
    one, eight = ((paths[:, k] - paths[:, 0]) ** 2 for k in (1, 8))
    assert eight.mean() / one.mean() == pytest.approx(8**0.6, rel=4 * np.sqrt(2 / N))


def test_traps_and_speeds() -> None:
    """A trap of D 1 and rate 0.25 has the variance 4 per axis; a speed of 2 moves 20 px in 10 frames."""
    assert trapped_paths(np.random.default_rng(2), N, 1, 1.0, 0.25, 0.0).var() == pytest.approx(4, rel=0.07)
    far = directed_paths(np.random.default_rng(3), 50, 11, 1e-9, 2.0, 1e-12)
    np.testing.assert_allclose(np.hypot(*(far[:, -1] - far[:, 0]).T), 20, atol=1e-2)


def test_pinned_walkers_stay_between_hops() -> None:
    """Without noise a pinned walker is at rest in most frames; a switching one never."""
    still = np.diff(pinned_paths(np.random.default_rng(4), 50, 200, 1.0, 0.0), axis=1) == 0
    assert still.mean() > 0.7
    moving = np.diff(switching_paths(np.random.default_rng(5), 50, 200, (0.1, 1.0), 0.1, 0.0), axis=1)
    assert (moving != 0).all()


def test_a_table_of_paths() -> None:
    """Particles stand apart on a lattice, frames count from 0."""
    table = as_tracks(np.zeros((3, 2, 2)), apart=10.0)
    assert table.columns.tolist() == ["particle", "frame", "x", "y"]
    assert table["x"].tolist() == [0, 0, 10, 10, 0, 0]
    assert table["y"].tolist() == [0, 0, 0, 0, 10, 10]
