"""Small networks that see each detection beside its nearest neighbours and beside all of its frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import expit

from lptem_tracker.detect.members import standardise
from lptem_tracker.detect.pairs import Wide
from lptem_tracker.errors import WeightsError

Single = NDArray[np.float32]
Layer = tuple[Single, Single]
"""Weight (inputs, outputs) and bias (outputs,)."""

NEAREST = 5
"""Neighbours that a detection is seen beside."""
LINKS = ("distance", "relative_size", "overlap", "same_polarity", "reach", "close")
LAYERS = ("own", "message", "frame", "beside", "answer")
"""Layers of a network; `message` reads two detections and what links them, `beside` all that is known of one."""
_SOFTEST = 0.1
"""Distance in sizes added before the logarithm."""
_FURTHEST = 6.0
"""Distance in sizes above which all are alike."""
_TOGETHER = 4_000
"""Detections whose neighbours are looked at together."""


class Graph(NamedTuple):
    """The neighbours of each detection of a frame.

    Attributes
    ----------
    nearest : numpy.ndarray
        Shape (N, K) of int64, the nearest others; of itself where there are too few.
    link : numpy.ndarray
        Shape (N, K, 6) of float32, of `LINKS`.
    there : numpy.ndarray
        Shape (N, K, 1) of float32: 1, or 0 where there are too few.
    """

    nearest: NDArray[np.int64]
    link: Single
    there: Single

    def part(self, first: int) -> Graph:
        """Return the neighbours of the next `_TOGETHER` detections."""
        some = slice(first, first + _TOGETHER)
        return Graph(self.nearest[some], self.link[some], self.there[some])


def neighbour_graph(boxes: Wide, polarity: Wide) -> Graph:
    """Return the neighbours of each box.

    Parameters
    ----------
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px.
    polarity : numpy.ndarray
        Shape (N,), of which the sign counts.

    Returns
    -------
    Graph
        Of each link: the logarithm of the distance over the size; that of the sizes' ratio; intersection over union;
        1 for the same polarity and -1 for the other; the distance again, in even steps; and how close it is, from 0
        to 1.
    """
    n = len(boxes)
    index = np.tile(np.arange(n)[:, None], (1, NEAREST))
    there = np.zeros((n, NEAREST, 1), np.float32)
    found = min(NEAREST, n - 1)
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    if found > 0:
        _, near = cKDTree(centre).query(centre, found + 1)
        itself = near == index[:, :1]
        itself[~itself.any(1), -1] = True  # hidden behind others of the very same centre
        index[:, :found] = near[~itself].reshape(n, found)
        there[:, :found] = 1.0
    area = side.prod(1)
    size = np.sqrt(area)[:, None]
    distance = np.hypot(*np.moveaxis(centre[index] - centre[:, None], -1, 0)) / size
    shared = np.minimum(boxes[index, 2:], boxes[:, None, 2:]) - np.maximum(boxes[index, :2], boxes[:, None, :2])
    both = np.clip(shared, 0, None).prod(2)
    link = np.stack([
        np.log(distance + _SOFTEST),
        np.log(size[index, 0] / size),
        both / (area[:, None] + area[index] - both),
        np.sign(polarity)[:, None] * np.sign(polarity)[index],
        np.minimum(distance, _FURTHEST) * (2 / _FURTHEST) - 1,
        np.exp(-(distance**2) / 2),
    ], 2)  # fmt: skip
    return Graph(index, link.astype(np.float32), there)


def judged_together(value: Wide, seen: Graph, rule: dict[str, Any]) -> Wide:
    """Return the probabilities (N,) that small networks give to the detections of one frame.

    A detection's features become a message to each of its neighbours; it is judged by itself, the mean of the
    messages to it, the sum of those from close by, and the mean of the frame.

    Parameters
    ----------
    value : numpy.ndarray
        Shape (N, F).
    seen : Graph
    rule : dict
        `mean` and `scale` (over the features), and `members`: for each network its `LAYERS` by name, each a weight
        (inputs, outputs) and a bias. Their log odds are averaged.
    """
    apart = standardise(value, rule["mean"], rule["scale"]).astype(np.float32)
    odds = np.zeros(len(value))
    for member in rule["members"]:
        own = _active(apart, member["own"])
        to_all = _active(own, member["frame"]).mean(0, keepdims=True, dtype=np.float64).astype(np.float32)
        heard = np.concatenate([
            _messages(own, seen.part(first), first, member["message"]) for first in range(0, len(own), _TOGETHER)
        ])  # fmt: skip
        everything = np.hstack([own, heard, np.repeat(to_all, len(own), 0)])
        weight, bias = member["answer"]
        odds += (_active(everything, member["beside"]) @ weight + bias)[:, 0]
    return np.asarray(expit(odds / len(rule["members"])), np.float64)


def _messages(own: Single, seen: Graph, first: int, layer: Layer) -> Single:
    """Return mean and close sum of what the neighbours say to some detections, (n, 2 H)."""
    weight, bias = layer
    hidden = own.shape[1]
    here = own[first : first + len(seen.nearest)] @ weight[:hidden]
    there = own @ weight[hidden : 2 * hidden]
    said = here[:, None] + there[seen.nearest] + seen.link @ weight[2 * hidden :] + bias
    said = _silu(said) * seen.there
    count = np.maximum(seen.there.sum(1), np.float32(1.0))
    return np.hstack([said.sum(1) / count, (said * seen.link[..., -1:]).sum(1)])


def _active(value: Single, layer: Layer) -> Single:
    return _silu(value @ layer[0] + layer[1])


def _silu(value: Single) -> Single:
    return np.asarray(value * expit(value), np.float32)


def ready(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule of `judged_together` with its lists of numbers made arrays, once for all frames.

    Raises
    ------
    WeightsError
        The rule is that of an earlier version.
    """
    if not all(isinstance(member, dict) for member in rule["members"]):
        raise WeightsError(
            "These weights judge detections as an earlier version did; calibrate them again "
            "(python -m lptem_tracker.training.calibrate --weights FILE --out FOLDER)."
        )
    members = [
        {name: tuple(np.array(part, np.float32) for part in member[name]) for name in LAYERS}
        for member in rule["members"]
    ]
    return {**rule, "mean": np.array(rule["mean"]), "scale": np.array(rule["scale"]), "members": members}
