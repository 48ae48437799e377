"""Shifts between images that were moved by a known amount."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lptem_tracker.errors import MovieError
from lptem_tracker.preprocess.drift import image_drift, movie_drift


def picture(seed: int = 0, size: int = 160) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.normal(0, 1, (size, size)), 3) * 40 + 100


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (3.25, -2.5), (-11.0, 7.6)])
def test_shift_of_a_blurred_picture_is_found(dx: float, dy: float) -> None:
    """A shift by fractions of a pixel is found to a tenth of a pixel, under noise half as strong as the picture."""
    rng = np.random.default_rng(1)
    big = picture(size=220)
    a = big[30:190, 30:190]
    b = ndimage.shift(big, (dy, dx), order=3)[30:190, 30:190]
    a, b = (im + rng.normal(0, a.std() / 2, a.shape) for im in (a, b))
    x, y, quality = image_drift(a, b)
    assert (x, y) == pytest.approx((dx, dy), abs=0.1)
    assert quality > 0.5


def test_lattice_fringes_do_not_lock_the_shift() -> None:
    """Fringes with a period of 5 px over a particle do not pull the shift to a neighbouring fringe."""
    y, x = np.mgrid[:128, :128]

    def scene(dx: float) -> np.ndarray:
        inside = 1 / (1 + np.exp((np.hypot(x - 60 - dx, y - 64) - 22) / 2))
        return 100 - 30 * inside * (1 + 0.8 * np.cos(2 * np.pi * (x - dx) / 5))

    assert image_drift(scene(0.0), scene(4.0))[0] == pytest.approx(4.0, abs=0.25)


def test_unrelated_pictures_have_low_quality() -> None:
    """Two pictures that have nothing in common say so."""
    assert image_drift(picture(1), picture(2))[2] < 0.5


def test_frames_of_different_shape_are_refused() -> None:
    """The error names both shapes."""
    with pytest.raises(MovieError, match=r"\(4, 4\) and \(4, 5\)"):
        image_drift(np.zeros((4, 4)), np.zeros((4, 5)))


def test_drift_adds_up_over_a_movie() -> None:
    """A step of 2 px along x is kept; a frame that shows something else is taken not to have moved."""
    big = picture(size=220)
    frames = [big[30:190, 30 - k : 190 - k] for k in (0, 2)] + [picture(7), big[30:190, 28:188]]
    table = movie_drift(enumerate(frames))
    assert table["frame"].tolist() == [0, 1, 2, 3]
    assert table["dx"].to_numpy() == pytest.approx([0, 2, 2, 2], abs=0.1)
    assert (table["quality"] < 0.5).tolist() == [False, False, True, True]
