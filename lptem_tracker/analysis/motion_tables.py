"""The particles table and the MSD table of motion, in the calibration's units."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from lptem_tracker.analysis.classify import CLASSES
from lptem_tracker.analysis.confined import exposure_factors
from lptem_tracker.analysis.displacements import step_shape
from lptem_tracker.analysis.fbm import structure_function
from lptem_tracker.analysis.link_doubt import correct_particles, doubtful_particles
from lptem_tracker.analysis.linking_bias import SURE_LINKS, LinkCheck
from lptem_tracker.analysis.motion_fit import MotionFit, Shapes
from lptem_tracker.analysis.msd import ensemble_msd, msd_std, time_averaged_msd
from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet
from lptem_tracker.calibration import Units
from lptem_tracker.settings import MotionSettings

MOST_LAGS = 1000


def particle_table(
    every: TrackSet, fit: MotionFit | None, units: Units, settings: MotionSettings, links: LinkCheck = SURE_LINKS
) -> pd.DataFrame:
    """One row a particle; what cannot be estimated is blank."""
    length, d_unit = units.length, units.diffusion
    columns = [
        f"D_{d_unit}",
        "D_ci_low",
        "D_ci_high",
        f"localization_{length}",
        "alpha",
        "alpha_ci_low",
        "alpha_ci_high",
        "motion",
        "change_points",
        f"v_{units.speed}",
        f"Dr_rad2_{units.time}",
        f"D_std_{d_unit}",
        "alpha_std",
        "motion_weight",
        f"confinement_rms_{length}",
        f"D_slow_{d_unit}",
        f"D_fast_{d_unit}",
        "Dr_ci_low",
        "Dr_ci_high",
        "non_gaussian",
        "step_correlation",
        "reason",
    ]
    table = pd.DataFrame(
        {
            "particle": every.particle,
            "frame_first": every.frame_first,
            "frame_last": every.frame_last,
            "n_observed": every.n_observed,
        }
    )
    for name in columns:
        table[name] = pd.Series(np.nan, index=table.index, dtype="float64")
    table["motion"], table["change_points"] = "unknown", "[]"
    table["reason"] = np.where(
        every.n_observed < settings.min_points, f"fewer than {settings.min_points} positions", ""
    )
    table = table.set_index("particle", drop=False)
    still = [
        i
        for i, rows in enumerate(every)
        if every.n_observed[i] >= settings.min_points and not np.ptp(every.xy[rows], axis=0).max() > 0
    ]
    table.loc[every.particle[still], "reason"] = "its position never changes: not measured, or a fixed pattern"
    if fit is not None and fit.shapes is not None:
        _fill_shapes(table, fit, fit.shapes, units, settings.confidence_level, links)
    elif fit is not None:
        enough = (every.n_observed >= settings.min_points) & (table["reason"] == "").to_numpy()
        table.loc[every.particle[enough], "reason"] = "it moves with all others or not at all: no motion of its own"
    if fit is not None and fit.rotation is not None:
        rows, turn = fit.rotation.tracks.particle, fit.rotation.each
        for name, value in ((f"Dr_rad2_{units.time}", turn.d), ("Dr_ci_low", turn.low), ("Dr_ci_high", turn.high)):
            table.loc[rows, name] = value / units.s_per_frame
    return table.reset_index(drop=True)


def chosen_d(fit: MotionFit, shapes: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    """D, interval and standard error (P,) of each track under its own class of motion, px² a frame.

    Trapped: of the free motion inside the trap. Directed: about the mean velocity. Sub- and superdiffusive: K, the
    apparent D over one frame. All others: Brownian.
    """
    keep = np.isin(fit.tracks.particle, shapes.tracks.particle)
    each = fit.each
    out = [each.d[keep].copy(), each.low[keep].copy(), each.high[keep].copy(), each.std[keep].copy()]
    motion = np.array(shapes.classes.motion)
    for names, source in ((("confined",), shapes.trap), (("subdiffusive", "superdiffusive"), shapes.fractional)):
        at = np.isin(motion, names)
        for target, value in zip(out, (source.k, source.low, source.high, source.std)):
            target[at] = value[at]
    at = motion == "directed"
    for target, value in zip(out, (shapes.directed.d, shapes.directed.low, shapes.directed.high, shapes.directed.std)):
        target[at] = value[at]
    return out[0], out[1], out[2], out[3]


def _fill_shapes(
    table: pd.DataFrame, fit: MotionFit, shapes: Shapes, units: Units, level: float, links: LinkCheck
) -> None:
    rows, px = shapes.tracks.particle, units.nm_per_px
    d_scale = px**2 / units.s_per_frame
    motion = np.array(shapes.classes.motion)
    d, low, high, std = correct_particles(chosen_d(fit, shapes), shapes, links, level)
    keep = np.isin(fit.tracks.particle, rows)
    own = np.sqrt(fit.each.sigma2[keep])
    other = np.isin(motion, ("confined", "subdiffusive", "superdiffusive", "switching", "ctrw"))
    values = {
        f"D_{units.diffusion}": d * d_scale,
        "D_ci_low": low * d_scale,
        "D_ci_high": high * d_scale,
        f"D_std_{units.diffusion}": std * d_scale,
        # a Brownian fit would count bending back as localisation error: take what all tracks share
        f"localization_{units.length}": np.where(other, np.sqrt(shapes.noise.best), own) * px,
        "alpha": shapes.alpha.alpha,
        "alpha_ci_low": shapes.alpha.low,
        "alpha_ci_high": shapes.alpha.high,
        "alpha_std": shapes.alpha.std,
        "motion_weight": shapes.classes.weight.max(1),
        f"v_{units.speed}": np.where(motion == "directed", np.hypot(*shapes.velocity.T), np.nan)
        * px
        / units.s_per_frame,
        f"confinement_rms_{units.length}": np.where(motion == "confined", np.sqrt(2 * trap_variance(shapes)), np.nan)
        * px,
        f"D_slow_{units.diffusion}": np.where(motion == "switching", shapes.states.d[:, 0], np.nan) * d_scale,
        f"D_fast_{units.diffusion}": np.where(motion == "switching", shapes.states.d[:, 1], np.nan) * d_scale,
    }
    values["non_gaussian"], values["step_correlation"] = step_shape(shapes.tracks)
    for name, value in values.items():
        table.loc[rows, name] = value
    table.loc[rows, "motion"] = motion
    switched = [points if name == "switching" else [] for points, name in zip(shapes.states.change_points, motion)]
    table.loc[rows, "change_points"] = [json.dumps(points) for points in switched]
    short = (motion == "unknown") & (table.loc[rows, "reason"] == "").to_numpy()
    table.loc[rows[short], "reason"] = "the positions do not tell classes of motion apart"
    wrong = short & doubtful_particles(shapes.tracks, links)
    table.loc[rows[wrong], "reason"] = "too many of its links may be wrong to tell classes of motion apart"


def trap_variance(shapes: Shapes) -> Floats:
    """Variance of the position per axis in each particle's trap, px²."""
    return np.asarray(shapes.trap.k / np.exp(shapes.trap.shape))


