"""Which colour a particle has in each frame, and the legend that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import SettingsError
from lptem_tracker.report import palette
from lptem_tracker.report.labels import unit_text
from lptem_tracker.settings import ReportSettings

COLOUR_BY: tuple[str, ...] = get_args(ReportSettings.model_fields["colour_by"].annotation)


@dataclass(frozen=True)
class Legend:
    """What the colours mean: named swatches, or the two ends of a colour bar."""

    title: str
    swatches: tuple[tuple[str, palette.Colour], ...] = ()
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Colouring:
    """A colour for each row of a tracks table, shape (n, 3), and its legend, if it needs one.

    `varies` says that a particle's colour changes from frame to frame.
    """

    rows: NDArray[np.uint8]
    legend: Legend | None = None
    varies: bool = False


def colour_rows(
    tracks: pd.DataFrame,
    by: str,
    *,
    particles: pd.DataFrame | None = None,
    clusters: NDArray[np.float64] | None = None,
    calibration: Calibration | None = None,
) -> Colouring:
    """Colour the rows of a tracks table.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Sorted by particle, then frame.
    by : {'particle', 'speed', 'D', 'motion', 'cluster'}
    particles : pandas.DataFrame, optional
        Measurements, one row a particle: needed for D and motion.
    clusters : numpy.ndarray, optional
        Cluster of each row, NaN for single particles, shape (n,): needed for cluster.
    calibration : Calibration, optional
        Units of the legend.

    Raises
    ------
    SettingsError
        `by` is unknown, or what it needs was not measured.
    """
    calibration = calibration or Calibration()
    particles = pd.DataFrame({"particle": []}) if particles is None else particles
    ids = tracks["particle"].to_numpy()
    if by == "particle":
        return Colouring(palette.categorical(ids))
    if by == "speed":
        units = calibration.units
        speed = row_speeds(tracks) * units.nm_per_px / units.s_per_frame
        scaled = _scaled(speed, f"speed ({unit_text(units.speed)})", logarithmic=False)
        return replace(scaled, varies=True)
    if by == "D":
        name = f"D_{calibration.units.diffusion}"
        values = _per_row(ids, particles, name)
        return _scaled(values.to_numpy(dtype=float), f"D ({unit_text(calibration.units.diffusion)})", logarithmic=True)
    if by == "motion":
        return _named(_per_row(ids, particles, "motion").fillna("unknown"), palette.MOTION)
    if by == "cluster":
        if clusters is None:
            raise SettingsError("Colours by cluster need the cluster of each row; see report.clusters.row_clusters.")
        return _clusters(clusters)
    raise SettingsError(f"Colours can be by {', '.join(COLOUR_BY)}; got {by!r}.")


def row_speeds(tracks: pd.DataFrame, half_window: int = 2) -> NDArray[np.float64]:
    """Return the speed at each row in px a frame: the path over up to five frames over its time.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Sorted by particle, then frame.
    half_window : int
        Rows looked at on either side.
    """
    ids = tracks["particle"].to_numpy()
    position = np.arange(len(ids))
    first = np.searchsorted(ids, ids, side="left")
    last = np.searchsorted(ids, ids, side="right") - 1
    before, after = np.maximum(position - half_window, first), np.minimum(position + half_window, last)
    xy, frame = tracks[["x", "y"]].to_numpy(dtype=float), tracks["frame"].to_numpy(dtype=float)
    elapsed = frame[after] - frame[before]
    moved = np.linalg.norm(xy[after] - xy[before], axis=1)
    speeds: NDArray[np.float64] = np.divide(moved, elapsed, out=np.full(len(ids), np.nan), where=elapsed > 0)
    return speeds


def _per_row(ids: NDArray[Any], particles: pd.DataFrame, name: str) -> pd.Series:
    if name not in particles:
        raise SettingsError(
            f"Colours by {name} need that column in particles.csv, and this run has none; "
            f"measure the run first or colour by particle or speed."
        )
    return pd.Series(ids).map(particles.drop_duplicates("particle").set_index("particle")[name])


def _scaled(values: NDArray[np.float64], title: str, *, logarithmic: bool) -> Colouring:
    usable = np.isfinite(values) & ((values > 0) | (not logarithmic))
    if not usable.any():
        return Colouring(palette.continuous(np.full(len(values), np.nan)))
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.log10(values) if logarithmic else values
    shown = np.where(usable, shown, np.nan)
    low, high = np.nanpercentile(shown, [2, 98])
    span = max(high - low, 1e-12)
    ends = [f"{float(f'{10**v if logarithmic else v:.2g}'):g}" for v in (low, high)]
    return Colouring(palette.continuous((shown - low) / span), Legend(title, low=ends[0], high=ends[1]))


def _named(names: pd.Series, colours: Mapping[str, palette.Colour]) -> Colouring:
    rows = np.array([colours.get(str(name), palette.NO_VALUE) for name in names], dtype=np.uint8).reshape(-1, 3)
    present = [name for name in colours if name in set(names)]
    return Colouring(rows, Legend("motion", tuple((name, colours[name]) for name in present)))


def _clusters(clusters: NDArray[np.float64]) -> Colouring:
    rows = palette.categorical(np.nan_to_num(clusters, nan=0.0))
    rows[~np.isfinite(clusters)] = palette.NO_VALUE
    return Colouring(rows, Legend("cluster", (("single", palette.NO_VALUE),)), varies=True)
