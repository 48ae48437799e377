"""The drift of a movie that is still being recorded: carried on frame by frame from what its beginning shows."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.blocks import Source
from lptem_tracker.link.core import Points, frame_starts
from lptem_tracker.link.drift import (
    MEAN,
    Drift,
    common_motion,
    drift_runs,
    pair_moments,
    residual_reach,
    rigid_step,
    shows_drift,
    source_moments,
    spread_pick,
)
from lptem_tracker.link.jumps import FEW, MOST, N, Usual, badness, best_shift, usual_fit
from lptem_tracker.link.survey import Survey

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECENT = 50
"""Frames over which an unsteady drift has to stand out of chance."""

ROUNDS = 3
"""Repetitions of matching and shifting a frame."""


class LiveDrift:
    """Drift of the frames so far.

    A steady drift goes on at its velocity; jumps are looked for in each frame; where the common motion of recent
    frames exceeds chance, each frame has its own shift, and its own rotation if the beginning shows one.

    Parameters
    ----------
    source : Source
        The beginning of the movie.
    known : Survey
        What it tells.
    """

    def __init__(self, source: Source, known: Survey) -> None:
        drift, spacing = known.drift, known.spacing
        self._spacing, self._turns, self._kind = spacing, bool(drift.angle.any()), drift.kind
        self._centre, self._error = drift.centre, drift.step_error_px
        self._n = len(drift.frame)
        self._frame, self._shift, self._angle = drift.frame.copy(), drift.shift.copy(), drift.angle.copy()
        self._seen = known.options.drift and shows_drift(source, spacing)
        if self._seen:
            self._learn(source, drift)

    def _learn(self, source: Source, drift: Drift) -> None:
        lag = np.diff(drift.frame)[:, None].astype(float)
        steps = np.diff(drift.shift, axis=0)
        self._velocity = np.median(steps / lag, axis=0) if drift.kind == "steady" else np.zeros(2)
        samples = source.runs([*drift_runs(source), (self._n - 1, self._n)])
        self._before = samples[self._n - 1, self._n].xy
        self._reach = residual_reach(samples, spread_pick(source), steps, self._spacing)
        moments = source_moments(source, steps, self._reach)
        self._usual: Usual = usual_fit(moments, source.count[:-1])
        self._recent = deque(moments, RECENT)

    @property
    def drift(self) -> Drift:
        """The drift of all frames so far."""
        n = self._n
        return Drift(self._frame[:n], self._shift[:n], self._angle[:n], self._centre, self._kind, self._error)

    def still(self, frame: Ints, xy: Floats) -> Floats:
        """As of `Drift`."""
        return self.drift.still(frame, xy)

    def moved_by(self, frame: Ints, xy: Floats) -> Floats:
        """As of `Drift`."""
        return self.drift.moved_by(frame, xy)

    def moved(self, frame: Ints, still: Floats) -> Floats:
        """As of `Drift`."""
        return self.drift.moved(frame, still)

    def push(self, points: Points) -> None:
        """Carry the drift on to those frames of `points` that are later than those before."""
        if not self._seen:
            return
        starts = frame_starts(points.frame)
        for lo, hi in zip(starts, starts[1:]):
            if points.frame[lo] > self._frame[self._n - 1]:
                self._add(int(points.frame[lo]), points.xy[lo:hi])

    def _add(self, frame: int, xy: Floats) -> None:
        steps = self._velocity * min(frame - int(self._frame[self._n - 1]), 10.0)
        moments, angle = self._moments(xy, steps), 0.0
        count = np.array([len(self._before)])
        if badness(moments, count, self._spacing, self._usual)[0] > 0:
            shifted = best_shift(self._before, xy, steps, self._spacing)
            if math.hypot(*(shifted - steps)) > 0.1 * self._spacing:
                steps, moments = shifted, self._moments(xy, shifted)
                self._kind = "jumps" if self._kind in ("none", "steady") else self._kind
        self._recent.append(moments[0])
        if self._kind != "unsteady" and common_motion(np.array(self._recent))[3]:
            self._kind = "unsteady"
        if self._kind == "unsteady" and moments[0, N] >= FEW:
            for _ in range(ROUNDS):
                steps = steps + common_motion(moments)[0][0]
                moments = self._moments(xy, steps)
            if self._turns:
                angle = float(common_motion(moments, turns=True)[1][0])
        self._append(frame, rigid_step(self._centre, self._shift[self._n - 1], moments[0, MEAN], steps, angle), angle)
        self._before = xy

    def _moments(self, xy: Floats, steps: Floats) -> Floats:
        both = np.concatenate([self._before, xy])
        starts = np.array([0, len(self._before), len(both)])
        return np.asarray(pair_moments(both, starts, steps[None], self._reach, MOST))

    def _append(self, frame: int, shift: Floats, angle: float) -> None:
        n = self._n
        if n == len(self._frame):
            self._frame, self._angle = np.tile(self._frame, 2), np.tile(self._angle, 2)
            self._shift = np.tile(self._shift, (2, 1))
        self._frame[n], self._shift[n], self._angle[n] = frame, shift, self._angle[n - 1] + angle
        self._n = n + 1
