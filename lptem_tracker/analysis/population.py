"""Size and shape of a sample: each particle counted once, over one movie or over many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lptem_tracker.analysis.bodies import particle_blocks
from lptem_tracker.analysis.quantiles import chi2_quantile, fair_quantile, student_quantile
from lptem_tracker.errors import TableError
from lptem_tracker.tables import rises

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies
    from lptem_tracker.calibration import Calibration

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_Z = 1.959964


def particle_sizes(bodies: Bodies, table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """One row a particle: the medians of its size and shape over the frames in which it was seen.

    Returns
    -------
    pandas.DataFrame
        `particle`, `radius_<L>`, `radius_std_<L>` (spread over frames), `aspect_ratio`, `circularity` and, where the
        table has extents, `length_<L>`, `width_<L>`; blank where the table has no such column.
    """
    unit, scale = calibration.units.length, calibration.units.nm_per_px
    radii = [
        _radius_medians(bodies.ids[who], bodies.particle[rows] - who.start, bodies.raw_radius[rows] * scale, unit)
        for who, rows in particle_blocks(bodies.offset)
    ]
    nobody = _radius_medians(bodies.ids[:0], bodies.particle[:0], np.empty(0), unit)
    out = pd.concat(radii, ignore_index=True) if radii else nobody
    counts = table["observed"].to_numpy(bool) & (table["particle"].to_numpy() >= 0)
    seen = table if counts.all() else table[counts]
    if not rises(seen["particle"].to_numpy(), seen["frame"].to_numpy()):
        seen = seen.sort_values(["particle", "frame"], kind="stable")
    offset = np.append(np.flatnonzero(np.diff(seen["particle"].to_numpy(), prepend=-1)), len(seen))
    shapes = [_shape_medians(seen.iloc[rows], unit, scale) for _, rows in particle_blocks(offset)]
    medians = pd.concat(shapes or [_shape_medians(seen, unit, scale)]).reindex(bodies.ids)
    for name in ("aspect_ratio", "circularity", f"length_{unit}", f"width_{unit}"):
        if name in medians or name in ("aspect_ratio", "circularity"):
            out[name] = medians[name].to_numpy() if name in medians else np.nan
    return out


def _radius_medians(ids: Ints, owner: Ints, radius: Floats, unit: str) -> pd.DataFrame:
    """Median and spread of the radius of each of some particles; `owner` says which of `ids` a row is of."""
    grouped = pd.Series(radius).groupby(owner)
    every = range(len(ids))
    return pd.DataFrame(
        {
            "particle": ids,
            f"radius_{unit}": grouped.median().reindex(every).to_numpy(),
            f"radius_std_{unit}": grouped.std().reindex(every).to_numpy(),
        }
    )


def _shape_medians(seen: pd.DataFrame, unit: str, scale: float) -> pd.DataFrame:
    """Medians of the shape of each particle in some rows, by particle."""
    shape = pd.DataFrame({"particle": seen["particle"]})
    if {"width", "height"} <= set(seen.columns):
        long, short = seen[["width", "height"]].max(axis=1), seen[["width", "height"]].min(axis=1)
        shape["aspect_ratio"] = long / short.where(short > 0)
        shape[f"length_{unit}"], shape[f"width_{unit}"] = long * scale, short * scale
    if "circularity" in seen:
        shape["circularity"] = seen["circularity"]
    return shape.groupby("particle").median()


def summarise(particles: pd.DataFrame) -> dict[str, Any]:
    """Distributions of size and shape over particles, ready for JSON.

    Parameters
    ----------
    particles : pandas.DataFrame
        One row a particle.

    Returns
    -------
    dict
        `n`, and per quantity `n, mean, mean_ci95, std, std_ci95, cv, median, median_ci95, quantiles, histogram`.
    """
    out: dict[str, Any] = {"n": len(particles)}
    for name in _quantities(particles):
        values = particles[name].to_numpy(float)
        values = values[np.isfinite(values)]
        if len(values):
            out[name] = distribution(values)
    return out


def _quantities(particles: pd.DataFrame) -> list[str]:
    sizes = ("radius_nm", "radius_px", "length_nm", "length_px", "width_nm", "width_px")
    return [name for name in (*sizes, "aspect_ratio", "circularity") if name in particles]


def distribution(values: Floats) -> dict[str, Any]:
    """Count, moments with 95 % intervals, quantiles and histogram of one sample.

    The mean's interval is Student's, the standard deviation's from chi-square, the median's from order
    statistics (binomial); bins follow Freedman & Diaconis (1981).
    """

    n = len(values)
    ordered = np.sort(values)
    mean, std = float(values.mean()), float(values.std(ddof=1)) if n > 1 else None
    out: dict[str, Any] = {"n": n, "mean": mean, "std": std, "median": float(np.median(values))}
    out["mean_ci95"] = out["std_ci95"] = out["median_ci95"] = out["cv"] = None
    if std is not None:
        half = student_quantile(0.975, n - 1) * std / np.sqrt(n)
        out["mean_ci95"] = [mean - half, mean + half]
        out["std_ci95"] = [float(std * np.sqrt((n - 1) / chi2_quantile(q, n - 1))) for q in (0.975, 0.025)]
        out["cv"] = std / mean if mean else None
    if n >= 6:
        low = fair_quantile(0.025, n)
        out["median_ci95"] = [float(ordered[max(low - 1, 0)]), float(ordered[min(n - low, n - 1)])]
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    out["quantiles"] = {str(q): float(v) for q, v in zip(levels, np.quantile(values, levels))}
    edges = _edges(values)
    out["histogram"] = {"edges": edges.tolist(), "counts": np.histogram(values, edges)[0].tolist()}
    return out


def _edges(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(high), 1.0):
        pad = max(abs(high) * 0.01, 1e-6)
        return np.array([low - pad, high + pad])
    quartiles = np.subtract(*np.percentile(values, [75, 25]))
    width = 2 * quartiles / len(values) ** (1 / 3)
    bins = int(np.clip(np.ceil((high - low) / width), 1, 100)) if width > 0 else 10
    return np.linspace(low, high, bins + 1)


def combine(tables: Sequence[pd.DataFrame] | Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the particles of several movies of one sample into one table, each particle once.

    Parameters
    ----------
    tables : sequence or mapping of str to pandas.DataFrame
        Particles tables, all in the same units.

    Returns
    -------
    pandas.DataFrame
        With a column `movie` (the mapping's key, or the number from 0).

    Raises
    ------
    TableError
        There is no table, or some are in nm and some in px.
    """
    named = dict(tables) if isinstance(tables, Mapping) else {str(k): table for k, table in enumerate(tables)}
    if not named:
        raise TableError("A population needs at least one particles table; none was given.")
    units = {name: {unit for unit in ("nm", "px") if f"radius_{unit}" in table} for name, table in named.items()}
    if len({frozenset(u) for u in units.values() if u}) > 1:
        odd = next(name for name, u in units.items() if u == {"px"})
        raise TableError(f"Sizes of {odd} are in px and of others in nm; give every movie its --pixel-size-nm.")
    return pd.concat([table.assign(movie=name) for name, table in named.items()], ignore_index=True)


