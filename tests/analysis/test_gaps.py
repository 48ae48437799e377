"""Distances between outlines, against values by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.bodies import Bodies, bodies_from_tracks, exponent_of_fill, median_filter
from lptem_tracker.analysis.gaps import support, surface_gap
from lptem_tracker.tables import validate_tracks


def make_bodies(*particles: dict) -> Bodies:
    rows = [{"particle": k, "frame": 0, **particle} for k, particle in enumerate(particles)]
    return bodies_from_tracks(validate_tracks(pd.DataFrame(rows)), field_px=(200, 200))


def gap_between(bodies: Bodies) -> float:
    return float(surface_gap(bodies, np.array([0]), np.array([1]))[0])


def test_gap_of_disks_is_centre_distance_less_radii():
    """Two disks of 5 and 3 px, 10 px apart, leave 2 px."""
    assert gap_between(make_bodies({"x": 0, "y": 0, "radius": 5}, {"x": 6, "y": 8, "radius": 3})) == pytest.approx(2.0)


def rod(x: float, y: float, angle: float, width: float = 40.0, height: float = 10.0) -> dict:
    area = (width - height) * height + np.pi * height**2 / 4
    return {"x": x, "y": y, "width": width, "height": height, "angle": angle, "radius": np.sqrt(area / np.pi)}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (rod(45, 0, 0), 5.0),  # tip to tip
        (rod(0, 16, 0), 6.0),  # side by side
        (rod(0, 30, np.pi / 2), 5.0),  # tip to side
    ],
)
def test_gap_of_rods_follows_their_outlines(other, expected):
    """Rods 40 × 10 px: the gap depends on how they lie, not on their equal-area radius."""
    assert gap_between(make_bodies(rod(0, 0, 0), other)) == pytest.approx(expected, abs=0.05)


def test_gap_of_crossing_rods_is_negative():
    """Rods that cross overlap by about a width."""
    assert gap_between(make_bodies(rod(0, 0, 0), rod(0, 0, np.pi / 2))) < -9


def test_gap_of_polygons_is_that_of_their_outlines():
    """A square of 10 px and a triangle whose corner points at it, 4 px away."""
    square = [[-5, -5], [5, -5], [5, 5], [-5, 5]]
    triangle = [[9, 0], [19, 6], [19, -6]]
    bodies = make_bodies(
        {"x": 0, "y": 0, "radius": 5.6, "outline": square}, {"x": 15, "y": 0, "radius": 6, "outline": triangle}
    )
    assert gap_between(bodies) == pytest.approx(4.0, abs=0.01)


def test_support_of_a_disk_is_its_radius_in_every_direction():
    """The outline of a disk reaches its radius whichever way."""
    bodies = make_bodies({"x": 0, "y": 0, "radius": 7})
    reach = support(bodies, np.zeros(8, int), np.linspace(0, 6, 8))
    assert reach == pytest.approx(np.full(8, 7.0))


def test_exponent_of_an_ellipse_is_two():
    """An ellipse fills pi/4 of its box; a fuller shape has a higher exponent."""
    low, high = exponent_of_fill(np.array([np.pi / 4, 0.95]))
    assert low == pytest.approx(2, abs=0.02)
    assert high > 4


def test_axis_aligned_box_of_a_tilted_rod_is_not_taken_for_its_outline():
    """A box three times as large as the particle is no outline: the disk of equal area stands in."""
    bodies = make_bodies({"x": 0, "y": 0, "width": 60, "height": 40, "angle": 0.0, "radius": 12})
    assert bodies.half_length[0] == bodies.half_width[0] == 12


def test_median_filter_takes_out_one_outlier_and_keeps_groups_apart():
    """A single spike vanishes; a neighbouring group has no say."""
    values = np.array([1.0, 1, 9, 1, 1, 5, 5, np.nan, 5])
    group = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    assert median_filter(values, group, 5).tolist() == [1, 1, 1, 1, 1, 5, 5, 5, 5]
