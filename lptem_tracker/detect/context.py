"""What its company says of a detection: a faint spot of the other polarity among alike particles is rarely one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from lptem_tracker.detect.decode import Float

Wide = NDArray[np.float64]

FEATURES = ("score", "size_spread", "significance", "polarity", "contrast", "company", "relative_size")
"""Columns of `features`."""
_SURE = 0.05
"""Detections of a lower score say nothing of the others."""
_PRIOR = 0.25
"""Sum of squared scores at which the company counts half: a lone faint spot must not vouch for itself."""
_SOFT = 0.2
"""Contrast in noise units at which polarity counts half, so that noise does not decide it."""
_REACH = 3.0
"""Features further from the mean than this many standard deviations count as that far."""


def features(image: NDArray[np.float32], boxes: Float, scores: Float) -> Wide:
    """Describe each detection beside the others of its frame.

    Parameters
    ----------
    image : numpy.ndarray
        The normalised frame, shape (Y, X).
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px where pixel i covers [i, i + 1).
    scores : numpy.ndarray
        Shape (N,), in (0, 1).

    Returns
    -------
    numpy.ndarray
        Shape (N, 7), of `FEATURES`: the score's logit; the spread of the logarithm of the sizes in the frame; the
        logarithm of the contrast summed over the particle in units of noise; 1 where its polarity is the frame's and
        -1 where it is the other one, less where the frame holds both or little; the logarithm of its contrast over
        the typical one, less where the frame holds little; from 0 for a lone faint detection to 1 in sure company;
        the logarithm of its size over the frame's shorter side.
    """
    score = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    contrast, area = _contrast(image, boxes.astype(np.float64))
    size = np.log(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], 1).astype(np.float64)))
    weight = np.where(score > _SURE, score**2, 0.0) + 1e-9
    trust = weight.sum() / (weight.sum() + _PRIOR)
    weight /= weight.sum()
    middle = _weighted_median(size, weight)
    spread = np.sqrt(float((weight * (size - middle) ** 2).sum()))
    side = contrast / (np.abs(contrast) + _SOFT)
    common = trust * float((weight * side).sum())
    strength = np.abs(contrast)
    typical = _weighted_median(strength, weight)
    return np.column_stack(
        [
            logit(score),
            np.full(len(score), spread),
            np.log(strength * np.sqrt(area) + 0.1),
            side * common,
            trust * np.log((strength + 0.05) / (typical + 0.05)),
            np.full(len(score), trust),
            size - np.log(min(image.shape)),
        ]
    )


def judge(image: NDArray[np.float32], boxes: Float, scores: Float, context: dict[str, Any] | None) -> Float:
    """Return the scores with the frame's other detections taken into account.

    Parameters
    ----------
    image, boxes, scores
        See `features`.
    context : dict, optional
        `mean`, `scale` and `weight` (lists over `FEATURES`) and `bias` of a logistic regression, from the weights
        file; None returns the scores as they are.
    """
    if context is None or len(scores) == 0:
        return scores
    return judged(features(image, boxes, scores), context).astype(np.float32)


def judged(value: Wide, context: dict[str, Any]) -> Wide:
    """Return the scores (N,) that the regression of `judge` gives to `features` (N, 7)."""
    apart = standardise(value, context["mean"], context["scale"])
    return np.asarray(expit(apart @ np.array(context["weight"]) + context["bias"]), np.float64)


def standardise(value: Wide, mean: Any, scale: Any) -> Wide:
    """Return features with mean 0 and standard deviation 1, limited to a few of these; shape (N, 7)."""
    return np.asarray(np.clip((value - np.asarray(mean)) / np.asarray(scale), -_REACH, _REACH), np.float64)


def _contrast(image: NDArray[np.float32], boxes: Wide) -> tuple[Wide, Wide]:
    """Return the mean inside each box less that of a ring about it, in noise units, and the inner area in px²."""
    total = cv2.integral(image, sdepth=cv2.CV_64F)
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]

    def part(half: Wide) -> tuple[Wide, Wide]:
        low, high = (np.rint(centre + sign * half).astype(int) for sign in (-1, 1))
        x0, x1 = (np.clip(v[:, 0], 0, image.shape[1]) for v in (low, high))
        y0, y1 = (np.clip(v[:, 1], 0, image.shape[0]) for v in (low, high))
        return total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0], ((x1 - x0) * (y1 - y0)).astype(float)

    inner, inner_area = part(0.35 * side)
    whole, whole_area = part(0.5 * side + 1)
    outer, outer_area = part(0.9 * side + 2)
    ring = (outer - whole) / np.maximum(outer_area - whole_area, 1.0)
    return inner / np.maximum(inner_area, 1.0) - ring, np.maximum(inner_area, 1.0)


def _weighted_median(value: Wide, weight: Wide) -> float:
    order = np.argsort(value, kind="stable")
    return float(value[order][np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())])
