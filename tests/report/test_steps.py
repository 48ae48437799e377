"""The plots of single steps: what they show of the summary, and that nothing is drawn where nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lptem_tracker.report.results import Results, gather
from lptem_tracker.report.steps import counting_interval, step_plots
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]


def _results(make_run: MakeRun, ensemble: dict[str, Any]) -> Results:
    folder = make_run(movie=False)
    (folder / "summary.json").write_text(json.dumps({"ensemble": ensemble}), encoding="utf-8")
    return gather(open_run(folder))


def _plots(make_run: MakeRun, ensemble: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {plot["key"]: plot for plot in step_plots(_results(make_run, ensemble))}


def test_each_part_of_the_summary_has_its_plot(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """Distribution, autocorrelation, waits and hops; without them there is none."""
    found = _plots(make_run, step_summary)
    assert list(found) == ["displacements", "velocity_autocorrelation", "waiting_times", "hop_lengths"]
    assert step_plots(_results(lambda **options: make_run("bare", **options), {"D_nm2_s": 60.0})) == []


def test_the_gaussian_has_the_variance_of_the_fitted_d_and_error(
    make_run: MakeRun, step_summary: dict[str, Any]
) -> None:
    """D = 60, σ = 0.3, R = 1/6 give 2(60·0.0125 + 0.09 − 2/6·60·0.0125) = 1.18 nm² per axis over one frame."""
    lines = [s for s in _plots(make_run, step_summary)["displacements"]["series"] if s["kind"] == "line"]
    middle = lines[0]["x"].index(0)
    assert lines[0]["y"][middle] == pytest.approx(1 / np.sqrt(2 * np.pi * 1.18), rel=1e-5)
    assert lines[1]["y"][middle] == pytest.approx(1 / np.sqrt(2 * np.pi * (1.18 + 2 * 60 * 0.0375)), rel=1e-5)


def test_where_d_is_not_that_of_free_steps_the_gaussian_is_of_the_same_variance(
    make_run: MakeRun, step_summary: dict[str, Any]
) -> None:
    """In a trap D and σ do not give the variance over a lag, and the caption does not say so."""
    plot = _plots(make_run, step_summary | {"motion": "confined"})["displacements"]
    line = next(s for s in plot["series"] if s["kind"] == "line")
    assert line["y"] == pytest.approx(step_summary["van_hove"][0]["gaussian"], rel=1e-5)
    assert "of the same variance" in plot["caption"]


def test_empty_bins_have_no_point_and_the_axis_is_logarithmic(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """Two of 21 bins are empty; the lowest density is above the foot of the axis."""
    plot = _plots(make_run, step_summary)["displacements"]
    points = [s for s in plot["series"] if s["kind"] == "errors"]
    assert [len(s["x"]) for s in points] == [19, 19]
    assert plot["y"]["log"]
    assert 0 < plot["y"]["min"] < min(points[0]["y"])


def test_overlapping_steps_have_wider_bars(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """The same density over four frames is of a quarter of the counts: bars about twice as long."""
    one, four = (s for s in _plots(make_run, step_summary)["displacements"]["series"] if s["kind"] == "errors")
    top = int(np.argmax(one["y"]))
    ratio = (four["high"][top] - four["low"][top]) / (one["high"][top] - one["low"][top])
    assert ratio == pytest.approx(2, rel=0.05)


def test_counting_intervals_cover_as_they_say() -> None:
    """Of Poisson counts about 4 at least 95% of the exact intervals hold the mean (standard error 0.0015)."""
    counts = np.random.default_rng(5).poisson(4.0, 20_000).astype(float)
    low, high = counting_interval(counts)
    assert np.mean((low <= 4) & (high >= 4)) > 0.95 - 3 * 0.0015
    assert counting_interval(np.array([0.0]))[0] == 0


def test_the_autocorrelation_carries_its_error_and_both_expectations(
    make_run: MakeRun, step_summary: dict[str, Any]
) -> None:
    """Lag 0 and lags without a value are left out; −0.2 ± 1.96·0.05; mere error stands beside it."""
    plot = _plots(make_run, step_summary)["velocity_autocorrelation"]
    by_name = {s["name"]: s for s in plot["series"]}
    measured = by_name["measured"]
    assert (measured["x"], measured["y"]) == ([0.0125], [-0.2])
    assert (measured["low"][0], measured["high"][0]) == pytest.approx((-0.298, -0.102))
    assert by_name["error alone"]["y"] == [-0.5, 0.0]
    assert by_name["Brownian with σ"]["y"] == [-0.18, 0.0]


def test_waits_are_shown_as_the_share_that_waits_as_long(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """Of 0.1, 0.1, 0.3 and 0.5 s all wait 0.1 s, half of them 0.3 s and one in four 0.5 s."""
    points = next(s for s in _plots(make_run, step_summary)["waiting_times"]["series"] if s["kind"] == "points")
    assert (points["x"], points["y"]) == ([0.1, 0.3, 0.5], [1.0, 0.5, 0.25])


def test_two_waits_are_no_distribution(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """Fewer than three waits or hops are not drawn."""
    few = step_summary | {"waiting_times_s": [0.1, 0.2], "hop_lengths_nm": [1.0, 2.0]}
    assert list(_plots(make_run, few)) == ["displacements", "velocity_autocorrelation"]
