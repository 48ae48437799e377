"""Marks land where they should, at any size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.report.colouring import colour_rows
from lptem_tracker.report.drawing import (
    Pen,
    box_corners,
    draw_event,
    draw_ids,
    draw_outlines,
    draw_trails,
    ellipse_points,
)
from lptem_tracker.report.scene import Scene
from lptem_tracker.report.text import draw_text, text_size
from lptem_tracker.report.view import fit_view


def _scene(**columns: object) -> Scene:
    table = pd.DataFrame({"particle": 1, "frame": range(10), "x": np.linspace(20, 80, 10), "y": 50.0})
    table = table.assign(width=20.0, height=10.0, angle=0.0, observed=True).assign(**columns)
    return Scene(table, colour_rows(table, "particle"))


def _coloured(canvas: np.ndarray) -> np.ndarray:
    return np.ptp(canvas.astype(int), axis=2) > 40


def test_a_box_is_turned_from_x_towards_y() -> None:
    """With y downwards an angle of +90° puts the long side along y."""
    corners = box_corners(np.array([10.0, 10.0]), np.array([8.0, 2.0]), np.pi / 2)
    assert np.ptp(corners[:, 0]) == pytest.approx(2.0)
    assert np.ptp(corners[:, 1]) == pytest.approx(8.0)
    leaning = box_corners(np.zeros(2), np.array([10.0, 0.0]), np.pi / 4)
    assert leaning[1] == pytest.approx([5 / np.sqrt(2), 5 / np.sqrt(2)])


def test_an_ellipse_has_its_extents() -> None:
    """Width along the angle, height across it."""
    points = ellipse_points(np.zeros(2), np.array([8.0, 4.0]), 0.0)
    assert np.ptp(points[:, 0]) == pytest.approx(8.0)
    assert np.ptp(points[:, 1]) == pytest.approx(4.0)


@pytest.mark.parametrize("outline", ["box", "ellipse"])
def test_the_outline_encloses_the_particle(outline: str) -> None:
    """The coloured pixels surround the particle's place, and its inside stays free."""
    canvas = np.full((100, 100, 3), 90, np.uint8)
    draw_outlines(canvas, _scene(), 9, fit_view((100, 100), zoom=1), Pen(1, 11), outline)  # type: ignore[arg-type]
    y, x = np.nonzero(_coloured(canvas))
    assert (x.min(), x.max()) == pytest.approx((69, 91), abs=2)
    assert (y.min(), y.max()) == pytest.approx((44, 56), abs=2)
    assert not _coloured(canvas)[50, 76:84].any()


def test_a_place_that_was_filled_in_is_drawn_broken() -> None:
    """An unobserved position has a dashed ring, which has fewer coloured pixels than a full outline."""
    full, broken = (np.full((100, 100, 3), 90, np.uint8) for _ in range(2))
    view, pen = fit_view((100, 100), zoom=1), Pen(1, 11)
    draw_outlines(full, _scene(height=20.0), 5, view, pen, "ellipse")
    draw_outlines(broken, _scene(height=20.0, observed=False), 5, view, pen, "ellipse")
    assert 0 < _coloured(broken).sum() < 0.85 * _coloured(full).sum()


def test_a_trail_covers_the_past_and_not_the_future() -> None:
    """In frame 5 the path behind the particle is coloured, the path ahead is not."""
    canvas = np.full((100, 100, 3), 90, np.uint8)
    draw_trails(canvas, _scene(), 5, fit_view((100, 100), zoom=1), Pen(1, 11), 40)
    line = np.ptp(canvas[48:53].astype(int), axis=2).max(axis=0)
    assert (line[24:50] > 10).all()
    assert not (line[60:] > 10).any()


def test_a_trail_of_no_frames_draws_nothing() -> None:
    """Length 0 leaves the picture as it is."""
    canvas = np.full((100, 100, 3), 90, np.uint8)
    draw_trails(canvas, _scene(), 5, fit_view((100, 100), zoom=1), Pen(1, 11), 0)
    assert (canvas == 90).all()


@pytest.mark.parametrize("side", [512, 2048])
def test_text_grows_with_the_picture(side: int) -> None:
    """Numbers keep the same share of the picture."""
    height = text_size("12", Pen.for_picture(side, side).font, bold=True)[1]
    assert 0.015 < height / side < 0.035


def test_ids_stay_inside_the_picture() -> None:
    """A particle at the upper right corner has its number written inwards."""
    canvas = np.full((100, 100, 3), 90, np.uint8)
    draw_ids(canvas, _scene(x=97.0, y=3.0), 5, fit_view((100, 100), zoom=1), Pen(1, 11))
    assert _coloured(canvas).sum() > 10


def test_text_outside_the_picture_is_cut() -> None:
    """Text half outside is drawn in part; text wholly outside is not an error."""
    canvas = np.zeros((40, 40, 3), np.uint8)
    draw_text(canvas, "µm²", 35, 35, size=14, colour=(255, 255, 255))
    draw_text(canvas, "far", 500, 500, size=14, colour=(255, 255, 255))
    assert canvas[36:, 36:].max() > 100


def test_an_event_mark_opens_and_fades() -> None:
    """Late in its life the ring is wider and fainter."""
    marks = []
    for age in (0.0, 0.9):
        canvas = np.full((200, 200, 3), 90, np.uint8)
        draw_event(canvas, "", np.array([100.0, 100.0]), age, (255, 0, 0), Pen(2, 12), 30)
        y, x = np.nonzero(np.ptp(canvas.astype(int), axis=2) > 15)
        marks.append((np.hypot(x - 100, y - 100).mean(), canvas[..., 0].max()))
    assert marks[1][0] > 1.5 * marks[0][0]
    assert marks[1][1] < marks[0][1]


def test_the_name_of_an_event_stays_in_the_picture() -> None:
    """Near the lower right corner it stands above and shifted inwards; an event outside leaves no mark."""
    canvas = np.full((100, 160, 3), 90, np.uint8)
    draw_event(canvas, "coalesce", np.array([158.0, 97.0]), 0.5, (255, 0, 0), Pen(1, 12), 8)
    height, width = text_size("coalesce", 12, bold=True)[::-1]
    assert np.ptp(canvas[97 - 12 - height : 97 - 11, -width:].astype(int), axis=2).max() > 100
    untouched = np.full((100, 160, 3), 90, np.uint8)
    draw_event(untouched, "attach", np.array([-4.0, 50.0]), 0.5, (255, 0, 0), Pen(1, 12), 8)
    assert (untouched == 90).all()
