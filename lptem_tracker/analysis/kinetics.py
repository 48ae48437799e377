"""Number and size of clusters against time, and which law of aggregation they follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import curve_fit

if TYPE_CHECKING:
    from lptem_tracker.analysis.clusters import History
    from lptem_tracker.calibration import Calibration

Floats = npt.NDArray[np.float64]
Model = Callable[..., Floats]

_Z = 1.959964
_MIN_JOININGS = 5  # below this a law is a guess
_FIT_POINTS = 400
MOST_FRAMES = 20_000
"""Frames up to which a summary holds a number for each."""


def measure_kinetics(history: History, calibration: Calibration, field_px: tuple[float, float]) -> dict[str, Any]:
    """Count clusters and their sizes frame by frame, and fit laws of aggregation.

    Returns
    -------
    dict
        `frame_first`; for every `frame_step`-th frame the columns of `cluster_table` but the first, as lists with None
        where there is no particle; the number of `attach` and `detach` events, and `fits`. `frame_step` is 1 up to
        `MOST_FRAMES` frames.
    """
    step = frame_step(history)
    series = cluster_table(history, step)
    kinds = [event.kind for event in history.joinings]
    return {
        "frame_first": int(history.frame[0]) if len(history.frame) else 0,
        "frame_step": step,
        **{name: _listed(series[name]) for name in series if name != "frame"},
        "n_attach": kinds.count("attach"),
        "n_detach": kinds.count("detach"),
        "fits": fit_laws(history, calibration, field_px),
    }


def frame_step(history: History) -> int:
    """Return by how many frames the series of a summary go on, so that a long movie's stay short."""
    return max(1, -(-len(history.frame) // MOST_FRAMES))


def cluster_table(history: History, step: int = 1) -> pd.DataFrame:
    """Return the number and size of clusters against time.

    Parameters
    ----------
    history : History
    step : int
        Every so many-th frame is taken.

    Returns
    -------
    pandas.DataFrame
        `frame`, `n_clusters` (single particles count), `n_clusters_low`, `n_clusters_high`, `mean_size`,
        `mean_size_std`, `weight_mean_size`, `weight_mean_size_std`; NaN without particles.

    Notes
    -----
    N_c = Σ_p 1/s_p over particles p in clusters of s_p, so a bootstrap over the N particles of a frame has the
    variance Σ_p 1/s_p² − N_c²/N exactly, with no resampling; the weight-average size Σ s_p/N likewise.
    """
    some = slice(None, None, step)
    n_c, n = history.n_clusters[some].astype(float), history.n_particles[some].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        std = np.sqrt(np.maximum(history.inverse_sizes[some] - n_c**2 / n, 0))
        mean = n / n_c
        mean_std = n / n_c**2 * std
        weight = history.sum_squares[some] / n
        weight_std = np.sqrt(np.maximum(history.sum_cubes[some] / n - weight**2, 0) / n)
    return pd.DataFrame(
        {
            "frame": history.frame[some],
            "n_clusters": history.n_clusters[some],
            "n_clusters_low": _rounded(np.maximum(n_c - _Z * std, np.minimum(n_c, 1))),
            "n_clusters_high": _rounded(np.minimum(n_c + _Z * std, n)),
            "mean_size": _rounded(mean),
            "mean_size_std": _rounded(mean_std),
            "weight_mean_size": _rounded(weight),
            "weight_mean_size_std": _rounded(weight_std),
        }
    )


def _listed(column: pd.Series) -> list[float | None]:
    return [None if v != v else v for v in column.tolist()]


def _rounded(values: Floats) -> Floats:
    """Return values as JSON is to have them; NaN where they are not finite."""
    return np.fromiter((round(float(v), 6) if np.isfinite(v) else np.nan for v in values), float, len(values))


def _smoluchowski(t: Floats, n0: float, k: float) -> Floats:
    return n0 / (1 + k * t)  # Smoluchowski 1917, constant kernel: 1/N = 1/N0 + (k/N0) t


def _first_order(t: Floats, n0: float, k: float) -> Floats:
    return n0 * np.exp(-k * t)


def fit_laws(history: History, calibration: Calibration, field_px: tuple[float, float]) -> dict[str, Any] | None:
    """Fit N_c(t) by Smoluchowski aggregation, step growth and first order, and weigh the evidence.

    Step growth is the number-average size growing linearly, X_n = X_0 + k t (Carothers 1936), compared as
    N_c = N(t)/X_n so that all laws explain the same data; it differs from Smoluchowski's where the number
    of particles changes. Residuals are correlated, so the AIC counts n (1 − ρ)/(1 + ρ) independent points.

    Returns
    -------
    dict or None
        None with fewer than 5 joinings. Per law `n0` or `x0`, `k_per_<T>` with standard errors, `aic`, `delta_aic`
        and Akaike `weight`; `best`; `n_independent`; `rate_constant_<L>2_<T>` of −dc/dt = k c² from Smoluchowski's.
    """
    use = np.flatnonzero(history.n_clusters > 0)
    attached = sum(event.kind == "attach" for event in history.joinings)
    if attached < _MIN_JOININGS or len(use) < 10:
        return None
    use = use[np.unique(np.linspace(0, len(use) - 1, min(_FIT_POINTS, len(use))).astype(int))]
    t = (history.frame[use] - history.frame[use[0]]) * calibration.units.s_per_frame
    n_c, n = history.n_clusters[use].astype(float), history.n_particles[use].astype(float)

    def step_growth(time: Floats, x0: float, k: float) -> Floats:
        return np.asarray(np.interp(time, t, n) / np.maximum(x0 + k * time, 1e-9))

    unit = calibration.units.time
    guess = max((n_c[0] / max(n_c[-1], 1) - 1) / max(t[-1], 1e-9), 1e-3 / max(t[-1], 1e-9))
    laws: dict[str, tuple[Model, str, tuple[float, float]]] = {
        "smoluchowski": (_smoluchowski, "n0", (n_c[0], guess)),
        "step_growth": (step_growth, "x0", (n[0] / n_c[0], guess)),
        "first_order": (_first_order, "n0", (n_c[0], guess)),
    }
    found = {name: _fit(model, t, n_c, start) for name, (model, _, start) in laws.items()}
    residual = {name: n_c - laws[name][0](t, *values) for name, (values, _) in found.items()}
    best = min(residual, key=lambda name: float(residual[name] @ residual[name]))
    independent = _independent(residual[best])
    spread = np.sqrt(len(t) / independent)
    aic = {name: independent * float(np.log(np.mean(r**2) + 1e-12)) + 4 for name, r in residual.items()}
    least = min(aic.values())
    total = sum(np.exp(-(a - least) / 2) for a in aic.values())
    out: dict[str, Any] = {"best": min(aic, key=lambda name: aic[name]), "n_independent": round(independent, 1)}
    for name, (values, errors) in found.items():
        first = laws[name][1]
        out[name] = {
            first: values[0], f"{first}_std": errors[0] * spread,
            f"k_per_{unit}": values[1], f"k_per_{unit}_std": errors[1] * spread,
            "aic": aic[name], "delta_aic": aic[name] - least, "weight": float(np.exp(-(aic[name] - least) / 2) / total),
        }  # fmt: skip
    n0, k = found["smoluchowski"][0]
    area = field_px[0] * field_px[1] * calibration.units.nm_per_px**2
    out[f"rate_constant_{calibration.units.length}2_{unit}"] = float(k / n0 * area)
    return out


def _fit(model: Model, t: Floats, values: Floats, start: tuple[float, float]) -> tuple[list[float], list[float]]:
    import warnings

    from scipy.optimize import OptimizeWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # a covariance that cannot be had comes back infinite
        try:
            best, covariance = curve_fit(model, t, values, start, maxfev=4000, bounds=([1e-9, 0.0], [np.inf, np.inf]))
        except RuntimeError:  # no convergence: the start stands, with an error that says so
            return [float(v) for v in start], [float("inf")] * 2
    return [float(v) for v in best], [float(v) for v in np.sqrt(np.diag(covariance))]


def _independent(residual: Floats) -> float:
    """Number of independent points in a correlated series: n (1 − ρ)/(1 + ρ), at least 3."""
    r = residual - residual.mean()
    power = float(r @ r)
    rho = float(np.clip(r[1:] @ r[:-1] / power, 0, 0.99)) if power > 0 else 0.0
    return max(3.0, len(r) * (1 - rho) / (1 + rho))
