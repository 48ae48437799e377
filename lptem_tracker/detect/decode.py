"""From the network's raw outputs to boxes: NumPy only, the same for every runtime."""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray

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
    if len(order) < 2:
        return order
    wide = boxes[order].astype(np.float64)
    i, j = _touching(wide)
    size = np.minimum(wide[i, 2:], wide[j, 2:]) - np.maximum(wide[i, :2], wide[j, :2])
    shared = np.prod(np.clip(size, 0.0, None), 1)
    area = np.prod(wide[:, 2:] - wide[:, :2], 1)
    union = area[i] + area[j] - shared
    rival = shared > max_overlap * union
    if max_nested < 1.0:
        rival |= shared > max_nested * np.minimum(area[i], area[j])
    alive = [True] * len(wide)
    for better, worse in zip(i[rival].tolist(), j[rival].tolist()):
        if alive[better]:
            alive[worse] = False
    kept: NDArray[np.intp] = order[np.array(alive)]
    return kept


def _touching(boxes: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs (better, worse) of boxes whose centres are near enough to overlap, in order of the better."""
    from scipy.spatial import cKDTree

    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = np.hypot(*(boxes[:, 2:] - boxes[:, :2]).T) / 2
    tree = cKDTree(centre)
    near = tree.query_ball_point(centre, reach)
    i = np.repeat(np.arange(len(boxes)), np.fromiter(map(len, near), np.intp, len(near)))
    j = np.fromiter(chain.from_iterable(near), np.intp, len(i))
    # one number a pair sorts many times faster than rows of two
    pairs = np.sort((np.minimum(i, j) * len(boxes) + np.maximum(i, j))[i != j])
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs // len(boxes), pairs % len(boxes)
