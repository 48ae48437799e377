"""What lies about a detection: boxes that contradict it, texture, and whether it goes on outside its box."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.loops import loop, part
from lptem_tracker.detect.pairs import Wide as Wide
from lptem_tracker.detect.pairs import near_pairs

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
_REACH_PX = 15
"""Half the side, less half a pixel, of the square in which the texture is averaged, in px of the octave."""
_ROUND_OFF = 0.02
"""Contrast and texture below this, in noise units, are alike."""
_AROUND = np.array([(-1.0, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)])


def summed(image: NDArray[np.float32]) -> Wide:
    """Return the sums of an image (Y, X) over what lies above and left of each corner of a pixel, (Y + 1, X + 1)."""
    return np.asarray(cv2.integral(image, sdepth=cv2.CV_64F), np.float64)


@part
def _inside(total, left, top, right, bottom):  # type: ignore[no-untyped-def]
    """Return sum and number of the pixels of a rectangle, rounded to whole ones and cut at the image's edge."""
    height, width = total.shape[0] - 1, total.shape[1] - 1
    x0, x1 = min(max(int(np.rint(left)), 0), width), min(max(int(np.rint(right)), 0), width)
    y0, y1 = min(max(int(np.rint(top)), 0), height), min(max(int(np.rint(bottom)), 0), height)
    if x1 <= x0 or y1 <= y0:
        return 0.0, 0.0
    return total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0], float((x1 - x0) * (y1 - y0))


@part
def _about(total, x, y, half_x, half_y):  # type: ignore[no-untyped-def]
    return _inside(total, x - half_x, y - half_y, x + half_x, y + half_y)


@loop
def rectangle_sums(total, sides, sums, areas):  # type: ignore[no-untyped-def]
    """Write sum (N,) and number (N,) of the pixels in rectangles (N, 4); `total` is from `summed`."""
    for i in range(len(sides)):
        sums[i], areas[i] = _inside(total, sides[i, 0], sides[i, 1], sides[i, 2], sides[i, 3])


def ring_contrast(total: Wide, boxes: Wide) -> tuple[Wide, Wide]:
    """Return the mean inside each box (N, 4) less that of a ring about it in noise units, and the inner area in px².

    Parameters
    ----------
    total : numpy.ndarray
        Shape (Y + 1, X + 1), from `summed`.
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px.
    """
    contrast, area = np.empty(len(boxes)), np.empty(len(boxes))
    _ring_contrast(total, boxes, contrast, area)
    return contrast, area


@loop
def _ring_contrast(total, boxes, contrast, area):  # type: ignore[no-untyped-def]
    for i in range(len(boxes)):
        x, y = (boxes[i, 0] + boxes[i, 2]) / 2, (boxes[i, 1] + boxes[i, 3]) / 2
        width, height = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        inner, inner_area = _about(total, x, y, 0.35 * width, 0.35 * height)
        whole, whole_area = _about(total, x, y, 0.5 * width + 1, 0.5 * height + 1)
        outer, outer_area = _about(total, x, y, 0.9 * width + 2, 0.9 * height + 2)
        area[i] = max(inner_area, 1.0)
        contrast[i] = inner / area[i] - (outer - whole) / max(outer_area - whole_area, 1.0)


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
    size = np.sqrt(width * height)
    out = np.zeros((len(boxes), len(NEIGHBOURS)))
    _beside(boxes, score, *near_pairs(boxes, np.maximum(_NEAR * size, np.maximum(width, height))), out)
    out[:, 4] = (boxes < 1.5).any(1) | (boxes[:, 2:] > np.array(shape[::-1]) - 1.5).any(1)
    out[:, 5] = np.abs(np.log(width / height))
    out[:, 7] = np.log(size)
    out[:, 6] = out[:, 7] - typical
    return out


@loop
def _beside(boxes, score, first, second, apart, out):  # type: ignore[no-untyped-def]
    """Write what the pairs say of each box to the first four columns of `out`, which are zero."""
    for k in range(len(first)):
        i, j = first[k], second[k]
        a, b = boxes[i], boxes[j]
        mine, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
        shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
        out[i, 0] = max(out[i, 0], shared / (mine + other - shared) * score[j])
        if other > _LARGER * mine:
            out[i, 1] = max(out[i, 1], shared / mine * score[j])
        if _LARGER * other < mine:
            out[i, 2] += shared / other * score[j]
        if apart[k] < _NEAR * np.sqrt(mine):
            out[i, 3] += score[j]
    for i in range(len(boxes)):
        out[i, 2], out[i, 3] = min(out[i, 2], 3.0), min(out[i, 3], 6.0)


