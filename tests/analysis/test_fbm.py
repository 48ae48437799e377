"""Fractional Brownian motion: covariance and likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import toeplitz

from lptem_tracker.analysis.fbm import cut_segments, stats, step_covariance, structure_function
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, fractional_paths


def test_brownian_limit() -> None:
    """At alpha 1 the structure function is n - f/3 (Berglund 2010), with the exposure f."""
    np.testing.assert_allclose(structure_function(np.arange(1.0, 6), 1.0, 0.6), np.arange(1.0, 6) - 0.2)


def test_short_exposures_join_smoothly() -> None:
    """The expansion for short exposures meets the exact expression."""
    lag = np.arange(1.0, 20)
    np.testing.assert_allclose(structure_function(lag, 0.6, 0.01999), structure_function(lag, 0.6, 0.02001), rtol=1e-3)


@pytest.mark.parametrize("gap", [False, True])
def test_likelihood_equals_the_dense_one(gap: bool) -> None:
    """Determinant and quadratic form equal those of positions with the full covariance, missing frames left out."""
    table = as_tracks(fractional_paths(np.random.default_rng(0), 1, 14, 0.6, 1.0, 0.3))
    table = table.drop(index=[3, 4, 9]) if gap else table
    row = step_covariance(0.6, 0.3, 13, 1.0)
    found = stats(cut_segments(build_trackset(table)), 1, row)[0]
    join = np.zeros((len(table) - 1, 13))
    for i, (a, b) in enumerate(zip(table["frame"], table["frame"][1:])):
        join[i, a:b] = 1
    cov, dx = join @ toeplitz(row) @ join.T, np.diff(table["x"])
    assert found[0] == pytest.approx(np.linalg.slogdet(cov)[1])
    assert found[1] == pytest.approx(dx @ np.linalg.solve(cov, dx))
