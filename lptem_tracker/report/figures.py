"""The plots of the page: what each shows of a run, as data."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lptem_tracker.report import plots
from lptem_tracker.report.labels import unit_text
from lptem_tracker.report.msd_curves import model_msd, particle_curves
from lptem_tracker.report.plots import axis, plot, series
from lptem_tracker.report.results import Results, shown_every

MOST_CURVES = 400
MOST_RANKED = 3_000
EVENT_COLOURS = {"leave": plots.GREY, "enter": plots.GREY, "dissolve": plots.ORANGE, "nucleate": plots.BLUE,
                 "coalesce": plots.PINK, "detach": plots.VERMILION, "attach": plots.GREEN}  # fmt: skip
"""In the order of the timeline's lanes, from the bottom."""


def motion_plots(results: Results) -> list[dict[str, Any]]:
    """Return MSD with model and residuals, and the distributions of D and alpha."""
    return [*_msd_plots(results), *_diffusion_plots(results), *_alpha_plots(results)]


def _msd_plots(results: Results) -> list[dict[str, Any]]:
    units, unit = results.calibration.units, results.msd_unit
    curves, mean = particle_curves(results.msd, results.calibration), results.mean_msd
    if not curves or mean is None:
        return []
    thin = [
        series("line", c.lag, c.value, colour=plots.GREY, particle=c.particle, opacity=0.35, width=1)
        for c in curves[:MOST_CURVES]
    ]
    half = 1.96 * mean.std if mean.std is not None else np.full(len(mean.lag), np.nan)
    content = [*thin, _with_errors(mean.lag, mean.value, half, "mean over particles")]
    x = axis(f"lag ({units.time})", log=True)
    note = "Each grey line is one particle; click it. " if thin else ""
    if len(curves) > MOST_CURVES:
        note += f"The first {MOST_CURVES} of {max(len(curves), len(results.particles))} particles are drawn. "
    out = []
    model = model_msd(mean.lag, results.ensemble, results.calibration)
    if model is not None:
        content.append(
            series("line", mean.lag, model, name="maximum-likelihood model", colour=plots.VERMILION, width=2)
        )
        note += "The line is not fitted to these points: it is the model of the joint likelihood over all tracks, "
        note += "4[Dt + σ² − 2RDΔt], with localisation error σ and motion blur R."
        rest = _with_errors(mean.lag, mean.value / model - 1, half / model, "")
        zero = series("line", [mean.lag.min(), mean.lag.max()], [0, 0], colour=plots.VERMILION, width=1.5)
        out.append(
            plot(
                "msd_residuals",
                "Residuals of the mean MSD",
                x,
                axis("MSD / model − 1"),
                [zero, rest],
                height=300,
                caption="Bars: 95% by the scatter between particles. Neighbouring points share the same steps: "
                "a smooth wave within the bars is no evidence against the model.",
            )
        )
    return [
        plot("msd", "Mean-square displacement", x, axis(f"MSD ({unit})", log=True), content, caption=note, height=360),
        *out,
    ]


def _with_errors(x: Any, y: Any, half: Any, name: str) -> dict[str, Any]:
    """Return points with their 95 % intervals, or bare where these are not known."""
    if not np.isfinite(half).any():
        return series("points", x, y, name=name, colour=plots.BLUE)
    half = np.nan_to_num(half)
    return series("errors", x, y, name=name, colour=plots.BLUE, low=y - half, high=y + half)


def _diffusion_plots(results: Results) -> list[dict[str, Any]]:
    name = results.d_column
    table = results.particles
    if name not in table or not (table[name] > 0).any():
        return []
    unit = unit_text(results.calibration.units.diffusion)
    bars, n = plots.histogram_bars(table[name], plots.BLUE, log=True)
    out = [
        plot(
            "D_histogram",
            "Diffusion coefficients",
            axis(f"D ({unit})", log=True),
            axis("particles", low=0),
            [*plots.span(results.ensemble.get(name), results.ensemble.get("D_ci95"), _pooled(results)), bars],
            caption=f"{n} particles with a D of their own; part of their spread is the error of each.",
        )
    ]
    return [*out, _ranked(results, name, "D_ci_low", "D_ci_high", f"D ({unit})", "D", log=True)]


