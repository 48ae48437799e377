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
    logit = float(np.log(min_score / (1.0 - min_score)))
    keep = np.flatnonzero(raw[4] > logit)
    start, position, stride = 0, np.zeros((len(keep), 2), np.float32), np.zeros(len(keep), np.float32)
    for step in STRIDES:
        rows, columns = shape[0] // step, shape[1] // step
        level = (keep >= start) & (keep < start + rows * columns)
        cell = keep[level] - start
        position[level] = np.stack([cell % columns, cell // columns], 1) + 0.5
        stride[level] = step
        start += rows * columns
    if start != raw.shape[1]:
        raise ValueError(f"An input of {shape} px has {start} anchors; the network gave {raw.shape[1]}.")
    distance = raw[:4, keep].T.astype(np.float32)
    boxes = np.concatenate([position - distance[:, :2], position + distance[:, 2:]], 1) * stride[:, None]
    scores = 1.0 / (1.0 + np.exp(-raw[4, keep].astype(np.float32)))
    good = (boxes[:, 2:] > boxes[:, :2]).all(1) & np.isfinite(boxes).all(1)
    return boxes[good].astype(np.float32), scores[good].astype(np.float32)


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
