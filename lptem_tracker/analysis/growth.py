"""Size against time: growth of each particle, and ripening of them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies
    from lptem_tracker.analysis.fates import Fates
    from lptem_tracker.calibration import Calibration

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MIN_GROWTH_ROWS = 10
SURE = 3.0  # standard errors from which a trend counts


@dataclass(frozen=True)
class Slopes:
    """Slope of a quantity of each particle against frame, with its error; (P,), NaN where unknown."""

    slope: Floats
    std: Floats


def slopes(values: Floats, frame: Ints, group: Ints, n: int, use: Bools) -> Slopes:
    """Least-squares slope of each group with an error corrected for correlated residuals.

    The variance is multiplied by (1 + ρ)/(1 − ρ) with ρ the lag-1 autocorrelation of the residuals
    (Santer 2000, eq. 6); its bias of −(1 + 4ρ)/n is taken off (Marriott & Pope 1954).
    """
    use = use & np.isfinite(values)
    y, t, g = values[use], frame[use].astype(float), group[use]
    count = np.bincount(g, minlength=n).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = t - (np.bincount(g, t, n) / count)[g]
        y = y - (np.bincount(g, y, n) / count)[g]
        stt = np.bincount(g, t * t, n)
        slope = np.bincount(g, t * y, n) / stt
        rest = y - slope[g] * t
        power = np.bincount(g, rest**2, n)
        same = g[1:] == g[:-1]
        rho = np.bincount(g[1:][same], (rest[1:] * rest[:-1])[same], n) / power
        rho = np.clip(np.where(power > 0, rho + (1 + 4 * np.nan_to_num(rho)) / count, 0.0), 0, 0.98)
        std = np.sqrt(power / (count - 2) / stt * (1 + rho) / (1 - rho))
    few = count < MIN_GROWTH_ROWS
    return Slopes(np.where(few, np.nan, slope), np.where(few, np.nan, std))


def own_rows(bodies: Bodies, fates: Fates) -> Bools:
    """Rows in which a particle is what it was at first: those before it takes in another, (M,)."""
    own = np.isfinite(bodies.raw_radius)
    for merger in fates.mergers:
        if not merger.fresh:
            rows = bodies.rows(merger.survivor)
            own[rows] &= bodies.frame[rows] < merger.frame - 1
    return own


def growth_table(bodies: Bodies, fates: Fates, calibration: Calibration) -> pd.DataFrame:
    """Growth and fate of each particle.

    Returns
    -------
    pandas.DataFrame
        `particle`, `growth_<L>_<T>` (slope of the radius), `growth_<L>3_<T>` (of its cube), each with `_std`, `trend`
        (grows, shrinks, steady; blank with fewer than 10 rows) and `fate` (stays, dissolved, coalesced, left, lost).
    """
    units, n = calibration.units, len(bodies.ids)
    own = own_rows(bodies, fates)
    out = pd.DataFrame({"particle": bodies.ids})
    line = slopes(bodies.raw_radius, bodies.frame, bodies.particle, n, own)
    cube = slopes(bodies.raw_radius**3, bodies.frame, bodies.particle, n, own)
    for power, fit in ((1, line), (3, cube)):
        name = f"growth_{units.length}{power if power > 1 else ''}_{units.time}"
        scale = units.nm_per_px**power / units.s_per_frame
        out[name], out[f"{name}_std"] = fit.slope * scale, fit.std * scale
    z = np.nan_to_num(line.slope / np.where(line.std > 0, line.std, np.inf))
    exact = (line.std == 0) & (np.nan_to_num(line.slope) != 0)
    z[exact] = np.sign(line.slope[exact]) * np.inf
    trend = np.select([z > SURE, z < -SURE], ["grows", "shrinks"], "steady").astype(object)
    trend[~np.isfinite(line.slope)] = None
    out["trend"], out["fate"] = trend, fate_names(bodies, fates)
    return out


def fate_names(bodies: Bodies, fates: Fates) -> npt.NDArray[np.object_]:
    """What became of each particle, (P,)."""
    names = np.full(len(bodies.ids), "stays", dtype=object)
    names[(bodies.last < bodies.frames[1])] = "lost"
    words = {"dissolve": "dissolved", "leave": "left"}
    for fate in fates.single:
        if fate.kind in words:
            names[fate.particle] = words[fate.kind]
    for merger in fates.mergers:
        names[list(merger.gone)] = "coalesced"
    return names


def ripening(bodies: Bodies, fates: Fates, table: pd.DataFrame, calibration: Calibration) -> dict[str, Any]:
    """Rate of ripening, d<R>³/dt, and whether it is ripening at all.

    Returns
    -------
    dict
        `ripening_K_<L>3_<T>` with `_std` (Lifshitz & Slyozov 1961; Wagner 1961: <R>³ = R_0³ + K t), None unless
        some particles grow and some shrink,
        `ripening`: `n_grow`, `n_shrink`, `total_volume_change` (relative, of ΣR³ over the movie), `exponent` (3 or 2,
        the better of <R>³ and <R>² as straight lines), `delta_aic` (in favour of 3), `is_ripening`.
    """
    units = calibration.units
    key = f"ripening_K_{units.length}3_{units.time}"
    mean, total, frame = mean_radius(bodies, fates)
    grows, shrinks = int((table["trend"] == "grows").sum()), int((table["trend"] == "shrinks").sum())
    out: dict[str, Any] = {key: None, f"{key}_std": None, "ripening": None}
    if len(mean) < MIN_GROWTH_ROWS:
        return out
    one = np.zeros(len(mean), np.int64)
    every = np.ones(len(mean), bool)
    cube = slopes(mean**3, frame, one, 1, every)
    scale = units.nm_per_px**3 / units.s_per_frame
    volume = slopes(total, frame, one, 1, every)
    change = float(volume.slope[0] * (frame[-1] - frame[0]) / total.mean())
    delta = _misfit(mean, frame, 2) - _misfit(mean, frame, 3)
    if grows and shrinks:
        out[key], out[f"{key}_std"] = float(cube.slope[0] * scale), float(cube.std[0] * scale)
    grown = bool(cube.slope[0] > SURE * cube.std[0])
    out["ripening"] = {
        "n_grow": grows, "n_shrink": shrinks, "total_volume_change": change, "exponent": 3 if delta > 0 else 2,
        "delta_aic": delta, "is_ripening": grown and grows > 0 and shrinks > 0 and abs(change) < 0.2,
    }  # fmt: skip
    return out


def mean_radius(bodies: Bodies, fates: Fates) -> tuple[Floats, Floats, Ints]:
    """Mean radius and Σ R³ in px of the particles there in each frame, missed ones interpolated.

    Particles that take part in a coalescence or cross the border are left out: ripening is what goes on without
    contact, and who comes and goes changes the mean for other reasons.
    """
    out = {k for m in fates.mergers for k in (*m.gone, m.survivor)}
    out |= {f.particle for f in fates.single if f.kind in ("enter", "leave")}
    first, last = bodies.frames
    count, line, cube = (np.zeros(last - first + 1) for _ in range(3))
    for k in np.flatnonzero(bodies.is_real):
        rows = bodies.rows(int(k))
        radius = bodies.raw_radius[rows]
        if k in out or not np.isfinite(radius).all():
            continue
        span = np.arange(bodies.frame[rows][0], bodies.frame[rows][-1] + 1)
        values = np.interp(span, bodies.frame[rows], radius)
        at = slice(int(span[0]) - first, int(span[-1]) - first + 1)
        count[at] += 1
        line[at] += values
        cube[at] += values**3
    some = np.flatnonzero(count > 0)
    return line[some] / count[some], cube[some], some + first


def _misfit(mean: Floats, frame: Ints, power: int) -> float:
    """AIC of <R>^p as a straight line, compared in the mean radius itself."""
    t = frame - frame[0]
    line = np.polyval(np.polyfit(t, mean**power, 1), t)
    rest = mean - np.maximum(line, 1e-9) ** (1 / power)
    return float(len(mean) * np.log(np.mean(rest**2) + 1e-12))
