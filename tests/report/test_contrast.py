"""Display limits: robust, steady, and the same for any depth."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.report.contrast import Contrast, estimate_contrast


def test_limits_are_linear_between_the_sampled_frames() -> None:
    """Half-way between two samples the limits are half-way."""
    contrast = Contrast(np.array([0.0, 10.0]), np.array([0.0, 20.0]), np.array([100.0, 200.0]))
    assert contrast.limits(5) == (10.0, 150.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_every_depth_maps_to_the_same_greys(dtype: str) -> None:
    """Black, middle and white come out alike whatever the depth of the file."""
    pixels = np.array([[10, 60, 110]], dtype=dtype)
    grey = Contrast(np.zeros(1), np.array([10.0]), np.array([110.0])).apply(pixels, 0)
    assert grey[0] == pytest.approx([0, 127.5, 255], abs=0.6)


def test_pixels_without_data_are_black() -> None:
    """NaN does not spoil the picture."""
    grey = Contrast(np.zeros(1), np.zeros(1), np.ones(1)).apply(np.array([[np.nan, 1.0]], np.float32), 0)
    assert grey.tolist() == [[0, 255]]


def test_one_saturated_frame_does_not_change_its_neighbours() -> None:
    """A single bright frame among 24 is outvoted by the running median."""
    pixels = np.random.default_rng(0).normal(100, 5, (24, 32, 32))
    calm = estimate_contrast(ArrayMovie(pixels), samples=24)
    pixels[12] += 5000
    disturbed = estimate_contrast(ArrayMovie(pixels), samples=24)
    assert np.abs(disturbed.high - calm.high).max() < 3


def test_a_slow_change_of_brightness_is_followed() -> None:
    """When the beam fades to a half, so do the limits."""
    fade = np.linspace(1, 0.5, 30)[:, None, None]
    contrast = estimate_contrast(ArrayMovie(np.random.default_rng(0).normal(1000, 30, (30, 40, 40)) * fade))
    assert contrast.limits(28)[1] / contrast.limits(1)[1] == pytest.approx(0.52, abs=0.04)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_movie_without_contrast_still_gives_a_picture(value: float) -> None:
    """Constant and empty movies are drawn without an error."""
    movie = ArrayMovie(np.full((3, 8, 8), value))
    assert estimate_contrast(movie).apply(movie.read(0).pixels, 0).dtype == np.uint8


@pytest.mark.parametrize(("noise", "smooth_px"), [(1.0, 0.0), (60.0, 1.5)])
def test_only_noise_that_hides_the_picture_is_smoothed(noise: float, smooth_px: float) -> None:
    """A clear picture is shown as it is; one whose range is all noise is smoothed for display."""
    y, x = np.mgrid[:96, :96]
    clear = 100.0 - 40 * (np.hypot(x - 48, y - 48) < 14)
    movie = ArrayMovie(clear + np.random.default_rng(0).normal(0, noise, (4, 96, 96)))
    assert estimate_contrast(movie, smooth_px=None).smooth_px == smooth_px
