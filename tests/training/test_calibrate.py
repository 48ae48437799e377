"""Calibration: the rising curve."""

import numpy as np
import pytest

from lptem_tracker.training.calibrate import isotonic


def test_curve_rises_and_tells_the_share():
    """Scores whose square is the true share give a rising curve that follows it within four counting errors."""
    rng = np.random.default_rng(1)
    score = rng.random(24_000)
    knots, share = isotonic(score, rng.random(len(score)) < score**2)
    assert np.all(np.diff(share) >= 0)
    assert np.interp([0.2, 0.5, 0.8], knots, share) == pytest.approx([0.04, 0.25, 0.64], abs=4 * 0.5 / np.sqrt(1000))
