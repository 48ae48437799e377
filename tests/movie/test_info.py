"""What `info` says of a movie."""

import json

import numpy as np
import pytest
from scipy import ndimage

from lptem_tracker.movie import ArrayMovie, describe_movie, open_movie
from lptem_tracker.movie.info import frame_figures


def test_the_description_is_plain_and_complete(samples):
    """Format, shape, calibration with sources and three frames' figures go into JSON."""
    with open_movie(samples["imagej"]) as movie:
        found = json.loads(json.dumps(describe_movie(movie)))
    assert found["shape"] == [6, 48, 64]
    assert found["calibration"]["pixel_size_nm"] == {"value": pytest.approx(0.5), "source": "metadata"}
    assert found["calibration"]["exposure_s"] == {"value": None, "source": "unknown"}
    assert found["duration_s"] == pytest.approx(1.5)
    assert [frame["frame"] for frame in found["frames"]] == [0, 2, 5]


def test_noise_of_a_textured_frame():
    """White noise of sd 20 on a slope is found to 5 % and its correlation to 0.05: edges of disks are 3 % of pixels."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:256, :256]
    scene = 1000 + 0.5 * x - 300 * ((x % 64 - 32) ** 2 + (y % 64 - 32) ** 2 < 100)
    figures = frame_figures(scene + rng.normal(0, 20, scene.shape))
    assert figures["noise_sd"] == pytest.approx(20, rel=0.05)
    assert figures["noise_correlation"] == pytest.approx(0, abs=0.05)
    assert figures["local_contrast"] == pytest.approx(0.27, rel=0.25)


def test_correlation_of_neighbours_is_seen():
    """White noise after a 1-2-1 kernel of half-weight has a lag-1 correlation of 4·2/(1+16+1)."""
    noise = np.random.default_rng(2).normal(0, 1, (512, 512))
    blurred = ndimage.convolve1d(ndimage.convolve1d(noise, [0.25, 1, 0.25], axis=0), [0.25, 1, 0.25], axis=1)
    # row of weights (1, 4, 1)/4: lag 1 = 2·4/18, lag 2 = 1/18; differences two apart see (1 − lag 2)
    assert frame_figures(blurred)["noise_correlation"] == pytest.approx(1 - (1 - 8 / 18) / (1 - 1 / 18), abs=0.02)


def test_saturation_and_dark_pixels_are_shares():
    """A tenth of the pixels at 255 and a fifth at 0."""
    pixels = np.random.default_rng(3).integers(1, 255, (100, 100)).astype(np.uint8)
    pixels[:10], pixels[80:] = 255, 0
    figures = frame_figures(pixels)
    assert figures["saturated_share"] == pytest.approx(0.1)
    assert figures["dark_share"] == pytest.approx(0.2)


@pytest.mark.parametrize("pixels", [np.zeros((32, 32)), np.full((32, 32), np.nan), np.ones((4, 4), np.uint8)])
def test_frames_without_a_picture_give_no_figures(pixels):
    """Constant frames, frames of NaN and tiny ones give None instead of a number."""
    figures = frame_figures(pixels)
    assert figures["noise_sd"] is None
    json.dumps(figures)


def test_nan_pixels_are_counted_and_left_out():
    """A quarter of NaN changes the median of the rest by nothing."""
    pixels = np.random.default_rng(4).normal(50, 5, (64, 64))
    pixels[:16] = np.nan
    figures = frame_figures(pixels)
    assert figures["nan_share"] == 0.25
    assert figures["median"] == pytest.approx(50, abs=0.5)


def test_a_movie_of_one_frame_is_described():
    """One frame has figures and no duration."""
    found = describe_movie(ArrayMovie(np.random.default_rng(0).normal(9, 1, (1, 32, 32))))
    assert len(found["frames"]) == 1
    assert found["duration_s"] is None
