"""What lies about a detection."""

import numpy as np
import pytest

from lptem_tracker.detect.surroundings import (
    FLANKS,
    NEIGHBOURS,
    flanks,
    neighbours,
    rectangle_sums,
    ring_contrast,
    summed,
    texture,
)


def column(table, names, name):
    """One column of a table by its name."""
    return table[:, names.index(name)]


def test_sums_over_rectangles_are_those_of_the_pixels():
    """Whole pixels are summed, parts outside the image are left out, and an empty rectangle holds nothing."""
    image = np.arange(30, dtype=np.float32).reshape(5, 6)
    total, area = np.empty(3), np.empty(3)
    sides = np.array([[1.0, 2.0, 4.0, 4.0], [-3.0, -3.0, 1.0, 2.0], [9.0, 0.0, 12.0, 3.0]])
    rectangle_sums(summed(image), sides, total, area)
    assert total.tolist() == [image[2:4, 1:4].sum(), image[:2, :1].sum(), 0.0]
    assert area.tolist() == [6.0, 2.0, 0.0]


def test_a_box_within_another_is_seen_from_both():
    """A 10 px box inside a 20 px one, and a lone box far away, by hand."""
    boxes = np.array([[20, 20, 40, 40], [22, 22, 32, 32], [80, 80, 90, 100.0]])
    score = np.array([0.9, 0.4, 0.7])
    value = neighbours(boxes, score, np.log(10.0), (120, 120))
    assert column(value, NEIGHBOURS, "contradicted") == pytest.approx([0.25 * 0.4, 0.25 * 0.9, 0.0])
    assert column(value, NEIGHBOURS, "inside") == pytest.approx([0.0, 0.9, 0.0])
    assert column(value, NEIGHBOURS, "holds") == pytest.approx([0.4, 0.0, 0.0])
    assert column(value, NEIGHBOURS, "near") == pytest.approx([0.4, 0.9, 0.0])
    assert column(value, NEIGHBOURS, "at_edge").tolist() == [0.0, 0.0, 0.0]
    assert column(value, NEIGHBOURS, "elongation") == pytest.approx([0.0, 0.0, np.log(2)])
    assert column(value, NEIGHBOURS, "relative_size") == pytest.approx([np.log(2), 0.0, np.log(np.sqrt(200) / 10)])


def test_neighbours_equal_a_look_at_every_pair():
    """Random boxes of many sizes: what is found is what a loop over all pairs gives."""
    rng = np.random.default_rng(0)
    centre, half = rng.uniform(0, 300, (200, 2)), np.exp(rng.uniform(0.5, 4, (200, 2)))
    boxes, score = np.hstack([centre - half, centre + half]), rng.random(200)
    value = neighbours(boxes, score, 2.0, (300, 300))
    side = boxes[:, 2:] - boxes[:, :2]
    area = side.prod(1)
    expected = np.zeros((200, 4))
    for i in range(200):
        for j in range(200):
            if i == j:
                continue
            common = np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(boxes[i, :2], boxes[j, :2])
            overlap = max(common[0], 0) * max(common[1], 0)
            expected[i, 0] = max(expected[i, 0], overlap / (area[i] + area[j] - overlap) * score[j])
            if area[j] > 1.3 * area[i]:
                expected[i, 1] = max(expected[i, 1], overlap / area[i] * score[j])
            if area[i] > 1.3 * area[j]:
                expected[i, 2] += overlap / area[j] * score[j]
            expected[i, 3] += score[j] * (np.hypot(*(centre[i] - centre[j])) < 1.6 * np.sqrt(area[i]))
    assert value[:, 0] == pytest.approx(expected[:, 0])
    assert value[:, 1] == pytest.approx(expected[:, 1])
    assert value[:, 2] == pytest.approx(np.minimum(expected[:, 2], 3))
    assert value[:, 3] == pytest.approx(np.minimum(expected[:, 3], 6))


