"""Quality figures of a movie, and the warnings they lead to."""

import json

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.detect import describe_quality
from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.tables import DETECTION_DTYPES, empty_table

TRAINED = {"trained_radius_px": [2.0, 60.0]}


def film(radius, contrast, noise, confidence=0.9, size=200):
    """Two frames with one disk in the middle, and its detections."""
    y, x = np.mgrid[:size, :size]
    field = np.where(np.hypot(x - 100, y - 100) < radius, 100.0 * (1 + contrast), 100.0)
    pixels = field + np.random.default_rng(0).normal(0, noise, (2, size, size))
    rows = [
        {"frame": f, "x": 100.0, "y": 100.0, "width": 2.0 * radius, "height": 2.0 * radius, "angle": 0.0, "class_id": 0,
         "area": np.pi * radius**2, "radius": float(radius), "confidence": confidence, "x_std": np.nan, "y_std": np.nan}
        for f in (0, 1)
    ]  # fmt: skip
    return ArrayMovie(pixels), pd.DataFrame(rows)


def test_signal_and_contrast_are_those_put_in():
    """A disk 30 % darker than its surroundings with noise of 10 % has contrast -0.3 and SNR 3, within 5 %."""
    quality = describe_quality(*film(20, -0.3, 10.0), TRAINED)
    assert quality["contrast"] == pytest.approx(-0.3, rel=0.05)
    assert quality["snr"] == pytest.approx(3.0, rel=0.05)
    assert quality["radius_px"] == [20.0, 20.0, 20.0]
    assert quality["warnings"] == []
    json.dumps(quality)


@pytest.mark.parametrize(("case", "word"), [
    ({"radius": 2, "contrast": -0.9, "noise": 5.0}, "small"),
    ({"radius": 75, "contrast": -0.3, "noise": 5.0}, "large"),
    ({"radius": 10, "contrast": -0.3, "noise": 5.0, "confidence": 0.3}, "confidence below"),
    ({"radius": 4, "contrast": -0.3, "noise": 60.0}, "weak"),
])  # fmt: skip
def test_each_departure_is_named(case, word):
    """Too small, too large, doubtful and too noisy films each get a sentence with a remedy."""
    warnings = describe_quality(*film(**case), TRAINED)["warnings"]
    assert any(word in sentence for sentence in warnings)


def test_no_particle_at_all():
    """A film without detections says so."""
    quality = describe_quality(ArrayMovie(np.zeros((3, 20, 20))), empty_table(DETECTION_DTYPES), TRAINED)
    assert quality["particles_per_frame"] == 0
    assert "No particle" in quality["warnings"][0]
