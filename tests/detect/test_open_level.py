"""Whether a detection stands out from the open background."""

import numpy as np
import pytest

from lptem_tracker.detect.open_level import LEVELS, open_levels

NEAR, THERE = LEVELS.index("above_near"), LEVELS.index("open_near")
FAR, FAR_THERE = LEVELS.index("above_far"), LEVELS.index("open_far")


def crystal(level=-2.0, spacing=16):
    """Dark squares of 12 px on a lattice in the left half of 256 px, with boxes of particles and of gaps."""
    image = np.zeros((256, 256), np.float32)
    particles, gaps = [], []
    for y in range(4, 240, spacing):
        for x in range(4, 112, spacing):
            image[y : y + 12, x : x + 12] = level
            particles.append([x, y, x + 12, y + 12])
            gaps.append([x + 10, y + 10, x + 18, y + 18])
    return image, np.array(particles, float), np.array(gaps, float)


def test_a_particle_stands_out_and_a_gap_between_particles_does_not():
    """Dark particles lie two noise units below the open half, the gaps between them at its level."""
    image, particles, gaps = crystal()
    boxes = np.vstack([particles, gaps])
    contrast = np.concatenate([np.full(len(particles), -2.0), np.full(len(gaps), 1.0)])
    middle = np.concatenate([np.full(len(particles), -2.0), np.zeros(len(gaps))])
    value = open_levels(image, boxes, np.full(len(boxes), 0.5), contrast, middle)
    expected = 2.0 / 2.15  # its contrast over that and what keeps faint ones finite
    assert value[: len(particles), FAR] == pytest.approx(expected * value[: len(particles), FAR_THERE], abs=1e-5)
    assert value[len(particles) :, FAR] == pytest.approx(0.0, abs=1e-5)
    edge = particles[:, 0] > 90
    assert (value[: len(particles)][edge, NEAR] > 0.8 * expected).all()
    assert value[:, FAR_THERE].min() > 0.8


def test_polarity_does_not_matter():
    """The inverted picture with inverted contrasts gives the same."""
    image, particles, _ = crystal()
    score, strength = np.full(len(particles), 0.5), np.full(len(particles), 2.0)
    one = open_levels(image, particles, score, -strength, -strength)
    assert open_levels(-image, particles, score, strength, strength) == pytest.approx(one, abs=1e-12)


def test_where_detections_cover_everything_nothing_is_said():
    """Without open background both levels and both amounts are 0; unsure detections cover nothing."""
    image = np.ones((64, 64), np.float32)
    boxes = np.array([[0, 0, 64, 64], [20, 20, 30, 30.0]])
    contrast, middle = np.ones(2), np.ones(2)
    assert open_levels(image, boxes, np.array([0.9, 0.9]), contrast, middle).tolist() == [[0.0] * 4] * 2
    value = open_levels(image, boxes, np.array([0.01, 0.9]), contrast, middle)
    assert value[:, [THERE, FAR_THERE]].min() > 0.5
    assert value[:, [NEAR, FAR]] == pytest.approx(0.0, abs=1e-5)
