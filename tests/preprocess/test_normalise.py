"""Normalisation: any gain, depth and illumination gives the same picture."""

import numpy as np
import pytest

from lptem_tracker.preprocess.normalise import _quantiles, normalise


def disks(rng, dose=60.0, size=256, slope=0.0, radius=9.0):
    """Dark disks of 40 % contrast on a background that rises by `slope` over the frame."""
    y, x = np.mgrid[:size, :size]
    field = dose * (1.0 + slope * x / size)
    centres = rng.uniform(20, size - 20, (8, 2))
    inside = np.zeros((size, size), bool)
    for cx, cy in centres:
        inside |= np.hypot(x - cx, y - cy) < radius
    return rng.poisson(np.where(inside, 0.6, 1.0) * field), inside


@pytest.mark.parametrize(
    ("gain", "offset", "dtype"), [(1, 0, np.uint16), (37.0, 500.0, np.float64), (1e-6, -3.0, np.float64)]
)
def test_gain_and_offset_do_not_matter(gain, offset, dtype):
    """Counts times any gain plus any offset, in any dtype, give the same normalised frame."""
    frame, _ = disks(np.random.default_rng(0))
    reference = normalise(frame.astype(np.uint16))
    assert np.allclose(normalise((frame * gain + offset).astype(dtype)), reference, atol=2e-3)


def test_noise_becomes_one_and_background_zero():
    """Plain Poisson noise comes out with a standard deviation of 1 within 10 % and a median of 0 within 0.05."""
    out = normalise(np.random.default_rng(1).poisson(80, (256, 256)))
    assert out.std() == pytest.approx(1.0, rel=0.1)
    assert abs(np.median(out)) < 0.05


def test_twofold_illumination_is_removed():
    """On a background that doubles across the frame, both halves have the same level and the same noise."""
    out = normalise(np.random.default_rng(2).poisson(100 * np.linspace(1, 2, 512)[None] * np.ones((512, 1))))
    left, right = out[:, 20:150], out[:, -150:-20]
    assert abs(left.mean() - right.mean()) < 0.08
    assert left.std() == pytest.approx(right.std(), rel=0.08)


def test_a_bright_support_is_no_noisier_than_the_vacuum_beside_it():
    """Where three quarters of the frame get 2 electrons a pixel and the rest 100, each part's fine noise is 1."""
    level = np.full((512, 512), 2.0)
    level[:, 384:] = 100
    out = normalise(np.random.default_rng(5).poisson(level))
    for part in (out[:, 20:330], out[:, 430:500]):
        assert (part - part.mean(0)).std() == pytest.approx(1.0, rel=0.12)


def test_particle_contrast_keeps_its_sign_and_size():
    """A 40 % dip of a Poisson level of 60 is about 3 noise units deep, dark below zero and inverted above."""
    frame, inside = disks(np.random.default_rng(3))
    depth = normalise(frame)[inside].mean()
    assert depth == pytest.approx(-0.4 * 60 / np.sqrt(60), rel=0.2)
    assert normalise(frame.max() - frame)[inside].mean() == pytest.approx(-depth, rel=0.05)


def test_large_particle_is_not_flattened():
    """The middle of a disk of 50 px radius stays as dark as its rim."""
    y, x = np.mgrid[:512, :512]
    r = np.hypot(x - 250, y - 260)
    out = normalise(np.random.default_rng(4).poisson(np.where(r < 50, 60, 100)))
    assert out[r < 15].mean() == pytest.approx(out[(r > 35) & (r < 47)].mean(), rel=0.15)
    assert out[r < 15].mean() < -2.0


def test_hot_pixels_vanish_and_small_particles_stay():
    """A single pixel of 50 noise units is replaced; a 3 px wide spot of the same height is kept."""
    frame = np.random.default_rng(5).normal(100, 2, (128, 128))
    frame[40, 40] += 100
    frame[80:83, 80:83] += 100
    out = normalise(frame)
    assert abs(out[40, 40]) < 4
    assert out[81, 81] > 8


def test_quantiles_are_those_of_numpy():
    """Quantiles of any number of values, with ties too, are those that NumPy interpolates."""
    rng = np.random.default_rng(9)
    for values in (rng.normal(size=1000), rng.integers(0, 5, (17, 3)).astype(np.float32), np.array([3.0])):
        assert np.allclose(_quantiles(values, 0.01, 0.5, 0.99), np.quantile(values, [0.01, 0.5, 0.99]), rtol=1e-6)


def test_missing_pixels_are_background():
    """NaN and infinite pixels come out as 0 and leave the rest finite."""
    frame = np.random.default_rng(6).poisson(50, (96, 128)).astype(float)
    frame[10:30, 20:60], frame[50, 50] = np.nan, np.inf
    out = normalise(frame)
    assert np.isfinite(out).all()
    assert np.all(out[10:30, 20:60] == 0)
    assert out[60:].std() == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("frame", [np.zeros((64, 64)), np.full((40, 50), 7, np.uint8), np.full((33, 20), np.nan)])
def test_frames_without_content_are_zero(frame):
    """A black, constant or missing frame gives zeros and no warning."""
    assert np.array_equal(normalise(frame), np.zeros(frame.shape, np.float32))


def test_wrong_shape_is_refused():
    """A stack or an empty frame is named with its shape."""
    with pytest.raises(ValueError, match=r"\(2, 8, 8\)"):
        normalise(np.zeros((2, 8, 8)))


def test_input_is_left_alone():
    """The caller's pixels are not written to."""
    frame = np.random.default_rng(7).normal(size=(64, 64)).astype(np.float32)
    before = frame.copy()
    normalise(frame)
    assert np.array_equal(frame, before)
