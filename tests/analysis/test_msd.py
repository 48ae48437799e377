"""Mean-square displacements, by hand and against every pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.msd import ensemble_msd, msd_std, time_averaged_msd
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths


def pairs_by_hand(track: pd.DataFrame, lag: int) -> list[float]:
    at = {int(f): (x, y) for f, x, y in zip(track["frame"], track["x"], track["y"])}
    return [(at[f + lag][0] - x) ** 2 + (at[f + lag][1] - y) ** 2 for f, (x, y) in at.items() if f + lag in at]


@pytest.mark.parametrize("frac", [1.0, 0.7], ids=["complete", "gaps"])
def test_every_pair_counts_once(frac: float) -> None:
    """The FFT equals the mean over all pairs of positions to 1e-9, with gaps and far from the origin too."""
    paths = brownian_paths(np.random.default_rng(0), 3, 40, 1.0, 0.1) + 1e4
    tracks = as_tracks(paths).sample(frac=frac, random_state=1).sort_values(["particle", "frame"])
    value, pairs = time_averaged_msd(build_trackset(tracks), 12)
    for i, (_, track) in enumerate(tracks.groupby("particle")):
        for lag in range(1, 13):
            found = pairs_by_hand(track, lag)
            assert pairs[i, lag - 1] == len(found)
            assert value[i, lag - 1] == pytest.approx(np.mean(found), rel=1e-9)


def test_lags_beyond_a_track_are_blank() -> None:
    """A lag longer than the track has no pair and no value."""
    value, pairs = time_averaged_msd(build_trackset(as_tracks(np.ones((1, 4, 2)))), 6)
    assert pairs.tolist() == [[3, 2, 1, 0, 0, 0]]
    assert np.isnan(value[0, 3:]).all()
    assert (value[0, :3] == 0).all()


def test_standard_error_knows_that_lags_overlap() -> None:
    """The stated error of the MSD is its scatter over 600 simulated tracks within 10 % (3 standard errors)."""
    paths = brownian_paths(np.random.default_rng(2), 600, 60, 1.0, 0.0, 0.0)
    value, pairs = time_averaged_msd(build_trackset(as_tracks(paths)), 15)
    stated = msd_std(60, 2.0 * np.arange(80.0), pairs[0])
    np.testing.assert_allclose(stated, value.std(0), rtol=0.1)


def test_the_ensemble_weighs_by_pairs() -> None:
    """Two particles with 3 and 1 pairs count 3 to 1."""
    value, _, total = ensemble_msd(np.array([1, 1]), np.array([2.0, 6.0]), np.ones(2), np.array([3, 1]))
    assert value[0] == pytest.approx(3.0)
    assert total[0] == 4
