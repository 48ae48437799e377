"""The ensemble's quantities: as objects with error and method, and as plain values for JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.checks import cve, gls
from lptem_tracker.analysis.displacements import van_hove, velocity_autocorrelation, waits_and_hops
from lptem_tracker.analysis.ensemble_d import ML, EnsembleD, brownian_d
from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.hydrodynamics import hydrodynamic_radius
from lptem_tracker.analysis.linking_bias import LinkCheck
from lptem_tracker.analysis.motion_fit import MotionFit, Shapes
from lptem_tracker.analysis.motion_tables import class_shares, trap_variance
from lptem_tracker.analysis.quantiles import normal_quantile, student_quantile
from lptem_tracker.analysis.trackset import Floats
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import MotionSettings


def estimate_ensemble(
    fit: MotionFit, calibration: Calibration, settings: MotionSettings, links: LinkCheck
) -> dict[str, Estimate]:
    """Return every pooled quantity by its key in the summary."""
    units, level = calibration.units, settings.confidence_level
    px, d_scale = units.nm_per_px, units.nm_per_px**2 / units.s_per_frame
    d_unit, d_name = f"{units.length}2/{units.time}", f"D_{units.diffusion}"

    def of(p: EnsembleD) -> Estimate:
        method = f"{p.method}, {p.interval}"
        return Estimate(p.value, p.std, p.low, p.high, "px2/frame", method, p.n_points, level)

    d = links.correct(of(reported_d(fit, links)))
    out = {d_name: d.scaled(d_scale, d_unit)}
    for axis, p in (("x", fit.pooled_x), ("y", fit.pooled_y)):
        out[f"D_{axis}_{units.diffusion}"] = of(brownian_d(fit.tracks, p)).scaled(d_scale, d_unit)
    n = int(fit.tracks.n_observed.sum() - len(fit.tracks))
    sigma2, ends = fit.pooled.sigma2, fit.pooled.sigma2_ends
    if fit.shapes is not None and fit.shapes.classes.pooled not in ("brownian", "directed"):
        sigma2, ends = fit.shapes.noise.best, fit.shapes.noise.ends(level)
    sigma, low, high = (math.sqrt(max(v, 0.0)) * px for v in (sigma2, *ends))
    std = (high - low) / (2 * normal_quantile(0.5 + level / 2))
    out[f"localization_{units.length}"] = Estimate(sigma, std, low, high, units.length, ML, n, level)
    if fit.shapes is not None:
        out |= _shape_estimates(fit.shapes, calibration, level)
    if fit.rotation is not None:
        turn = fit.rotation.pooled
        steps = int(fit.rotation.tracks.n_observed.sum() - len(fit.rotation.tracks))
        out[f"Dr_rad2_{units.time}"] = Estimate(
            turn.d,
            turn.std,
            turn.low,
            turn.high,
            "rad2/frame",
            f"{ML}, angles of period pi, {turn.method}",
            steps,
            level,
        ).scaled(1 / units.s_per_frame, f"rad2/{units.time}")
    if settings.temperature_k and settings.viscosity_pa_s and units.diffusion == "nm2_s":
        out["hydrodynamic_radius_nm"] = hydrodynamic_radius(
            out[d_name], settings.temperature_k, settings.viscosity_pa_s
        )
    return out


def reported_d(fit: MotionFit, links: LinkCheck) -> EnsembleD:
    """Return the pooled D that is reported: the Brownian one where links are corrected, else that of the class."""
    return brownian_d(fit.tracks, fit.pooled) if links.corrected else fit.ensemble


def _shape_estimates(shapes: Shapes, calibration: Calibration, level: float) -> dict[str, Estimate]:
    units, n = calibration.units, len(shapes.tracks)
    alpha, low, high, std = shapes.alpha.pooled
    out = {
        "alpha": Estimate(
            alpha, std, low, high, "", f"fractional-Brownian maximum likelihood, {shapes.alpha.pooled_method}", n, level
        )
    }
    motion = np.array(shapes.classes.motion)
    moving, trapped = motion == "directed", motion == "confined"
    if moving.any():
        speed = np.hypot(*shapes.velocity[moving].T) * units.nm_per_px / units.s_per_frame
        out[f"v_{units.speed}"] = _mean(speed, units.speed.replace("_", "/"), "mean speed of directed particles", level)
    if trapped.any():
        variance = trap_variance(shapes)[trapped] * units.nm_per_px**2
        method = "Ornstein-Uhlenbeck maximum likelihood, mean over trapped particles"
        mean = _mean(variance, f"{units.length}2", method, level)
        rms = math.sqrt(2 * mean.value)
        out[f"confinement_rms_{units.length}"] = Estimate(
            rms,
            mean.std / rms,
            math.sqrt(2 * max(mean.ci_low, 0)),
            math.sqrt(2 * mean.ci_high),
            units.length,
            f"{method}; root mean square distance from the centre in the plane",
            len(variance),
            level,
        )
        out[f"msd_plateau_{units.length}2"] = mean.scaled(4.0, f"{units.length}2")
    return out


def _mean(values: Floats, unit: str, method: str, level: float) -> Estimate:
    n = len(values)
    mean = float(np.mean(values))
    std = float(np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    half = student_quantile(0.5 + level / 2, n - 1) * std if n > 1 else math.nan
    return Estimate(mean, std, mean - half, mean + half, unit, method, n, level)


def ensemble_dict(
    fit: MotionFit, estimates: dict[str, Estimate], calibration: Calibration, links: LinkCheck
) -> dict[str, Any]:
    """Return the summary's `ensemble` with plain values; keys that do not apply are absent.

    The intervals of D, alpha and the localisation error have the level of the settings, which `confidence_level` tells,
    whatever it is: the keys `…_ci95` are named after its default.
    """
    units = calibration.units
    d_scale, speed = units.nm_per_px**2 / units.s_per_frame, units.nm_per_px / units.s_per_frame
    out: dict[str, Any] = {key: value.value for key, value in estimates.items() if value.ok}
    d, alpha = estimates[f"D_{units.diffusion}"], estimates.get("alpha")
    out["confidence_level"] = d.level
    out["D_ci95"] = [d.ci_low, d.ci_high]
    if alpha is not None:
        out["alpha_ci95"] = [alpha.ci_low, alpha.ci_high]
    sigma = estimates[f"localization_{units.length}"]
    if math.isfinite(sigma.ci_high):
        out["localization_ci95"] = [sigma.ci_low, sigma.ci_high]
    out["motion"] = "unknown"
    if fit.shapes is not None:
        out["motion"] = fit.shapes.classes.pooled
        if out["motion"] != "unknown":
            out["motion_fractions"] = class_shares(fit.shapes)
        kinds = fit.shapes.components
        if kinds is not None and len(kinds.d) > 1:
            out["motion"] = "mixture"
            out["components"] = [[float(a) * d_scale, float(b)] for a, b in zip(kinds.d, kinds.fraction)]
            out["component_fraction_std"] = [float(v) for v in kinds.fraction_std]
        out |= _waiting(fit.shapes, units.s_per_frame, units.nm_per_px, units.time, units.length)
    if not np.isnan(fit.drift.std).all() or fit.drift.kind != "none":
        out[f"drift_{units.speed}"] = [float(v) * speed for v in fit.drift.mean]
        out[f"drift_std_{units.speed}"] = [float(v) * speed for v in fit.drift.std]
        out["drift_kind"] = fit.drift.kind
    ratio = anisotropy(fit)
    if ratio is not None:
        out["anisotropy"] = {"D_x_over_D_y": ratio[0], "ci95": [ratio[1], ratio[2]]}
    out["checks"] = {
        f"D_cve_{units.diffusion}": cve(fit.drift.tracks, fit.imaging.blur)[0] * d_scale,
        f"D_gls_{units.diffusion}": gls(fit.drift.tracks, fit.pooled.d, fit.pooled.sigma2, fit.imaging.blur) * d_scale,
    } | links.to_dict(d_scale, units)
    out |= _distributions(fit, calibration)
    out["estimates"] = {key: value.to_dict() for key, value in estimates.items()}
    return {key: _plain(value) for key, value in out.items()}


def _plain(value: Any) -> Any:
    """Return the value with numbers that JSON does not know as None, others to six digits: no interval is narrower."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def anisotropy(fit: MotionFit) -> tuple[float, float, float] | None:
    """Return D along x over D along y with the ends of its 95 % interval; None where one is unknown to a factor of e.

    Where particles differ the fastest weigh most, which widens the interval.
    """
    x, y = fit.pooled_x, fit.pooled_y
    # what one particle has along both axes cancels: the profile's errors, not those over tracks
    errors = [float(p.fit.std[0]) / p.d for p in (x, y)]
    if not max(errors) < 1:
        return None
    ratio, error = math.log(x.d) - math.log(y.d), math.hypot(*errors)
    if fit.pooled.differ:
        w, d = fit.each.m, fit.each.d / fit.each.d.max()
        error *= math.sqrt(float(w.sum() * (w * d**2).sum() / (w * d).sum() ** 2))
    if not (error < 1 and abs(ratio) < 100):
        return None
    return math.exp(ratio), math.exp(ratio - 1.96 * error), math.exp(ratio + 1.96 * error)


