"""Tables of motion: particles and mean-square displacements."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.motion import MotionResult, measure_motion
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths
from lptem_tracker.settings import MotionSettings


@pytest.fixture(scope="module")
def measured() -> MotionResult:
    """Four particles of 40 positions and one of 6, at 2 nm and 0.1 s."""
    tracks = as_tracks(brownian_paths(np.random.default_rng(0), 5, 40, 1.0, 0.2))
    tracks = tracks[(tracks["particle"] < 4) | (tracks["frame"] < 6)]
    return measure_motion(tracks, Calibration(2.0, 0.1, 0.1), MotionSettings(bootstrap=0))


def test_the_ensemble_stands_below_the_particles(measured: MotionResult) -> None:
    """Rows without a particle hold the mean over particles, weighted by pairs, at every lag, with their error."""
    msd = measured.msd
    ensemble = msd[msd["particle"].isna()].set_index("lag_frames")
    own = msd[msd["particle"].notna()]
    assert ensemble.index.tolist() == sorted(own["lag_frames"].unique())
    for lag, group in own.groupby("lag_frames"):
        assert ensemble.loc[lag, "msd_nm2"] == pytest.approx(np.average(group["msd_nm2"], weights=group["n_pairs"]))
        assert ensemble.loc[lag, "n_pairs"] == group["n_pairs"].sum()
    assert (ensemble["msd_std_nm2"] > 0).all()
    assert ensemble["lag_s"].to_numpy() == pytest.approx(0.1 * ensemble.index.to_numpy())


def test_longest_lag_is_a_quarter_of_the_track(measured: MotionResult) -> None:
    """A track of 40 frames has 9 lags, one of 6 frames has 1."""
    lags = measured.msd.dropna(subset="particle").groupby("particle")["lag_frames"].max()
    assert lags.tolist() == [9, 9, 9, 9, 1]


def test_numbers_come_with_intervals_or_a_reason(measured: MotionResult) -> None:
    """Each particle has D inside its interval, or a blank and why."""
    table = measured.particles
    long, short = table.iloc[:4], table.iloc[4]
    assert (long["D_ci_low"] <= long["D_nm2_s"]).all()
    assert (long["D_nm2_s"] <= long["D_ci_high"]).all()
    assert (long["reason"] == "").all()
    assert np.isnan(short["D_nm2_s"])
    assert short["reason"] == "fewer than 10 positions"
