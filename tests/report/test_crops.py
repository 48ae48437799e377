"""Small pictures of particles."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.report.contrast import Contrast
from lptem_tracker.report.crops import CELL_PX, Cut, cut_all


@pytest.mark.parametrize("half", [9.0, 18.0])
def test_a_particle_is_in_the_middle_of_its_picture(half: float) -> None:
    """One bright pixel, magnified: the middle of its light is the middle of the picture, to a tenth of a pixel."""
    frames = np.zeros((1, 60, 60), np.uint8)
    frames[0, 30, 22] = 255
    contrast = Contrast(np.zeros(1), np.zeros(1), np.full(1, 255.0))
    cut = Cut(("particle", 0, 0), 0, 22.0, 30.0, half)
    (picture,) = cut_all(ArrayMovie(frames), contrast, [cut]).values()
    assert picture.shape == (CELL_PX, CELL_PX)
    middle = [np.average(np.arange(CELL_PX), weights=picture.sum(axis=axis)) for axis in (0, 1)]
    assert middle == pytest.approx([(CELL_PX - 1) / 2] * 2, abs=0.1)
