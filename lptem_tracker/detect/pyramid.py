"""The scales and tiles at which a frame is shown to the network, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.decode import Float, suppress
from lptem_tracker.preprocess.normalise import normalise

Image = NDArray[np.float32]

TILE_PX = 1024
"""Larger images are cut into tiles of this side, so that memory stays bounded."""
OVERLAP_PX = 192
"""Tiles overlap by this: more than the largest box the network answers with."""
STRIDE = 32


@dataclass(frozen=True)
class Level:
    """One scale of a frame.

    Attributes
    ----------
    scale : float
        Pixels of this level a pixel of the frame.
    min_radius_px, max_radius_px : float
        Particles of this level that are kept, in px of the frame.
    """

    scale: float
    min_radius_px: float
    max_radius_px: float


FULL = Level(1.0, 0.0, 80.0)
HALF = Level(0.5, 8.0, 160.0)
QUARTER = Level(0.25, 24.0, 320.0)
DOUBLE = Level(2.0, 0.0, 3.5)
HALF_ALONE = Level(0.5, 0.0, 160.0)
"""Half the resolution where it is the finest scale looked at."""
MIDDLE_ALONE = Level(0.6875, 0.0, 116.0)
"""Eleven sixteenths, likewise: 512 px become 352, which like 704 of 1024 px needs no padding."""


def levels_for(shape: tuple[int, int]) -> tuple[Level, ...]:
    """Return the scales at which a frame of shape (Y, X) is searched without having seen it."""
    side = min(shape)
    return (FULL, *((HALF,) if side >= 256 else ()), *((QUARTER,) if side >= 768 else ()))


def lower_levels(shape: tuple[int, int], finest: Level = HALF_ALONE) -> tuple[Level, ...]:
    """Return the scales at which a frame of shape (Y, X) is searched where a finer one shows nothing more.

    None for a small frame, which half the resolution would leave too little of.
    """
    rest = levels_for(shape)[1:]
    return (finest, *rest[1:]) if rest else ()


def render(pixels: NDArray[Any], level: Level) -> Image:
    """Return the normalised frame at a scale: binned by area, or enlarged by cubic interpolation.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X), any real dtype; NaN counts as no data.
    level : Level

    Returns
    -------
    numpy.ndarray
        float32 of about (Y, X) times the scale.
    """
    if level.scale == 1.0:
        return normalise(pixels)
    image = np.asarray(pixels, np.float32)
    valid = np.isfinite(image)
    size = (max(1, round(image.shape[1] * level.scale)), max(1, round(image.shape[0] * level.scale)))
    how = cv2.INTER_AREA if level.scale < 1 else cv2.INTER_CUBIC
    if valid.all():
        return normalise(cv2.resize(image, size, interpolation=how))
    middle = float(np.median(image[valid])) if valid.any() else 0.0
    resized = np.asarray(cv2.resize(np.where(valid, image, middle), size, interpolation=how))
    known = cv2.resize(
        valid.astype(np.float32), size, interpolation=cv2.INTER_AREA if level.scale < 1 else cv2.INTER_LINEAR
    )
    resized[np.asarray(known) < 0.5] = np.nan
    return normalise(resized)


@dataclass(frozen=True)
class Tile:
    """A part of an image: its corner, and the region (left, top, right, bottom) whose particles it answers for."""

    x: int
    y: int
    image: Image
    core: tuple[float, float, float, float]


def tiles(image: Image) -> list[Tile]:
    """Cut an image into overlapping tiles, each padded with background to a multiple of the stride.

    An image of up to 1.5 tiles a side stays whole. The cores of the tiles cover the image once.
    """
    height, width = image.shape
    out = []
    for top, bottom, first_y, last_y in _spans(height):
        for left, right, first_x, last_x in _spans(width):
            part = image[top:bottom, left:right]
            pad = [(0, -side % STRIDE) for side in part.shape]
            padded = np.pad(part, pad) if pad != [(0, 0), (0, 0)] else part
            out.append(Tile(left, top, np.ascontiguousarray(padded), (first_x, first_y, last_x, last_y)))
    return out


def _spans(side: int) -> list[tuple[int, int, float, float]]:
    """Return (start, stop, first, last) of each tile along one axis; [first, last) is its core."""
    if side <= 1.5 * TILE_PX:
        return [(0, side, -np.inf, np.inf)]
    n = int(np.ceil((side - OVERLAP_PX) / (TILE_PX - OVERLAP_PX)))
    starts = [round(k * (side - TILE_PX) / (n - 1)) for k in range(n)]
    cuts = [-np.inf, *((a + TILE_PX + b) / 2 for a, b in zip(starts, starts[1:])), np.inf]
    return [(start, start + TILE_PX, cuts[k], cuts[k + 1]) for k, start in enumerate(starts)]


def untile(boxes: Float, scores: Float, tile: Tile) -> tuple[Float, Float]:
    """Move a tile's boxes to the image and keep those whose centre lies in its core."""
    moved = boxes + np.array([tile.x, tile.y, tile.x, tile.y], np.float32)
    x, y = (moved[:, 0] + moved[:, 2]) / 2, (moved[:, 1] + moved[:, 3]) / 2
    left, top, right, bottom = tile.core
    own = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return moved[own], scores[own]


def merge(
    found: list[tuple[Level, Float, Float]], shape: tuple[int, int], *, max_overlap: float = 0.35
) -> tuple[Float, Float]:
    """Bring the boxes of all levels to the frame, keep each level's sizes, and drop what was found twice.

    Parameters
    ----------
    found : list
        Of (level, boxes, scores), boxes in px of the level.
    shape : tuple of int
        (Y, X) of the frame.
    max_overlap : float
        Largest intersection over union of two boxes kept.

    Returns
    -------
    boxes, scores
        In px of the frame, cut at its border, sorted by falling score.
    """
    parts, marks = [], []
    for level, boxes, scores in found:
        native = boxes / level.scale
        radius = np.sqrt(np.prod(native[:, 2:] - native[:, :2], 1)) / 2
        good = (radius >= level.min_radius_px) & (radius < level.max_radius_px)
        parts.append(native[good])
        marks.append(scores[good])
    boxes, scores = np.concatenate(parts), np.concatenate(marks)
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, shape[1])
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, shape[0])
    real = ((boxes[:, 2:] - boxes[:, :2]) >= 1.0).all(1)
    boxes, scores = boxes[real], scores[real]
    keep = suppress(boxes, scores, max_overlap=max_overlap, max_nested=0.8 if len(found) > 1 else 1.0)
    return boxes[keep], scores[keep]
