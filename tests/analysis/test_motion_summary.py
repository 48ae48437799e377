"""Pooled numbers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.diffusion import Imaging, fit_pooled
from lptem_tracker.analysis.motion import MotionResult, measure_motion
from lptem_tracker.analysis.motion_summary import _spread
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import CalibrationError
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths, trapped_paths
from lptem_tracker.settings import MotionSettings

CALIBRATION = Calibration(2.0, 0.1, 0.1)
SETTINGS = MotionSettings(bootstrap=0, min_points=1000, temperature_k=300.0, viscosity_pa_s=1e-3)


def measure(paths: np.ndarray, calibration: Calibration = CALIBRATION) -> MotionResult:
    return measure_motion(as_tracks(paths), calibration, SETTINGS)


def test_anisotropy_has_an_interval() -> None:
    """Steps twice as wide along x are four times D there, within the interval of six tracks."""
    paths = brownian_paths(np.random.default_rng(0), 6, 60, 1.0, 0.1) * [2.0, 1.0]
    found = measure(paths).ensemble["anisotropy"]
    low, high = found["ci95"]
    assert low < 4 < high
    assert low < found["D_x_over_D_y"] < high


def test_radius_and_its_reservation() -> None:
    """The hydrodynamic radius is kT/(6 pi eta D), and a warning says that it is apparent."""
    result = measure(brownian_paths(np.random.default_rng(1), 4, 60, 1.0, 0.1))
    by_hand = 1.380649e-23 * 300 / (6 * np.pi * 1e-3 * result.ensemble["D_nm2_s"] * 1e-18) * 1e9
    assert result.ensemble["hydrodynamic_radius_nm"] == pytest.approx(by_hand, rel=2e-5)
    assert any("apparent" in sentence for sentence in result.warnings)


def test_radius_needs_a_scale() -> None:
    """Without a calibration there is no radius, and a warning names the options."""
    result = measure(brownian_paths(np.random.default_rng(2), 4, 60, 1.0, 0.1), Calibration())
    assert "hydrodynamic_radius_nm" not in result.ensemble
    assert any("--pixel-size-nm" in sentence and "radius" in sentence for sentence in result.warnings)


def test_an_exposure_longer_than_the_interval_is_refused() -> None:
    """It is one clear error that names both options."""
    with pytest.raises(CalibrationError, match="--exposure-s"):
        Calibration(2.0, 0.1, 0.2)


def straight(n: int) -> np.ndarray:
    return np.outer(np.arange(n), [1.0, 0.5])[None]


@pytest.mark.parametrize(
    "paths",
    [
        straight(20),
        np.concatenate([straight(20)] * 3),
        np.concatenate([np.zeros((1, 19, 2)), np.full((1, 1, 2), 1e-9)], 1),
        np.where(np.random.default_rng(3).random((4, 25, 1)) < 0.5, 0.0, 1.0) * np.ones(2),
        np.cumsum(np.random.default_rng(4).normal(0, 1e-6, (2, 3, 2)), 1) + 1e7,
        np.random.default_rng(5).normal(size=(1, 4, 2)) * [1.0, 0.0],
    ],
    ids=["one line", "three lines", "one jump", "two places", "three points", "flat"],
)
def test_degenerate_tracks_give_numbers_or_blanks(paths: np.ndarray) -> None:
    """No error, no warning of the numerics, and JSON without NaN, also with errors stated for each position."""
    tracks = as_tracks(paths).assign(observed=True)
    stated = tracks.assign(x_std=np.random.default_rng(6).uniform(0.01, 1, len(tracks)), y_std=0.3)
    for table in (tracks, stated):
        result = measure_motion(table, Calibration(2.0, 0.1), MotionSettings(bootstrap=20))
        json.dumps(result.ensemble, allow_nan=False)
        assert isinstance(result.msd, pd.DataFrame)
        assert len(result.particles) == len(paths)


def test_long_lists_are_thinned_without_losing_their_tail() -> None:
    """Of 5,000 waits every third is kept, in order: the median and the long ones stay; short lists stay whole."""
    waits = np.random.default_rng(2).permutation(5000)
    kept = _spread(waits)
    assert kept.tolist() == list(range(0, 5000, 3))
    assert _spread(np.array([3, 1, 2])).tolist() == [1, 2, 3]


def test_a_localisation_error_of_0_has_an_upper_bound() -> None:
    """Where the truth is 0 the interval begins there and ends at a bound; where it is 4 nm it is about that."""
    for seed, true in ((5, 0.0), (6, 0.0), (7, 0.0), (8, 4.0)):
        result = measure(brownian_paths(np.random.default_rng(seed), 6, 60, 1.0, true))
        low, high = result.ensemble["localization_ci95"]
        assert low <= result.ensemble["localization_nm"] <= high
        assert (low == 0) == (true == 0)
        assert 0.2 < high < 2 if true == 0 else 3 < low < 4 < high < 5
        assert result.ensemble["estimates"]["localization_nm"]["ci"] == [low, high]


def test_the_interval_of_the_localisation_error_holds_the_truth() -> None:
    """Of 100 movies of six particles with an error of one step, 90 to 99 hold it within 95 % (binomial: 95 +- 2.2)."""
    held = 0
    for seed in range(100):
        paths = brownian_paths(np.random.default_rng(seed), 6, 40, 1.0, 1.0)
        low, high = fit_pooled(build_trackset(as_tracks(paths)), Imaging(1 / 6), bootstrap=0).sigma2_ends
        held += low <= 1.0 <= high
    assert 89 <= held <= 100


def test_particles_in_traps_have_an_interval_of_the_error_too() -> None:
    """The error that trapped particles share, 0.5 px, lies in its interval, which is that of the traps' own model."""
    tracks = as_tracks(trapped_paths(np.random.default_rng(3), 10, 150, 0.5, 0.2, 0.25))
    ensemble = measure_motion(tracks, Calibration(1.0, 1.0, 0.001), MotionSettings(bootstrap=0)).ensemble
    assert ensemble["motion"] == "confined"
    low, high = ensemble["localization_ci95"]
    assert low < 0.5 < high
    assert low <= ensemble["localization_nm"] <= high


