"""D of the ensemble under its own class of motion."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.motion import MotionResult, measure_motion
from lptem_tracker.analysis.motion_fit import fit_motion
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths, directed_paths, trapped_paths
from lptem_tracker.settings import MotionSettings

CALIBRATION, SETTINGS = Calibration(1.0, 1.0, 1e-4), MotionSettings(bootstrap=50)


def measure(paths: np.ndarray) -> MotionResult:
    return measure_motion(as_tracks(paths), CALIBRATION, SETTINGS)


def directed(rng: np.random.Generator, d: np.ndarray) -> np.ndarray:
    return np.concatenate([directed_paths(rng, 1, 80, float(value), 2.0, 0.05) for value in d])


def trapped(rng: np.random.Generator, d: np.ndarray) -> np.ndarray:
    return np.concatenate([trapped_paths(rng, 1, 120, float(value), 0.3, 0.02) for value in d])


@pytest.mark.parametrize(("motion", "make"), [("directed", directed), ("confined", trapped)])
def test_what_is_said_of_the_interval_is_true_of_the_class(motion: str, make) -> None:  # type: ignore[no-untyped-def]
    """Directed or trapped particles of unlike D are named and their interval is wider; of like ones neither is so."""
    rng = np.random.default_rng(3)
    alike, unlike = measure(make(rng, np.ones(8))), measure(make(rng, np.exp(np.linspace(-1.5, 1.5, 8))))
    for result, differ in ((alike, False), (unlike, True)):
        assert result.ensemble["motion"] == motion
        named = any(sentence.startswith("Particles differ") for sentence in result.warnings)
        d = result.estimates["D_nm2_s"]
        assert named == differ
        assert f"all {motion} tracks" in d.method
        assert d.ci_low < (1.0 if not differ else np.exp(np.linspace(-1.5, 1.5, 8)).mean()) < d.ci_high
        assert ("jackknife over 8 tracks" in result.methods) == ("jackknife over 8 tracks" in d.method)
    widths = [np.log(r.estimates["D_nm2_s"].ci_high / r.estimates["D_nm2_s"].ci_low) for r in (alike, unlike)]
    assert widths[1] > 2 * widths[0]


def test_brownian_particles_keep_the_pooled_fit() -> None:
    """Where the class is Brownian the ensemble's D is that of the one likelihood over all tracks."""
    tracks = build_trackset(as_tracks(brownian_paths(np.random.default_rng(4), 6, 60, 1.0, 0.1, 0.0)))
    fit = fit_motion(tracks, CALIBRATION, SETTINGS)
    assert fit is not None
    assert (fit.ensemble.value, fit.ensemble.low) == (fit.pooled.d, fit.pooled.low)
    assert fit.ensemble.n_points == 6 * 59


def test_both_axes_alone_know_that_particles_differ() -> None:
    """D along x of thirty particles of two kinds has an interval over tracks, as D of the plane has."""
    rng = np.random.default_rng(5)
    result = measure(np.concatenate([brownian_paths(rng, 15, 40, d, 0.1, 0.0) for d in (0.2, 3.0)]))
    for name in ("D_nm2_s", "D_x_nm2_s", "D_y_nm2_s"):
        d = result.estimates[name]
        assert "over 30 tracks" in d.method
        assert d.ci_high / d.ci_low > 1.5
