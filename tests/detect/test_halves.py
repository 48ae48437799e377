"""Two boxes on one particle become one."""

import cv2
import numpy as np
import pytest

from lptem_tracker.detect import halves
from lptem_tracker.detect.halves import GRID, MEASURES, features, join, mirrored, touching

BY_CONTRAST = [0.0] * len(MEASURES) + [float(k // GRID[1] in (11, 12) and k % GRID[1] in (5, 6)) for k in range(288)]
RULE = {
    # one where the middle of the grid is as dark as the rest: its four points sum to more than 2
    "mean": [0.0] * len(BY_CONTRAST),
    "scale": [1.0] * len(BY_CONTRAST),
    "members": [[[[[10 * v for v in BY_CONTRAST]], [-20.0]]]],
    "least": 0.7,
}


def bodies(*rectangles, shape=(96, 128)):
    """Draw flat rectangles (left, top, right, bottom) of contrast -3 on nothing."""
    image = np.zeros(shape, np.float32)
    for left, top, right, bottom in rectangles:
        image[top:bottom, left:right] = -3.0
    return image


def boxes(*rows):
    return np.array(rows, np.float32)


def test_only_boxes_that_touch_and_count_are_compared():
    """A neighbour one pixel away is compared, larger box first; a far one, a faint one and a tiny one are not."""
    rows = boxes((10, 10, 20, 20), (21, 8, 37, 22), (60, 10, 70, 20), (10, 20, 20, 30), (36, 8, 40, 12)).astype(float)
    i, j = touching(rows, np.array([0.9, 0.8, 0.9, 0.1, 0.9]))
    assert (i.tolist(), j.tolist()) == ([1], [0])


def test_no_pairs_without_detections():
    """Empty frames and single detections have no pairs."""
    for n in (0, 1):
        i, j = touching(np.tile([0.0, 0.0, 8.0, 8.0], (n, 1)), np.ones(n))
        assert len(i) == len(j) == 0


def test_the_grid_shows_the_pair_over_its_contrast():
    """The halves of a rod of contrast -3 on nothing: about 1 inside, 0 outside, the same for a bright rod."""
    image = bodies((34, 40, 94, 56))
    value = features(
        image, np.array([(34.0, 40, 64, 56), (64.0, 40, 94, 56)]), np.ones(2), np.array([0]), np.array([1])
    )
    grid = value[0, len(MEASURES) :].reshape(GRID)
    diagonal = np.hypot(60, 16)
    along, across = (f * diagonal * np.linspace(-1, 1, n) for f, n in zip((0.6, 0.36), GRID))
    inside = (np.abs(along)[:, None] < 26) & (np.abs(across)[None] < 5)
    outside = (np.abs(along)[:, None] > 33) | (np.abs(across)[None] > 11)
    # the contrast is that of the middles over rings, which for halves hold a part of the rod
    level = grid[inside].mean()
    assert 1.0 < level < 2.0
    assert np.allclose(grid[inside], level, atol=0.05)
    assert np.allclose(grid[outside], grid[outside].mean(), atol=0.05)
    bright = features(
        -image, np.array([(34.0, 40, 64, 56), (64.0, 40, 94, 56)]), np.ones(2), np.array([0]), np.array([1])
    )
    assert np.allclose(value, bright, atol=1e-6)


@pytest.mark.parametrize("size", [12.0, 30.0, 70.0])
def test_a_mirrored_picture_has_mirrored_features(size):
    """Turned upside down, with boxes, a picture gives the features that `mirrored` makes, at every octave."""
    rng = np.random.default_rng(3)
    side = int(4 * size)
    image = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), size / 8) * 5
    top = side / 2 - size / 4 - 0.5
    pair = np.array([(size, top, 1.9 * size, top + size / 2), (1.9 * size, top, 2.7 * size, top + size / 2)])
    flipped = pair.copy()
    flipped[:, 1], flipped[:, 3] = side - pair[:, 3], side - pair[:, 1]
    first, second = np.array([0]), np.array([1])
    value = features(image, pair, np.ones(2), first, second)
    other = features(image[::-1].copy(), flipped, np.ones(2), first, second)
    assert np.allclose(mirrored(value), other, atol=0.02)
    assert not np.allclose(value, other, atol=0.02)


