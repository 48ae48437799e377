"""The anomalous exponent with localisation error."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.anomalous import fbm_family, fit_alpha
from lptem_tracker.analysis.diffusion import Imaging
from lptem_tracker.analysis.shared_noise import shared_noise
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, fractional_paths


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_alpha_is_right_with_noise(alpha: float) -> None:
    """Pooled alpha is within 4 standard errors, and at least 18 of 22 intervals hold the truth (0.1 % by chance)."""
    paths = fractional_paths(np.random.default_rng(3), 22, 80, alpha, 1.0, 0.5)
    family = fbm_family(build_trackset(as_tracks(paths)), Imaging(1 / 6), None, np.ones(22))
    noise = shared_noise([family], float((np.diff(paths, axis=1) ** 2).mean()))
    found = fit_alpha(family, noise, bootstrap=100)
    value, low, high, std = found.pooled
    assert abs(value - alpha) < 4 * std
    assert low < value < high
    assert ((found.low <= alpha) & (found.high >= alpha)).sum() >= 18
    assert noise.best == pytest.approx(0.5, rel=0.5)


def test_few_tracks_that_differ_widen_the_pooled_interval() -> None:
    """Two subdiffusing tracks among three free ones: the pooled interval is as wide as they differ."""
    rng = np.random.default_rng(5)
    free, slow = fractional_paths(rng, 3, 300, 1.0, 1.0, 0.1), fractional_paths(rng, 2, 300, 0.4, 1.0, 0.1)
    paths = np.concatenate([free, slow])
    family = fbm_family(build_trackset(as_tracks(paths)), Imaging(1 / 6), None, np.ones(5))
    found = fit_alpha(family, shared_noise([family], float((np.diff(paths, axis=1) ** 2).mean())), one_scale=False)
    assert found.pooled_method == "jackknife over 5 tracks"
    value, low, high, std = found.pooled
    # five equal tracks would give the mean of their errors over √5
    assert std > 2 * found.std.mean() / np.sqrt(5)
    assert 0 < low < 0.75
    assert 1.0 < high < 2
    assert low < value < high
