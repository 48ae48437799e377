"""D of all tracks together."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.diffusion import Imaging, fit_pooled, imaging_of
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths

IMAGING = Imaging(1 / 6)


def test_three_drifting_tracks_are_covered() -> None:
    """With a fitted drift 93 to 97 % (and three standard errors of 300 trials) of the intervals hold the truth."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        paths = brownian_paths(rng, 3, 50, 1.0, 0.5) + np.arange(50)[None, :, None] * np.array([0.7, -0.4])
        fit = fit_pooled(build_trackset(as_tracks(paths)), IMAGING, drift=True)
        held += fit.low <= 1 <= fit.high
    assert 0.93 - 0.038 < held / 300 < 0.97 + 0.038


def test_particles_that_differ_widen_the_interval() -> None:
    """Thirty particles of two D are overdispersed, and the bootstrap interval is wider than the profile's."""
    rng = np.random.default_rng(1)
    paths = np.concatenate([brownian_paths(rng, 15, 50, d, 0.1) for d in (0.3, 3.0)])
    fit = fit_pooled(build_trackset(as_tracks(paths)), IMAGING)
    assert fit.overdispersion > 3
    assert fit.high - fit.low > fit.fit.high[0] - fit.fit.low[0]


def test_axes_are_fitted_alone() -> None:
    """Motion ten times as wide along x gives a hundredfold D there, and leaves y alone."""
    paths = brownian_paths(np.random.default_rng(2), 10, 50, 1.0, 0.1)
    both = [build_trackset(as_tracks(paths * s, apart=1e4)) for s in ([1, 1], [10, 1])]
    x = [fit_pooled(t, IMAGING, axes=(0,), bootstrap=0).d for t in both]
    y = [fit_pooled(t, IMAGING, axes=(1,), bootstrap=0).d for t in both]
    assert x[1] == pytest.approx(100 * x[0], rel=1e-5)
    assert y[1] == pytest.approx(y[0], rel=1e-9)


def test_unknown_exposure_leaves_the_blur_open() -> None:
    """A known exposure gives R = f/6; an unknown one a range of blur."""
    assert imaging_of(Calibration(1.0, 0.1, 0.05)) == Imaging(0.5 / 6)
    assert imaging_of(Calibration(1.0, 0.1)) == Imaging(0.0, -1 / 3)
