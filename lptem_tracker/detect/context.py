"""What a detection's company says of it: a faint spot of the other polarity among alike particles is rarely one.

The network sees one place at a time; a small second network sees each answer beside the others of its frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from lptem_tracker.detect.decode import Float
from lptem_tracker.detect.message_passing import judged_together, neighbour_graph
from lptem_tracker.detect.open_level import LEVELS, open_levels
from lptem_tracker.detect.pairs import Wide
from lptem_tracker.detect.surroundings import (
    FLANKS,
    NEIGHBOURS,
    TEXTURE,
    flanks,
    neighbours,
    rectangle_sums,
    ring_contrast,
    summed,
    texture,
)

_COMPANY = ("score", "size_spread", "significance", "polarity", "contrast", "company", "cover")
FEATURES = (*_COMPANY, *NEIGHBOURS, *FLANKS, *TEXTURE, *LEVELS)
"""Columns of `features`."""
POLARITY = FEATURES.index("polarity")
_SURE = 0.05
"""Detections of a lower score say nothing of the others."""
_PRIOR = 0.25
"""Sum of squared scores at which the company counts half: a lone faint spot must not vouch for itself."""
_SOFT = 0.2
"""Contrast in noise units at which polarity counts half, so that noise does not decide it."""
_LEAST_COVER = 1e-4
"""Share of the frame below which it counts as empty."""


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
        Shape (N, 27), of `FEATURES`: the score's logit; the spread of the logarithm of the sizes in the frame; the
        logarithm of the contrast summed over the particle in units of noise; 1 where its polarity is the frame's and
        -1 where it is the other one, less where the frame holds both or little; the logarithm of its contrast over
        the typical one, less where the frame holds little; from 0 for a lone faint detection to 1 in sure company;
        the logarithm of the share of the frame that is covered; then what `surroundings.neighbours`, `flanks` and
        `texture` and `open_level.open_levels` say.
    """
    score = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    total = summed(image)
    sides = np.ascontiguousarray(boxes, np.float64)
    contrast, area = ring_contrast(total, sides)
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
    company = [
        logit(score),
        np.full(len(score), spread),
        np.log(strength * np.sqrt(area) + 0.1),
        side * common,
        trust * np.log((strength + 0.05) / (typical + 0.05)),
        np.full(len(score), trust),
        np.full(len(score), np.log(float((score * area).sum()) / image.size + _LEAST_COVER)),
    ]
    beside = neighbours(sides, score, middle, image.shape)
    around = [flanks(total, sides, contrast), texture(image, sides, contrast)]
    open_ = open_levels(image, sides, score, contrast, _middle(total, sides))
    return np.column_stack([*company, beside, *around, open_])


def _middle(total: Wide, boxes: Wide) -> Wide:
    """Return the mean of the frame in the middle of each box, shape (N,)."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, 0.35 * (boxes[:, 2:] - boxes[:, :2])
    sums, areas = np.empty(len(boxes)), np.empty(len(boxes))
    rectangle_sums(total, np.hstack([centre - half, centre + half]), sums, areas)
    return np.asarray(sums / np.maximum(areas, 1.0), np.float64)


def judge(image: NDArray[np.float32], boxes: Float, scores: Float, rule: dict[str, Any] | None) -> Float:
    """Return the scores with the frame's other detections taken into account.

    Parameters
    ----------
    image, boxes, scores
        See `features`.
    rule : dict, optional
        See `message_passing.judged_together`, from the weights file; None returns the scores as they are.
    """
    if rule is None or len(scores) == 0:
        return scores
    value = features(image, boxes, scores)
    return judged_together(value, neighbour_graph(boxes.astype(np.float64), value[:, POLARITY]), rule).astype(
        np.float32
    )


def _weighted_median(value: Wide, weight: Wide) -> float:
    order = np.argsort(value, kind="stable")
    return float(value[order][np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())])
