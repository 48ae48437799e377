"""The plots of the page against values worked out by hand."""

from __future__ import annotations

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
