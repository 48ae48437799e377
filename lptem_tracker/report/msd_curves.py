"""MSD curves of a run and the model that its likelihood found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration

MOST_LAGS = 24


@dataclass(frozen=True)
class Curve:
    """One MSD curve: lag times and values, in the units of the run; `particle` is None for the mean.

    `std` is the standard error of the mean, from the scatter between particles; NaN with fewer than three.
    """

    particle: int | None
    lag: NDArray[np.float64]
    value: NDArray[np.float64]
    std: NDArray[np.float64] | None = None


def curve_columns(msd: pd.DataFrame, calibration: Calibration) -> tuple[str, str] | None:
    """Return the names of the columns of lag and MSD; None where the table has none in these units."""
    units = calibration.units
    lag, value = f"lag_{units.time}", f"msd_{units.length}2"
    return (lag, value) if {lag, value} <= set(msd) else None


def particle_curves(msd: pd.DataFrame, calibration: Calibration) -> list[Curve]:
    """Return a curve for each particle, thinned to lags of about equal ratio.

    Parameters
    ----------
    msd : pandas.DataFrame
        As in ``msd.csv``.
    calibration : Calibration
    """
    names = curve_columns(msd, calibration)
    if names is None or "particle" not in msd:
        return []
    own = msd[msd["particle"].notna() & (msd["particle"] != -1) & (msd[names[1]] > 0)]
    out = []
    for particle, rows in own.groupby(own["particle"].astype("int64")):
        keep = thin(len(rows))
        table = rows.sort_values(names[0])
        out.append(
            Curve(int(str(particle)), table[names[0]].to_numpy(float)[keep], table[names[1]].to_numpy(float)[keep])
        )
    return out


def ensemble_curve(blocks: Callable[[], Iterable[pd.DataFrame]], calibration: Calibration) -> Curve:
    """Return the mean curve: the file's own, else the mean over particles weighted by their pairs.

    Parameters
    ----------
    blocks : callable
        Gives the table in blocks, from its beginning each time it is called; they are gone through twice.
    calibration : Calibration
    """
    units = calibration.units
    lag, value = f"lag_{units.time}", f"msd_{units.length}2"
    own = []
    sums = pd.DataFrame({"w": [], "wv": [], "n": []}, index=pd.Index([], dtype=float, name="lag"), dtype=float)
    for block in blocks():
        pooled = _pooled(block)
        own.append(block.loc[pooled, [lag, value]])
        rows = block[~pooled]
        weight = _weight(rows)
        part = pd.DataFrame({"lag": rows[lag], "w": weight, "wv": weight * rows[value], "n": 1.0})
        sums = sums.add(part.groupby("lag").sum(), fill_value=0.0)
    mean = sums["wv"] / sums["w"]
    squares = pd.Series(0.0, index=sums.index)
    for block in blocks():
        rows = block[~_pooled(block)]
        rest = (rows[value] - rows[lag].map(mean)) * _weight(rows)
        squares = squares.add((rest**2).groupby(rows[lag]).sum(), fill_value=0.0)
    # the ratio estimator of a weighted mean: Cochran 1977, eq. 6.13
    std = np.sqrt(squares * sums["n"] / (sums["n"] - 1).clip(lower=1)) / sums["w"]
    table = pd.DataFrame({"mean": mean, "std": std.where(sums["n"] >= 3)})
    told = pd.concat(own, ignore_index=True)
    if len(told):
        known = told.set_index(lag)[value]
        table = table.reindex(known.index).assign(mean=known)
    table = table[(table.index > 0) & (table["mean"] > 0)].sort_index()
    table = table.iloc[thin(len(table), 60)]
    return Curve(None, *(np.asarray(column, dtype=float) for column in (table.index, table["mean"], table["std"])))


def _pooled(msd: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of all particles together."""
    return msd["particle"].isna() | (msd["particle"] == -1)


def _weight(msd: pd.DataFrame) -> pd.Series[float]:
    return msd["n_pairs"].astype(float) if "n_pairs" in msd else pd.Series(1.0, index=msd.index)


def thin(n: int, most: int = MOST_LAGS) -> NDArray[np.int64]:
    """Return at most `most` indices below n, at about equal ratios: what a logarithmic axis can show."""
    if n <= most:
        return np.arange(n)
    return np.unique(np.geomspace(1, n, most).round().astype(np.int64)) - 1


def model_msd(
    lag: NDArray[np.float64], values: Mapping[str, Any], calibration: Calibration
) -> NDArray[np.float64] | None:
    """Return the MSD in two dimensions of Brownian motion with localisation error and motion blur.

    MSD(nΔt) = 4 [D nΔt + σ² − 2 R D Δt]: Berglund 2010; Michalet & Berglund 2012.

    Parameters
    ----------
    lag : numpy.ndarray
        Lag times in the run's unit.
    values : mapping
        ``D_<unit>`` and ``localization_<unit>``, of a particle or of the ensemble.
    calibration : Calibration

    Returns
    -------
    numpy.ndarray or None
        None where D is not known or the model is not positive at every lag.
    """
    units = calibration.units
    d, sigma = values.get(f"D_{units.diffusion}"), values.get(f"localization_{units.length}")
    if not isinstance(d, int | float) or not np.isfinite(d):
        return None
    sigma = float(sigma) if isinstance(sigma, int | float) and np.isfinite(sigma) else 0.0
    blur = 2 * calibration.blur_coefficient * d * units.s_per_frame
    model: NDArray[np.float64] = 4 * (d * lag + sigma**2 - blur)
    return model if (model > 0).all() else None
