"""`link`: a table of detections in, the same table with identities out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.link import table as tab
from lptem_tracker.link.candidates import Costs
from lptem_tracker.link.core import Decided, Points, SlidingWindow, frame_starts, joined
from lptem_tracker.link.drift import Drift, no_drift, particle_drift
from lptem_tracker.link.estimate import estimate, scale_of
from lptem_tracker.link.gaps import Filled, fill_gaps
from lptem_tracker.link.imm import Mixture
from lptem_tracker.link.kalman import Motion as KalmanMotion
from lptem_tracker.link.merging import through_mergers
from lptem_tracker.link.parameters import UNITS, Parameters, fallback_costs
from lptem_tracker.link.redrift import refine_drift
from lptem_tracker.tables import OBSERVED, PARTICLE

if TYPE_CHECKING:
    from lptem_tracker.settings import LinkSettings

Motion = Literal["auto", "brownian", "velocity", "mixed"]
GAP_FRAMES = 5
WINDOW_FRAMES = 8


def link(
    detections: pd.DataFrame,
    *,
    max_displacement_px: float | None = None,
    max_gap_frames: int | None = None,
    window_frames: int = WINDOW_FRAMES,
    drift: bool = True,
    motion: Motion = "auto",
    parameters: Mapping[str, float] | None = None,
    fill: bool = True,
) -> pd.DataFrame:
    """Give every detection the identity of its particle.

    The most probable set of tracks over a sliding window of frames: an exact assignment of each
    detection to its next sight, with log-likelihoods of motion, likeness, misses, births, deaths and false
    detections as weights. What is not given is estimated from the data.

    Parameters
    ----------
    detections : pandas.DataFrame
        Columns `frame, x, y` (px); `x_std, y_std, radius, area, width, height, confidence` are used where
        they are. Rows may come in any order; it does not change the result.
    max_displacement_px : float, optional
        No step between neighbouring frames is longer. A step within it is taken, however unlikely, where
        no other detection could be meant. Over k frames √k times that is allowed, as far as random motion gets.
    max_gap_frames : int, optional
        Frames that a particle may be missing; 5 if not given.
    window_frames : int
        Frames decided together; 1 is the frame-by-frame assignment.
    drift : bool
        Estimate the common motion and take it out before linking.
    motion : {'auto', 'brownian', 'velocity', 'mixed'}
        What particles do between frames; ``auto`` chooses from the data.
    parameters : mapping of str to float, optional
        Values of `Parameters` in px and frames that replace those estimated.
    fill : bool
        Append a row with `observed` False for each frame missed within a track.

    Returns
    -------
    pandas.DataFrame
        Every input row, column and index label, in the input's order, then the filled rows; and the columns
        `particle`; `observed`; `link_confidence`, the posterior of the link into the row (NaN at starts);
        `merged_into`, the particle that a track ended in; `drift_x, drift_y` (px), which subtracted from
        `x, y` give positions without drift. `x, y` stay as seen. ``attrs["link"]`` holds the parameters with
        unit and source, and the drift. A row without finite position is a track of its own.

    Raises
    ------
    TableError
        A column is missing or not numeric, or a frame is negative or no whole number.
    SettingsError
        An option is out of its range.
    """
    check_options(max_displacement_px, max_gap_frames, window_frames, motion)
    max_lag = (GAP_FRAMES if max_gap_frames is None else int(max_gap_frames)) + 1
    frame, xy = tab.read_columns(detections)
    usable = tab.usable_rows(detections, xy)
    rows = np.flatnonzero(usable)
    rows = rows[tab.canonical_order(frame[rows], xy[rows])]
    points = tab.to_points(detections, frame, xy, rows)
    seen = points.xy
    common = particle_drift(points, scale_of(points).spacing) if drift and len(rows) else no_drift(points)
    points = points._replace(xy=seen - common.displacement(points.frame, seen))
    plan = make_plan(points, max_lag, max_displacement_px, window_frames, parameters or {}, motion)
    decided = run_plan(plan, points, window_frames)
    merged = np.full(len(rows), -1)
    if "radius" in detections.columns and plan.found is not None and len(rows):
        radius = tab.positive_column(detections, "radius")[rows]
        decided, merged = through_mergers(points, decided, radius, plan.found.step_sigma_px[0])
    if drift:
        common = refine_drift(common, points.frame, seen, decided.pred, decided.track)
        points = points._replace(xy=seen - common.displacement(points.frame, seen))
    out = with_tracks(detections, rows, decided, seen - points.xy, merged)
    if fill:
        filled = fill_gaps(points.frame, points.xy, points.noise, decided.pred, *plan.smoothing())
        out = with_filled(out, rows, filled, common)
    told = {"window_frames": window_frames, "max_gap_frames": max_lag - 1}
    out.attrs = {**detections.attrs, "link": {"parameters": plan.report(), "drift": common.report(), **told}}
    return out


def with_tracks(
    detections: pd.DataFrame,
    rows: NDArray[np.int64],
    decided: Decided,
    shift: NDArray[np.float64],
    merged: NDArray[np.int64],
) -> pd.DataFrame:
    """Return the table with the linker's columns; `rows` are the places of what was linked."""
    n = len(detections)
    particle = np.full(n, -1)
    particle[rows] = decided.track
    lost = np.flatnonzero(particle < 0)
    particle[lost] = decided.track.max(initial=-1) + 1 + np.arange(len(lost))
    belief, moved = np.full(n, np.nan), np.zeros((n, 2))
    belief[rows], moved[rows] = decided.belief, shift
    into = np.full(n, -1)
    into[rows] = merged
    return tab.with_columns(
        detections,
        {
            PARTICLE: particle,
            OBSERVED: np.ones(n, bool),
            tab.CONFIDENCE: belief,
            tab.MERGED: pd.arrays.IntegerArray(into, into < 0),
            tab.DRIFT_X: moved[:, 0],
            tab.DRIFT_Y: moved[:, 1],
        },
    )


