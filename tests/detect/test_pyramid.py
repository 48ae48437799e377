"""Scales and tiles: where a box of a tile lies in the frame."""

import numpy as np
import pytest

from lptem_tracker.detect.pyramid import DOUBLE, FULL, HALF, Level, levels_for, merge, render, tiles, untile


def test_tiles_cover_once_and_stay_small():
    """Every pixel of a large image lies in the core of exactly one tile of bounded sides, multiples of 32."""
    image = np.zeros((1700, 2500), np.float32)
    count = np.zeros(image.shape, int)
    for tile in tiles(image):
        assert tile.image.shape[0] % 32 == tile.image.shape[1] % 32 == 0
        assert max(tile.image.shape) <= 1536
        left, top, right, bottom = tile.core
        y, x = np.ogrid[: image.shape[0], : image.shape[1]]
        count += (x >= left) & (x < right) & (y >= top) & (y < bottom)
    assert count.min() == count.max() == 1


def test_core_keeps_its_distance_from_cuts():
    """A core ends at least 64 px before a cut, so that particles on it are seen whole."""
    for tile in tiles(np.zeros((4096, 600), np.float32)):
        _, top, _, bottom = tile.core
        assert top == -np.inf or top - tile.y >= 64
        assert bottom == np.inf or tile.y + 1024 - bottom >= 64


def test_small_image_is_padded_only():
    """An image of 100 by 70 px is one tile of 128 by 96 px with the image in its corner."""
    image = np.random.default_rng(0).normal(size=(100, 70)).astype(np.float32)
    (tile,) = tiles(image)
    assert tile.image.shape == (128, 96)
    assert np.array_equal(tile.image[:100, :70], image)
    assert not tile.image[100:].any()


def test_untile_moves_and_keeps_own():
    """A box is moved by the tile's corner and dropped when its centre lies outside the core."""
    tile = next(t for t in tiles(np.zeros((3000, 600), np.float32)) if t.y > 0)
    inside, outside = [10, 500, 20, 510], [10, 0, 20, 4]
    boxes, scores = untile(np.array([inside, outside], np.float32), np.array([0.5, 0.6], np.float32), tile)
    assert boxes.tolist() == [[10, 500 + tile.y, 20, 510 + tile.y]]
    assert scores.tolist() == [np.float32(0.5)]


def test_merge_brings_scales_together():
    """The same particle found at full and at half size stays once, with the better score."""
    full = np.array([[100, 100, 160, 160]], np.float32)
    found = [(FULL, full, np.array([0.7], np.float32)), (HALF, full / 2 + 0.5, np.array([0.9], np.float32))]
    boxes, scores = merge(found, (512, 512))
    assert scores.tolist() == [np.float32(0.9)]
    assert boxes.tolist() == [[101, 101, 161, 161]]


def test_merge_keeps_each_levels_sizes():
    """A small particle seen at half size only, and a large one seen at double size only, are not believed."""
    small, large = np.array([[50, 50, 56, 56]], np.float32), np.array([[50, 50, 250, 250]], np.float32)
    one = np.ones(1, np.float32)
    assert len(merge([(HALF, small / 2, one)], (512, 512))[0]) == 0
    assert len(merge([(DOUBLE, large * 2, one)], (512, 512))[0]) == 0


def test_boxes_are_cut_at_the_frame():
    """No box reaches out of the frame, and one that lies outside is gone."""
    boxes = np.array([[-5, 90, 10, 130], [105, 5, 120, 20]], np.float32)
    kept, _ = merge([(FULL, boxes, np.array([0.9, 0.8], np.float32))], (100, 100))
    assert kept.tolist() == [[0, 90, 10, 100]]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_render_scales_and_survives_missing_pixels(scale):
    """A frame with missing pixels is scaled with them as background."""
    frame = np.random.default_rng(1).poisson(40, (200, 300)).astype(float)
    frame[:60, :80] = np.nan
    out = render(frame, Level(scale, 0, 1))
    assert out.shape == (200 * scale, 300 * scale)
    assert np.isfinite(out).all()
    assert abs(out[: int(50 * scale), : int(70 * scale)]).max() == 0


def test_levels_depend_on_the_size_only():
    """A small frame is searched at full size, a large one also binned."""
    assert [level.scale for level in levels_for((128, 500))] == [1.0]
    assert [level.scale for level in levels_for((1024, 1024))] == [1.0, 0.5, 0.25]
