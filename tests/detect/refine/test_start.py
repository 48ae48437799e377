"""What of a frame is no data."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lptem_tracker.detect.refine.noise import NoiseModel
from lptem_tracker.detect.refine.start import without_faults

NOISE = NoiseModel(0.0, 100.0, 1.0, np.empty((0, 3)), 100.0, 10)


def equal_windows(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mark all windows of one value, one by one."""
    out = np.zeros(image.shape, bool)
    for y in range(image.shape[0] - height + 1):
        for x in range(image.shape[1] - width + 1):
            window = image[y : y + height, x : x + width]
            if (window == window[0, 0]).all():
                out[y : y + height, x : x + width] = True
    return out


@pytest.mark.parametrize("seed", range(4))
def test_squares_and_lines_of_one_value_are_no_data(seed: int) -> None:
    """Marked are the pixels of every window of 6 x 6, 1 x 10 or 10 x 1 equal ones, and no others."""
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 10, (48, 60)).astype(np.float32)
    for height, width in ((5, 5), (7, 8), (6, 6), (5, 9), (1, 9), (1, 10), (9, 1), (10, 1), (1, 60), (25, 2), (12, 14)):
        y, x = rng.integers(0, 48 - height + 1), rng.integers(0, 60 - width + 1)
        image[y : y + height, x : x + width] = rng.uniform(90, 110)
    wanted = equal_windows(image, 6, 6) | equal_windows(image, 1, 10) | equal_windows(image, 10, 1)
    assert wanted.sum() > 200
    np.testing.assert_array_equal(np.isnan(without_faults(image, NOISE, 0.0)), wanted)


def test_flats_that_a_median_filter_makes_are_data() -> None:
    """A median filter of 5 x 5 makes flats of a twentieth of a picture; of it ninety-nine hundredths stay data."""
    image = cv2.medianBlur(np.random.default_rng(6).normal(100, 10, (200, 200)).astype(np.uint8), 5)
    assert equal_windows(image, 3, 3).mean() > 0.04
    deviation = NoiseModel(0.0, float(image.var()), 1.0, np.empty((0, 3)), 100.0, 10)
    assert np.isnan(without_faults(image.astype(np.float32), deviation, 1.0)).mean() < 0.01


@pytest.mark.parametrize(("value", "none"), [(60.0, False), (-200.0, True), (140.0, False), (400.0, True)])
def test_ends_of_a_scale_that_others_come_near_to_are_data(value: float, none: bool) -> None:
    """A patch of the value at which others are cut, too, is data; one far beyond all others is not."""
    image = np.random.default_rng(5).normal(100, 20, (60, 60)).clip(60, 140).astype(np.float32)
    image[20:30, 20:30] = value
    assert np.isnan(without_faults(image, NOISE, 0.0)[20:30, 20:30]).all() == none
    assert np.isnan(without_faults(image, NOISE, 0.0)).any() == none
