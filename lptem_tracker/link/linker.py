"""`link`: a table of detections in, the same table with identities out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.link import table as tab
from lptem_tracker.link.candidates import Costs
from lptem_tracker.link.core import Points, SlidingWindow, frame_starts
from lptem_tracker.link.estimate import estimate
from lptem_tracker.link.parameters import Parameters, fallback_costs
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
) -> pd.DataFrame:
    """Give every detection the identity of its particle."""
    check_options(max_displacement_px, max_gap_frames, window_frames, motion)
    max_lag = (GAP_FRAMES if max_gap_frames is None else int(max_gap_frames)) + 1
    frame, xy = tab.read_columns(detections)
    usable = tab.usable_rows(detections, xy)
    rows = np.flatnonzero(usable)
    rows = rows[tab.canonical_order(frame[rows], xy[rows])]
    points = tab.to_points(detections, frame, xy, rows)
    costs, found = choose_costs(points, max_lag, max_displacement_px, window_frames, parameters or {})
    window = SlidingWindow(costs, window_frames, adopt=max_displacement_px is not None, looks=points.looks.shape[1])
    parts = [window.push(points), window.finish()]
    track = np.concatenate([part.track for part in parts])
    particle = np.empty(len(detections), np.int64)
    particle[rows] = track
    lost = np.flatnonzero(~usable)
    particle[lost] = (track.max() + 1 if len(track) else 0) + np.arange(len(lost))
    out = tab.with_columns(detections, {PARTICLE: particle, OBSERVED: True})
    out.attrs = {**detections.attrs, "link": {"parameters": found.report() if found else {}}}
    return out


def check_options(max_displacement_px: float | None, max_gap_frames: int | None, window_frames: int, motion: str) -> None:
    """Raise SettingsError for an option outside its range."""
    if max_displacement_px is not None and not max_displacement_px > 0:
        raise SettingsError(f"max_displacement_px must be a positive number of px; got {max_displacement_px!r}.")
    if max_gap_frames is not None and (max_gap_frames < 0 or max_gap_frames != int(max_gap_frames)):
        raise SettingsError(f"max_gap_frames must be a whole number of at least 0; got {max_gap_frames!r}.")
    if window_frames < 1 or window_frames != int(window_frames):
        raise SettingsError(f"window_frames must be a whole number of at least 1; got {window_frames!r}.")
    if motion not in ("auto", "brownian", "velocity", "mixed"):
        raise SettingsError(f"motion must be auto, brownian, velocity or mixed; got {motion!r}.")


def choose_costs(points: Points, max_lag: int, max_step: float | None, window_frames: int,
                 user: Mapping[str, float]) -> tuple[Costs, Parameters | None]:
    """Return the costs and the parameters behind them (None where nothing could be estimated)."""
    found = estimate(points, max_lag, max_step)
    if found is None and "step_sigma_px" in user:
        found = Parameters((user["step_sigma_px"],), max_displacement_px=max_step)
    if found is None:
        return fallback_costs(reach_of(points, max_step), max_lag, max_step or math.inf, points.looks.shape[1]), None
    found = found.with_user(user)
    return found.costs(max_lag, window_frames), found


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
    return link(detections, max_displacement_px=settings.max_displacement_px, max_gap_frames=settings.max_gap_frames,
                window_frames=settings.window_frames, drift=settings.drift, motion=settings.motion)