def test_half_a_rod_goes_on_outside_its_box():
    """A bar of 40 by 10 px: the box of its left half has one flank as dark as itself, that of the whole has none."""
    image = np.zeros((80, 100), np.float32)
    image[35:45, 30:70] = -2
    boxes = np.array([[30, 35, 50, 45], [30, 35, 70, 45.0]])
    total = summed(image)
    contrast, area = ring_contrast(total, boxes)
    value = flanks(total, boxes, contrast)
    assert contrast[1] == pytest.approx(-2.0, abs=0.01)
    assert area[1] == 28 * 8
    assert column(value, FLANKS, "goes_on")[0] > 0.9
    assert column(value, FLANKS, "goes_on")[1] < 0.1
    assert column(value, FLANKS, "core") == pytest.approx(1.0, abs=0.2)
    assert column(value, FLANKS, "emptiest_corner")[1] == pytest.approx(1.0, abs=0.01)
    assert flanks(summed(-image), boxes, -contrast) == pytest.approx(value, abs=1e-6)


def test_texture_is_that_of_white_noise_and_grows_with_it():
    """White noise through boxes of 3 and 11 px keeps 1/9 - 1/121 of its variance; a quarter gives a quarter."""
    noise = np.random.default_rng(0).standard_normal((200, 200)).astype(np.float32)
    boxes, contrast = np.array([[97.0, 97, 103, 103]]), np.array([1.0])
    visibility, grain = texture(noise, boxes, contrast)[0]
    expected = np.sqrt(1 / 9 - 1 / 121)
    # 31 x 31 px hold about 100 independent values; three medians cut off 4 % of a normal distribution's power
    assert np.exp(grain) == pytest.approx(expected, rel=0.25)
    assert visibility == pytest.approx(np.log(1.02) - grain, abs=1e-9)
    assert texture(noise / 4, boxes, contrast)[0, 1] == pytest.approx(
        np.log((np.exp(grain) - 0.02) / 4 + 0.02), rel=1e-5
    )
    # octaves above the first average the noise away
    assert texture(noise, np.array([[76.0, 76, 124, 124]]), contrast)[0, 1] < grain - 1


def test_texture_of_a_lone_particle_is_not_its_own():
    """A sharp spot on faint noise changes the texture about it by less than a third."""
    noise = 0.1 * np.random.default_rng(1).standard_normal((120, 120)).astype(np.float32)
    spot = noise.copy()
    spot[57:63, 57:63] += 5
    boxes, contrast = np.array([[57.0, 57, 63, 63]]), np.array([5.0])
    with_it, without = texture(spot, boxes, contrast)[0, 1], texture(noise, boxes, contrast)[0, 1]
    assert np.exp(with_it - without) < 1.34


def test_texture_is_averaged_over_a_square_mirrored_at_the_edge():
    """Near a corner and in the middle it is the root mean square of 31 by 31 px of a picture mirrored at its edge."""
    image = np.random.default_rng(2).standard_normal((70, 60)).astype(np.float32)
    boxes = np.array([[1.0, 2, 7, 8], [27, 30, 33, 36], [54, 63, 60, 69]])
    grain = np.exp(texture(image, boxes, np.ones(3))[:, 1]) - 0.02
    wide = np.pad(image, 40, mode="reflect").astype(float)

    def mean(half, picture):
        rows = np.lib.stride_tricks.sliding_window_view(picture, (2 * half + 1, 2 * half + 1))
        return np.pad(rows.mean((2, 3)), half, mode="edge")

    band = np.abs(mean(1, wide) - mean(5, wide))[40:-40, 40:-40]
    band = np.minimum(band, 3 * np.median(band[::3, ::3]))
    power = mean(15, np.pad(band**2, 40, mode="reflect"))[40:-40, 40:-40]
    expected = [np.sqrt(power[y, x]) for x, y in ((4, 5), (30, 33), (57, 66))]
    assert grain == pytest.approx(expected, rel=1e-4)
