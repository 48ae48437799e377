"""Examples of pairs that are one particle and of pairs that are two."""

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.detect.halves import MEASURES
from lptem_tracker.detect.members import judged
from lptem_tracker.training.halves import examples, fit_halves


def truth(*rows):
    """Rows (shape, x, y, long, short, angle) of whole, clear particles."""
    table = pd.DataFrame(rows, columns=["shape", "centre_x", "centre_y", "long_px", "short_px", "angle"])
    cos, sin = np.abs(np.cos(table["angle"])), np.abs(np.sin(table["angle"]))
    return table.assign(
        x=table["centre_x"],
        y=table["centre_y"],
        width=table["long_px"] * cos + table["short_px"] * sin,
        height=table["long_px"] * sin + table["short_px"] * cos,
        visible=1.0,
        visibility=20.0,
    )


def labels(boxes, table):
    """Whether each example is one particle, in a picture of noise."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((96, 96)).astype(np.float32)
    found = examples(image, np.array(boxes, float), np.full(len(boxes), 0.9), table, rng)
    return [bool(v) for _, one in found for v in one]


def test_the_halves_of_a_rod_are_one_particle():
    """Both boxes lie in the rod and the box about them is the rod's."""
    rod = truth(("irregular", 39.5, 29.5, 40, 10, 0.0))
    assert labels([(20, 25, 40, 35), (40, 25, 60, 35)], rod) == [True]


def test_two_squares_side_by_side_are_two():
    """Each box is a particle of its own, even though the box about them is no bad box of a third that overlaps."""
    squares = truth(("cube", 29.5, 29.5, 20, 20, 0.0), ("cube", 49.5, 29.5, 20, 20, 0.0))
    assert labels([(20, 20, 40, 40), (40, 20, 60, 40)], squares) == [False]


def test_a_pair_that_is_both_is_no_example():
    """Halves of one rod, one of which is also a particle that lies on it, are left out."""
    both = truth(("irregular", 39.5, 29.5, 40, 10, 0.0), ("irregular", 29.5, 29.5, 20, 10, 0.0))
    assert labels([(20, 25, 40, 35), (40, 25, 60, 35)], both) == []


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2])
def test_long_particles_are_cut_in_two(angle):
    """A rod that was found once gives one pair whose parts lie along it, each shorter than the whole."""
    rng = np.random.default_rng(1)
    rod = truth(("rod", 47.5, 47.5, 40, 12, angle))
    row = rod.iloc[0]
    box = [(48 - row.width / 2, 48 - row.height / 2, 48 + row.width / 2, 48 + row.height / 2)]
    found = examples(np.zeros((96, 96), np.float32), np.array(box), np.ones(1), rod, rng)
    assert len(found) == 1
    value, one = found[0]
    assert one.tolist() == [True]
    measures = dict(zip(MEASURES, value[0]))
    diagonal = np.hypot(row.width, row.height)
    assert np.exp(measures["length"]) == pytest.approx(diagonal, rel=0.2)
    assert measures["apart"] * np.exp(measures["length"]) == pytest.approx(20, rel=0.4)


def test_nothing_found_gives_no_examples():
    """Neither a picture without detections nor one without particles has any."""
    assert labels(np.zeros((0, 4)), truth(("rod", 40, 40, 30, 10, 0.0))) == []
    assert labels([(20, 25, 40, 35), (40, 25, 60, 35)], truth()) == []


def test_the_rule_tells_what_it_was_shown():
    """Pairs that differ in one measure are told apart nearly always."""
    rng = np.random.default_rng(2)
    one = rng.random(1200) < 0.5
    value = np.zeros((1200, len(MEASURES) + 288))
    value[:, 3] = rng.standard_normal(1200) + np.where(one, 3.0, -3.0)
    rule = fit_halves(value[:900], one[:900], epochs=150, members=1)
    # three standard deviations from the middle on either side: 0.3 % would be wrong at best
    assert ((judged(value[900:], rule) > 0.5) == one[900:]).mean() > 0.97
    assert rule["least"] == pytest.approx(0.7)
