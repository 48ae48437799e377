"""Estimators that stand beside the likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.checks import cve, gls
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths


def test_covariance_estimator_by_hand() -> None:
    """Steps 1, -1, 2 in x: mean square 2, neighbours' product -1.5; y at rest halves both (Vestergaard, eq. 14)."""
    paths = np.zeros((1, 4, 2))
    paths[0, :, 0] = [0, 1, 0, 2]
    d, sigma2 = cve(build_trackset(as_tracks(paths)), 0.0)
    assert d == pytest.approx(1.0 / 2 - 0.75)
    assert sigma2 == pytest.approx(0.75)


def test_least_squares_has_the_slope() -> None:
    """The generalised least-squares slope of 200 noisy blurred tracks is within 5 % of D (three standard errors)."""
    tracks = build_trackset(as_tracks(brownian_paths(np.random.default_rng(0), 200, 50, 1.0, 1.0)))
    assert gls(tracks, 1.0, 1.0, 1 / 6) == pytest.approx(1.0, abs=0.065)


def test_too_few_steps_are_blank() -> None:
    """Two positions give no covariance and no slope."""
    tracks = build_trackset(as_tracks(np.random.default_rng(0).normal(size=(2, 2, 2))))
    assert np.isnan(cve(tracks, 0.0)).all()
    assert np.isnan(gls(tracks, 1.0, 0.0, 0.0))
