"""D of all tracks together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lptem_tracker.analysis import trackset
from lptem_tracker.analysis.diffusion import Imaging, Velocity, fit_pooled, fit_tracks, imaging_of, likelihood_ratio
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


def test_a_few_equal_particles_keep_their_coverage() -> None:
    """Of 200 ensembles of six equal particles 95 % are covered and 1 % taken for different (three errors each)."""
    rng, held, differ = np.random.default_rng(11), 0, 0
    for _ in range(200):
        fit = fit_pooled(build_trackset(as_tracks(brownian_paths(rng, 6, 40, 1.0, 0.3))), IMAGING)
        held += fit.low <= 1 <= fit.high
        differ += fit.differ
    assert 0.95 - 0.047 < held / 200 <= 1
    assert differ / 200 < 0.01 + 0.022


def test_a_few_particles_that_differ_are_covered() -> None:
    """Of 150 ensembles of eight particles whose D scatter by a factor of 2.7 the mean D is in most intervals.

    Of eight log-normal numbers (sigma = 1) Student's t with their skewness covers the mean in 94 % by simulation of
    the numbers alone; the profile, which knows of one D only, in about a quarter.
    """
    rng, held, narrow = np.random.default_rng(12), 0, 0
    for _ in range(150):
        paths = [brownian_paths(rng, 1, 60, d, 0.1) for d in np.exp(rng.normal(0, 1, 8))]
        fit = fit_pooled(build_trackset(as_tracks(np.concatenate(paths))), IMAGING)
        assert fit.differ
        held += fit.low <= np.exp(0.5) <= fit.high
        narrow += fit.fit.low[0] <= np.exp(0.5) <= fit.fit.high[0]
    assert held / 150 > 0.94 - 3 * np.sqrt(0.94 * 0.06 / 150)
    assert narrow / 150 < 0.5


def test_still_and_fast_particles_are_told_apart() -> None:
    """Six particles of D from 0.001 to 4 differ, and the interval holds their mean."""
    rng = np.random.default_rng(13)
    true = (0.001, 0.02, 1.0, 1.0, 4.0, 4.0)
    paths = np.concatenate([brownian_paths(rng, 1, 60, d, 0.1) for d in true])
    fit = fit_pooled(build_trackset(as_tracks(paths)), IMAGING, drift=True)
    assert fit.differ
    assert fit.overdispersion > 10
    assert fit.low < np.mean(true) < fit.high


def test_the_likelihood_ratio_is_that_of_bartlett() -> None:
    """Without localisation error and blur, 2 ΔL = Σ m log(D / D_i), D_i the mean square of a track's steps over 2."""
    paths = brownian_paths(np.random.default_rng(14), 4, 30, 1.0, 0.0)
    tracks, free = build_trackset(as_tracks(paths)), Imaging(0.0)
    fit = fit_pooled(tracks, free, bootstrap=0).fit
    still = replace(fit, rho=np.zeros(1), sigma2=np.zeros(1))
    d = (np.diff(paths, axis=1) ** 2).sum((1, 2)) / 58 / 2
    assert likelihood_ratio(tracks, free, still) == pytest.approx(58 * np.log(d.mean() / d).sum(), abs=0.05)


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


@pytest.mark.parametrize("own_velocity", [False, True])
def test_fits_do_not_depend_on_how_many_tracks_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch, own_velocity: bool
) -> None:
    """Blocks of 7 tracks give each its D, and all their D and its interval, as one block does."""
    tracks = build_trackset(as_tracks(brownian_paths(np.random.default_rng(5), 30, 25, 1.0, 0.3)))
    prior = Velocity(np.linspace(-0.1, 0.1, 60).reshape(30, 2), np.full((30, 2), 0.01))
    each, together = [], []
    for size in (7, 30):
        monkeypatch.setattr(trackset.TrackSet.blocks, "__defaults__", (size,))
        each.append(fit_tracks(tracks, IMAGING, velocity=prior))
        together.append(fit_pooled(tracks, IMAGING, drift=True, own_velocity=own_velocity, bootstrap=40))
    np.testing.assert_array_equal(each[0].d, each[1].d)
    np.testing.assert_array_equal(each[0].high, each[1].high)
    for name in ("d", "low", "high", "overdispersion"):
        assert getattr(together[0], name) == pytest.approx(getattr(together[1], name), rel=1e-9)
