"""Whether a detection stands out from the open background: gaps between particles do not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.loops import loop
from lptem_tracker.detect.pairs import Wide

LEVELS = ("above_near", "open_near", "above_far", "open_far")
_CELL_PX = 4
_REACHES_PX = ((8, 32.0), (32, 160.0))
"""Cells on which an average is taken, and its standard deviation, in px."""
_SURE = 0.03
"""Detections of a lower score cover nothing."""
_MARGIN = 0.9
"""Half the side of what a detection covers, in sides of its box."""
_FAINTEST = 0.15
"""Added to the contrast, in noise units, by which a level is measured."""
_LEAST = 0.02
"""Share of open background, weighted by distance, at which it counts half."""
_RANGE = (-3.0, 4.0)


def open_levels(image: NDArray[np.float32], boxes: Wide, score: Wide, contrast: Wide, middle: Wide) -> Wide:
    """Compare each detection with the background that no detection covers.

    A particle stands out from it by its contrast. The bright gap between dark particles of a crystal does not,
    however regular it is: it is as bright as the liquid beyond.

    Parameters
    ----------
    image : numpy.ndarray
        The normalised frame, shape (Y, X).
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px.
    score : numpy.ndarray
        Shape (N,).
    contrast : numpy.ndarray
        Shape (N,), in noise units, from `surroundings.ring_contrast`.
    middle : numpy.ndarray
        Shape (N,), the mean of the frame inside each box in noise units.

    Returns
    -------
    numpy.ndarray
        Shape (N, 4), of `LEVELS`: for the background near (some 32 px) and far (some 160 px), how far the detection
        is above it in the direction of its contrast, over that contrast, less where there is little of it; and how
        much of it there is, from 0 to 1.
    """
    cells = (max(1, round(image.shape[1] / _CELL_PX)), max(1, round(image.shape[0] / _CELL_PX)))
    value = np.asarray(cv2.resize(image, cells, interpolation=cv2.INTER_AREA), np.float32)
    free = np.ones_like(value)
    ratio = np.array(cells, np.float64) / np.array(image.shape[::-1])
    _cover(boxes[score > _SURE], ratio, free)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 / np.array(image.shape[::-1])
    sign = np.where(contrast < 0, -1.0, 1.0) / (np.abs(contrast) + _FAINTEST)
    columns = []
    for cell, reach in _REACHES_PX:
        open_value, share = _averaged(value * free, cell, reach), _averaged(free, cell, reach)
        x, y = (
            np.minimum(centre[:, k] * share.shape[1 - k], share.shape[1 - k] - 1).astype(int).clip(0) for k in (0, 1)
        )
        here = share[y, x].astype(np.float64)
        trust = here / (here + _LEAST)
        level = open_value[y, x] / np.maximum(here, 1e-6)
        columns += [trust * np.clip(sign * (middle - level), *_RANGE), trust]
    return np.column_stack(columns)


def _averaged(cells: NDArray[np.float32], cell: int, reach: float) -> NDArray[np.float32]:
    """Return the weighted sum about each of the coarser cells; nothing lies beyond the edge."""
    shrink = _CELL_PX / cell
    size = (max(1, round(cells.shape[1] * shrink)), max(1, round(cells.shape[0] * shrink)))
    small = cv2.resize(cells, size, interpolation=cv2.INTER_AREA)
    sigma = reach / cell
    side = 2 * int(2.5 * sigma) + 1
    return np.asarray(cv2.GaussianBlur(small, (side, side), sigma, borderType=cv2.BORDER_CONSTANT), np.float32)


@loop
def _cover(boxes, ratio, free):  # type: ignore[no-untyped-def]
    """Set to 0 the cells that lie in boxes (N, 4) with a margin."""
    for i in range(len(boxes)):
        x, y = (boxes[i, 0] + boxes[i, 2]) / 2, (boxes[i, 1] + boxes[i, 3]) / 2
        half_x, half_y = _MARGIN * (boxes[i, 2] - boxes[i, 0]), _MARGIN * (boxes[i, 3] - boxes[i, 1])
        left, right = max(int((x - half_x) * ratio[0]), 0), min(int((x + half_x) * ratio[0]) + 1, free.shape[1])
        top, bottom = max(int((y - half_y) * ratio[1]), 0), min(int((y + half_y) * ratio[1]) + 1, free.shape[0])
        for v in range(top, bottom):
            for u in range(left, right):
                free[v, u] = 0.0