def with_filled(table: pd.DataFrame, rows: NDArray[np.int64], filled: Filled, drift: Drift) -> pd.DataFrame:
    """Append the filled rows: position and error smoothed, what is no measurement carried on, the rest NaN."""
    if len(filled.frame) == 0:
        return table
    source = rows[filled.before]
    xy = drift.moved(filled.frame, filled.xy)
    moved = xy - filled.xy
    new = {
        "frame": filled.frame,
        "x": xy[:, 0],
        "y": xy[:, 1],
        "x_std": filled.std[:, 0],
        "y_std": filled.std[:, 1],
        OBSERVED: np.zeros(len(source), bool),
        tab.DRIFT_X: moved[:, 0],
        tab.DRIFT_Y: moved[:, 1],
    }
    columns = {}
    for name in table.columns:
        if name in new:
            columns[name] = new[name]
        elif name == tab.MERGED:
            columns[name] = pd.array([pd.NA] * len(source), dtype="Int64")
        elif table[name].dtype.kind == "f":
            columns[name] = np.full(len(source), np.nan)
        else:
            columns[name] = table[name].array[source]
    return tab.append_rows(table, pd.DataFrame(columns))


def check_options(
    max_displacement_px: float | None, max_gap_frames: int | None, window_frames: int, motion: str
) -> None:
    """Raise SettingsError for an option outside its range."""
    if max_displacement_px is not None and not max_displacement_px > 0:
        raise SettingsError(f"max_displacement_px must be a positive number of px; got {max_displacement_px!r}.")
    if max_gap_frames is not None and (max_gap_frames < 0 or max_gap_frames != int(max_gap_frames)):
        raise SettingsError(f"max_gap_frames must be a whole number of at least 0; got {max_gap_frames!r}.")
    if window_frames < 1 or window_frames != int(window_frames):
        raise SettingsError(f"window_frames must be a whole number of at least 1; got {window_frames!r}.")
    if motion not in ("auto", "brownian", "velocity", "mixed"):
        raise SettingsError(f"motion must be auto, brownian, velocity or mixed; got {motion!r}.")


@dataclass(frozen=True)
class Plan:
    """Costs of linking and the parameters behind them (None where nothing could be estimated)."""

    costs: Costs
    found: Parameters | None
    looks: int
    mixture: Mixture | None = None

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


def make_plan(
    points: Points,
    max_lag: int,
    max_step: float | None,
    window_frames: int,
    user: Mapping[str, float],
    motion: Motion = "auto",
) -> Plan:
    """Estimate what is not given and return the costs that follow."""
    estimated = estimate(points, max_lag, max_step, motion) if len(points.frame) else None
    found, mixture = estimated if estimated is not None else (None, None)
    if found is None and "step_sigma_px" in user:
        found = Parameters((user["step_sigma_px"],), max_displacement_px=max_step)
    looks = points.looks.shape[1]
    if found is None:
        return Plan(fallback_costs(reach_of(points, max_step), max_lag, max_step or math.inf), None, looks)
    found = found.with_user(user)
    return Plan(found.costs(max_lag, window_frames), found, looks, None if "step_sigma_px" in user else mixture)


def run_plan(plan: Plan, points: Points, window_frames: int) -> Decided:
    """Link all detections."""
    window = SlidingWindow(
        plan.costs, window_frames, adopt=math.isfinite(plan.costs.max_step), looks=plan.looks, mixture=plan.mixture
    )
    if plan.found is None:
        points = points._replace(noise=np.zeros_like(points.noise))
    return joined([window.push(points), window.finish()])


def reach_of(points: Points, max_step: float | None) -> float:
    """Return how far a step may go when there is nothing to estimate it from: half the neighbour spacing."""
    if max_step is not None:
        return max_step
    starts = frame_starts(points.frame)
    near = [neighbour_distance(points.xy[a:b]) for a, b in zip(starts[:200], starts[1:201]) if b - a > 1]
    if near:
        return max(0.5 * float(np.median(np.concatenate(near))), 1e-9)
    span = np.ptp(points.xy, axis=0).max() if len(points.xy) else 0.0
    return max(10.0 * float(span), 1.0)


def neighbour_distance(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point, shape (n, 2), to its nearest neighbour."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(xy).query(xy, k=2)[0][:, 1], float)


def link_from_settings(detections: pd.DataFrame, settings: LinkSettings) -> pd.DataFrame:
    """Call `link` with the values of the settings' link section."""
    return link(
        detections,
        max_displacement_px=settings.max_displacement_px,
        max_gap_frames=settings.max_gap_frames,
        window_frames=settings.window_frames,
        drift=settings.drift,
        motion=settings.motion,
    )
