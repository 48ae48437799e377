"""Marks on a frame, drawn with OpenCV at a 16th of a pixel and smoothed at the edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.report.palette import Colour
from lptem_tracker.report.scene import Scene
from lptem_tracker.report.text import draw_text, text_size
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
        return cls(line=max(1, round(side / 420)), font=max(14, round(side / 42)))


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
    rows = scene.rows(frame)
    if length < 1 or not len(rows):
        return
    first = scene.trail_starts(rows, length)
    rows, first = rows[first < rows], first[first < rows]
    if not len(rows):
        return
    counts = rows - first + 1
    ends = np.cumsum(counts)
    along = np.arange(ends[-1]) - np.repeat(ends - counts, counts) + np.repeat(first, counts)
    points = fixed(view.points(scene.xy[along]))
    whole = np.split(points, ends[:-1])
    faint = canvas.copy()
    for colour, group in by_colour(scene.colour[rows]):
        _lines(faint, [whole[n] for n in group], colour, max(1, pen.line // 2))
    cv2.addWeighted(faint, 0.55, canvas, 0.45, 0, dst=canvas)

    kept = scene.observed[along] & (scene.frame[along] >= frame - length // 2)
    joined = np.concatenate([[False], kept[1:] & kept[:-1]])
    joined[(ends - counts)] = False
    if scene.varies:
        steps = np.flatnonzero(joined)
        for colour, group in by_colour(scene.colour[along[steps]]):
            _lines(canvas, list(np.stack([points[steps[group] - 1], points[steps[group]]], axis=1)), colour, pen.line)
        return
    edges = np.flatnonzero(np.diff(np.concatenate([joined, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2] + 1
    for colour, group in by_colour(scene.colour[along[starts]]):
        _lines(canvas, [points[starts[n] : stops[n]] for n in group], colour, pen.line)


def by_colour(colours: NDArray[np.uint8]) -> Iterator[tuple[Colour, NDArray[np.int64]]]:
    """Yield each colour of an array of shape (n, 3) with the indices that have it: one call of OpenCV draws many."""
    packed = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    order = np.argsort(packed, kind="stable")
    if len(order):
        for group in np.split(order, np.flatnonzero(np.diff(packed[order])) + 1):
            yield rgb(colours[group[0]]), group


def _lines(
    canvas: NDArray[np.uint8], paths: list[NDArray[np.int32]], colour: Colour, width: int, *, closed: bool = False
) -> None:
    cv2.polylines(canvas, paths, closed, colour, width, cv2.LINE_AA, _SHIFT)


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
    centres, size, angle = view.points(scene.xy[rows]), scene.size[rows] * view.scale, scene.angle[rows]
    seen, known = scene.observed[rows], np.asarray(np.isfinite(size).all(axis=1))
    width = np.where(scene.particle[rows] == highlight, 2 * pen.line, pen.line)
    shaped = seen & known & (outline in {"box", "ellipse"})
    points = (box_corners if outline == "box" else ellipse_points)(centres, size + 2 * pen.line, angle)
    for thick in np.unique(width):
        chosen = np.flatnonzero(shaped & (width == thick))
        for colour, group in by_colour(scene.colour[rows[chosen]]):
            _lines(canvas, list(fixed(points[chosen[group]])), colour, int(thick), closed=True)
    for n in np.flatnonzero(~shaped):
        colour = rgb(scene.colour[rows[n]])
        if not seen[n]:
            radius = float(size[n].max()) / 2 + pen.line if known[n] else 5.0 * pen.line
            _dashed_ring(canvas, centres[n], radius, colour, pen.line)
        elif outline != "none":
            cv2.circle(canvas, fixed(centres[n]), int(2.2 * pen.line * _ONE), colour, -1, cv2.LINE_AA, _SHIFT)


def box_corners(centre: NDArray[Any], size: NDArray[Any], angle: NDArray[Any] | float) -> NDArray[np.float64]:
    """Return the corners of rectangles turned by `angle` (rad, from +x towards +y).

    Parameters
    ----------
    centre, size : numpy.ndarray
        x, y and extents along and across the angle, shape (..., 2).
    angle : numpy.ndarray or float
        Shape (...).

    Returns
    -------
    numpy.ndarray
        Shape (..., 4, 2).
    """
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    return _turned(centre, signs * size[..., None, :], angle)


def ellipse_points(
    centre: NDArray[Any], size: NDArray[Any], angle: NDArray[Any] | float, n: int = 40
) -> NDArray[np.float64]:
    """Return points of ellipses turned by `angle` (rad, from +x towards +y), shape (..., n, 2), as `box_corners`."""
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) / 2
    return _turned(centre, circle * size[..., None, :], angle)


def _turned(centre: NDArray[Any], local: NDArray[Any], angle: NDArray[Any] | float) -> NDArray[np.float64]:
    """Return points (..., n, 2), given along and across the angle, about centres of shape (..., 2)."""
    c, s = np.expand_dims(np.cos(angle), -1), np.expand_dims(np.sin(angle), -1)
    along, across = local[..., 0], local[..., 1]
    turned: NDArray[np.float64] = np.stack([along * c - across * s, along * s + across * c], axis=-1)
    turned += centre[..., None, :]
    return turned


def _dashed_ring(canvas: NDArray[np.uint8], centre: NDArray[Any], radius: float, colour: Colour, line: int) -> None:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False).reshape(8, 6)[:, :4]
    dashes = np.stack([centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn)], axis=2)
    _lines(canvas, list(fixed(dashes)), colour, line)


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
    centres = view.points(scene.xy[rows])
    inside = ((centres >= 0) & (centres < [view.width, view.height])).all(axis=1)
    rows, centres = rows[inside], centres[inside]
    reach = _reach(scene.size[rows] * view.scale, scene.angle[rows], pen)
    right = centres[:, 0] + reach[:, 0] < view.width - 2 * pen.font
    above = centres[:, 1] - reach[:, 1] > 1.2 * pen.font
    places = centres + reach * np.stack([np.where(right, 1, -1), np.where(above, -1, 1)], axis=1)
    for row, (x, y), to_right, up in zip(rows, places.tolist(), right, above):
        draw_text(
            canvas,
            str(scene.particle[row]),
            x,
            y,
            size=pen.font,
            colour=rgb(scene.colour[row]),
            bold=True,
            anchor=("l" if to_right else "r") + ("b" if up else "t"),
        )


def _reach(size: NDArray[np.float64], angle: NDArray[np.float64], pen: Pen) -> NDArray[np.float64]:
    """Return how far labels stay from their centres in x and y, so that they clear the outlines; shape (n, 2)."""
    far = np.abs(box_corners(np.zeros_like(size), size, angle)).max(axis=1)
    usual = np.array([3.0, 2.0]) * pen.line
    reach: NDArray[np.float64] = np.where(np.isfinite(far).all(axis=1)[:, None], 0.72 * far + pen.line, usual)
    return reach


def draw_event(
    canvas: NDArray[np.uint8], text: str, centre: NDArray[Any], age: float, colour: Colour, pen: Pen, radius: float
) -> None:
    """Draw the mark of an event: a ring that opens and fades, with its name; nothing where it is not in the picture.

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
    if not (0 <= centre[0] < canvas.shape[1] and 0 <= centre[1] < canvas.shape[0]):
        return
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
    width_px, height_px = text_size(text, pen.font, bold=True)
    left = float(np.clip(centre[0] - width_px / 2, 0, max(canvas.shape[1] - width_px, 0)))
    away = 1.2 * radius + pen.line
    below = centre[1] + away + height_px <= canvas.shape[0]
    top = centre[1] + away if below else centre[1] - away - height_px
    draw_text(canvas, text, left, top, size=pen.font, colour=colour, bold=True)
