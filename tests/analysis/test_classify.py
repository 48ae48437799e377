"""Which way particles move; tracks of one kind in each film."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.motion_fit import fit_motion
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import (
    as_tracks,
    brownian_paths,
    directed_paths,
    fractional_paths,
    pinned_paths,
    switching_paths,
)
from lptem_tracker.settings import MotionSettings

SHARP = Calibration(1.0, 1.0, 1e-4)
N = 20


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("brownian", lambda rng: brownian_paths(rng, N, 100, 1.0, 1.0, 0.0)),
        ("immobile", lambda rng: rng.normal(0, 0.3, (N, 100, 2))),
        ("directed", lambda rng: directed_paths(rng, N, 100, 1.0, 1.4, 0.1)),
        ("subdiffusive", lambda rng: fractional_paths(rng, N, 100, 0.5, 1.0, 0.1, 0.0)),
        ("superdiffusive", lambda rng: fractional_paths(rng, N, 100, 1.5, 1.0, 0.1, 0.0)),
        ("ctrw", lambda rng: pinned_paths(rng, N, 100, 2.0, 0.05)),
        ("switching", lambda rng: switching_paths(rng, N, 100, (0.1, 2.0), 0.05, 0.02)),
    ],
)
def test_a_film_of_one_kind(name: str, make) -> None:  # type: ignore[no-untyped-def]
    """At least 17 of 20 are called what they are (2 % by chance at the asked 95 %), and each weighs one in all."""
    fit = fit_motion(build_trackset(as_tracks(make(np.random.default_rng(77)))), SHARP, MotionSettings(bootstrap=0))
    assert fit is not None
    assert fit.shapes is not None
    assert fit.shapes.classes.motion.count(name) >= 17
    np.testing.assert_allclose(fit.shapes.classes.weight.sum(1), 1.0)


def test_ten_points_cannot_tell() -> None:
    """Tracks of 12 positions are `unknown` whatever they do."""
    paths = fractional_paths(np.random.default_rng(1), 5, 12, 0.5, 1.0, 0.1, 0.0)
    fit = fit_motion(build_trackset(as_tracks(paths)), SHARP, MotionSettings(bootstrap=0))
    assert fit is not None
    assert fit.shapes is not None
    assert set(fit.shapes.classes.motion) == {"unknown"}
