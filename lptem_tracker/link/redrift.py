"""The drift again, from linked tracks: what is reported and taken out of the motion."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.core import frame_starts
from lptem_tracker.link.drift import SIGNIFICANT, Drift, integrate
from lptem_tracker.link.jumps import FEW

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def refine_drift(drift: Drift, frame: Ints, xy: Floats, pred: Ints, track: Ints) -> Drift:
    """Return the drift that links show.

    Parameters
    ----------
    drift : Drift
        Found before linking.
    frame, xy, pred, track : arrays over the detections
        Positions as seen (px), the preceding sight or -1, identities.

    Returns
    -------
    Drift
        Unsteady drift: rigid motion of all pairs linked across each frame. Otherwise what was found, and a
        steady drift where the tracks' mean velocities agree far better than their spread allows.
    """
    if len(drift.frame) < 2:
        return drift
    if drift.kind == "unsteady":
        return _rigid_steps(drift, frame, xy, pred)
    still = xy - drift.displacement(frame, xy)
    velocity = common_velocity(frame, still, track)
    if not velocity.any():
        return drift
    steady = Drift(
        drift.frame,
        velocity * (drift.frame - drift.frame[0])[:, None].astype(float),
        np.zeros(len(drift.frame)),
        drift.centre if drift.kind != "none" else xy.mean(0),
        "steady",
        drift.step_error_px,
    )
    return drift.then(steady)


def common_velocity(frame: Ints, still: Floats, track: Ints) -> Floats:
    """Return the mean velocity of the tracks, px a frame, or zero where it does not stand out of their spread."""
    order = np.lexsort((frame, track))
    start = np.flatnonzero(np.diff(track[order], prepend=-1) != 0)
    end = np.append(start[1:], len(order)) - 1
    first, last = order[start], order[end]
    life = frame[last] - frame[first]
    long = life >= max(5, 0.25 * float(life.max(initial=0)))
    if long.sum() < FEW:
        return np.zeros(2)
    v = (still[last] - still[first])[long] / life[long, None]
    error = v.std(0, ddof=1) / math.sqrt(len(v))
    mean = v.mean(0)
    believed = float(((mean / np.maximum(error, 1e-300)) ** 2).sum()) > SIGNIFICANT**2 + 2
    return mean if believed else np.zeros(2)


def _rigid_steps(drift: Drift, frame: Ints, xy: Floats, pred: Ints) -> Drift:
    starts = frame_starts(frame)
    steps, angle = np.diff(drift.shift, axis=0), np.diff(drift.angle)
    middle = np.zeros((len(steps), 2))
    turns = []
    place = np.searchsorted(drift.frame, frame)
    for f in range(len(steps)):
        j = np.arange(starts[f + 1], starts[f + 2])
        j = j[pred[j] >= 0]
        j = j[place[pred[j]] == f]
        i = pred[j]
        middle[f] = xy[i].mean(0) if len(i) else xy[starts[f] : starts[f + 1]].mean(0)
        if len(i) < FEW:
            arm = middle[f] - drift.centre - drift.shift[f]
            turned = np.array(
                [
                    math.cos(angle[f]) * arm[0] - math.sin(angle[f]) * arm[1],
                    math.sin(angle[f]) * arm[0] + math.cos(angle[f]) * arm[1],
                ]
            )
            steps[f] = steps[f] + turned - arm
            continue
        a, b = xy[i] - middle[f], xy[j] - xy[j].mean(0)
        steps[f] = xy[j].mean(0) - middle[f]
        # Procrustes in the plane
        angle[f] = math.atan2(float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum()))
        left = float(((xy[j] - xy[i] - steps[f]) ** 2).sum()) / (2 * len(i) - 2)
        turns.append(angle[f] ** 2 * float((a**2).sum()) / max(left, 1e-300))
    if sum(turns) < len(turns) + 5 * math.sqrt(2 * max(len(turns), 1)):
        angle = np.zeros(len(steps))
    return integrate(xy, starts, drift.frame, steps, angle, drift.kind, drift.step_error_px, middle)
