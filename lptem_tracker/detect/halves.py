"""Two boxes on one particle: a long particle in noise is now and then answered by its halves.

A small network looks along each pair of boxes that touch and tells whether it sees one body or two.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.decode import Float
from lptem_tracker.detect.loops import loop
from lptem_tracker.detect.members import judged
from lptem_tracker.detect.pairs import Index as Index
from lptem_tracker.detect.pairs import Wide, near_pairs
from lptem_tracker.detect.surroundings import rectangle_sums, ring_contrast, summed

GRID = (24, 12)
"""Points along and across the pair at which the frame is looked at."""
MEASURES = ("area_ratio", "overlap", "nested", "apart", "length", "relative_size", "aligned_first", "aligned_second",
            "elongation", "contrast_ratio", "noise")  # fmt: skip
_ALONG, _ACROSS = 0.6, 0.36
"""Half the length and half the width of what is looked at, in diagonals of the box about both."""
_GAP_PX, _GAP = 1.5, 0.12
"""Boxes touch where the gap between them is below this and this share of the smaller one's size."""
LEAST = 0.15
"""Detections of a lower score are nobody's half."""
_RATIO = 8.0
"""Area over area from which two boxes are not compared."""
_FAINTEST = 0.25
"""Contrast in noise units that a profile is measured by at least."""
_TOGETHER = 8_000
"""Pairs looked at together, which takes 100 MB."""
_ROUNDS = 2
"""How often pairs are joined, so that thirds become one as well."""


def touching(boxes: Wide, score: Wide) -> tuple[Index, Index]:
    """Return the pairs of detections that may be parts of one particle, the larger box first.

    Parameters
    ----------
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px.
    score : numpy.ndarray
        Shape (N,).
    """
    side = boxes[:, 2:] - boxes[:, :2]
    area = side.prod(1)
    sure = np.flatnonzero((score >= LEAST) & (area > 0))
    if len(sure) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    i, j, _ = near_pairs(boxes[sure], 2.2 * side[sure].max(1))
    i, j = sure[i], sure[j]
    first = (area[i] > area[j]) | ((area[i] == area[j]) & (i < j))
    i, j = i[first], j[first]
    gap = (np.maximum(boxes[i, :2], boxes[j, :2]) - np.minimum(boxes[i, 2:], boxes[j, 2:])).max(1)
    close = (gap <= _GAP_PX + _GAP * np.sqrt(area[j])) & (area[i] < _RATIO * area[j])
    return i[close], j[close]


def features(image: NDArray[np.float32], boxes: Wide, score: Wide, i: Index, j: Index) -> Wide:
    """Describe pairs of boxes.

    Parameters
    ----------
    image : numpy.ndarray
        The normalised frame, shape (Y, X).
    boxes, score : numpy.ndarray
        Shapes (N, 4) and (N,), of all detections of the frame.
    i, j : numpy.ndarray
        Shape (P,), the pairs.

    Returns
    -------
    numpy.ndarray
        Shape (P, 11 + 24 * 12): `MEASURES`, then the frame's contrast over that of the pair on a grid along the line
        through both centres, along it in the slower order.
    """
    whole = np.hstack([np.minimum(boxes[i, :2], boxes[j, :2]), np.maximum(boxes[i, 2:], boxes[j, 2:])])
    side = boxes[:, 2:] - boxes[:, :2]
    weight = np.where(score > LEAST, score**2, 0.0) + 1e-9
    weight /= weight.sum()
    typical = np.exp(float((weight * np.log(np.maximum(side.prod(1), 1.0))).sum()) / 2)
    long = np.log(np.maximum(side[:, 0], 0.5) / np.maximum(side[:, 1], 0.5))
    total = summed(image)
    both = np.concatenate([i, j])
    contrast, _ = ring_contrast(total, boxes[both])
    measures, way, strong = np.empty((len(i), len(MEASURES))), np.empty((len(i), 2)), np.empty(len(i))
    _measure(boxes, i, j, contrast, long, typical, measures, way, strong)
    measures[:, 8] = float((weight * np.abs(long)).sum())
    diagonal = np.hypot(*(whole[:, 2:] - whole[:, :2]).T)
    seen = _look(image, (whole[:, :2] + whole[:, 2:]) / 2, way, diagonal)
    around = _around(total, whole)
    return np.hstack([measures, np.clip((seen - around[:, None]) / strong[:, None], -2.0, 4.0)])


