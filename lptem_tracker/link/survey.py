"""What is found out before anything is linked: the drift, the parameters, and the costs that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.link.blocks import Run, Source
from lptem_tracker.link.candidates import Costs
from lptem_tracker.link.core import CAUTION, Points, frame_starts
from lptem_tracker.link.drift import Drift, drift_runs, no_drift, particle_drift
from lptem_tracker.link.estimate import estimate, estimate_runs, scale_of, scale_runs
from lptem_tracker.link.imagery import drift_from_images
from lptem_tracker.link.imm import Mixture
from lptem_tracker.link.kalman import Motion as KalmanMotion
from lptem_tracker.link.parameters import UNITS, Parameters, fallback_costs

Motion = Literal["auto", "brownian", "velocity", "mixed"]
GAP_FRAMES = 5
WINDOW_FRAMES = 8


@dataclass(frozen=True)
class Options:
    """What the user asks of the linker; see `link`.

    Raises
    ------
    SettingsError
        An option is out of its range.
    """

    max_displacement_px: float | None = None
    max_gap_frames: int | None = None
    window_frames: int = WINDOW_FRAMES
    drift: bool = True
    motion: Motion = "auto"
    parameters: Mapping[str, float] = field(default_factory=dict)
    fill: bool = True
    image_drift: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        step, gap, window = self.max_displacement_px, self.max_gap_frames, self.window_frames
        if step is not None and not step > 0:
            raise SettingsError(f"max_displacement_px must be a positive number of px; got {step!r}.")
        if gap is not None and (gap < 0 or gap != int(gap)):
            raise SettingsError(f"max_gap_frames must be a whole number of at least 0; got {gap!r}.")
        if window < 1 or window != int(window):
            raise SettingsError(f"window_frames must be a whole number of at least 1; got {window!r}.")
        if self.motion not in ("auto", "brownian", "velocity", "mixed"):
            raise SettingsError(f"motion must be auto, brownian, velocity or mixed; got {self.motion!r}.")

    @property
    def max_lag(self) -> int:
        """Largest frame difference of a link."""
        return (GAP_FRAMES if self.max_gap_frames is None else int(self.max_gap_frames)) + 1


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
    """What is known before linking: the user's options, the costs, and the drift."""

    options: Options
    plan: Plan
    drift: Drift

    def report(self, drift: Drift) -> dict[str, Any]:
        """Return parameters and `drift`, the one finally taken out, for the record."""
        told = {"window_frames": self.options.window_frames, "max_gap_frames": self.options.max_lag - 1}
        return {"parameters": self.plan.report(), "drift": drift.report(), **told}


def survey(source: Source, options: Options) -> Survey:
    """Estimate drift and parameters of the detections of a source."""
    if len(source.frame) == 0:
        return Survey(options, make_plan(source, {}, options), no_drift(source.frame))
    wanted = [*scale_runs(source), *estimate_runs(source, options.max_lag), _first_frames(source)]
    samples = source.runs([*wanted, *(drift_runs(source) if options.drift else [])])
    drift = no_drift(source.frame)
    if options.drift:
        spacing = scale_of(source, samples).spacing
        drift = particle_drift(source, samples, spacing)
        if options.image_drift is not None:
            drift = drift_from_images(source, spacing, options.image_drift, drift)
    still = {run: samples[run]._replace(xy=drift.still(samples[run].frame, samples[run].xy)) for run in wanted}
    return Survey(options, make_plan(source, still, options), drift)


def make_plan(source: Source, samples: Mapping[Run, Points], options: Options) -> Plan:
    """Estimate what is not given, from samples without drift, and return the costs that follow."""
    user, max_step, max_lag = options.parameters, options.max_displacement_px, options.max_lag
    guess = None
    if samples:
        guess = estimate(source, samples, scale_of(source, samples), max_lag, max_step, options.motion)
    found = guess.parameters if guess is not None else None
    if found is None and "step_sigma_px" in user:
        found = Parameters((user["step_sigma_px"],), max_displacement_px=max_step)
    if found is None:
        reach = reach_of(samples.get(_first_frames(source)), max_step)
        return Plan(fallback_costs(reach, max_lag, max_step or math.inf), None)
    found = found.with_user(user)
    mixture = guess.mixture if guess is not None and "step_sigma_px" not in user else None
    costs = found.costs(max_lag, options.window_frames)
    if guess is None:
        return Plan(costs, found, mixture)
    return Plan(costs, found, mixture, guess.size_scatter, guess.caution)


def _first_frames(source: Source) -> Run:
    return 0, min(len(source.frame), 200)


def reach_of(points: Points | None, max_step: float | None) -> float:
    """Return how far a step may go when there is nothing to estimate it from: half the neighbour spacing."""
    if max_step is not None:
        return max_step
    if points is None:
        return 1.0
    starts = frame_starts(points.frame)
    near = [neighbour_distance(points.xy[a:b]) for a, b in zip(starts, starts[1:]) if b - a > 1]
    if near:
        return max(0.5 * float(np.median(np.concatenate(near))), 1e-9)
    return max(10.0 * float(np.ptp(points.xy, axis=0).max()), 1.0)


def neighbour_distance(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point, shape (n, 2), to its nearest neighbour."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(xy).query(xy, k=2)[0][:, 1], float)
