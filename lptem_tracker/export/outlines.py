"""Outlines and upright boxes of the rows of a detections table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SMALLEST_PX = 2.0


def axes_of(row: Any) -> tuple[float, float, float]:
    """Return (width, height, angle) of a row; a disk where only the radius is known, 2 px where nothing is."""
    width, height = getattr(row, "width", np.nan), getattr(row, "height", np.nan)
    angle = getattr(row, "angle", 0.0)
    if not (np.isfinite(width) and np.isfinite(height) and width > 0 and height > 0):
        radius = getattr(row, "radius", np.nan)
        width = height = 2 * radius if np.isfinite(radius) and radius > 0 else SMALLEST_PX
    return float(width), float(height), float(angle) if np.isfinite(angle) else 0.0


def outline_points(row: Any, n: int = 32) -> NDArray[np.float64]:
    """Return points of the ellipse that has a row's extents and angle, shape (n, 2), x and y in px."""
    width, height, angle = axes_of(row)
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    along, across = np.cos(turn) * width / 2, np.sin(turn) * height / 2
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([row.x + along * c - across * s, row.y + along * s + across * c], axis=1)


def bounding_boxes(table: pd.DataFrame, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the upright boxes around the ellipses of a table, cut at the frame.

    Parameters
    ----------
    table : pandas.DataFrame
        In px; pixel centres are whole numbers.
    shape : (Y, X)

    Returns
    -------
    numpy.ndarray
        Columns left, top, right, bottom; shape (n, 4).
    """
    boxes = np.empty((len(table), 4))
    for n, row in enumerate(table.itertuples()):
        width, height, angle = axes_of(row)
        c, s = np.cos(angle), np.sin(angle)
        half_x = np.hypot(width * c, height * s) / 2
        half_y = np.hypot(width * s, height * c) / 2
        boxes[n] = row.x - half_x, row.y - half_y, row.x + half_x, row.y + half_y
    boxes[:, [0, 2]] = np.clip(boxes[:, [0, 2]], -0.5, shape[1] - 0.5)
    boxes[:, [1, 3]] = np.clip(boxes[:, [1, 3]], -0.5, shape[0] - 0.5)
    return boxes
