"""Columns from fitted parameters."""

import numpy as np
import pytest

from lptem_tracker.detect.refine import describe, unwrap_angles
from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.verdict import scale_ends


def test_orientation_is_followed_without_jumps():
    """A rod that turns steadily keeps turning through ±π/2, and unknown angles stay unknown."""
    true = np.linspace(0, 7, 30)
    seen = describe.wrap(true, np.pi)
    seen[5] = np.nan
    followed = unwrap_angles(seen)
    assert np.isnan(followed[5])
    np.testing.assert_allclose(np.delete(followed, 5), np.delete(true, 5))


def test_square_is_followed_modulo_a_quarter_turn():
    """The period is the shape's."""
    true = np.linspace(0, 3, 40)
    np.testing.assert_allclose(unwrap_angles(describe.wrap(true, np.pi / 2), period=np.pi / 2), true)


def test_longer_axis_comes_first():
    """An ellipse fitted with its axes exchanged is turned by a quarter, its covariance with it."""
    p, cov = np.zeros((1, 12)), np.zeros((1, 12, 12))
    p[0, [sh.A, sh.B, sh.THETA]] = 3, 5, 0.2
    cov[0, sh.A, sh.A], cov[0, sh.B, sh.B] = 1, 2
    describe.canonical(np.array([sh.ELLIPSE]), p, cov)
    assert tuple(p[0, [sh.A, sh.B]]) == (5, 3)
    assert p[0, sh.THETA] == pytest.approx(0.2 - np.pi / 2)
    assert (cov[0, sh.A, sh.A], cov[0, sh.B, sh.B]) == (2, 1)


def test_size_errors_are_propagated():
    """A disk's area errs by 2πR σ, an ellipse's equivalent radius by the relative errors of both axes."""
    p, cov = np.zeros((2, 12)), np.zeros((2, 12, 12))
    p[:, sh.A], p[:, sh.B] = [5, 8], [5, 2]
    cov[:, sh.A, sh.A], cov[1, sh.B, sh.B] = 0.01, 0.04
    std = describe.sizes_std(np.array([sh.DISK, sh.ELLIPSE]), p, cov)
    at = {name: k for k, name in enumerate(describe.SIZES)}
    assert std[0, at["area"]] == pytest.approx(2 * np.pi * 5 * 0.1, rel=1e-6)
    assert std[1, at["radius"]] == pytest.approx(0.5 * 4 * np.hypot(0.1 / 8, 0.2 / 2), rel=1e-4)


def test_ends_of_the_grey_scale_are_where_pixels_pile_up():
    """Clipped counts pile up at the top; plain counts, zeros among them, do not."""
    counts = np.random.default_rng(0).poisson(1.0, (100, 100)).astype(np.uint8)
    assert np.isnan(scale_ends(counts)).all()
    clipped = np.minimum(np.random.default_rng(0).poisson(250, (100, 100)), 255).astype(np.uint8)
    assert scale_ends(clipped)[1] == 255


def test_ends_of_a_stretched_grey_scale_are_seen():
    """Where contrast was stretched by eight and cut, the lowest value holds what lay below; few others differ."""
    counts = np.random.default_rng(1).poisson(25, (300, 300))
    assert scale_ends(np.clip((counts - 20.0) * 8, 0, 255).astype(np.uint8))[0] == 0
    assert np.isnan(scale_ends(np.random.default_rng(2).poisson(3.0, (100, 100)).astype(np.uint8))).all()
