"""The classical control finds size and polarity by itself."""

import numpy as np
import pytest

from lptem_tracker.detect.blob import BlobDetector, find_scale
from lptem_tracker.movie.base import Frame
from lptem_tracker.preprocess.normalise import normalise
from lptem_tracker.tables import DETECTION_DTYPES


def disks(radius, contrast, seed=0, size=256):
    """Well separated disks on Poisson noise of level 100, and their centres."""
    rng = np.random.default_rng(seed)
    step = 5 * radius
    y, x = np.mgrid[:size, :size]
    centres = [
        (cx, cy)
        for cx in np.arange(step / 2 + 3, size - step / 2, step)
        for cy in np.arange(step / 2 + 3, size - step / 2, step)
    ]
    field = np.full((size, size), 100.0)
    for cx, cy in centres:
        field[np.hypot(x - cx, y - cy) < radius] *= 1 + contrast
    return rng.poisson(field), np.array(centres)


@pytest.mark.parametrize("radius", [4, 8, 16])
@pytest.mark.parametrize("contrast", [-0.5, 0.5])
def test_all_disks_are_found_without_a_parameter(radius, contrast):
    """Dark and bright disks of radius 4 to 16 px are found within a third of their radius, and nothing else."""
    frame, centres = disks(radius, contrast)
    detector = BlobDetector()
    table = detector.detect([Frame(0, frame)])
    distance = np.hypot(*(centres[:, None] - table[["x", "y"]].to_numpy()[None]).transpose(2, 0, 1))
    assert len(table) == len(centres)
    assert distance.min(axis=1).max() < radius / 3
    assert detector.describe()["particles"] == ("dark" if contrast < 0 else "bright")


def test_given_diameter_is_used():
    """A diameter that is given is not searched for."""
    frame, _ = disks(6, -0.5)
    assert find_scale(normalise(frame), 13.0) == (13.0, -1)


def test_noise_gives_an_empty_table():
    """A frame of noise has no particle and the table keeps its columns."""
    table = BlobDetector().detect([Frame(0, np.random.default_rng(1).poisson(50, (200, 200)))])
    assert len(table) == 0
    assert list(table.columns) == list(DETECTION_DTYPES)
