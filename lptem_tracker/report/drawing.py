"""Marks on a frame, drawn with OpenCV at a 16th of a pixel and smoothed at the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.report.palette import Colour
from lptem_tracker.report.scene import Scene
from lptem_tracker.report.text import draw_text
from lptem_tracker.report.view import View

_SHIFT = 4
_ONE = 1 << _SHIFT
Outline = Literal["box", "ellipse", "point", "none"]


@dataclass(frozen=True)
class Pen:
    """Sizes that follow the picture, so that marks look the same at 512 and at 2,048 px.

    Attributes
    ----------
    line : int
        Width of outlines in px.
    font : int
        Height of text in px.
    """

    line: int
    font: int

    @classmethod
    def for_picture(cls, width: int, height: int) -> Pen:
        """Return the pen for a picture of this size."""
        side = min(width, height)
        return cls(line=max(1, round(side / 420)), font=max(11, round(side / 42)))


def fixed(points: NDArray[Any]) -> NDArray[np.int32]:
    """Return picture coordinates as OpenCV's fixed-point numbers."""
    numbers: NDArray[np.int32] = np.round(np.clip(points, -1e6, 1e6) * _ONE).astype(np.int32)
    return numbers


def rgb(colour: NDArray[Any] | Colour) -> Colour:
    """Return a colour as plain numbers."""
    return int(colour[0]), int(colour[1]), int(colour[2])


