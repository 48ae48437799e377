"""The plots of single steps: how they are distributed, how they follow each other, how long particles wait."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from lptem_tracker.report import plots
from lptem_tracker.report.labels import amount
from lptem_tracker.report.msd_curves import model_msd
from lptem_tracker.report.plots import axis, plot, series
from lptem_tracker.report.results import Results

LAG_COLOURS = (plots.BLUE, plots.ORANGE, plots.GREEN)
BROWNIAN = ("brownian", "mixture", "switching", "unknown")
"""Classes of the ensemble of which D and the localisation error give the variance of a step."""
LEAST_WAITS = 3


def step_plots(results: Results) -> list[dict[str, Any]]:
    """Return the displacement distribution, the velocity autocorrelation, waiting times and hop lengths.

    Those that the run's summary does not hold are left out.

    Parameters
    ----------
    results : Results
    """
    return [*_displacements(results), *_autocorrelation(results), *_waiting(results)]


def _floats(values: Any) -> NDArray[np.float64]:
    """Return a list of the summary as numbers, NaN where it has null."""
    return np.array([np.nan if v is None else v for v in values or []], dtype=np.float64)


def counting_interval(counts: NDArray[np.float64], level: float = 0.95) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the exact interval of Poisson counts (Garwood 1936).

    Parameters
    ----------
    counts : numpy.ndarray
        Shape (n,); need not be whole.
    level : float

    Returns
    -------
    low, high : numpy.ndarray
        Shape (n,).

    Examples
    --------
    >>> [round(float(v[0]), 2) for v in counting_interval(np.array([10.0]))]
    [4.8, 18.39]
    """
    tail = (1 - level) / 2
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 1e-9)) / 2, 0.0)
    return low, chi2.ppf(1 - tail, 2 * counts + 2) / 2


def _displacements(results: Results) -> list[dict[str, Any]]:
    """Return the self part of the van Hove function at each lag with the Gaussian that D and σ predict."""
    length, time = results.calibration.units.length, results.calibration.units.time
    content: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    least, told, fitted = np.inf, [], False
    for n, part in enumerate(results.ensemble.get("van_hove") or []):
        x, density = _floats(part.get(f"x_{length}")), _floats(part.get("density"))
        lag = part.get(f"lag_{time}")
        if len(x) < 2 or len(x) != len(density) or not lag or not (density > 0).any():
            continue
        frames = max(1, round(lag / results.calibration.units.s_per_frame))
        # displacements that overlap share their steps: only one in `frames` of them is new
        per_count = frames / (2 * part["n"] * float(x[1] - x[0]))
        low, high = counting_interval(density / per_count, results.level)
        seen = density > 0
        colour, name = LAG_COLOURS[n % len(LAG_COLOURS)], amount(lag, time)
        content.append(
            series("errors", x[seen], density[seen], name=name, colour=colour, low=(low * per_count)[seen],
                   high=(high * per_count)[seen])
        )  # fmt: skip
        model = _gaussian(results, x, lag)
        fitted |= model is not None
        curve = _floats(part.get("gaussian")) if model is None else model
        lines.append(series("line", x, curve, colour=colour, width=2))
        least = min(least, float(density[seen].min()))
        told.append(_shape_text(part, name))
    if not content:
        return []
    note = "from the fitted D and localisation error, not fitted to these points" if fitted else "of the same variance"
    caption = (
        f"Lines: Gaussians {note}. Bars: {results.level:.0%} counting error, steps that overlap counted once. "
        f"Non-Gaussian parameter ⟨x⁴⟩/3⟨x²⟩² − 1, 0 for one Gaussian: {'; '.join(told)}."
    )
    label = f"displacement along x and y ({length})"
    density_axis = axis(f"density (1/{length})", log=True, low=least / 2)
    # the lines come first, so that the points lie on them
    return [
        plot("displacements", "Displacement distribution", axis(label), density_axis, [*lines, *content],
             caption=caption, height=360)
    ]  # fmt: skip


