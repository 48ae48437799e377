"""Tracks → everything measured of motion: per particle, over lags, and for all particles together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.analysis.diffusion import fit_pooled, fit_tracks, imaging_of
from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.msd import time_averaged_msd
from lptem_tracker.analysis.trackset import TrackSet, build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import MotionSettings


@dataclass(frozen=True)
class MotionResult:
    """What was measured of motion.

    Attributes
    ----------
    particles : pandas.DataFrame
        One row a particle; blank where a quantity cannot be estimated.
    msd : pandas.DataFrame
        One row a particle and lag; rows without a particle are the ensemble.
    ensemble : dict
        Pooled results as plain JSON values.
    methods : str
        A paragraph for a paper, with references.
    warnings : list of str
        Reservations, each with its remedy.
    estimates : dict of str to Estimate
        The ensemble's quantities as objects.
    """

    particles: pd.DataFrame
    msd: pd.DataFrame
    ensemble: dict[str, Any]
    methods: str
    warnings: list[str]
    estimates: dict[str, Estimate] = field(default_factory=dict)


def measure_motion(tracks: pd.DataFrame, calibration: Calibration, settings: MotionSettings) -> MotionResult:
    """Measure how particles move.

    Parameters
    ----------
    tracks : pandas.DataFrame
        ``particle, frame, x, y`` in px, optionally ``observed, x_std, y_std, angle, drift_x, drift_y,
        link_confidence``; rows with `observed` False do not count.
    calibration : Calibration
        Units of the results and motion blur.
    settings : MotionSettings

    Raises
    ------
    TableError
        A column is missing or a particle has two rows in one frame.
    """
    every = build_trackset(tracks)
    units = calibration.units
    imaging = imaging_of(calibration)
    particles = pd.DataFrame({"particle": every.particle, "frame_first": every.frame_first,
                              "frame_last": every.frame_last, "n_observed": every.n_observed})
    fits = every.select(every.n_observed >= settings.min_points)
    scale = units.nm_per_px**2 / units.s_per_frame
    names = [f"D_{units.diffusion}", "D_ci_low", "D_ci_high", f"localization_{units.length}"]
    blank = ["alpha", "alpha_ci_low", "alpha_ci_high", "motion", "change_points", f"v_{units.speed}",
             f"Dr_rad2_{units.time}"]
    for name in names + blank:
        particles[name] = np.nan
    ensemble: dict[str, Any] = {}
    if len(fits):
        fit = fit_tracks(fits, imaging, level=settings.confidence_level)
        rows = np.isin(every.particle, fits.particle)
        particles.loc[rows, names[0]] = fit.d * scale
        particles.loc[rows, names[1]] = fit.low * scale
        particles.loc[rows, names[2]] = fit.high * scale
        particles.loc[rows, names[3]] = np.sqrt(fit.sigma2) * units.nm_per_px
        pooled = fit_pooled(fits, imaging, level=settings.confidence_level, bootstrap=settings.bootstrap)
        ensemble = {f"D_{units.diffusion}": pooled.d * scale, "D_ci95": [pooled.low * scale, pooled.high * scale],
                    f"localization_{units.length}": float(np.sqrt(pooled.sigma2)) * units.nm_per_px}
    particles["motion"] = "unknown"
    particles["change_points"] = "[]"
    return MotionResult(particles, _msd_table(every, calibration, settings), ensemble, "", [])


def _msd_table(tracks: TrackSet, calibration: Calibration, settings: MotionSettings) -> pd.DataFrame:
    units = calibration.units
    span = int((tracks.frame_last - tracks.frame_first).max()) if len(tracks) else 1
    lags = max(1, int(settings.max_lag_fraction * span))
    value, pairs = time_averaged_msd(tracks, lags)
    keep = pairs > 0
    lag = np.broadcast_to(np.arange(1, lags + 1), value.shape)[keep]
    return pd.DataFrame({
        "particle": pd.array(np.repeat(tracks.particle, keep.sum(1)), dtype="Int64"), "lag_frames": lag,
        f"lag_{units.time}": lag * units.s_per_frame, f"msd_{units.length}2": value[keep] * units.nm_per_px**2,
        f"msd_std_{units.length}2": np.nan, "n_pairs": pairs[keep]})
