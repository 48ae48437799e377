"""Pairs of boxes to learn from whether they lie on one particle or on two, from simulated pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.halves import LEAST, Index, features, mirrored, touching
from lptem_tracker.detect.surroundings import Wide
from lptem_tracker.training.members import fit_members

_LOWEST = 0.05
"""Score of the detections that are learnt from; lower than that of those joined later, for more examples."""
_WHOLE, _OTHER = 0.55, 0.45
"""Overlap with a particle from which the box about a pair is that particle, and one of the pair another one."""
_MOST = 60
"""Pairs of two particles a picture contributes at most, more or less."""
_CUTS = 6
"""Particles a picture that are cut in two at most."""
_LONG, _PLAIN, _ENTIRE = 1.35, 4.0, 0.8
"""Length over width, visibility and visible share of particles that are cut in two."""

Pairs = tuple[Wide, NDArray[np.bool_]]
"""Features (P, F) of pairs, and which are one particle (P,)."""


def examples(
    image: NDArray[np.float32], boxes: Wide, score: Wide, truth: pd.DataFrame, rng: np.random.Generator
) -> list[Pairs]:
    """Return the pairs that a picture's detections hold, and pairs made by cutting long particles in two.

    Parameters
    ----------
    image : numpy.ndarray
        The normalised picture, shape (Y, X).
    boxes, score : numpy.ndarray
        Shapes (N, 4), left, top, right, bottom in px, and (N,): detections.
    truth : pandas.DataFrame
        From `random_training_image`.
    rng : numpy.random.Generator
        Chooses which.
    """
    keep = score >= _LOWEST
    boxes, score = boxes[keep], np.maximum(score[keep], LEAST)
    if len(boxes) == 0 or len(truth) == 0:
        return []
    sides = _sides(truth)
    overlap = _overlap(boxes, sides)
    i, j = touching(boxes, score)
    one, clear = _labels(boxes, overlap, truth, sides, i, j)
    some = clear & (one | (rng.random(len(i)) < _MOST / max(1, len(i))))
    out = [(features(image, boxes, score, i[some], j[some]), one[some])] if some.any() else []
    return out + _cuts(image, boxes, score, overlap, truth, rng)


def fit_halves(value: Wide, one: NDArray[np.bool_], *, least: float = 0.7, **options: Any) -> dict[str, Any]:
    """Fit the rule of `detect.halves.join` to examples; each is shown from both sides of its axis."""
    both, twice = np.vstack([value, mirrored(value)]), np.concatenate([one, one])
    return {**fit_members(both, twice, **{"members": 3, "epochs": 25, **options}), "least": least}


def _labels(
    boxes: Wide, overlap: Wide, truth: pd.DataFrame, sides: Wide, i: Index, j: Index
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs are parts of one particle, and which are plain."""
    if len(i) == 0:
        return np.zeros(0, bool), np.zeros(0, bool)
    inside = _within(boxes, truth)
    about = np.hstack([np.minimum(boxes[i, :2], boxes[j, :2]), np.maximum(boxes[i, 2:], boxes[j, 2:])])
    whole = _overlap(about, sides)
    rows = np.arange(len(i))
    best = whole.argmax(1)
    one = (whole[rows, best] > _WHOLE) & inside[i, best] & inside[j, best] & (overlap[j, best] < whole[rows, best])
    others = np.maximum(overlap[i], overlap[j])
    others[rows, best] = 0.0
    another = others.max(1) > _OTHER
    return one & ~another, ~(one & another)


def _within(boxes: Wide, truth: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether each box's centre lies in each particle's own rectangle, (N, M)."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2 - 0.5, (boxes[:, 1] + boxes[:, 3]) / 2 - 0.5
    x, y = x[:, None] - truth["centre_x"].to_numpy(), y[:, None] - truth["centre_y"].to_numpy()
    cos, sin = np.cos(truth["angle"].to_numpy()), np.sin(truth["angle"].to_numpy())
    along, across = np.abs(x * cos + y * sin), np.abs(y * cos - x * sin)
    return np.asarray((2 * along < truth["long_px"].to_numpy()) & (1.9 * across < truth["short_px"].to_numpy()), bool)


def _sides(truth: pd.DataFrame) -> Wide:
    """Return left, top, right, bottom of the true boxes with pixel i covering [i, i + 1)."""
    x, y, width, height = (truth[name].to_numpy(float) for name in ("x", "y", "width", "height"))
    return np.column_stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) + 0.5


def _overlap(first: Wide, second: Wide) -> Wide:
    """Return intersection over union of all boxes (N, 4) and (M, 4), shape (N, M)."""
    a, b = first[:, None], second[None]
    common = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(2)
    areas = (a[..., 2:] - a[..., :2]).prod(2) + (b[..., 2:] - b[..., :2]).prod(2)
    return np.asarray(common / (areas - common), np.float64)


def _cuts(
    image: NDArray[np.float32], boxes: Wide, score: Wide, overlap: Wide, truth: pd.DataFrame, rng: np.random.Generator
) -> list[Pairs]:
    """Return a pair of halves in place of each of a few long particles that were found."""
    shape = truth["shape"].isin(["rod", "ellipse", "prism", "cube", "hexagon"])
    long = shape & (truth["long_px"] > _LONG * truth["short_px"]) & (truth["visible"] > _ENTIRE)
    rows = np.flatnonzero(long & (truth["visibility"] >= _PLAIN) & (overlap.max(0) > 0.6))
    out = []
    for row in rng.permutation(rows)[:_CUTS]:
        halves = _halves(truth.iloc[row], rng)
        rest = np.arange(len(boxes)) != overlap[:, row].argmax()
        every, scores = np.vstack([boxes[rest], halves]), np.append(score[rest], [0.9, 0.9])
        last = np.array([len(every) - 2]), np.array([len(every) - 1])
        out.append((features(image, every, scores, *last), np.ones(1, bool)))
    return out


def _halves(particle: pd.Series, rng: np.random.Generator) -> Wide:
    """Return the boxes about the two parts of a long particle cut across, somewhat wrong, the larger one first."""
    cos, sin = np.cos(particle["angle"]), np.sin(particle["angle"])
    long, short = particle["long_px"], particle["short_px"]
    cut, over = rng.uniform(0.3, 0.7), rng.normal(0, 0.05)
    boxes = []
    for start, stop in ((0.0, cut + over), (cut - over, 1.0)):
        at, length = ((start + stop) / 2 - 0.5) * long, (stop - start) * long
        side = np.array([length * abs(cos) + short * abs(sin), length * abs(sin) + short * abs(cos)])
        # a turned particle does not reach into the corners of its rectangle
        side *= np.exp(rng.normal(0, 0.06, 2)) * (0.93 if abs(cos * sin) > 0.2 else 1.0)
        centre = np.array([particle["centre_x"] + at * cos, particle["centre_y"] + at * sin]) + 0.5
        centre = centre + rng.normal(0, 0.04, 2) * side
        boxes.append(np.concatenate([centre - side / 2, centre + side / 2]))
    both = np.array(boxes)
    return both[np.argsort(-(both[:, 2:] - both[:, :2]).prod(1))]
