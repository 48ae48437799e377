"""How well detections match the truth: precision, recall, F1, average precision and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

Float = NDArray[np.float64]

MIN_TOLERANCE_PX = 3.0
"""A match lies within this distance or half the smaller side of the truth's box, whichever is larger."""


@dataclass(frozen=True)
class DetectionScore:
    """Agreement of detections with truth.

    Attributes
    ----------
    precision, recall, f1 : float
        NaN where there is nothing to count.
    n_truth, n_detected, n_matched : int
    error_px : float
        Root mean square distance of the matched centres in px.
    false_per_frame : float
        Unmatched detections a frame.
    """

    precision: float
    recall: float
    f1: float
    n_truth: int
    n_detected: int
    n_matched: int
    error_px: float
    false_per_frame: float


def match(detections: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Pair detections with truth one to one within each frame, as many pairs as possible at the least distance.

    Parameters
    ----------
    detections, truth : pandas.DataFrame
        `frame, x, y`; the truth also `width, height` (px).

    Returns
    -------
    pandas.DataFrame
        `detection` and `truth` (positional row numbers) and `distance` in px.
    """
    pairs: list[tuple[NDArray[np.intp], NDArray[np.intp], Float]] = []
    d_frame, t_frame = detections["frame"].to_numpy(), truth["frame"].to_numpy()
    d_xy, t_xy = detections[["x", "y"]].to_numpy(float), truth[["x", "y"]].to_numpy(float)
    tolerance = np.maximum(MIN_TOLERANCE_PX, truth[["width", "height"]].min(axis=1).to_numpy(float) / 2)
    for frame in np.unique(t_frame):
        d, t = np.flatnonzero(d_frame == frame), np.flatnonzero(t_frame == frame)
        if len(d) and len(t):
            i, j, distance = _assign(d_xy[d], t_xy[t], tolerance[t])
            pairs.append((d[i], t[j], distance))
    if not pairs:
        return pd.DataFrame({"detection": np.zeros(0, int), "truth": np.zeros(0, int), "distance": np.zeros(0)})
    columns = [np.concatenate(part) for part in zip(*pairs)]
    return pd.DataFrame(dict(zip(("detection", "truth", "distance"), columns)))


def _assign(found: Float, true: Float, tolerance: Float) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
    """Assign within groups that share candidates, so that the cost stays small in crowded frames."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    near = cKDTree(found).query_ball_point(true, tolerance)
    j = np.repeat(np.arange(len(true)), [len(n) for n in near])
    i = np.array([k for n in near for k in n], dtype=np.intp)
    if len(i) == 0:
        return i, i, np.zeros(0)
    distance = np.hypot(*(found[i] - true[j]).T)
    total = len(found) + len(true)
    graph = coo_array((np.ones(len(i)), (i, j + len(found))), shape=(total, total))
    label = connected_components(graph, directed=False)[1][i]
    rows: list[int] = []
    order = np.argsort(label, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        if len(group) == 1:
            rows.append(int(group[0]))
            continue
        a, ai = np.unique(i[group], return_inverse=True)
        b, bi = np.unique(j[group], return_inverse=True)
        cost = np.full((len(a), len(b)), 1e6)
        cost[ai, bi] = distance[group]
        entry = np.full(cost.shape, -1)
        entry[ai, bi] = group
        chosen = entry[linear_sum_assignment(cost)]
        rows += chosen[chosen >= 0].tolist()
    keep = np.array(sorted(rows), dtype=np.intp)
    return i[keep], j[keep], distance[keep]


def score_detections(
    detections: pd.DataFrame, truth: pd.DataFrame, *, n_frames: int | None = None, ignore: pd.DataFrame | None = None
) -> DetectionScore:
    """Count matches, misses and false detections.

    Parameters
    ----------
    detections : pandas.DataFrame
        `frame, x, y`.
    truth : pandas.DataFrame
        `frame, x, y, width, height` in px.
    n_frames : int, optional
        Frames looked at; None: those that occur in either table.
    ignore : pandas.DataFrame, optional
        Particles, as in `truth`, that need not be found: an unmatched detection on one of them is not counted.
    """
    pairs = match(detections, truth)
    n_detected, n_truth, n_matched = len(detections), len(truth), len(pairs)
    if ignore is not None and len(ignore) and n_matched < n_detected:
        rest = detections.drop(index=detections.index[pairs["detection"].to_numpy()])
        n_detected -= len(match(rest, ignore))
    if n_frames is None:
        n_frames = max(1, len(set(detections["frame"]) | set(truth["frame"])))
    return DetectionScore(
        precision=n_matched / n_detected if n_detected else float("nan"),
        recall=n_matched / n_truth if n_truth else float("nan"),
        f1=2 * n_matched / (n_detected + n_truth) if n_detected + n_truth else float("nan"),
        n_truth=n_truth,
        n_detected=n_detected,
        n_matched=n_matched,
        error_px=float(np.sqrt(np.mean(pairs["distance"] ** 2))) if n_matched else float("nan"),
        false_per_frame=(n_detected - n_matched) / n_frames,
    )


def best_threshold(detections: pd.DataFrame, truth: pd.DataFrame) -> tuple[float, float]:
    """Return the confidence at which F1 is highest, and that F1, from one matching of all detections."""
    correct, confidence = _ranked(detections, truth)
    if len(correct) == 0 or len(truth) == 0:
        return 1.0, float("nan")
    hits = np.cumsum(correct)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + len(truth))
    k = int(np.argmax(f1))
    return float(confidence[k]), float(f1[k])


def _ranked(detections: pd.DataFrame, truth: pd.DataFrame) -> tuple[NDArray[np.bool_], Float]:
    correct = np.zeros(len(detections), bool)
    correct[match(detections, truth)["detection"].to_numpy(int)] = True
    confidence = detections["confidence"].to_numpy(float)
    order = np.argsort(-confidence, kind="stable")
    return correct[order], confidence[order]


def average_precision(detections: pd.DataFrame, truth: pd.DataFrame, *, iou: float = 0.5) -> float:
    """Area under the precision-recall curve with matches by overlap of upright boxes (AP50 at `iou` 0.5).

    The precision is made monotonic and integrated over every recall reached (Everingham et al. 2010, VOC from 2010
    on). Boxes of both tables are upright: `x, y, width, height` in px.
    """
    if len(truth) == 0:
        return float("nan")
    order = np.argsort(-detections["confidence"].to_numpy(float), kind="stable")
    found = _corners(detections)[order]
    frames = detections["frame"].to_numpy()[order]
    correct = np.zeros(len(order), bool)
    truth_box, truth_frame = _corners(truth), truth["frame"].to_numpy()
    for frame in np.unique(truth_frame):
        rows = np.flatnonzero(frames == frame)
        true = truth_box[truth_frame == frame]
        correct[rows] = _greedy(found[rows], true, iou)
    hits = np.cumsum(correct)
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(precision[correct]) / len(truth))


