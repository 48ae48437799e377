"""The camera against its own formulae."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.simulate.camera import count_electrons, digitise, expose, jpeg, mtf_noise_factor, mtf_tap

N = 400


@pytest.mark.parametrize("mean", [0.5, 5.0, 11.0, 13.0, 60.0, 900.0])
def test_counts_have_poisson_mean_and_variance(mean: float) -> None:
    """Counts have the Poisson mean and variance, below and above the switch to the expansion."""
    counts = count_electrons(np.full((N, N), mean, np.float32), np.random.default_rng(1)).astype(float)
    n = N * N
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / n))
    # the variance of a Poisson sample's variance is (2 mean² + mean)/n; rounding to whole electrons adds up to 1/12
    tolerance = 4 * np.sqrt((2 * mean**2 + mean) / n) + (0.09 if mean > 12 else 0)
    assert counts.var() == pytest.approx(mean, abs=tolerance)
    assert np.array_equal(counts, np.rint(counts))


def test_counts_mix_dark_and_bright_pixels() -> None:
    """A picture with dark and bright parts has the right mean in each."""
    mean = np.full((N, N), 2.0, np.float32)
    mean[:, N // 2 :] = 100.0
    counts = count_electrons(mean, np.random.default_rng(2))
    half = N * N / 2
    assert counts[:, : N // 2].mean() == pytest.approx(2, abs=4 * np.sqrt(2 / half))
    assert counts[:, N // 2 :].mean() == pytest.approx(100, abs=4 * np.sqrt(100 / half))


@pytest.mark.parametrize("lag1", [0.0, 0.17, 0.3, 0.45])
def test_noise_correlation_is_the_one_asked_for(lag1: float) -> None:
    """Neighbouring pixels are correlated as asked, and the variance is gain²·mean·f² + readout²."""
    mean, gain = 40.0, 3.0
    picture = expose(np.full((N, N), mean, np.float32), np.random.default_rng(3), lag1=lag1, gain=gain, offset=7.0)
    z = picture.astype(float) - (gain * mean + 7)
    measured = np.mean(z[:, 1:] * z[:, :-1]) / z.var()
    assert measured == pytest.approx(lag1, abs=5 / N)
    expected = gain**2 * (mean + 1 / 12) * mtf_noise_factor(lag1) ** 2
    # correlated pixels are fewer independent ones: the sum over all lags of the squared correlation
    independent = N * N / (1 + 2 * lag1**2 + 0.2) ** 2
    assert z.var() == pytest.approx(expected, rel=4 * np.sqrt(2 / independent))


def test_readout_noise_adds_in_variance() -> None:
    """Readout noise adds its variance to that of the electrons."""
    picture = expose(np.full((N, N), 20.0, np.float32), np.random.default_rng(4), gain=2.0, readout=9.0).astype(float)
    assert picture.var() == pytest.approx(4 * (20 + 1 / 12) + 81, rel=4 * np.sqrt(2) / N)


def test_mtf_kernel_by_hand() -> None:
    """The tap a solves 2a/(1 + 2a²) = lag-1 correlation: a = 0.25 gives 4/9, worked by hand."""
    assert mtf_tap(4 / 9) == pytest.approx(0.25)
    assert mtf_noise_factor(4 / 9) == pytest.approx(1.125 / 2.25)
    assert mtf_tap(0.0) == 0.0


def test_depth_rounds_and_clips() -> None:
    """Counts are rounded and clipped into the file's depth, and floats are left alone."""
    counts = np.array([[-3.0, 0.6, 254.4, 300.0]], np.float32)
    assert digitise(counts, "uint8").tolist() == [[0, 1, 254, 255]]
    assert digitise(counts, "uint16").tolist() == [[0, 1, 254, 300]]
    assert digitise(counts, "float32") is counts


def test_jpeg_stays_near_the_picture() -> None:
    """Compression of good quality keeps a smooth picture within two grey levels."""
    ramp = np.tile(np.linspace(20, 230, 64, dtype=np.float32), (64, 1))
    assert np.abs(jpeg(ramp, 95) - ramp).max() < 3
