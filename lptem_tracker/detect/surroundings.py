"""What lies about a detection: boxes that contradict it, texture, and whether it goes on outside its box."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Wide = NDArray[np.float64]
Rectangles = Callable[[Wide, Wide, Wide, Wide], tuple[Wide, Wide]]
"""(left, top, right, bottom) in px, each (N,) -> sum and number of the pixels inside, each (N,)."""

NEIGHBOURS = ("contradicted", "inside", "holds", "near", "at_edge", "elongation", "relative_size", "size")
FLANKS = ("goes_on", "goes_on_twice", "beside", "emptiest_corner", "fullest_corner", "core")
TEXTURE = ("visibility", "texture")
_NEAR = 1.6
"""Centres nearer than this many sizes are neighbours."""
_LARGER = 1.3
"""Area over area from which a box counts as the larger one."""
_FAINTEST = 0.1
"""Contrast in noise units that others are measured by at least."""
_GRAIN_PX = 6.0
"""Size of a particle to which the texture of the full resolution is compared; each octave above has its own."""
_OCTAVES = 5
_ROUND_OFF = 0.02
"""Contrast and texture below this, in noise units, are alike."""
_AROUND = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)])


def rectangles(image: NDArray[np.float32]) -> Rectangles:
    """Return a function that sums an image (Y, X) over rectangles, rounded to whole pixels and cut at its edge."""
    total = cv2.integral(image, sdepth=cv2.CV_64F)
    height, width = image.shape

    def within(left: Wide, top: Wide, right: Wide, bottom: Wide) -> tuple[Wide, Wide]:
        x0, x1 = (np.clip(np.rint(v).astype(int), 0, width) for v in (left, right))
        y0, y1 = (np.clip(np.rint(v).astype(int), 0, height) for v in (top, bottom))
        area = np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0)
        found = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        return np.where(area > 0, found, 0.0), area.astype(float)

    return within


def ring_contrast(parts: Rectangles, boxes: Wide) -> tuple[Wide, Wide]:
    """Return the mean inside each box (N, 4) less that of a ring about it in noise units, and the inner area in px²."""
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]

    def part(half: Wide) -> tuple[Wide, Wide]:
        return parts(*(centre - half).T, *(centre + half).T)

    inner, inner_area = part(0.35 * side)
    whole, whole_area = part(0.5 * side + 1)
    outer, outer_area = part(0.9 * side + 2)
    ring = (outer - whole) / np.maximum(outer_area - whole_area, 1.0)
    return inner / np.maximum(inner_area, 1.0) - ring, np.maximum(inner_area, 1.0)


def neighbours(boxes: Wide, score: Wide, typical: float, shape: tuple[int, ...]) -> Wide:
    """Describe each box by those that overlap it or lie near.

    Parameters
    ----------
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px.
    score : numpy.ndarray
        Shape (N,).
    typical : float
        Logarithm of the size in px that is typical of the frame.
    shape : tuple of int
        (Y, X) of the frame.

    Returns
    -------
    numpy.ndarray
        Shape (N, 8), of `NEIGHBOURS`. Of the others, each with its score: the largest overlap (intersection over
        union); the largest share of the box that lies in a larger one; how many smaller ones it holds; how many
        centres lie near. Then 1 at the frame's edge, the logarithms of the sides' ratio, of the size over the
        typical one and of the size in px.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, size = width * height, np.sqrt(width * height)
    contradicted, inside, holds, near = np.zeros((4, len(boxes)))
    i, j, apart = near_pairs(boxes, np.maximum(_NEAR * size, np.maximum(width, height)))
    if len(i):
        common = np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(boxes[i, :2], boxes[j, :2])
        overlap = np.prod(np.clip(common, 0, None), axis=1)
        np.maximum.at(contradicted, i, overlap / (area[i] + area[j] - overlap) * score[j])
        np.maximum.at(inside, i, np.where(area[j] > _LARGER * area[i], overlap / area[i] * score[j], 0.0))
        np.add.at(holds, i, np.where(_LARGER * area[j] < area[i], overlap / area[j] * score[j], 0.0))
        np.add.at(near, i, np.where(apart < _NEAR * size[i], score[j], 0.0))
    at_edge = (boxes < 1.5).any(1) | (boxes[:, 2:] > np.array(shape[::-1]) - 1.5).any(1)
    return np.column_stack(
        [
            contradicted,
            inside,
            np.minimum(holds, 3.0),
            np.minimum(near, 6.0),
            at_edge,
            np.abs(np.log(width / height)),
            np.log(size) - typical,
            np.log(size),
        ]
    )


