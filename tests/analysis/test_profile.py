"""Estimates and intervals from the profile likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.diffusion import Imaging, fit_tracks
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.diffusion import bound_of_d, score
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths

N = 1500


@pytest.mark.parametrize("x", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("frac", [1.0, 0.75], ids=["complete", "gaps"])
def test_d_is_unbiased_where_the_localisation_error_vanishes(x: float, frac: float) -> None:
    """Bias is at most 2 % (and three standard errors of 1,500 tracks); intervals hold 93 to 97 % (and three)."""
    tracks = as_tracks(brownian_paths(np.random.default_rng(int(10 * x)), N, 50, 1.0, x))
    fit = fit_tracks(build_trackset(tracks.sample(frac=frac, random_state=0)), Imaging(1 / 6))
    found = score(fit.d, fit.low, fit.high, 1.0, bound_of_d(1.0, x, 50, 1 / 6))
    assert abs(found.bias) < 0.02 + 3 * found.bias_std
    assert 0.93 - 3 * found.coverage_std < found.coverage < 0.97 + 3 * found.coverage_std
    assert frac < 1 or found.rmse_over_bound < 1.05 * (1 + 3 / np.sqrt(2 * N))


def test_scaling_lengths_scales_d() -> None:
    """Positions ten times as large give D and its interval a hundred times as large."""
    paths = brownian_paths(np.random.default_rng(5), 3, 30, 1.0, 0.3)
    one, ten = (fit_tracks(build_trackset(as_tracks(paths * s)), Imaging(1 / 6)) for s in (1, 10))
    for a, b in ((one.d, ten.d), (one.low, ten.low), (one.high, ten.high)):
        np.testing.assert_allclose(100 * a, b, rtol=1e-6)


def test_an_unknown_exposure_covers_every_blur() -> None:
    """Without an exposure D of blurred and of sharp tracks is within 4 standard errors of the truth."""
    for exposure in (0.0, 1.0):
        paths = brownian_paths(np.random.default_rng(6), 400, 50, 1.0, 0.2, exposure)
        fit = fit_tracks(build_trackset(as_tracks(paths)), Imaging(0.0, -1 / 3))
        assert abs(fit.d.mean() - 1) < 4 * fit.d.std() / 20 + 0.02
