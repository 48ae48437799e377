"""From the network's raw outputs to boxes, the same for every runtime."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.compiled import compiled

Float = NDArray[np.float32]

STRIDES = (4, 8, 16, 32)


def decode(raw: Float, shape: tuple[int, int], *, min_score: float) -> tuple[Float, Float]:
    """Turn the raw output of one image into boxes and scores.

    Parameters
    ----------
    raw : numpy.ndarray
        Shape (5, A): distances left, top, right, bottom from each anchor in units of its stride, and the logit;
        anchors run over the strides 4, 8, 16, 32, row by row.
    shape : tuple of int
        (Y, X) of the network's input in px, multiples of 32.
    min_score : float
        Lower scores are dropped at once.

    Returns
    -------
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px where pixel i covers [i, i + 1).
    scores : numpy.ndarray
        Shape (N,), the sigmoid of the logit, not calibrated.
    """
    anchors = sum((shape[0] // step) * (shape[1] // step) for step in STRIDES)
    if anchors != raw.shape[1]:
        raise ValueError(f"An input of {shape} px has {anchors} anchors; the network gave {raw.shape[1]}.")
    logit = float(np.log(min_score / (1.0 - min_score)))
    keep = np.flatnonzero(raw[4] > logit)
    boxes, scores = np.empty((len(keep), 4), np.float32), np.empty(len(keep), np.float32)
    count = _boxes(raw.astype(np.float32, copy=False), keep, shape[0], shape[1], np.array(STRIDES), boxes, scores)
    return boxes[:count], scores[:count]


@partial(compiled, nogil=True)
def _boxes(raw, keep, height, width, strides, boxes, scores):  # type: ignore[no-untyped-def]
    """Write boxes and scores of some anchors, rising, where there is a box; return how many there are."""
    count, level, start = 0, 0, 0
    for k in range(len(keep)):
        anchor = keep[k]
        while anchor - start >= (height // strides[level]) * (width // strides[level]):
            start += (height // strides[level]) * (width // strides[level])
            level += 1
        step, columns = np.float32(strides[level]), width // strides[level]
        x = np.float32((anchor - start) % columns) + np.float32(0.5)
        y = np.float32((anchor - start) // columns) + np.float32(0.5)
        left, top = (x - raw[0, anchor]) * step, (y - raw[1, anchor]) * step
        right, bottom = (x + raw[2, anchor]) * step, (y + raw[3, anchor]) * step
        # written so that what is no number is no box
        if right - left < np.inf and bottom - top < np.inf and right > left and bottom > top:
            boxes[count, 0], boxes[count, 1], boxes[count, 2], boxes[count, 3] = left, top, right, bottom
            scores[count] = np.float32(1.0) / (np.float32(1.0) + np.exp(-raw[4, anchor]))
            count += 1
    return count


def suppress(boxes: Float, scores: Float, *, max_overlap: float, max_nested: float = 1.0) -> NDArray[np.intp]:
    """Return the rows to keep, best first: of boxes that overlap too much only the best stays.

    Parameters
    ----------
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom.
    scores : numpy.ndarray
        Shape (N,).
    max_overlap : float
        Largest intersection over union of two boxes kept.
    max_nested : float
        Largest share of the smaller box inside a better one; 1 switches this off.
    """
    order = np.argsort(-scores, kind="stable")
    wide = boxes[order].astype(np.float64)
    kept: NDArray[np.intp] = order[_best(wide, np.argsort(wide[:, 0], kind="stable"), max_overlap, max_nested)]
    return kept


@partial(compiled, nogil=True)
def _best(boxes, across, max_overlap, max_nested):  # type: ignore[no-untyped-def]
    """Return which boxes (N, 4), the best first, stay (N,); `across` are their rows by their left side."""
    alive = np.ones(len(boxes), np.bool_)
    left, widest = boxes[across, 0], 0.0
    for k in range(len(boxes)):
        widest = max(widest, boxes[k, 2] - boxes[k, 0])
    for better in range(len(boxes)):
        if not alive[better]:
            continue
        x0, y0, x1, y1 = boxes[better]
        area = (x1 - x0) * (y1 - y0)
        for at in range(np.searchsorted(left, x0 - widest), np.searchsorted(left, x1)):
            worse = across[at]
            if worse <= better or not alive[worse]:
                continue
            a0, b0, a1, b1 = boxes[worse]
            shared = max(min(x1, a1) - max(x0, a0), 0.0) * max(min(y1, b1) - max(y0, b0), 0.0)
            other = (a1 - a0) * (b1 - b0)
            nested = max_nested < 1.0 and shared > max_nested * min(area, other)
            if nested or shared > max_overlap * (area + other - shared):
                alive[worse] = False
    return alive
