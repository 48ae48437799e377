"""Colours of particles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import SettingsError
from lptem_tracker.report.colouring import colour_rows, row_speeds
from lptem_tracker.report.palette import MOTION, NO_VALUE

TRACKS = pd.DataFrame({"particle": [0] * 6 + [1] * 6, "frame": [*range(6)] * 2})
TRACKS["x"], TRACKS["y"] = (step * TRACKS["frame"] * (TRACKS["particle"] == 0) for step in (3.0, 4.0))


def test_speed_is_path_over_time() -> None:
    """A particle that moves by (3, 4) px a frame has the speed 5; one at rest has 0."""
    assert row_speeds(TRACKS) == pytest.approx([5.0] * 6 + [0.0] * 6)


def test_speed_across_a_gap_uses_the_frames_between() -> None:
    """10 px over 10 frames is 1 px a frame, however many rows there are."""
    table = pd.DataFrame({"particle": [0, 0], "frame": [0, 10], "x": [0.0, 10.0], "y": [0.0, 0.0]})
    assert row_speeds(table) == pytest.approx([1.0, 1.0])


def test_speed_looks_two_rows_to_either_side() -> None:
    """On x = n cubed the path from row 1 to row 5 gives (125 - 1) / 4 = 31 px a frame at row 3."""
    n = np.arange(7)
    table = pd.DataFrame({"particle": 0, "frame": n, "x": n**3.0, "y": 0.0})
    assert row_speeds(table)[3] == pytest.approx(31.0)


def test_the_legend_of_speed_is_in_the_unit_that_it_names() -> None:
    """1 px a frame at 2 nm a px and 0.5 s a frame is 4 nm/s."""
    table = pd.DataFrame({"particle": 0, "frame": range(5), "x": np.arange(5.0), "y": 0.0})
    legend = colour_rows(table, "speed", calibration=Calibration(pixel_size_nm=2.0, frame_interval_s=0.5)).legend
    assert legend is not None
    assert (legend.title, legend.low, legend.high) == ("speed (nm/s)", "4", "4")


def test_a_single_position_has_no_speed() -> None:
    """One point has no speed, and the colour of no value."""
    table = pd.DataFrame({"particle": [4], "frame": [2], "x": [1.0], "y": [1.0]})
    assert np.isnan(row_speeds(table)).all()
    assert tuple(colour_rows(table, "speed").rows[0]) == NO_VALUE


def test_a_particle_keeps_its_colour() -> None:
    """All rows of a particle are alike and differ from its neighbour's."""
    rows = colour_rows(TRACKS, "particle").rows
    assert (rows[:6] == rows[0]).all()
    assert (rows[0] != rows[6]).any()


def test_motion_classes_have_a_legend_of_those_present() -> None:
    """Only classes that occur are explained."""
    particles = pd.DataFrame({"particle": [0, 1], "motion": ["directed", "immobile"]})
    found = colour_rows(TRACKS, "motion", particles=particles)
    assert tuple(found.rows[0]) == MOTION["directed"]
    assert found.legend is not None
    assert [name for name, _ in found.legend.swatches] == ["immobile", "directed"]


def test_colour_by_d_is_logarithmic_and_leaves_unknown_grey() -> None:
    """A particle without D is grey, not the colour of zero."""
    particles = pd.DataFrame({"particle": [0, 1], "D_nm2_s": [10.0, np.nan]})
    found = colour_rows(TRACKS, "D", particles=particles, calibration=Calibration(1.0, 1.0))
    assert tuple(found.rows[-1]) == NO_VALUE
    assert found.legend is not None
    assert found.legend.title == "D (nm²/s)"


@pytest.mark.parametrize("by", ["D", "motion"])
def test_colours_that_need_a_measurement_say_so(by: str) -> None:
    """Without the column the message names it and what to do."""
    with pytest.raises(SettingsError, match="measure the run first"):
        colour_rows(TRACKS, by)


def test_an_unknown_colouring_names_the_known_ones() -> None:
    """The message lists what can be given."""
    with pytest.raises(SettingsError, match="particle, speed, D, motion, cluster"):
        colour_rows(TRACKS, "rainbow")


def test_single_particles_are_grey_among_clusters() -> None:
    """Rows of one cluster share a colour, which changes from frame to frame; rows of none are grey."""
    clusters = np.where(TRACKS["frame"] < 2, np.nan, 3.0)
    found = colour_rows(TRACKS, "cluster", clusters=clusters)
    assert found.varies
    assert {tuple(row) for row in found.rows[np.isnan(clusters)]} == {NO_VALUE}
    assert len({tuple(row) for row in found.rows[~np.isnan(clusters)]} - {NO_VALUE}) == 1
