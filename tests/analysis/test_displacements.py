"""Distributions and correlations of steps."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.displacements import (
    displacements,
    step_shape,
    van_hove,
    velocity_autocorrelation,
    waits_and_hops,
)
from lptem_tracker.analysis.switching import TwoStates
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths


def test_displacements_span_exactly_the_lag() -> None:
    """With frame 2 missing, lag 1 has one pair and lag 2 has one."""
    paths = np.zeros((1, 4, 2))
    paths[0, :, 0] = [0, 1, 5, 7]
    tracks = build_trackset(as_tracks(paths).drop(index=2))
    assert displacements(tracks, 1)[0][:, 0].tolist() == [1.0]
    assert displacements(tracks, 2)[0][:, 0].tolist() == [6.0]


def test_a_gaussian_has_no_excess_and_a_density() -> None:
    """The non-Gaussian parameter of free diffusion is 0 within 4 standard errors and the density integrates to 1."""
    part = van_hove(build_trackset(as_tracks(brownian_paths(np.random.default_rng(0), 40, 60, 1.0, 0.2))))
    assert part is not None
    assert abs(part.non_gaussian) < 4 * part.non_gaussian_std
    assert (part.density * np.diff(part.edges)).sum() == pytest.approx(1.0)


def test_noise_alone_is_anticorrelated_by_half() -> None:
    """A particle that does not move has the correlation -1/2 at lag 1 and 0 beyond, within 4 standard errors."""
    tracks = build_trackset(as_tracks(np.random.default_rng(1).normal(size=(40, 60, 2))))
    way = velocity_autocorrelation(tracks, 0.0, 1.0, 0.0)
    assert way.pure_noise[1] == -0.5
    assert way.expected[1] == pytest.approx(-0.5)
    assert (np.abs(way.value - way.pure_noise)[1:] < 4 * way.std[1:]).all()


def test_shape_of_each_particles_steps() -> None:
    """Kurtosis 3 (1 + excess) and correlation by hand; two positions give blanks."""
    paths = np.zeros((1, 5, 2))
    paths[0, :, 0] = [0, 2, 1, 1, 3]  # steps 2, -1, 0, 2
    excess, correlation = step_shape(build_trackset(as_tracks(paths)))
    assert excess[0] == pytest.approx((33 / 8) / (3 * (9 / 8) ** 2) - 1)
    assert correlation[0] == pytest.approx((-2 / 3) / (9 / 4))
    assert np.isnan(step_shape(build_trackset(as_tracks(paths[:, :2])))).all()


def test_waits_lie_between_hops() -> None:
    """Hops at frames 2 and 6 are 3 and 4 px long, and the wait between them is 3 frames."""
    paths = np.zeros((1, 8, 2))
    paths[0, 2:, 0] = 3
    paths[0, 6:, 1] = 4
    fast = np.array([np.nan, 0, 1, 0, 0, 0, 1, 0])
    states = TwoStates(np.ones((1, 2)), np.ones((1, 2)), np.ones(1), [[]], fast)
    waits, hops = waits_and_hops(build_trackset(as_tracks(paths)), states, np.array([True]))
    assert waits.tolist() == [3]
    assert hops.tolist() == [3.0, 4.0]