def flanks(total: Wide, boxes: Wide, contrast: Wide) -> Wide:
    """Describe the places just outside each box and in its corners by their contrast over that of its middle.

    Parameters
    ----------
    total : numpy.ndarray
        Shape (Y + 1, X + 1), from `summed`.
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
    out = np.empty((len(boxes), len(FLANKS)))
    _flanks(total, boxes, contrast, _AROUND, out)
    return out


@part
def _over_middle(total, x, y, half_x, half_y, ring, strength):  # type: ignore[no-untyped-def]
    value, area = _about(total, x, y, half_x, half_y)
    return min(max((value / area - ring) / strength, -3.0), 3.0) if area > 0 else 0.0


@loop
def _flanks(total, boxes, contrast, around, out):  # type: ignore[no-untyped-def]
    outside, corners = np.empty(8), np.empty(4)
    for i in range(len(boxes)):
        x, y = (boxes[i, 0] + boxes[i, 2]) / 2, (boxes[i, 1] + boxes[i, 3]) / 2
        width, height = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        strength = contrast[i]
        if abs(strength) < _FAINTEST:
            strength = -_FAINTEST if strength < 0 else _FAINTEST
        inner, area = _about(total, x, y, 0.35 * width, 0.35 * height)
        ring = inner / max(area, 1.0) - contrast[i]
        thick_x, thick_y = max(0.4 * width, 2.0), max(0.4 * height, 2.0)
        spot_x, spot_y = max(0.15 * width, 0.8), max(0.15 * height, 0.8)
        for k in range(8):
            way_x, way_y = around[k, 0], around[k, 1]
            outside[k] = _over_middle(
                total, x + way_x * (width + thick_x) / 2, y + way_y * (height + thick_y) / 2,
                0.3 * width if way_x == 0 else thick_x / 2, 0.3 * height if way_y == 0 else thick_y / 2, ring, strength,
            )  # fmt: skip
            if k >= 4:
                corners[k - 4] = _over_middle(
                    total, x + 0.35 * width * way_x, y + 0.35 * height * way_y, spot_x, spot_y, ring, strength
                )
        outside.sort()
        out[i, 0], out[i, 1], out[i, 2] = outside[7], outside[6], outside[:6].mean()
        out[i, 3], out[i, 4] = corners.min(), corners.max()
        out[i, 5] = _over_middle(total, x, y, spot_x, spot_y, ring, strength)


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
        band = np.asarray(cv2.absdiff(cv2.blur(small, (3, 3)), cv2.blur(small, (11, 11))), np.float32)
        most = np.float32(3.0) * _median(band[::3, ::3])
        here = np.flatnonzero(octave == level)
        _power(np.ascontiguousarray(np.minimum(band, most, out=band)), centre[here] * shrink, here, found)
    strength = np.log((np.abs(contrast) + _ROUND_OFF) / (found + _ROUND_OFF))
    return np.column_stack([strength, np.log(found + _ROUND_OFF)])


def _median(values: NDArray[np.float32]) -> np.float32:
    """Return the median; `np.median` takes ten times as long."""
    half = values.size // 2
    parted = np.partition(values, half, axis=None)
    upper: np.float32 = parted[half]
    return upper if values.size % 2 else (parted[:half].max() + upper) / np.float32(2.0)


@part
def _mirrored(at, size):  # type: ignore[no-untyped-def]
    """Return the place of a pixel beyond an image's edge, which it is mirrored at."""
    while at < 0 or at >= size:
        at = -at if at < 0 else 2 * size - 2 - at
        if size == 1:
            at = 0
    return at


@loop
def _power(band, centre, rows, found):  # type: ignore[no-untyped-def]
    """Write to `found` at `rows` the root mean square of a picture in the square about each centre."""
    height, width = band.shape
    for k in range(len(rows)):
        x, y = min(max(int(centre[k, 0]), 0), width - 1), min(max(int(centre[k, 1]), 0), height - 1)
        total = 0.0
        clear = x >= _REACH_PX and x + _REACH_PX < width
        for v in range(y - _REACH_PX, y + _REACH_PX + 1):
            line = band[_mirrored(v, height)]
            if clear:
                square = line[x - _REACH_PX : x + _REACH_PX + 1]
                for u in range(2 * _REACH_PX + 1):
                    total += square[u] * square[u]
            else:
                for u in range(x - _REACH_PX, x + _REACH_PX + 1):
                    total += line[_mirrored(u, width)] ** 2
        found[rows[k]] = np.sqrt(total / (2 * _REACH_PX + 1) ** 2)
