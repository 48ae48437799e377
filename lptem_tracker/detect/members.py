"""Small dense networks, several of which are asked the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from lptem_tracker.detect.pairs import Wide

_REACH = 3.0
"""Features further from the mean than this many standard deviations count as that far."""


def judged(value: Wide, rule: dict[str, Any]) -> Wide:
    """Return the scores (N,) that small networks give to features (N, F).

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