def _gaussian(results: Results, x: NDArray[np.float64], lag: float) -> NDArray[np.float64] | None:
    """Return the density of steps along one axis that the fitted D, localisation error and blur predict."""
    if results.ensemble.get("motion", "unknown") not in BROWNIAN:
        return None
    msd = model_msd(np.array([lag]), results.ensemble, results.calibration)
    if msd is None:
        return None
    variance = float(msd[0]) / 2
    density: NDArray[np.float64] = np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return density


def _shape_text(part: dict[str, Any], name: str) -> str:
    value, std = part.get("non_gaussian"), part.get("non_gaussian_std")
    if value is None:
        return f"not known at {name}"
    return f"{value:.2g}" + ("" if std is None else f" ± {std:.1g}") + f" at {name}"


def _autocorrelation(results: Results) -> list[dict[str, Any]]:
    """Return the velocity autocorrelation with its error and what Brownian motion and mere error would give."""
    found = results.ensemble.get("velocity_autocorrelation") or {}
    time = results.calibration.units.time
    lag, value, std = (_floats(found.get(name)) for name in (f"lag_{time}", "value", "std"))
    known = np.isfinite(value)
    known[:1] = False  # 1 by definition, at which the rest could not be seen
    if len(lag) != len(value) or not known.any():
        return []
    half = 1.96 * np.nan_to_num(std[known]) if len(std) == len(value) else np.zeros(int(known.sum()))
    content = [
        series("line", lag[1:], curve[1:], name=name, colour=colour, dash=dash, width=2)
        for key, name, colour, dash in (
            ("localization_error_alone", "error alone", plots.GREY, "5 4"),
            ("brownian_with_this_noise", "Brownian with σ", plots.VERMILION, None),
        )
        if len(curve := _floats(found.get(key))) == len(lag)
    ]
    points = series("errors", lag[known], value[known], name="measured", low=value[known] - half,
                    high=value[known] + half)  # fmt: skip
    return [
        plot("velocity_autocorrelation", "Velocity autocorrelation", axis(f"lag ({time})", low=0),
             axis("⟨v(0)·v(t)⟩ / ⟨v²⟩"), [points, *content], height=360,
             caption="Of steps over one frame; 1 at lag 0, which is not drawn. "
             "Brownian: from the fitted D, localisation error σ and blur. Bars: 95% by the scatter between "
             "tracks. Localisation error alone gives −1/2 at the first lag, motion blur a positive value; what "
             "lasts longer is the particles' own: below 0 it bends back, above 0 it keeps its way.")
    ]  # fmt: skip


def _waiting(results: Results) -> list[dict[str, Any]]:
    """Return how long particles wait between hops and how far they hop, where they do."""
    units, ensemble = results.calibration.units, results.ensemble
    out = []
    waits = np.sort(_floats(ensemble.get(f"waiting_times_{units.time}")))
    mean = ensemble.get(f"waiting_mean_{units.time}")
    if len(waits) >= LEAST_WAITS and mean:
        # the chance that a wait is longer than each value, counting ties together
        value, last = np.unique(waits, return_index=True)
        share = (len(waits) - last) / len(waits)
        grid = np.linspace(0, float(waits[-1]), 60)
        content = [
            series("line", grid, np.exp(-grid / mean), name="exponential of this mean", colour=plots.VERMILION),
            series("points", value, share, name="measured"),
        ]
        out.append(
            plot("waiting_times", "Waiting times between hops", axis(f"waiting time ({units.time})", low=0),
                 axis("share that waits at least as long", log=True, low=0.4 / len(waits)), content,
                 caption=f"Mean {amount(mean, units.time)}. A straight line is one rate of escape; a longer tail is "
                 "more than one.")
        )  # fmt: skip
    hops = _floats(ensemble.get(f"hop_lengths_{units.length}"))
    if len(hops) >= LEAST_WAITS:
        bars, _ = plots.histogram_bars(hops, plots.PINK)
        rms = ensemble.get(f"hop_rms_{units.length}")
        out.append(
            plot("hop_lengths", "Hop lengths", axis(f"hop length ({units.length})"), axis("hops", low=0), [bars],
                 caption=f"{ensemble.get('n_hops', len(hops))} hops"
                 + (f", root mean square {amount(rms, units.length)}." if rms else "."))
        )  # fmt: skip
    return out