def compare_samples(samples: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Test every pair of samples for a difference in size or shape.

    Parameters
    ----------
    samples : mapping of str to pandas.DataFrame
        The particles of each sample, one row a particle.

    Returns
    -------
    list of dict
        Per pair `samples` (both names) and what `compare` gives, where each p value also stands as `<name>_holm`,
        raised for the number of pairs tested on the same quantity (Holm 1979).
    """
    out = [{"samples": [a, b], **compare(samples[a], samples[b])} for a, b in combinations(samples, 2)]
    for quantity in {name for row in out for name in row if name != "samples"}:
        tested = [row[quantity] for row in out if quantity in row]
        for name in ("ks_p", "mann_whitney_p"):
            p = np.array([test[name] for test in tested])
            order = np.argsort(p)
            raised = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
            for k, value in zip(order, raised):
                tested[k][f"{name}_holm"] = float(value)
    return out


def compare(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """Test whether two samples differ in size or shape, each particle counted once.

    Returns
    -------
    dict
        Per quantity `n` (both), `difference_of_medians`, `ks_statistic`, `ks_p` (Kolmogorov–Smirnov), `mann_whitney_p`
        and `probability_larger` (that a particle of the first is larger than one of the second).
    """
    from scipy.stats import ks_2samp, mannwhitneyu

    out: dict[str, Any] = {}
    for name in _quantities(first):
        if name not in second:
            continue
        a, b = (frame[name].to_numpy(float) for frame in (first, second))
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        if min(len(a), len(b)) < 2:
            continue
        ks = ks_2samp(a, b)
        rank = mannwhitneyu(a, b)
        out[name] = {
            "n": [len(a), len(b)], "difference_of_medians": float(np.median(a) - np.median(b)),
            "ks_statistic": float(ks.statistic), "ks_p": float(ks.pvalue), "mann_whitney_p": float(rank.pvalue),
            "probability_larger": float(rank.statistic / (len(a) * len(b))),
        }  # fmt: skip
    return out
