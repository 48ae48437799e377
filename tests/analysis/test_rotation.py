"""Angles of rods as one-dimensional tracks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lptem_tracker.analysis.rotation import angle_tracks
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks


def rods(turn: np.ndarray) -> pd.DataFrame:
    """Tracks with angles (P, N), given between -pi/2 and pi/2."""
    tracks = as_tracks(np.random.default_rng(0).normal(size=(*turn.shape, 2)))
    return tracks.assign(angle=((turn + np.pi / 2) % np.pi - np.pi / 2).ravel())


def test_half_turns_are_unwrapped() -> None:
    """A rod that turns by 0.2 rad a frame goes on turning past half a turn."""
    turn = 0.2 * np.arange(40)[None]
    found = angle_tracks(build_trackset(rods(turn)))
    assert found is not None
    np.testing.assert_allclose(found.xy[:, 0] - found.xy[0, 0], turn[0], atol=1e-9)
    assert (found.xy[:, 1] == 0).all()


def test_angles_that_cannot_be_unwrapped_are_left_out() -> None:
    """Random angles and constant ones give no rotational diffusion; a table without angles none either."""
    rng = np.random.default_rng(1)
    assert angle_tracks(build_trackset(rods(rng.uniform(-1.5, 1.5, (2, 40))))) is None
    assert angle_tracks(build_trackset(rods(np.zeros((2, 40))))) is None
    assert angle_tracks(build_trackset(rods(np.zeros((2, 40))).drop(columns="angle"))) is None


def test_disks_do_not_rotate() -> None:
    """A disk that was taken for an ellipse in four of forty frames has no rotational diffusion; a rod beside it has."""
    turn = np.stack([np.zeros(40), np.cumsum(np.random.default_rng(2).normal(0, 0.1, 40))])
    turn[0, [3, 12, 13, 30]] = [0.4, -0.2, 0.3, 0.1]
    found = angle_tracks(build_trackset(rods(turn)))
    assert found is not None
    assert found.particle.tolist() == [1]
