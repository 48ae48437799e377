"""The small tables beside the plots of motion: checks of the pooled D, and the classes of motion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lptem_tracker.analysis.linking_bias import LONG_STEP
from lptem_tracker.report.labels import amount, column_label, figure, unit_text
from lptem_tracker.report.results import Results

Row = tuple[str, ...]
LEAST_SHARE = 0.005
_CLASS_TEXT = {"ctrw": "waits and hops (ctrw)", "switching": "switching between two D"}


@dataclass(frozen=True)
class SmallTable:
    """A table of a few rows as text: its key, title, heads and cells."""

    key: str
    title: str
    head: Row
    rows: list[Row]
    caption: str = ""


def motion_tables(results: Results) -> list[SmallTable]:
    """Return the checks of motion and its classes; a table without rows is left out.

    Parameters
    ----------
    results : Results
    """
    checks = [*_axes(results), *_links(results), *_others(results), *_steps(results), *_pooled(results)]
    percent = f"{results.level:.0%} interval"
    tables = [
        SmallTable("motion_checks", "All tracks together", ("quantity", f"value, {percent}", "what it says"), checks),
        SmallTable(
            "motion_classes",
            "Classes of motion",
            ("class", "share", "particles", "median probability"),
            _classes(results),
            "Share: of the ensemble, uncertain particles counted in parts. Particles: by their likeliest class. "
            "Probability: of that class, given the track and the shares.",
        ),
        SmallTable("motion_components", "Kinds of particles by D", ("D", "share"), _components(results)),
    ]
    return [table for table in tables if table.rows]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _with_interval(value: Any, interval: Any, unit: str = "") -> str:
    """Return a value with its interval and unit."""
    ends = [_number(v) for v in interval or []]
    text = figure(value)
    if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
        text += f" [{figure(ends[0])}, {figure(ends[1])}]"
    return f"{text} {unit}".strip()


def _with_error(value: float, std: Any, unit: str = "") -> str:
    error = _number(std)
    return figure(value) + ("" if error is None else f" ± {figure(error, 2)}") + (f" {unit}" if unit else "")


def _estimate(results: Results, key: str) -> dict[str, Any] | None:
    found = (results.ensemble.get("estimates") or {}).get(key) or {}
    return found if _number(found.get("value")) is not None else None


def _axes(results: Results) -> Iterator[Row]:
    """Yield D along each axis and their ratio."""
    unit = results.calibration.units.diffusion
    for name in "xy":
        found = _estimate(results, f"D_{name}_{unit}")
        if found:
            yield f"D along {name}", _with_interval(found["value"], found.get("ci"), unit_text(unit)), ""
    found = results.ensemble.get("anisotropy") or {}
    ratio, ends = _number(found.get("D_x_over_D_y")), found.get("ci95") or []
    if ratio is None or len(ends) != 2:
        return
    told = "no difference between the directions" if ends[0] <= 1 <= ends[1] else "differs between the directions"
    yield "Anisotropy D(x) / D(y)", _with_interval(ratio, ends), told


def _links(results: Results) -> Iterator[Row]:
    """Yield the checks of the links: the link-free D beside the pooled one, wrong links, steps against spacing."""
    unit = results.calibration.units.diffusion
    checks = results.ensemble.get("checks") or {}
    free = _number(checks.get(f"D_link_free_{unit}"))
    ratio, std = _number(checks.get("link_free_over_linked")), _number(checks.get("link_free_over_linked_std"))
    factor, factor_std = _number(checks.get("link_correction")) or 1.0, _number(checks.get("link_correction_std"))
    if free is not None:
        error = free / ratio * std if ratio and std is not None else None
        told = ""
        if ratio is not None and std is not None:
            # the same rule as that of the warning
            far = abs(ratio - factor) > 3 * math.hypot(std, factor_std or 0.0) + 0.05
            word = "contradicts" if far else "agrees with"
            told = f"{word} D of the links, {figure(results.ensemble[results.d_column])}"
        yield "D without links", _with_error(free, error, unit_text(unit)), told
    if factor != 1:
        yield "Correction for wrong links", _with_error(factor, factor_std), "D of all tracks was multiplied by it"
    step = _number(checks.get("step_over_spacing"))
    if step is not None:
        told = "short: links are hard to confuse" if step <= LONG_STEP else "long: linkers confuse particles"
        yield "Step / spacing of particles", f"{step:.2g}", f"{told} ({LONG_STEP:g} is the limit)"
    wrong = _number(checks.get("expected_wrong_links"))
    if wrong is not None:
        yield "Wrong links expected", f"{100 * wrong:.2g} %", ""


def _others(results: Results) -> Iterator[Row]:
    """Yield D by other estimators of the same steps."""
    unit = results.calibration.units.diffusion
    checks = results.ensemble.get("checks") or {}
    for key, name in (("cve", "covariance of steps"), ("gls", "least squares on the MSD")):
        value = _number(checks.get(f"D_{key}_{unit}"))
        if value is not None:
            yield f"D by {name}", f"{figure(value)} {unit_text(unit)}", "should be near D of all tracks"


def _steps(results: Results) -> Iterator[Row]:
    value = _number(results.ensemble.get("non_gaussian"))
    std = _number(results.ensemble.get("non_gaussian_std"))
    if value is None:
        return
    told = ""
    if std is not None:
        told = (
            "no sign of more than one Gaussian"
            if abs(value) <= 2 * std
            else "particles differ, or steps of several kinds"
        )
        told = "narrower than a Gaussian" if value < -2 * std else told
    yield "Non-Gaussian parameter", _with_error(value, std), told


def _pooled(results: Results) -> Iterator[Row]:
    """Yield what the ensemble has beyond D and alpha: rotation, traps, speed, hops, drift."""
    units, ensemble = results.calibration.units, results.ensemble
    for key, name, unit, told in (
        (f"Dr_rad2_{units.time}", "", "", "from the angles of elongated particles"),
        (f"confinement_rms_{units.length}", "", "", "of trapped particles"),
        (f"msd_plateau_{units.length}2", "MSD of trapped particles levels at", f"{units.length}²", ""),
        (f"v_{units.speed}", "", "", "mean over directed particles"),
        ("hydrodynamic_radius_nm", "Hydrodynamic radius", "nm", "by Stokes and Einstein, far from any wall"),
    ):
        found = _estimate(results, key)
        if found:
            label, own = column_label(key)
            yield name or label, _with_interval(found["value"], found.get("ci"), unit or own), told
    rms, wait = (_number(ensemble.get(k)) for k in (f"hop_rms_{units.length}", f"waiting_mean_{units.time}"))
    if rms is not None:
        yield "Hop length (rms)", f"{amount(rms, units.length)}", f"{ensemble.get('n_hops')} hops"
    if wait is not None:
        yield "Mean wait between hops", amount(wait, units.time), ""
    drift, std = ensemble.get(f"drift_{units.speed}"), ensemble.get(f"drift_std_{units.speed}") or [None, None]
    if isinstance(drift, list) and None not in drift and ensemble.get("drift_kind") != "none":
        pair = ", ".join(_with_error(v, s) for v, s in zip(drift, std))
        yield "Common drift (x, y)", f"{pair} {unit_text(units.speed)}", "taken out of all the above"


def _classes(results: Results) -> list[Row]:
    """Return share, number of particles and median probability of each class that there is."""
    shares = results.ensemble.get("motion_fractions") or {}
    table = results.particles
    motion = table["motion"] if "motion" in table else pd.Series(dtype=object)
    weight = table["motion_weight"] if "motion_weight" in table else pd.Series(math.nan, index=table.index)
    rows: list[Row] = []
    names = [*shares, *(str(name) for name in motion.dropna().unique() if name not in shares)]
    for name in names:
        at = motion == name
        share, n = _number(shares.get(name)), int(at.sum())
        if n == 0 and (share or 0.0) < LEAST_SHARE:
            continue
        middle = _number(weight[at].median()) if n else None
        rows.append(
            (
                _CLASS_TEXT.get(name, name),
                "" if share is None else f"{share:.1%}",
                str(n),
                "" if middle is None else f"{middle:.2f}",
            )
        )
    return rows


def _components(results: Results) -> list[Row]:
    unit = unit_text(results.calibration.units.diffusion)
    found = results.ensemble.get("components") or []
    return [(f"{figure(d)} {unit}", f"{share:.1%}") for d, share in found if d is not None and share is not None]
