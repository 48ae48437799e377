"""Rows found by frame and by path."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lptem_tracker.report.colouring import colour_rows
from lptem_tracker.report.scene import Scene

TRACKS = pd.DataFrame({"particle": [0, 0, 0, 2, 2], "frame": [0, 1, 5, 1, 2], "x": [0.0, 1.0, 5.0, 9.0, 9.0], "y": 0.0})


def _scene(table: pd.DataFrame = TRACKS) -> Scene:
    return Scene(table, colour_rows(table, "particle"))


def test_rows_of_a_frame() -> None:
    """Exactly the particles of the frame, and none in a frame without any."""
    scene = _scene()
    assert scene.rows(1).tolist() == [1, 3]
    assert scene.rows(3).tolist() == []


def test_a_trail_goes_back_by_frames_not_by_rows() -> None:
    """A trail of three frames behind frame 5 does not reach across a gap to frame 1."""
    scene = _scene()
    assert scene.trail_starts(np.array([2, 4]), 3).tolist() == [2, 3]
    assert scene.trail_starts(np.array([2, 4]), 4).tolist() == [1, 3]
    assert scene.trail_starts(np.array([0, 3]), 40).tolist() == [0, 3]


def test_positions_are_interpolated_and_held() -> None:
    """Half-way through a gap is half-way in space; before the start the first place holds."""
    scene = _scene()
    assert scene.position(0, 3) == (3.0, 0.0)
    assert scene.position(2, 0) == (9.0, 0.0)
    assert scene.position(7, 0) is None


def test_sizes_come_from_the_radius_where_there_are_no_extents() -> None:
    """A disk of radius 3 is 6 px wide and high; where nothing is known the size is unknown."""
    table = TRACKS.assign(radius=[3.0, 3.0, np.nan, 4.0, 4.0], width=[np.nan, 8.0, np.nan, np.nan, np.nan], height=2.0)
    size = _scene(table).size
    assert size[0].tolist() == [6.0, 6.0]
    assert size[1].tolist() == [8.0, 2.0]
    assert np.isnan(size[2]).all()


def test_round_particles_stand_upright() -> None:
    """The angle of a particle that is nearly as wide as high is not drawn; that of a rod is."""
    table = TRACKS.assign(width=[10.0, 11.0, 30.0, 8.0, 8.0], height=[10.0, 10.0, 10.0, 9.0, 24.0], angle=0.7)
    assert _scene(table).angle.tolist() == [0.0, 0.0, 0.7, 0.0, 0.7]