def msd_table(every: TrackSet, fit: MotionFit | None, units: Units, settings: MotionSettings) -> pd.DataFrame:
    """One row a particle and lag, then one a lag for all particles (blank particle); drift taken out."""
    tracks = every if fit is None else fit.drift.tracks
    curves = [_curves(part, where.start, fit, settings) for where, part in tracks.blocks()]
    who, lag, value, std, pairs = (np.concatenate(column) for column in zip(*curves or [_no_curves()]))
    mean, mean_std, total = ensemble_msd(lag, value, std, pairs)
    used = np.flatnonzero(total > 0)
    n, px2 = len(used), units.nm_per_px**2
    unknown = np.repeat([False, True], [len(who), n])
    lag = np.concatenate([lag, used + 1])
    return pd.DataFrame(
        {
            "particle": pd.arrays.IntegerArray(np.concatenate([who, np.zeros(n, np.int64)]), unknown),
            "lag_frames": lag,
            f"lag_{units.time}": lag * units.s_per_frame,
            f"msd_{units.length}2": np.concatenate([value, mean[used]]) * px2,
            f"msd_std_{units.length}2": np.concatenate([std, mean_std[used]]) * px2,
            "n_pairs": np.concatenate([pairs, total[used]]),
        }
    )


def _no_curves() -> tuple[Ints, Ints, Floats, Floats, Ints]:
    none = np.empty(0, np.int64)
    return none, none, np.empty(0), np.empty(0), none


def _curves(
    tracks: TrackSet, first: int, fit: MotionFit | None, settings: MotionSettings
) -> tuple[Ints, Ints, Floats, Floats, Ints]:
    """Particle, lag, MSD, its standard error and pairs of some tracks, a row a lag; `first` is the number of the first.

    As many lags as each track bears: one long track among many short ones must not make all of them as wide.
    """
    lengths = tracks.frame_last - tracks.frame_first
    longest = np.clip((settings.max_lag_fraction * lengths).astype(np.int64), 1, MOST_LAGS)
    value, pairs = time_averaged_msd(tracks, int(longest.max()))
    keep = (pairs > 0) & (np.arange(1, pairs.shape[1] + 1) <= longest[:, None])
    std = np.full(value.shape, np.nan)
    shapes = fit.shapes if fit is not None else None
    places = dict(zip(shapes.tracks.particle.tolist(), range(len(shapes.tracks)))) if shapes is not None else {}
    if fit is not None:
        for i, name in enumerate(tracks.particle.tolist()):
            n = int(longest[i])
            s = _structure(fit, first + i, places.get(name), int(lengths[i]) + 2 + n)
            std[i, :n] = msd_std(int(lengths[i]) + 1, s, np.where(keep[i, :n], pairs[i, :n], 0))
    row, column = np.nonzero(keep)
    return tracks.particle[row], column + 1, value[keep], std[keep], pairs[keep]


def _structure(fit: MotionFit, i: int, j: int | None, n: int) -> Floats:
    """Mean-square displacement per axis at lags 0..n-1 of track number i (number j among the shapes)."""
    k = np.arange(n, dtype=np.float64)
    blur = fit.imaging.blur
    d, sigma2 = fit.each.d[i], fit.each.rho[i] * fit.each.d[i]
    s = 2 * d * k + 2 * sigma2 - 4 * blur * d
    shapes = fit.shapes
    if shapes is not None and j is not None:
        motion = shapes.classes.motion[j]
        if motion in ("subdiffusive", "superdiffusive"):
            s[1:] = 2 * shapes.fractional.k[j] * structure_function(k[1:], shapes.fractional.shape[j], 6 * blur)
            s += 2 * shapes.noise.best
        elif motion == "confined":
            rate = float(np.exp(shapes.trap.shape[j]))
            later, same = exposure_factors(rate, 6 * blur)
            s = 2 * (trap_variance(shapes)[j] * (same - later * np.exp(-rate * k)) + shapes.noise.best)
    s[0] = 0.0
    return np.asarray(np.maximum(s, 0.0))


def class_shares(shapes: Shapes) -> dict[str, float]:
    """Share of each class of motion among the particles."""
    return {name: round(float(share), 4) for name, share in zip(CLASSES, shapes.classes.fraction)}
