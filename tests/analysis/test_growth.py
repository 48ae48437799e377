"""Growth of particles and ripening, against scripted sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.analysis.growth import slopes
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings


def growing(radius: np.ndarray) -> pd.DataFrame:
    """Particles at rest, far from one another; radius is (particles, frames), NaN where gone."""
    n, frames = radius.shape
    table = pd.DataFrame({"particle": np.repeat(np.arange(n), frames), "frame": np.tile(np.arange(frames), n)})
    side = int(np.ceil(np.sqrt(n)))
    table["x"] = 60.0 + 60 * (table["particle"] % side)
    table["y"] = 60.0 + 60 * (table["particle"] // side)
    table["radius"] = radius.ravel()
    return table.dropna()


def measured(radius: np.ndarray, calibration: Calibration):
    return measure_assembly(
        growing(radius), calibration, EventSettings(), field_px=(2000, 2000), n_frames=radius.shape[1]
    )


def test_growth_rate_carries_units_and_an_honest_error():
    """0.02 px a frame at 2 nm/px and 0.5 s is 0.08 nm/s; 200 noisy particles agree within errors (z has width 1)."""
    rng = np.random.default_rng(0)
    radius = 8 + 0.02 * np.arange(100) + rng.normal(0, 0.3, (200, 100))
    particles = measured(radius, Calibration(2.0, 0.5)).particles
    z = (particles["growth_nm_s"] - 0.08) / particles["growth_nm_s_std"]
    assert abs(z.mean()) < 4 / np.sqrt(200)
    assert 0.8 < z.std() < 1.25
    assert (particles["trend"] == "grows").mean() > 0.95


def test_correlated_residuals_widen_the_error():
    """An AR(1) error with ρ = 0.7 makes the plain error 2.4 times too small; the corrected one is right within 25 %."""
    rng = np.random.default_rng(1)
    noise = np.zeros((400, 200))
    for t in range(1, 200):
        noise[:, t] = 0.7 * noise[:, t - 1] + rng.normal(0, 0.1, 400)
    found = slopes(
        noise.ravel(), np.tile(np.arange(200), 400), np.repeat(np.arange(400), 200), 400, np.ones(80_000, bool)
    )
    assert np.mean(found.std) == pytest.approx(found.slope.std(), rel=0.25)


def test_few_rows_give_no_growth():
    """Nine frames are too few: blank."""
    particles = measured(np.full((3, 9), 8.0), Calibration()).particles
    assert particles["growth_px_frame"].isna().all()
    assert particles["trend"].isna().all()


def test_ripening_rate_is_that_of_the_cube_of_the_mean():
    """<R>³ = 500 + 4 t px³: K = 4 · 8/0.5 nm³/s within 1 %; exponent 3; some grow and some shrink."""
    t = np.arange(150)
    mean = np.cbrt(500 + 4 * t)
    share = np.linspace(-1, 1, 40)[:, None]
    radius = mean + share * (1 + 0.03 * t)
    kinetics = measured(radius, Calibration(2.0, 0.5)).kinetics
    assert kinetics["ripening_K_nm3_s"] == pytest.approx(64, rel=0.01)
    assert kinetics["ripening"]["exponent"] == 3


def test_fate_of_each_particle_is_told():
    """One stays, one dissolves, one is lost."""
    radius = np.full((3, 100), 10.0)
    radius[1, :60] = 10 - 0.13 * np.arange(60)
    radius[1, 60:] = radius[2, 70:] = np.nan
    assert measured(radius, Calibration()).particles["fate"].tolist() == ["stays", "dissolved", "lost"]
