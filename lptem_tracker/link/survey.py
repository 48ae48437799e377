"""What is found out before anything is linked: the drift, the parameters, and the costs that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.blocks import Run, Source
from lptem_tracker.link.candidates import Costs
from lptem_tracker.link.core import CAUTION, Points, frame_starts
from lptem_tracker.link.drift import Drift, drift_runs, no_drift, particle_drift
from lptem_tracker.link.estimate import Scale, estimate, estimate_runs, scale_of, scale_runs
from lptem_tracker.link.imagery import drift_from_images
from lptem_tracker.link.imm import Mixture
from lptem_tracker.link.kalman import Motion as KalmanMotion
from lptem_tracker.link.options import LinkOptions
from lptem_tracker.link.parameters import UNITS, Parameters, fallback_costs


@dataclass(frozen=True)
class Plan:
    """Costs of linking and the parameters behind them (None where nothing could be estimated)."""

    costs: Costs
    found: Parameters | None
    mixture: Mixture | None = None
    size_scatter: float = math.nan
    caution: float = CAUTION

    def report(self) -> dict[str, dict[str, object]]:
        """Return the parameters for the record."""
        if self.found is not None:
            kinds = "brownian" if self.mixture is None else ", ".join(m.kind for m in self.mixture.motions)
            return {"motion": {"value": kinds, "unit": "", "source": "data"}, **self.found.report()}
        sigma = math.sqrt(float(self.costs.step_var[0]))
        return {"step_sigma_px": {"value": sigma, "unit": UNITS["step_sigma_px"], "source": "default"}}

    def smoothing(self) -> tuple[KalmanMotion, float]:
        """Return the motion by which gaps are filled, and the variance of an unknown velocity."""
        if self.mixture is not None and self.mixture.motions[0].kind == "velocity":
            return self.mixture.motions[0], self.mixture.velocity_var
        if self.found is not None:
            step = sum(s * v**2 for s, v in zip(self.found.mode_share, self.found.step_sigma_px))
            return KalmanMotion("brownian", step), 0.0
        return KalmanMotion("brownian", float(self.costs.step_var[0])), 0.0


@dataclass(frozen=True)
class Survey:
    """What is known before linking: the user's options, the costs, the drift, and the distance of particles in px."""

    options: LinkOptions
    plan: Plan
    drift: Drift
    spacing: float = math.nan

    def report(self, drift: Drift) -> dict[str, Any]:
        """Return parameters and `drift`, the one finally taken out, for the record."""
        told = {"window_frames": self.options.window_frames, "max_gap_frames": self.options.max_lag - 1}
        return {"parameters": self.plan.report(), "drift": drift.report(), **told}


def survey(source: Source, options: LinkOptions) -> Survey:
    """Estimate drift and parameters of the detections of a source."""
    if len(source.frame) == 0:
        return Survey(options, make_plan(source, {}, None, options), no_drift(source.frame))
    wanted = [*scale_runs(source), *estimate_runs(source, options.max_lag), _first_frames(source)]
    samples = source.runs([*wanted, *(drift_runs(source) if options.drift else [])])
    drift, scale = no_drift(source.frame), scale_of(source, samples)
    if options.drift:
        drift = particle_drift(source, samples, scale.spacing)
        if options.image_drift is not None:
            drift = drift_from_images(source, scale.spacing, options.image_drift, drift)
    still = {run: samples[run]._replace(xy=drift.still(samples[run].frame, samples[run].xy)) for run in wanted}
    if drift.kind != "none":
        scale = scale_of(source, still)
    return Survey(options, make_plan(source, still, scale, options), drift, scale.spacing)


def make_plan(source: Source, samples: Mapping[Run, Points], scale: Scale | None, options: LinkOptions) -> Plan:
    """Estimate what is not given, from samples without drift, and return the costs that follow.

    `scale` is None without detections.
    """
    user, max_step, max_lag = options.parameters, options.max_displacement_px, options.max_lag
    guess = None
    if scale is not None:
        guess = estimate(source, samples, scale, max_lag, max_step, options.motion)
    found = guess.parameters if guess is not None else None
    if found is None and "step_sigma_px" in user:
        found = Parameters((user["step_sigma_px"],), max_displacement_px=max_step)
    if found is None:
        reach = reach_of(samples.get(_first_frames(source)), max_step, max_lag)
        costs = fallback_costs(reach, max_lag, max_step or math.inf)
        return Plan(costs, None, lasting(float(costs.step_var[0])) if options.motion == "velocity" else None)
    found = found.with_user(user)
    mixture = guess.mixture if guess is not None and "step_sigma_px" not in user else None
    costs = found.costs(max_lag, options.window_frames)
    if guess is None:
        return Plan(costs, found, mixture)
    return Plan(costs, found, mixture, guess.size_scatter, guess.caution)


def lasting(first_var: float) -> Mixture:
    """Return lasting velocities for a handful of detections; first steps are as long as those of `fallback_costs`.

    Where the user says that velocities last, a step is expected to be like the one before it, within half as much.
    """
    run = KalmanMotion("velocity", first_var / 4, first_var / 16)
    return Mixture((run,), np.ones((1, 1)), np.ones(1), first_var)


def _first_frames(source: Source) -> Run:
    return 0, min(len(source.frame), 200)


def reach_of(points: Points | None, max_step: float | None, max_lag: int) -> float:
    """Return how far a step may go when there is too little to fit steps to.

    Three times the way to the nearest one of the next frame, if that is at most `max_lag` frames later (the third
    decile: some have left), but not less than half the distance to the nearest one of the same frame, and not more
    than nine tenths of it.
    """
    if max_step is not None:
        return max_step
    if points is None:
        return 1.0
    starts = frame_starts(points.frame)
    frames = [points.xy[a:b] for a, b in zip(starts, starts[1:])]
    apart = [neighbour_distance(xy) for xy in frames if len(xy) > 1]
    spacing = float(np.median(np.concatenate(apart))) if apart else 0.0
    if spacing == 0.0:
        return max(10.0 * float(np.ptp(points.xy, axis=0).max()), 1.0)
    near = np.diff(points.frame[starts[:-1]]) <= max_lag
    ways = [_nearest(later, xy) for xy, later, linked in zip(frames, frames[1:], near) if linked]
    step = float(np.quantile(np.concatenate(ways), 0.3)) if ways else 0.0
    return min(max(3.0 * step, 0.5 * spacing), 0.9 * spacing)


def neighbour_distance(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point, shape (n, 2), to its nearest neighbour."""
    return _nearest(xy, xy, 2)


def _nearest(to: NDArray[np.float64], xy: NDArray[np.float64], k: int = 1) -> NDArray[np.float64]:
    """Return the distance of each point of `xy`, shape (n, 2), to the nearest of `to`, or to the `k`-th nearest."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(to).query(xy, k=[k])[0][:, 0], float)
