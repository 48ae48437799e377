"""Calibration: the regression and the rising curve."""

import numpy as np
import pytest

from lptem_tracker.detect.context import judged
from lptem_tracker.training.calibrate import fit_context, isotonic


def test_regression_finds_the_weights_that_made_the_labels():
    """Labels drawn from a known logistic law of standard normal features give its weights back within four errors."""
    rng = np.random.default_rng(0)
    value = rng.standard_normal((20_000, 5))
    truth = np.array([1.5, 0.0, -0.5, 0.7, 0.2])
    correct = rng.random(len(value)) < 1 / (1 + np.exp(-(value @ truth - 0.4)))
    rule = fit_context(value, correct)
    # the information per sample of a logistic law of this spread is above 0.1
    error = 4 / np.sqrt(0.1 * len(value))
    assert np.array(rule["weight"]) / np.array(rule["scale"]) == pytest.approx(truth, abs=error)
    probability = judged(value, rule)
    assert probability.mean() == pytest.approx(correct.mean(), abs=1e-3)


def test_curve_rises_and_tells_the_share():
    """Scores whose square is the true share give a rising curve that follows it within four counting errors."""
    rng = np.random.default_rng(1)
    score = rng.random(24_000)
    knots, share = isotonic(score, rng.random(len(score)) < score**2)
    assert np.all(np.diff(share) >= 0)
    assert np.interp([0.2, 0.5, 0.8], knots, share) == pytest.approx([0.04, 0.25, 0.64], abs=4 * 0.5 / np.sqrt(1000))
