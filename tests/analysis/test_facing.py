"""The angle between rods and facets at attachment."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.analysis.bodies import Bodies, bodies_from_tracks
from lptem_tracker.analysis.facing import facing_angle
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings
from lptem_tracker.tables import validate_tracks


def polygon(n: int, size: float, x: float, y: float, turn: float) -> list[list[float]]:
    """Corners of a regular polygon of which one facet looks along `turn`."""
    angle = turn + np.pi / n + 2 * np.pi * np.arange(n) / n
    return np.column_stack([x + size * np.cos(angle), y + size * np.sin(angle)]).tolist()


def pair(outlines: list[list[list[float]]] | None = None, **columns: object) -> Bodies:
    """Two particles 30 px apart along x, in three frames."""
    table = pd.DataFrame({"particle": [0, 1], "x": [50.0, 80.0], "y": 50.0, "radius": 14.0, **columns})
    if outlines is not None:
        table["outline"] = [json.dumps(corners) for corners in outlines]
    rows = pd.concat([table.assign(frame=frame) for frame in range(3)])
    return bodies_from_tracks(validate_tracks(rows), field_px=(130, 100))


@pytest.mark.parametrize(("n", "m"), [(3, 3), (4, 4), (6, 6), (3, 6)])
@pytest.mark.parametrize("tilt", [0.0, 0.2, -0.3])
def test_polygons_that_face_each_other(n: int, m: int, tilt: float) -> None:
    """Facets that look at each other are parallel; turning one particle by 0.2 rad makes that the angle."""
    bodies = pair([polygon(n, 15, 50, 50, 0), polygon(m, 15, 80, 50, np.pi + tilt)])
    assert facing_angle(bodies, 0, 3) == pytest.approx(abs(tilt), abs=1e-9)


def test_boxes_are_compared_by_the_sides_that_meet() -> None:
    """A plate of 1.2 : 1 that lies along x meets one that stands upright and leans by 0.1 rad: 0.1, not 1.47."""
    bodies = pair(width=30.0, height=25.0, radius=np.sqrt(30 * 25 / np.pi), angle=[0.0, np.pi / 2 - 0.1])
    assert facing_angle(bodies, 0, 3) == pytest.approx(0.1)


def test_rods_are_compared_by_their_axes() -> None:
    """Rods at 0.2 and -1.5 rad are 1.44 rad apart, modulo a half turn."""
    bodies = pair(width=40.0, height=10.0, radius=11.0, angle=[0.2, -1.5])
    assert facing_angle(bodies, 0, 3) == pytest.approx(np.pi - 1.7)


def test_round_particles_and_curves_have_no_angle() -> None:
    """Disks, and outlines of 40 corners, have no facets."""
    assert np.isnan(facing_angle(pair(), 0, 3))
    assert np.isnan(facing_angle(pair([polygon(40, 15, 50, 50, 0), polygon(40, 15, 80, 50, 0)]), 0, 3))


def test_the_angle_stands_in_the_event() -> None:
    """Two hexagons meet at frame 30 with facets 0.15 rad apart: that is the angle of the attach event."""
    rows = []
    for frame in range(70):
        apart = 26.2 + max(0, 30 - frame)
        for k, (x, turn) in enumerate([(100.0, 0.0), (100 + apart, np.pi + 0.15)]):
            outline = json.dumps(polygon(6, 15, x, 100, turn))
            rows.append({"particle": k, "frame": frame, "x": x, "y": 100.0, "radius": 13.5, "outline": outline})
    events = measure_assembly(pd.DataFrame(rows), Calibration(), EventSettings(), field_px=(250, 200)).events
    attach = events[events["kind"] == "attach"]
    assert attach["angle"].tolist() == pytest.approx([0.15])
