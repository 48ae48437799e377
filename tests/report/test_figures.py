"""The plots of the page against values worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lptem_tracker.report import figures
from lptem_tracker.report.results import gather
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]
LAG_S = 0.0125 * np.arange(1, 10)
SLOPES = np.array([0.5, 100.0, 40.0, 9.0])


def test_bars_of_the_mean_msd_are_95_percent(make_run: MakeRun) -> None:
    """Four particles of equal weight: the bars reach 1.96 standard errors, s/sqrt(4), to either side."""
    plot = figures.motion_plots(gather(open_run(make_run())))[0]
    (errors,) = (part for part in plot["series"] if part["kind"] == "errors")
    assert errors["y"] == pytest.approx(4 * SLOPES.mean() * LAG_S, rel=1e-5)
    half = 1.96 * np.std(4 * SLOPES, ddof=1) / 2 * LAG_S
    assert np.subtract(errors["high"], errors["y"]) == pytest.approx(half, rel=1e-4)
    assert np.subtract(errors["y"], errors["low"]) == pytest.approx(half, rel=1e-4)


def test_residuals_are_relative_to_the_model(make_run: MakeRun) -> None:
    """D = 60, error 0.3 nm, open shutter (R = 1/6): each point is MSD over 4[Dt + s^2 - 2RDdt], less 1."""
    plot = figures.motion_plots(gather(open_run(make_run())))[1]
    assert plot["key"] == "msd_residuals"
    (errors,) = (part for part in plot["series"] if part["kind"] == "errors")
    model = 4 * (60 * LAG_S + 0.3**2 - 60 * 0.0125 / 3)
    assert errors["y"] == pytest.approx(4 * SLOPES.mean() * LAG_S / model - 1, rel=1e-4)


def test_a_long_movie_is_drawn_with_few_points(make_run: MakeRun) -> None:
    """100,000 frames of clusters make at most 4,000 points, each with the numbers of its own frame."""
    folder, n = make_run(), 100_000
    frames = np.arange(n)
    kinetics = {
        "frame_first": 7,
        "n_clusters": frames.tolist(),
        "n_clusters_low": (frames - 1).tolist(),
        "n_clusters_high": (frames + 2).tolist(),
    }
    (folder / "summary.json").write_text(json.dumps({"kinetics": kinetics}), encoding="utf-8")
    (plot,) = (p for p in figures.event_plots(gather(open_run(folder))) if p["key"] == "n_clusters")
    band, steps = plot["series"]
    assert 2_000 < len(steps["x"]) <= 4_000
    assert np.subtract(steps["x"], steps["y"]) == pytest.approx(7)
    assert np.subtract(band["high"], band["low"]) == pytest.approx(3)
    assert len(band["x"]) == len(band["low"]) == len(band["high"]) == len(steps["x"])
