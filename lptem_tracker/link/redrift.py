"""The drift again, from linked tracks: what is reported and taken out of the motion."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.core import frame_starts
from lptem_tracker.link.drift import SIGNIFICANT, Drift, integrate
from lptem_tracker.link.jumps import FEW
from lptem_tracker.link.ledger import Ledger
from lptem_tracker.link.rows import Rows, joined_rows, no_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class RigidSteps:
    """Rigid motion of the linked pairs across each frame of an unsteady drift, gathered while rows stream by.

    Parameters
    ----------
    drift : Drift
        Found before linking.
    """

    def __init__(self, drift: Drift) -> None:
        pairs = max(len(drift.frame) - 1, 0)
        self._drift = drift
        self._steps, self._middle = np.diff(drift.shift, axis=0), np.zeros((pairs, 2))
        self._angle = np.diff(drift.angle)
        self._known = np.zeros(pairs, bool)
        self._turned, self._n_turned = 0.0, 0
        self._tail, self._first = no_rows(), 0

    def add(self, rows: Rows) -> None:
        """Take in final rows of whole frames."""
        if len(rows.frame) == 0:
            return
        both = joined_rows([self._tail, rows])
        starts = frame_starts(both.frame)
        place = np.searchsorted(self._drift.frame, both.frame[starts[:-1]])
        for before, at, end, f in zip(starts, starts[1:], starts[2:], place):
            j = np.arange(at, end)[both.pred[at:end] - self._first >= before]
            i = both.pred[j] - self._first
            self._pair(int(f), both.seen[i], both.seen[j], both.seen[before:at])
        self._tail, self._first = both.part(int(starts[-2]), len(both.frame)), self._first + int(starts[-2])

    def _pair(self, f: int, seen: Floats, later: Floats, everybody: Floats) -> None:
        self._middle[f] = seen.mean(0) if len(seen) else everybody.mean(0)
        if len(seen) < FEW:
            return
        self._known[f] = True
        a, b = seen - self._middle[f], later - later.mean(0)
        self._steps[f] = later.mean(0) - self._middle[f]
        # Procrustes in the plane
        self._angle[f] = math.atan2(float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum()))
        left = float(((later - seen - self._steps[f]) ** 2).sum()) / (2 * len(seen) - 2)
        self._turned += self._angle[f] ** 2 * float((a**2).sum()) / max(left, 1e-300)
        self._n_turned += 1

    def drift(self) -> Drift:
        """Return the drift that these steps add up to; without rotation where none stands out."""
        old = self._drift
        for f in np.flatnonzero(~self._known):
            # told about the centre of the drift, wanted about the middle of the particles
            arm, angle = self._middle[f] - old.centre - old.shift[f], self._angle[f]
            c, s = math.cos(angle) - 1, math.sin(angle)
            self._steps[f] += np.array([c * arm[0] - s * arm[1], s * arm[0] + c * arm[1]])
        angle = self._angle
        if self._turned < self._n_turned + 5 * math.sqrt(2 * max(self._n_turned, 1)):
            angle = np.zeros(len(self._steps))
        new = integrate(self._middle, old.frame, self._steps, angle, old.kind, old.step_error_px)
        return replace(new, origin=old.origin)


def with_velocity(drift: Drift, ledger: Ledger) -> Drift:
    """Return the drift and, where the tracks' mean velocities agree far better than their spread, a steady one more."""
    n, mean, spread = ledger.velocities()
    if n < FEW or len(drift.frame) < 2:
        return drift
    error = spread / math.sqrt(n)
    if float(((mean / np.maximum(error, 1e-300)) ** 2).sum()) <= SIGNIFICANT**2 + 2:
        return drift
    shift = mean * (drift.frame - drift.frame[0])[:, None].astype(float)
    steady = Drift(drift.frame, shift, np.zeros(len(shift)), drift.centre, "steady", drift.step_error_px)
    return drift.then(steady)