def test_no_number_has_more_digits_than_intervals_support() -> None:
    """Every number in the summary has six significant digits or fewer; the estimates as objects keep all of theirs."""
    result = measure(brownian_paths(np.random.default_rng(9), 4, 60, 1.0, 0.1))

    def numbers(value: object) -> list[float]:
        if isinstance(value, dict | list):
            return [n for part in (value.values() if isinstance(value, dict) else value) for n in numbers(part)]
        return [value] if isinstance(value, float) else []

    found = numbers(result.ensemble)
    assert len(found) > 100
    assert all(float(f"{n:.6g}") == n for n in found)
    exact = result.estimates["D_nm2_s"].value
    assert result.ensemble["D_nm2_s"] != exact
    assert result.ensemble["D_nm2_s"] == pytest.approx(exact, rel=5e-6)


def test_the_level_of_the_intervals_is_told() -> None:
    """At 0.8 the interval of D is narrower than at 0.95 by the ratio of normal quantiles, and the summary says 0.8."""
    tracks, width = as_tracks(brownian_paths(np.random.default_rng(9), 6, 60, 1.0, 0.5)), []
    for level in (0.95, 0.8):
        settings = MotionSettings(bootstrap=0, min_points=1000, confidence_level=level)
        ensemble = measure_motion(tracks, CALIBRATION, settings).ensemble
        assert ensemble["confidence_level"] == level
        width.append(np.log(ensemble["D_ci95"][1] / ensemble["D_ci95"][0]))
    assert width[1] / width[0] == pytest.approx(1.2816 / 1.96, rel=0.05)
