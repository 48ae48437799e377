"""Training images: boxes follow their particles through every change of the picture."""

import numpy as np
import pandas as pd
import pytest
import torch

from lptem_tracker.training import augment
from lptem_tracker.training.stream import TrainingStream, collate, corner_boxes, faint


def spots(seed=0, size=128):
    """Bright squares on a dark ground, and their boxes."""
    rng = np.random.default_rng(seed)
    image, boxes = rng.normal(10, 0.5, (size, size)).astype(np.float32), []
    for k in range(4):
        x, y = 12 + 30 * k, int(rng.integers(10, size - 30))
        w, h = int(rng.integers(6, 12)), int(rng.integers(6, 16))
        image[y : y + h, x : x + w] = 60
        boxes.append((x, y, x + w, y + h))
    return image, np.array(boxes, np.float32)


@pytest.mark.parametrize("step", [augment.turn, augment.zoom, augment.eight_bits, augment.soften, augment.gamma])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_follow_the_particles(step, seed):
    """After each change the pixels in the middle of every box are still bright, and the rest is dark."""
    image, boxes = spots(seed)
    out, moved = step(image, boxes, np.random.default_rng(seed))
    assert out.shape == image.shape
    threshold = (out.max() + np.median(out)) / 2
    outside = np.ones(out.shape, bool)
    for left, top, right, bottom in moved:
        cy, cx = int((top + bottom) / 2), int((left + right) / 2)
        assert out[cy, cx] > threshold
        outside[max(0, int(top) - 3) : int(bottom) + 4, max(0, int(left) - 3) : int(right) + 4] = False
    # what lies outside all boxes is dark, but for particles cut so far that they have none
    assert (out[outside] > threshold).mean() < 0.02


def test_inversion_swaps_bright_and_dark():
    """Inverting twice gives the image back."""
    image, boxes = spots()
    rng = np.random.default_rng(0)
    once, _ = augment.invert(image, boxes, rng)
    assert once[int(boxes[0, 1]) + 2, int(boxes[0, 0]) + 2] < np.median(once)
    assert np.allclose(augment.invert(once, boxes, rng)[0], image, atol=1e-4)


def test_writing_hides_what_lies_under_it():
    """A particle whose centre a caption covers is no label any more."""
    image, _ = spots()
    grid = np.array([[x, y, x + 4, y + 4] for x in range(0, 124, 6) for y in range(0, 124, 6)], np.float32)
    written, left = augment.write_on(image, grid, np.random.default_rng(1))
    assert 0 < len(left) < len(grid)
    assert not np.array_equal(written, image)


def test_boxes_cut_at_the_frame():
    """A box half outside is cut, one nearly outside is dropped."""
    boxes = np.array([[-5, 10, 5, 20], [-9, 40, 1, 50]], np.float32)
    assert augment.clip_boxes(boxes, 100, 100).tolist() == [[0, 10, 5, 20]]
    assert augment.clip_boxes(np.zeros((0, 4), np.float32), 100, 100).shape == (0, 4)


def test_pixel_centres_are_integers():
    """A particle of 4 px at x = 10 covers the pixels' cells from 8.5 to 12.5."""
    table = pd.DataFrame({"x": [10.0], "y": [20.0], "width": [4.0], "height": [2.0]})
    assert corner_boxes(table).tolist() == [[8.5, 19.5, 12.5, 21.5]]


def draw(rng, size):
    """A scene of one particle."""
    table = pd.DataFrame({"x": [40.0], "y": [30.0], "width": [10.0], "height": [10.0]})
    return rng.poisson(50, (size, size)).astype(np.float32), table


def test_stream_is_reproducible_and_endless():
    """The same seed gives the same images, another seed others; more are drawn than the shelf holds."""
    first, again, other = (iter(TrainingStream(64, seed, repeats=3, draw=draw)) for seed in (1, 1, 2))
    a, b, c = ([next(s)[0] for _ in range(90)] for s in (first, again, other))
    assert all(torch.equal(x, y) for x, y in zip(a, b))
    assert not any(torch.equal(x, y) for x, y in zip(a, c))


def test_batches_tell_whose_box_is_whose():
    """Boxes of several images are listed with the index of their image."""
    image = torch.zeros(1, 32, 32)
    batch = collate([(image, torch.rand(2, 5)), (image, torch.zeros(0, 5)), (image, torch.rand(1, 5))])
    assert batch["batch_idx"].tolist() == [0, 0, 2]
    assert batch["img"].shape == (3, 1, 32, 32)
    assert batch["bboxes"].shape == (3, 4)


def test_faint_flags_go_along_with_their_boxes():
    """However a scene is turned and cut, each box keeps its flag: here the wide boxes are the faint ones."""
    rng = np.random.default_rng(3)
    corner = rng.uniform(10, 70, (12, 2))
    unsure = np.arange(12) % 2
    boxes = np.column_stack([corner, corner + 6 + 12 * unsure[:, None], unsure]).astype(np.float32)
    for step in (augment.turn, augment.write_on):
        for _ in range(8):
            moved = step(np.zeros((100, 100), np.float32), boxes, rng)[1]
            assert np.array_equal(moved[:, 2] - moved[:, 0] > 12, moved[:, 4] == 1)
    assert len(augment.clip_boxes(boxes - np.array([40, 40, 40, 40, 0], np.float32), 100, 100)[0]) == 5


def test_a_particle_is_faint_below_five_of_noise_and_four_of_texture():
    """Five standard deviations of the noise are asked for; where texture limits it a visibility of four is enough."""
    table = pd.DataFrame({"visibility": [4.9, 5.1, 3.9, 4.1], "integrated_snr": [5.0, 5.2, 30.0, 40.0]})
    assert faint(table).tolist() == [True, False, True, False]