def _alpha_plots(results: Results) -> list[dict[str, Any]]:
    table = results.particles
    if "alpha" not in table or not table["alpha"].notna().any():
        return []
    bars, _ = plots.histogram_bars(table["alpha"], plots.GREEN)
    pooled = plots.span(results.ensemble.get("alpha"), results.ensemble.get("alpha_ci95"), _pooled(results))
    caption = "α is 1 for Brownian motion, below 1 for hindered and above 1 for directed motion."
    out = [
        plot(
            "alpha_histogram",
            "Anomalous exponents",
            axis("α"),
            axis("particles", low=0),
            [*pooled, bars],
            caption=caption,
        )
    ]
    return [*out, _ranked(results, "alpha", "alpha_ci_low", "alpha_ci_high", "α", "alpha", log=False)]


def _pooled(results: Results) -> str:
    return f"all tracks, {results.level:.0%} interval"


def _ranked(results: Results, name: str, low: str, high: str, label: str, key: str, *, log: bool) -> dict[str, Any]:
    """Return the plot of every particle's value with its interval, in order of size."""
    table = results.particles[results.particles[name].notna()].sort_values(name, ignore_index=True)
    n = len(table)
    rank = np.unique(np.linspace(1, n, min(n, MOST_RANKED)).round().astype(np.int64))
    table = table.iloc[rank - 1]
    ids = [int(p) for p in table["particle"]]
    more = {"low": table[low].to_numpy(float), "high": table[high].to_numpy(float)} if {low, high} <= set(table) else {}
    kind: plots.Kind = "errors" if more else "points"
    content = [series(kind, rank, table[name].to_numpy(float), colour=plots.BLUE, ids=ids, **more)]
    pooled = results.ensemble.get(name)
    if isinstance(pooled, int | float):
        content.append(
            series("line", [1, max(n, 2)], [pooled, pooled], name="all tracks together", colour=plots.VERMILION)
        )
    click = "Click a point to see the particle."
    if n > len(rank):
        click = f"{len(rank):,} of {n:,} particles are drawn, evenly over their order."
    return plot(
        f"{key}_ranked",
        f"{label.split(' ')[0]} of each particle",
        axis("particle, by value"),
        axis(label, log=log),
        content,
        caption=f"Bars: {results.level:.0%} intervals. {click}" if more else click,
    )


def size_plots(results: Results) -> list[dict[str, Any]]:
    """Return the distributions of radius and aspect ratio, each particle counted once."""
    length = results.calibration.units.length
    wanted = (
        (f"radius_{length}", f"radius ({length})", "radius", plots.ORANGE),
        ("aspect_ratio", "aspect ratio", "aspect", plots.PINK),
    )
    out = []
    for name, label, key, colour in wanted:
        least = 2 if name == "aspect_ratio" else 1  # of spheres it is 1 for all, which is no distribution
        if name not in results.particles or results.particles[name].nunique() < least:
            continue
        bars, n = plots.histogram_bars(results.particles[name], colour)
        whole = (results.summary.get("population") or {}).get(name) or {}
        median = plots.span(whole.get("median"), whole.get("median_ci95"), "median, 95% interval")
        out.append(
            plot(
                key,
                label.split(" (")[0].capitalize(),
                axis(label),
                axis("particles", low=0),
                [*median, bars],
                caption=f"Each of {n} particles counted once.",
            )
        )
    return out