@loop
def _measure(boxes, i, j, contrast, long, typical, measures, way, strong):  # type: ignore[no-untyped-def]
    """Write `MEASURES` but for that of the frame, the direction of each pair, and its contrast with a least size."""
    for k in range(len(i)):
        a, b = boxes[i[k]], boxes[j[k]]
        area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
        shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
        diagonal = np.hypot(max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
        x, y = (b[0] + b[2]) / 2 - (a[0] + a[2]) / 2, (b[1] + b[3]) / 2 - (a[1] + a[3]) / 2
        apart = np.hypot(x, y)
        way[k, 0], way[k, 1] = (x / apart, y / apart) if apart > 1e-6 else (1.0, 0.0)
        turn = way[k, 0] ** 2 - way[k, 1] ** 2
        strength = (contrast[k] * area_a + contrast[len(i) + k] * area_b) / (area_a + area_b)
        strong[k] = (-1.0 if strength < 0 else 1.0) * max(abs(strength), _FAINTEST)
        row = measures[k]
        row[0] = np.log(area_a / area_b)
        row[1] = shared / (area_a + area_b - shared)
        row[2] = shared / area_b
        row[3] = apart / diagonal
        row[4] = np.log(diagonal)
        row[5] = np.log(diagonal / typical)
        row[6], row[7] = long[i[k]] * turn, long[j[k]] * turn
        row[9] = min(max((contrast[k] - contrast[len(i) + k]) / strong[k], -3.0), 3.0)
        row[10] = np.log(abs(strong[k]))


def _around(total: Wide, whole: Wide) -> Wide:
    """Return the mean of a ring about each box (P, 4)."""
    contrast, _ = ring_contrast(total, whole)
    middle, half = (whole[:, :2] + whole[:, 2:]) / 2, 0.35 * (whole[:, 2:] - whole[:, :2])
    inner, count = np.empty(len(whole)), np.empty(len(whole))
    rectangle_sums(total, np.hstack([middle - half, middle + half]), inner, count)
    return np.asarray(inner / np.maximum(count, 1.0) - contrast, np.float64)


def _look(image: NDArray[np.float32], centre: Wide, way: Wide, diagonal: Wide) -> Wide:
    """Return the frame at the points of a grid about each centre, (P, 288), averaged over the distance of points."""
    along = np.linspace(-_ALONG, _ALONG, GRID[0])[:, None]
    across = np.linspace(-_ACROSS, _ACROSS, GRID[1])[None, :]
    x = centre[:, 0, None, None] + diagonal[:, None, None] * (
        along * way[:, 0, None, None] - across * way[:, 1, None, None]
    )
    y = centre[:, 1, None, None] + diagonal[:, None, None] * (
        along * way[:, 1, None, None] + across * way[:, 0, None, None]
    )
    step = 2 * _ALONG * diagonal / (GRID[0] - 1)
    most = min(5, int(np.log2(min(image.shape))))  # a narrow frame must not shrink to nothing
    octave = np.clip(np.floor(np.log2(np.maximum(step, 1.0)) + 0.5), 0, most).astype(int)
    out = np.zeros((len(centre), GRID[0] * GRID[1]))
    for level in np.unique(octave):
        shrink = 0.5 ** int(level)
        small = image if level == 0 else cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        if level == 0:
            small = cv2.blur(small, (2, 2), anchor=(0, 0))
        here = octave == level
        ratio = np.array(small.shape[::-1]) / np.array(image.shape[::-1])
        # edges at integers become pixel centres at integers; the blur of two pixels is centred between them
        shift = 1.0 if level == 0 else 0.5
        u, v = x[here] * ratio[0] - shift, y[here] * ratio[1] - shift
        flat = (-1, GRID[0] * GRID[1])
        for rows in np.array_split(np.arange(len(u)), -(-len(u) // 100)):
            got = cv2.remap(
                small, u[rows].reshape(flat).astype(np.float32), v[rows].reshape(flat).astype(np.float32),
                cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            out[np.flatnonzero(here)[rows]] = got
    return out


def mirrored(value: Wide) -> Wide:
    """Return features (P, F) of the same pairs seen from the other side of their axis."""
    n = len(MEASURES)
    grid = value[:, n:].reshape(-1, *GRID)[:, :, ::-1]
    return np.hstack([value[:, :n], grid.reshape(len(value), -1)])


def join(image: NDArray[np.float32], boxes: Float, scores: Float, rule: dict[str, Any] | None) -> tuple[Float, Float]:
    """Replace the boxes that lie on parts of one particle by the box about them.

    Parameters
    ----------
    image : numpy.ndarray
        The normalised frame, shape (Y, X).
    boxes, scores : numpy.ndarray
        Shapes (N, 4), left, top, right, bottom in px of the image, and (N,).
    rule : dict, optional
        For `members.judged`, and `least`, the probability from which two are one; None joins nothing.

    Returns
    -------
    boxes, scores
        Of at most N detections; a joined one has the score of the surer part.
    """
    for _ in range(_ROUNDS if rule else 0):
        i, j = _halves(image, boxes.astype(np.float64), scores.astype(np.float64), rule or {})
        if len(i) == 0:
            break
        rest = np.ones(len(boxes), bool)
        rest[i] = rest[j] = False
        whole = np.hstack([np.minimum(boxes[i, :2], boxes[j, :2]), np.maximum(boxes[i, 2:], boxes[j, 2:])])
        boxes = np.concatenate([boxes[rest], whole])
        scores = np.concatenate([scores[rest], np.maximum(scores[i], scores[j])])
    return boxes, scores


def _halves(image: NDArray[np.float32], boxes: Wide, score: Wide, rule: dict[str, Any]) -> tuple[Index, Index]:
    """Return the pairs that are one particle, the surest first; no box is in two of them."""
    i, j = touching(boxes, score)
    if len(i) == 0:
        return i, j
    one = np.empty(len(i))
    for first in range(0, len(i), _TOGETHER):
        some = slice(first, first + _TOGETHER)
        value = features(image, boxes, score, i[some], j[some])
        one[some] = (judged(value, rule) + judged(mirrored(value), rule)) / 2
    used, chosen = np.zeros(len(boxes), bool), []
    for k in np.argsort(-one, kind="stable")[: int((one >= rule["least"]).sum())]:
        if not (used[i[k]] or used[j[k]]):
            used[[i[k], j[k]]] = True
            chosen.append(k)
    return i[chosen], j[chosen]