def _waiting(shapes: Shapes, seconds: float, px: float, time: str, length: str) -> dict[str, Any]:
    pinned = np.array([name == "ctrw" for name in shapes.classes.motion])
    waits, hops = waits_and_hops(shapes.tracks, shapes.states, pinned)
    if not len(hops):
        return {}
    out: dict[str, Any] = {f"hop_rms_{length}": float(np.sqrt((hops**2).mean())) * px, "n_hops": len(hops)}
    if len(waits):
        out[f"waiting_mean_{time}"] = float(waits.mean()) * seconds
        out[f"waiting_times_{time}"] = [float(w) * seconds for w in _spread(waits)]
        out[f"hop_lengths_{length}"] = [float(h) * px for h in _spread(hops)]
    return out


def _spread(values: npt.NDArray[Any], most: int = 2000) -> npt.NDArray[Any]:
    """Sorted values, thinned evenly to at most `most`, so that their distribution stays."""
    return np.asarray(np.sort(values)[:: max(1, -(-len(values) // most))])


def _distributions(fit: MotionFit, calibration: Calibration) -> dict[str, Any]:
    units, tracks = calibration.units, fit.drift.tracks
    px = units.nm_per_px
    out: dict[str, Any] = {"van_hove": []}
    for lag in (1, 4, 16):
        part = van_hove(tracks, lag)
        if part is None:
            continue
        if lag == 1:
            out["non_gaussian"], out["non_gaussian_std"] = part.non_gaussian, part.non_gaussian_std
        out["van_hove"].append(
            {
                f"lag_{units.time}": lag * units.s_per_frame,
                f"x_{units.length}": _list((part.edges[1:] + part.edges[:-1]) / 2 * px),
                "density": _list(part.density / px),
                "gaussian": _list(part.gaussian / px),
                "non_gaussian": part.non_gaussian,
                "non_gaussian_std": part.non_gaussian_std,
                "n": part.n,
            }
        )
    way = velocity_autocorrelation(tracks, fit.pooled.d, fit.pooled.sigma2, fit.imaging.blur)
    out["velocity_autocorrelation"] = {
        f"lag_{units.time}": _list(way.lag * units.s_per_frame),
        "value": _list(way.value),
        "std": _list(way.std),
        "brownian_with_this_noise": _list(way.expected),
        "localization_error_alone": _list(way.pure_noise),
    }
    return out


def _list(values: npt.NDArray[Any]) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in values]
