"""A patch of a crowded field: enough to estimate from, at a cost that does not grow with the field."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.core import Points

CROWD = 1500
"""Particles of a frame that estimates are made from; of more, those of a patch in the middle are taken."""


def patch_of(points: Points, frames: int, margin: float) -> tuple[Points, NDArray[np.bool_], float]:
    """Return the detections of a patch, the same in all frames, which of them lie away from its edges, and its share.

    Parameters
    ----------
    points : Points
        Detections with the drift removed.
    frames : int
        How many frames they are of.
    margin : float
        What is nearer to the edge, in px, does not lie away from it; a quarter of the patch at most.

    Returns
    -------
    points : Points
        All of them where there is no crowd.
    inside : bool, shape (n,)
    share : float
        Of the detections.
    """
    share = CROWD * frames / max(len(points.frame), 1)
    if share >= 1:
        return points, np.ones(len(points.frame), bool), 1.0
    within, ends = np.ones(len(points.frame), bool), []
    for axis in (0, 1):
        # as many on one side as on the other, wherever the particles are
        half = math.sqrt(share) / 2
        low, high = np.quantile(points.xy[within, axis], [0.5 - half, 0.5 + half])
        within &= (points.xy[:, axis] >= low) & (points.xy[:, axis] <= high)
        edge = min(margin, (high - low) / 4)
        ends.append((low + edge, high - edge))
    some = Points._make(field[within] for field in points)
    inside = np.all([(some.xy[:, a] >= ends[a][0]) & (some.xy[:, a] <= ends[a][1]) for a in (0, 1)], axis=0)
    return some, inside, len(some.frame) / len(points.frame)
