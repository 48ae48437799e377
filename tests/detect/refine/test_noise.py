"""The noise model is that of the simulated camera."""

import numpy as np
import pytest
from scipy import ndimage

from lptem_tracker.detect.refine.noise import estimate_noise, noise_between, rise


def frame(rng, gain, readout, shape=(512, 512)):
    """Counts on a background that doubles across the frame."""
    mean = np.linspace(100, 200, shape[1])[None, :] * np.ones((shape[0], 1))
    return gain * rng.poisson(mean) + rng.normal(0, np.sqrt(readout), shape)


@pytest.mark.parametrize(("gain", "readout"), [(1.0, 0.0), (8.0, 450.0), (0.2, 30.0)])
def test_gain_and_readout_give_the_variance_at_every_mean(gain, readout):
    """Predicted variances are within 4 % of the truth where the mean is low, middling and high."""
    image = frame(np.random.default_rng(0), gain, readout).astype(np.float32)
    noise = estimate_noise(image, np.zeros(image.shape, bool))
    for mean in (100, 150, 200):
        truth = gain**2 * mean + readout
        assert float(noise.variance(gain * mean)) == pytest.approx(truth, rel=0.04)
    assert len(noise.lags) == 0


def test_correlation_is_that_of_the_blur():
    """A Gaussian blur of σ px correlates neighbours by exp(-1/(4σ²)) and diagonal ones by its square."""
    rng = np.random.default_rng(1)
    image = ndimage.gaussian_filter(rng.normal(0, 10, (512, 512)), 0.5).astype(np.float32) + 300
    noise = estimate_noise(image, np.zeros(image.shape, bool))
    found = {(int(x), int(y)): rho for x, y, rho in noise.lags}
    # the sampled kernel of scipy is a little wider than the continuous one
    kernel = ndimage.gaussian_filter1d(np.eye(1, 21, 10).ravel(), 0.5)
    expected = (kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()
    assert found[1, 0] == pytest.approx(expected, abs=0.01)
    assert found[0, 1] == pytest.approx(expected, abs=0.01)
    assert found[1, 1] == pytest.approx(expected**2, abs=0.01)


def test_particles_are_left_out():
    """Pixels marked busy do not count as noise."""
    rng = np.random.default_rng(2)
    image, busy = rng.normal(100, 3, (256, 256)).astype(np.float32), np.zeros((256, 256), bool)
    for k in range(8, 256, 32):
        image[k : k + 8, ::2] += 60
        busy[k : k + 8] = True
    assert float(estimate_noise(image, busy).variance(100.0)) == pytest.approx(9, rel=0.05)


def test_constant_frame_has_no_noise_but_a_floor():
    """A constant picture does not divide by zero."""
    noise = estimate_noise(np.full((64, 64), 5, np.float32), np.zeros((64, 64), bool))
    assert 0 < float(noise.variance(5.0)) < 1e-6


def test_equal_means_lean_to_counting_noise():
    """Where all means are alike the variance is taken to be proportional to them."""
    gain, readout = rise(np.full(10, 50.0), np.full(10, 100.0), np.full(10, 500.0))
    assert gain * 50 + readout == pytest.approx(100)
    assert readout == pytest.approx(0, abs=1e-6)


def test_scatter_of_the_means_by_noise_tells_no_gain():
    """On ten frames of counts alike everywhere the variance 30 % below their mean is 0.7 of theirs to 10 %."""
    rng = np.random.default_rng(7)
    for _ in range(10):
        image = rng.poisson(11.0, (480, 480)).astype(np.float32)
        assert float(estimate_noise(image, np.zeros(image.shape, bool)).variance(7.7)) == pytest.approx(7.7, rel=0.1)


def test_a_crowded_frame_shows_its_noise_between_the_fits():
    """No block of background is left of a crowd; what the fits leave shows variance and correlation all the same."""
    rng = np.random.default_rng(4)
    noise = ndimage.gaussian_filter(rng.normal(0, 10, (256, 256)), 0.5).astype(np.float32)
    crowd = 30 * (ndimage.gaussian_filter(rng.random((256, 256)), 3) > 0.5).astype(np.float32)
    before = estimate_noise(300 + noise - crowd, np.ones((256, 256), bool))
    assert before.n_blocks == 0
    assert len(before.lags) == 0
    after = noise_between(300 + noise - crowd, crowd, before)
    alone = estimate_noise(300 + noise, np.zeros((256, 256), bool))
    assert np.allclose(after.lags, alone.lags)
    assert float(after.variance(300.0)) == pytest.approx(noise.var(), rel=0.03)


def test_a_frame_with_background_keeps_what_that_says():
    """Where half the blocks are background the fits are not asked."""
    rng = np.random.default_rng(6)
    image, busy = rng.normal(300, 10, (256, 256)).astype(np.float32), np.zeros((256, 256), bool)
    busy[:, :128] = True
    before = estimate_noise(image, busy)
    assert noise_between(image, np.zeros_like(image), before) is before