def near_pairs(boxes: Wide, reach: Wide) -> tuple[NDArray[np.int64], NDArray[np.int64], Wide]:
    """Return both orders of all pairs of boxes nearer than the larger one's reach in px, and their distances.

    The boxes are taken by octaves of their reach, so that one large box does not make neighbours of all small ones.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    octave = np.ceil(np.log2(np.maximum(reach, 1.0))).astype(int)
    first, second, distance = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for level in np.unique(octave):
        here, lower = np.flatnonzero(octave == level), np.flatnonzero(octave <= level)
        found = cKDTree(centre[here]).sparse_distance_matrix(
            cKDTree(centre[lower]), float(reach[here].max()), output_type="ndarray"
        )
        i, j = here[found["i"]], lower[found["j"]]
        # within one octave both orders are there already
        keep, other = i != j, octave[j] < level
        first += [i[keep], j[other]]
        second += [j[keep], i[other]]
        distance += [found["v"][keep], found["v"][other]]
    return np.concatenate(first), np.concatenate(second), np.concatenate(distance)


def flanks(parts: Rectangles, boxes: Wide, contrast: Wide) -> Wide:
    """Describe the places just outside each box and in its corners by their contrast over that of its middle.

    Parameters
    ----------
    parts : callable
        From `rectangles`.
    boxes : numpy.ndarray
        Shape (N, 4).
    contrast : numpy.ndarray
        Shape (N,), from `ring_contrast`.

    Returns
    -------
    numpy.ndarray
        Shape (N, 6), of `FLANKS`: the highest and second highest of the eight places outside (a part of a larger
        particle has one that is as dark as itself), the mean of the other six, the lowest and the highest of the four
        corners inside, and the very middle.
    """
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    strength = np.where(np.abs(contrast) < _FAINTEST, np.where(contrast < 0, -_FAINTEST, _FAINTEST), contrast)

    def mean(middle: Wide, half: Wide) -> tuple[Wide, NDArray[np.bool_]]:
        total, area = parts(*(middle - half).T, *(middle + half).T)
        return total / np.maximum(area, 1.0), area > 0

    ring = mean(centre, 0.35 * side)[0] - contrast

    def over_middle(middle: Wide, half: Wide) -> Wide:
        value, known = mean(middle, half)
        return np.where(known, np.clip((value - ring) / strength, -3.0, 3.0), 0.0)

    thick = np.maximum(0.4 * side, 2.0)
    outside = [
        over_middle(centre + way * (side + thick) / 2, np.where(way == 0, 0.3 * side, thick / 2)) for way in _AROUND
    ]
    spot = np.maximum(0.15 * side, 0.8)
    corners = [over_middle(centre + 0.35 * side * way, spot) for way in _AROUND[4:]]
    around, inner = np.sort(outside, axis=0), np.sort(corners, axis=0)
    return np.column_stack([around[-1], around[-2], around[:6].mean(0), inner[0], inner[-1], over_middle(centre, spot)])


def texture(image: NDArray[np.float32], boxes: Wide, contrast: Wide) -> Wide:
    """Describe the texture at the scale of each box.

    It is the standard deviation of structures between a third and twice the box's size in an area of about five
    sizes. What departs from it by more than three medians, such as particles, counts as that much.

    Parameters
    ----------
    image : numpy.ndarray
        The normalised frame, shape (Y, X).
    boxes : numpy.ndarray
        Shape (N, 4).
    contrast : numpy.ndarray
        Shape (N,), from `ring_contrast`.

    Returns
    -------
    numpy.ndarray
        Shape (N, 2), of `TEXTURE`: the logarithms of the contrast over the texture and of the texture.
    """
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    octave = np.rint(np.log2(np.maximum(np.sqrt(side.prod(1)), 1.0) / _GRAIN_PX)).clip(0, _OCTAVES).astype(int)
    found = np.zeros(len(boxes))
    for level in np.unique(octave):
        shrink = 0.5 ** int(level)
        small = image if level == 0 else cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        band = np.abs(cv2.blur(small, (3, 3)) - cv2.blur(small, (11, 11)))
        band = np.minimum(band, np.float32(3.0) * np.float32(np.median(band[::3, ::3])))
        power = cv2.blur(band * band, (31, 31))
        here = octave == level
        x, y = (centre[here] * shrink).astype(int).clip(0, np.array(small.shape[::-1]) - 1).T
        found[here] = np.sqrt(power[y, x])
    strength = np.log((np.abs(contrast) + _ROUND_OFF) / (found + _ROUND_OFF))
    return np.column_stack([strength, np.log(found + _ROUND_OFF)])
