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