def test_a_larger_picture_of_the_same_has_the_same_grid():
    """A rod of 48 px and the same twice as large look alike, but for length and noise."""
    small = cv2.GaussianBlur(bodies((40, 40, 88, 56), shape=(96, 128)), (0, 0), 2)
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    pair = np.array([(40.0, 40, 64, 56), (64.0, 40, 88, 56)])
    one, two = np.array([0]), np.array([1])
    a = features(small, pair, np.ones(2), one, two)[0, len(MEASURES) :]
    b = features(large, 2 * pair, np.ones(2), one, two)[0, len(MEASURES) :]
    assert np.abs(a - b).max() < 0.12
    assert np.abs(a - b).mean() < 0.02


@pytest.mark.parametrize("shape", [(8, 1200), (1200, 8), (1, 1200)])
def test_a_narrow_frame_is_looked_at(shape):
    """A strip lower than the steps along a pair as long as itself is shrunk to a line at most."""
    height, width = shape
    ends = [(0, 0, width / 2, height), (width / 2, 0, width, height)]
    if height > width:
        ends = [(0, 0, width, height / 2), (0, height / 2, width, height)]
    value = features(np.ones(shape, np.float32), np.array(ends, float), np.ones(2), np.array([0]), np.array([1]))
    assert np.isfinite(value).all()


def test_halves_become_one_and_neighbours_stay_two():
    """A rod answered by its halves gets the box about both and the surer score; two bodies with a gap stay two."""
    image = bodies((10, 20, 58, 32), (70, 20, 88, 34), (93, 20, 111, 34))
    found = boxes((10, 20, 34, 32), (34, 20, 58, 32), (70, 20, 88, 34), (93, 20, 111, 34))
    rows, scores = join(image, found, np.array([0.6, 0.9, 0.8, 0.7], np.float32), RULE)
    order = np.argsort(rows[:, 0])
    assert rows[order].tolist() == [[10, 20, 58, 32], [70, 20, 88, 34], [93, 20, 111, 34]]
    assert scores[order].tolist() == [np.float32(v) for v in (0.9, 0.8, 0.7)]


def test_pairs_looked_at_a_few_at_a_time_are_joined_alike(monkeypatch):
    """In a crowd no more than so many pairs lie in memory; which are joined does not depend on it."""
    image = bodies((10, 20, 58, 32), (70, 20, 88, 34), (93, 20, 111, 34))
    found = boxes((10, 20, 34, 32), (34, 20, 58, 32), (70, 20, 88, 34), (93, 20, 111, 34))
    scores = np.array([0.6, 0.9, 0.8, 0.7], np.float32)
    rows, _ = join(image, found, scores, RULE)
    seen = []
    monkeypatch.setattr(halves, "_TOGETHER", 1)
    monkeypatch.setattr(halves, "features", lambda *args: seen.append(len(args[3])) or features(*args))
    again, _ = join(image, found, scores, RULE)
    assert again.tolist() == rows.tolist()
    assert set(seen) == {1}


def test_thirds_become_one():
    """A rod answered by three parts needs two rounds."""
    image = bodies((10, 20, 82, 34))
    rows, scores = join(
        image, boxes((10, 20, 34, 34), (34, 20, 58, 34), (58, 20, 82, 34)), np.full(3, 0.8, np.float32), RULE
    )
    assert rows.tolist() == [[10, 20, 82, 34]]
    assert len(scores) == 1


def test_without_a_rule_all_boxes_stay():
    """Weights from before have no rule."""
    found, scores = boxes((10, 20, 34, 32), (34, 20, 58, 32)), np.array([0.6, 0.9], np.float32)
    rows, same = join(bodies((10, 20, 58, 32)), found, scores, None)
    assert rows is found
    assert same is scores