def _corners(table: pd.DataFrame) -> Float:
    x, y, w, h = (table[name].to_numpy(float) for name in ("x", "y", "width", "height"))
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)


def _greedy(found: Float, true: Float, iou: float) -> NDArray[np.bool_]:
    """In order of confidence, give each box the best free truth it overlaps by `iou` or more."""
    free = np.ones(len(true), bool)
    correct = np.zeros(len(found), bool)
    area = np.prod(true[:, 2:] - true[:, :2], 1)
    for k, box in enumerate(found):
        size = np.minimum(box[2:], true[:, 2:]) - np.maximum(box[:2], true[:, :2])
        shared = np.prod(np.clip(size, 0, None), 1)
        overlap = np.where(free, shared / (area + np.prod(box[2:] - box[:2]) - shared), -1.0)
        best = int(np.argmax(overlap))
        if overlap[best] >= iou:
            correct[k], free[best] = True, False
    return correct


def calibration_curve(confidence: Float, correct: NDArray[np.bool_], *, bins: int = 10) -> pd.DataFrame:
    """Compare the stated confidence with the share that is real, in `bins` equal steps of confidence.

    Returns
    -------
    pandas.DataFrame
        `confidence` (mean stated), `real` (share of matches), `real_std` (its standard error) and `n`; empty bins
        are left out.
    """
    which = np.clip((np.asarray(confidence) * bins).astype(int), 0, bins - 1)
    rows = []
    for k in np.unique(which):
        inside = which == k
        n, real = int(inside.sum()), float(np.mean(correct[inside]))
        error = float(np.sqrt(max(real * (1 - real), 1.0 / (n + 2)) / n))
        rows.append((float(np.mean(confidence[inside])), real, error, n))
    return pd.DataFrame(rows, columns=["confidence", "real", "real_std", "n"])


def calibration_error(curve: pd.DataFrame) -> float:
    """Return the expected calibration error: mean distance of stated and real, weighted by count (Guo 2017, eq. 3)."""
    if len(curve) == 0:
        return float("nan")
    return float(np.average((curve["confidence"] - curve["real"]).abs(), weights=curve["n"]))
