"""What a detection's company says of it: a faint spot of the other polarity among alike particles is rarely one.

The network sees one place at a time; a small second network sees each answer beside the others of its frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from lptem_tracker.detect.decode import Float
from lptem_tracker.detect.pairs import Wide
from lptem_tracker.detect.surroundings import (
    FLANKS,
    NEIGHBOURS,
    TEXTURE,
    flanks,
    neighbours,
    ring_contrast,
    summed,
    texture,
)

_COMPANY = ("score", "size_spread", "significance", "polarity", "contrast", "company", "cover")
FEATURES = (*_COMPANY, *NEIGHBOURS, *FLANKS, *TEXTURE)
"""Columns of `features`."""
_SURE = 0.05
"""Detections of a lower score say nothing of the others."""
_PRIOR = 0.25
"""Sum of squared scores at which the company counts half: a lone faint spot must not vouch for itself."""
_SOFT = 0.2
"""Contrast in noise units at which polarity counts half, so that noise does not decide it."""
_LEAST_COVER = 1e-4
"""Share of the frame below which it counts as empty."""
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
        Shape (N, 23), of `FEATURES`: the score's logit; the spread of the logarithm of the sizes in the frame; the
        logarithm of the contrast summed over the particle in units of noise; 1 where its polarity is the frame's and
        -1 where it is the other one, less where the frame holds both or little; the logarithm of its contrast over
        the typical one, less where the frame holds little; from 0 for a lone faint detection to 1 in sure company;
        the logarithm of the share of the frame that is covered; then what `surroundings.neighbours`, `flanks` and
        `texture` say.
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
    return np.column_stack([*company, beside, flanks(total, sides, contrast), texture(image, sides, contrast)])


def judge(image: NDArray[np.float32], boxes: Float, scores: Float, rule: dict[str, Any] | None) -> Float:
    """Return the scores with the frame's other detections taken into account.

    Parameters
    ----------
    image, boxes, scores
        See `features`.
    rule : dict, optional
        See `judged`, from the weights file; None returns the scores as they are.
    """
    if rule is None or len(scores) == 0:
        return scores
    return judged(features(image, boxes, scores), rule).astype(np.float32)


def judged(value: Wide, rule: dict[str, Any]) -> Wide:
    """Return the scores (N,) that small networks give to `features` (N, F).

    Parameters
    ----------
    value : numpy.ndarray
        Shape (N, F).
    rule : dict
        `mean` and `scale` (lists over the features), and `members`: for each network its layers, weight (outputs,
        inputs) and bias in turn, the last of one output; between them SiLU. Their log odds are averaged.
    """
    apart = standardise(value, rule["mean"], rule["scale"])
    odds = np.zeros(len(value))
    with np.errstate(over="ignore"):  # a SiLU far below 0 is 0
        for alike in rule.get("alike") or _alike(rule["members"]):
            x = apart[None]
            for k, (weight, bias) in enumerate(alike):
                x = (x if k == 0 else x / (1.0 + np.exp(-x))) @ weight + bias
            odds += x[..., 0].sum(0)
    return np.asarray(expit(odds / len(rule["members"])), np.float64)


def _alike(members: Any) -> list[list[tuple[Wide, Wide]]]:
    """Return networks of one shape as one: each layer's weights (M, inputs, outputs) and biases (M, 1, outputs)."""
    groups: dict[Any, list[Any]] = {}
    for member in members:
        layers = [(np.array(weight, np.float64).T, np.array(bias, np.float64)) for weight, bias in member]
        groups.setdefault(tuple(weight.shape for weight, _ in layers), []).append(layers)
    return [
        [
            (np.stack([weight for weight, _ in layer]), np.stack([bias for _, bias in layer])[:, None])
            for layer in zip(*group)
        ]
        for group in groups.values()
    ]


def ready(rule: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a rule of `judged` with its lists of numbers made arrays, once for all frames."""
    if rule is None:
        return None
    alike = _alike(rule["members"])
    return {**rule, "mean": np.array(rule["mean"]), "scale": np.array(rule["scale"]), "alike": alike}


def standardise(value: Wide, mean: Any, scale: Any) -> Wide:
    """Return features with mean 0 and standard deviation 1, limited to a few of these; shape (N, F)."""
    return np.asarray(np.clip((value - np.asarray(mean)) / np.asarray(scale), -_REACH, _REACH), np.float64)


def _weighted_median(value: Wide, weight: Wide) -> float:
    order = np.argsort(value, kind="stable")
    return float(value[order][np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())])