def draw_trails(canvas: NDArray[np.uint8], scene: Scene, frame: int, view: View, pen: Pen, length: int) -> None:
    """Draw where each particle of a frame was: recent positions bright, older ones thin and faint.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    scene : Scene
    frame : int
    view : View
    pen : Pen
    length : int
        Frames that a trail goes back.
    """
    if length < 1:
        return
    paths = []
    for row in scene.rows(frame):
        trail = scene.trail(int(row), length)
        if trail.stop - trail.start > 1:
            paths.append((fixed(view.points(scene.xy[trail])), trail, rgb(scene.colour[row])))
    if not paths:
        return
    faint = canvas.copy()
    for points, _, colour in paths:
        cv2.polylines(faint, [points], False, colour, max(1, pen.line // 2), cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(faint, 0.55, canvas, 0.45, 0, dst=canvas)
    for points, trail, colour in paths:
        recent = scene.frame[trail] >= frame - length // 2
        pieces = _runs(points, recent & scene.observed[trail])
        if pieces and not scene.varies:
            cv2.polylines(canvas, pieces, False, colour, pen.line, cv2.LINE_AA, _SHIFT)
        elif pieces:
            _draw_segments(canvas, points, scene.colour[trail], recent & scene.observed[trail], pen)


def _draw_segments(
    canvas: NDArray[np.uint8], points: NDArray[np.int32], colours: NDArray[np.uint8], keep: NDArray[np.bool_], pen: Pen
) -> None:
    """Draw the steps between kept points, each in the colour of its later end."""
    for n in np.flatnonzero(keep[1:] & keep[:-1]) + 1:
        a, b = (int(points[n - 1, 0]), int(points[n - 1, 1])), (int(points[n, 0]), int(points[n, 1]))
        cv2.line(canvas, a, b, rgb(colours[n]), pen.line, cv2.LINE_AA, _SHIFT)


def _runs(points: NDArray[np.int32], keep: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Return the stretches of at least two consecutive points that are kept."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8)))
    return [points[a:b] for a, b in zip(edges[::2], edges[1::2]) if b - a > 1]


def draw_outlines(
    canvas: NDArray[np.uint8],
    scene: Scene,
    frame: int,
    view: View,
    pen: Pen,
    outline: Outline,
    highlight: int | None = None,
) -> None:
    """Draw the shape of each particle of a frame; where it was not seen, a dashed ring at the filled-in place.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    scene : Scene
    frame : int
    view : View
    pen : Pen
    outline : {'box', 'ellipse', 'point', 'none'}
    highlight : int, optional
        A particle to draw thicker.
    """
    rows = scene.rows(frame)
    centres = view.points(scene.xy[rows])
    for row, centre in zip(rows, centres):
        colour = rgb(scene.colour[row])
        width = pen.line + pen.line * (scene.particle[row] == highlight)
        size = scene.size[row] * view.scale
        if not scene.observed[row]:
            _dashed_ring(canvas, centre, _ring_radius(size, pen), colour, pen.line)
        elif outline == "point" or (outline != "none" and not np.isfinite(size).all()):
            cv2.circle(canvas, fixed(centre), int(2.2 * pen.line * _ONE), colour, -1, cv2.LINE_AA, _SHIFT)
        elif outline == "box":
            corners = fixed(box_corners(centre, size + 2 * pen.line, float(scene.angle[row])))
            cv2.polylines(canvas, [corners], True, colour, width, cv2.LINE_AA, _SHIFT)
        elif outline == "ellipse":
            points = fixed(ellipse_points(centre, size + 2 * pen.line, float(scene.angle[row])))
            cv2.polylines(canvas, [points], True, colour, width, cv2.LINE_AA, _SHIFT)


def box_corners(centre: NDArray[Any], size: NDArray[Any], angle: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle turned by `angle` (rad, from +x towards +y), shape (4, 2)."""
    along = np.array([np.cos(angle), np.sin(angle)]) * size[0] / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * size[1] / 2
    return np.array(
        [centre - along - across, centre + along - across, centre + along + across, centre - along + across]
    )


def ellipse_points(centre: NDArray[Any], size: NDArray[Any], angle: float, n: int = 40) -> NDArray[np.float64]:
    """Return points of an ellipse turned by `angle` (rad, from +x towards +y), shape (n, 2)."""
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    along, across = np.cos(turn) * size[0] / 2, np.sin(turn) * size[1] / 2
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([centre[0] + along * c - across * s, centre[1] + along * s + across * c], axis=1)


def _ring_radius(size: NDArray[Any], pen: Pen) -> float:
    return float(np.max(size)) / 2 + pen.line if np.isfinite(size).all() else 5.0 * pen.line


def _dashed_ring(canvas: NDArray[np.uint8], centre: NDArray[Any], radius: float, colour: Colour, line: int) -> None:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False).reshape(8, 6)[:, :4]
    dashes = np.stack([centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn)], axis=2)
    cv2.polylines(canvas, list(fixed(dashes)), False, colour, line, cv2.LINE_AA, _SHIFT)


def draw_ids(canvas: NDArray[np.uint8], scene: Scene, frame: int, view: View, pen: Pen) -> None:
    """Write each particle's number beside it, inside the picture.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    scene : Scene
    frame : int
    view : View
    pen : Pen
    """
    rows = scene.rows(frame)
    for row, centre in zip(rows, view.points(scene.xy[rows])):
        if not (0 <= centre[0] < view.width and 0 <= centre[1] < view.height):
            continue
        reach = _reach(scene, int(row), view, pen)
        above = centre[1] - reach[1] > 1.2 * pen.font
        right = centre[0] + reach[0] < view.width - 2 * pen.font
        x = centre[0] + (reach[0] if right else -reach[0])
        y = centre[1] + (-reach[1] if above else reach[1])
        anchor = ("l" if right else "r") + ("b" if above else "t")
        draw_text(
            canvas,
            str(scene.particle[row]),
            x,
            y,
            size=pen.font,
            colour=rgb(scene.colour[row]),
            bold=True,
            anchor=anchor,
        )


def _reach(scene: Scene, row: int, view: View, pen: Pen) -> tuple[float, float]:
    """Return how far a label stays from the centre, so that it clears the outline."""
    size = scene.size[row] * view.scale
    if not np.isfinite(size).all():
        return 3.0 * pen.line, 2.0 * pen.line
    corners = np.abs(box_corners(np.zeros(2), size, float(scene.angle[row])))
    return 0.72 * float(corners[:, 0].max()) + pen.line, 0.72 * float(corners[:, 1].max()) + pen.line


def draw_event(
    canvas: NDArray[np.uint8], text: str, centre: NDArray[Any], age: float, colour: Colour, pen: Pen, radius: float
) -> None:
    """Draw the mark of an event: a ring that opens and fades, with its name.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    text : str
        Name of the event.
    centre : numpy.ndarray
        Picture position, shape (2,).
    age : float
        0 when it happens, 1 when the mark disappears.
    colour : (R, G, B)
    pen : Pen
    radius : float
        Radius of the ring at first, px.
    """
    strength = 1.0 - 0.75 * age
    reach = radius * (1 + 0.9 * age)
    margin = int(reach + 2 * pen.line + 3)
    x, y = int(centre[0]), int(centre[1])
    patch = canvas[max(y - margin, 0) : max(y + margin, 0), max(x - margin, 0) : max(x + margin, 0)]
    if patch.size:
        ring = patch.copy()
        local = centre - np.array([max(x - margin, 0), max(y - margin, 0)])
        width = max(1, round(2.5 * pen.line * (1.2 - 0.7 * age)))
        cv2.circle(ring, fixed(local), int(reach * _ONE), colour, width, cv2.LINE_AA, _SHIFT)
        cv2.addWeighted(ring, strength, patch, 1 - strength, 0, dst=patch)
    draw_text(
        canvas,
        text,
        centre[0],
        centre[1] + radius * 1.2 + pen.line,
        size=pen.font,
        colour=colour,
        bold=True,
        anchor="mt",
    )