def event_plots(results: Results) -> list[dict[str, Any]]:
    """Return the timeline of events and the number of clusters against time."""
    out = []
    events = results.events
    if len(events):
        lanes = [kind for kind in EVENT_COLOURS if kind in set(events["kind"])]
        where = {kind: n for n, kind in enumerate(lanes)}
        marks = [
            series(
                "marks",
                rows["frame"],
                [where[str(kind)]] * len(rows),
                colour=EVENT_COLOURS[str(kind)],
                events=[int(i) for i in rows.index],
            )
            for kind, rows in events.groupby("kind")
            if str(kind) in where
        ]
        out.append(
            plot(
                "timeline",
                "Events",
                axis("frame", low=results.first_frame, high=results.n_frames - 1),
                axis("", names=lanes),
                marks,
                height=70 + 34 * len(lanes),
                width=1180,
                caption="Click a mark to see the event."
                + (" Those listed below are drawn." if results.n_events.sum() > len(events) else ""),
            )
        )
    kinetics = results.summary.get("kinetics") or {}
    clusters = kinetics.get("n_clusters")
    if isinstance(clusters, list) and clusters:
        first, some = int(kinetics.get("frame_first") or 0), slice(None, None, shown_every(len(clusters)))
        step = int(kinetics.get("frame_step") or 1)
        frames = range(first, first + step * len(clusters), step)[some]
        content = [series("steps", frames, clusters[some], colour=plots.GREEN)]
        low, high = kinetics.get("n_clusters_low"), kinetics.get("n_clusters_high")
        if isinstance(low, list) and isinstance(high, list):
            band = series("band", frames, clusters[some], colour=plots.GREEN, low=low[some], high=high[some])
            content.insert(0, band)
        out.append(plot("n_clusters", "Clusters against time", axis("frame"), axis("clusters", low=0), content))
    return out


def structure_plots(results: Results) -> list[dict[str, Any]]:
    """Return g(r) and the pair potential where the run has them."""
    structure = results.summary.get("structure") or {}
    out = []
    g = structure.get("g_r") or {}
    r_name = next((name for name in g if name.startswith("r_")), None)
    if r_name and g.get("g"):
        unit = r_name.removeprefix("r_")
        content = [
            series("line", [min(g[r_name]), max(g[r_name])], [1, 1], colour=plots.GREY, dash="4 3"),
            series("line", g[r_name], g["g"], colour=plots.BLUE),
        ]
        out.append(
            plot(
                "g_r",
                "Pair correlation g(r)",
                axis(f"r ({unit})", low=0),
                axis("g(r)", low=0),
                content,
                caption="Corrected for the edges of the field.",
            )
        )
    potential = structure.get("pair_potential") or {}
    p_name = next((name for name in potential if name.startswith("r_") and isinstance(potential[name], list)), None)
    energy = potential.get("u_kT") or potential.get("U_kT") or potential.get("energy_kT")
    if p_name and isinstance(energy, list):
        content = [series("line", potential[p_name], energy, colour=plots.VERMILION)]
        out.append(
            plot(
                "pair_potential",
                "Pair potential −ln g(r)",
                axis(f"r ({p_name.removeprefix('r_')})"),
                axis("U (kT)"),
                content,
                caption="Holds for a dilute sample at equilibrium only.",
            )
        )
    return out


def quality_plots(results: Results) -> list[dict[str, Any]]:
    """Return drift against time and particles per frame."""
    out = []
    tracks, units = results.tracks, results.calibration.units
    if {"drift_x", "drift_y"} <= set(tracks) and len(tracks):
        path = tracks.groupby("frame")[["drift_x", "drift_y"]].median() * units.nm_per_px
        path = path.iloc[:: max(1, len(path) // 2000)]
        content = [
            series("line", path.index, path[f"drift_{a}"], name=a, colour=c)
            for a, c in (("x", plots.BLUE), ("y", plots.ORANGE))
        ]
        out.append(
            plot(
                "drift",
                "Drift of the field",
                axis("frame"),
                axis(f"drift ({units.length})"),
                content,
                caption="The common motion, taken out before linking.",
            )
        )
    shown = results.shown_frames
    content = [
        series("steps", shown, counts.reindex(shown, fill_value=0), name=name, colour=colour)
        for name, counts, colour in (
            ("detected", results.detected, plots.GREY),
            ("tracked", results.paths.counts, plots.BLUE),
        )
        if counts is not None
    ]
    out.append(
        plot(
            "counts",
            "Particles in each frame",
            axis("frame"),
            axis("particles", low=0),
            content,
            caption="A sudden change is more often a change of the picture than of the sample.",
        )
    )
    return out


def change_points(value: object) -> list[int]:
    """Return the frames of a ``change_points`` cell of particles.csv."""
    try:
        found = json.loads(str(value))
    except ValueError:
        return []
    return [int(v) for v in found] if isinstance(found, list) else []
