"""How long bonds last, with those that were still there at the end counted for what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.quantiles import chi2_quantile

if TYPE_CHECKING:
    from lptem_tracker.analysis.contacts import Bonds
    from lptem_tracker.calibration import Calibration

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_Z = 1.959964


def kaplan_meier(duration: Floats, ended: Bools, *, entry: float = 0.0) -> dict[str, Floats]:
    """Survival curve from durations of which some are censored.

    Parameters
    ----------
    duration : (N,) float
        Time from the start to the end, or to the last look.
    ended : (N,) bool
        False where the end was not seen (censored).
    entry : float
        Shorter durations cannot be seen; all enter the risk set there.

    Returns
    -------
    dict
        `time`, `survival`, `low`, `high`: steps at each observed end, with 95 % intervals from
        Greenwood's variance on the log(−log) scale (Kaplan & Meier 1958, eq. 2b; Kalbfleisch & Prentice, eq. 1.13).
    """
    time = np.unique(duration[ended])
    at_risk = np.array([(duration >= t).sum() for t in time], dtype=float)
    deaths = np.array([(ended & (duration == t)).sum() for t in time], dtype=float)
    survival = np.cumprod(1 - deaths / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        width = _Z * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(width), survival ** np.exp(-width)
    return {
        "time": np.concatenate([[entry], time]),
        "survival": np.concatenate([[1.0], survival]),
        "low": np.concatenate([[1.0], np.where(np.isfinite(low), low, 0.0)]),
        "high": np.concatenate([[1.0], np.where(np.isfinite(high), high, survival)]),
    }


def bond_lifetimes(bonds: Bonds, calibration: Calibration, min_contact_frames: int) -> dict[str, Any]:
    """Summarise the lifetimes of bonds whose beginning was seen.

    Returns
    -------
    dict
        `n_bonds, n_broken, n_censored`; `median_<T>` (None where fewer than half broke), `rate_per_<T>` with its
        95 % interval (exponential: ends over time at risk beyond the shortest contact that counts) and the `curve`.
    """
    unit, dt = calibration.units.time, calibration.units.s_per_frame
    use = bonds.formed
    duration = (bonds.end - bonds.start)[use] * dt
    ended = bonds.broken[use]
    out: dict[str, Any] = {"n_bonds": int(use.sum()), "n_broken": int(ended.sum()), "n_censored": int((~ended).sum())}
    if not ended.any():
        return {**out, f"median_{unit}": None, f"rate_per_{unit}": None, f"rate_per_{unit}_ci95": None, "curve": None}
    curve = kaplan_meier(np.asarray(duration, float), ended, entry=min_contact_frames * dt)
    half = np.flatnonzero(curve["survival"] <= 0.5)
    at_risk = float(np.maximum(duration - min_contact_frames * dt, 0).sum())
    n = int(ended.sum())
    rate, interval = None, None
    if at_risk > 0:
        rate = n / at_risk
        interval = [chi2_quantile(0.025, 2 * n) / 2 / at_risk, chi2_quantile(0.975, 2 * n + 2) / 2 / at_risk]
    return {
        **out, f"median_{unit}": float(curve["time"][half[0]]) if len(half) else None,
        f"rate_per_{unit}": rate, f"rate_per_{unit}_ci95": interval,
        "curve": {name: values.tolist() for name, values in curve.items()},
    }  # fmt: skip
