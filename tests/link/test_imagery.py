"""Drift of the images where particles are few."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import TableError
from lptem_tracker.link import link


def two_on(path: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Two Brownian particles 50 px apart on a field that moves along `path`, shape (frames, 2)."""
    rng = np.random.default_rng(seed)
    xy = np.array([[20.0, 20.0], [70.0, 25.0]]) + rng.normal(0, 0.5, (len(path), 2, 2)).cumsum(0) + path[:, None]
    frame = np.repeat(np.arange(len(path)), 2)
    return pd.DataFrame({"frame": frame, "x": xy[..., 0].ravel(), "y": xy[..., 1].ravel()})


def seen_in_images(path: np.ndarray, error: float = 0.05) -> pd.DataFrame:
    """The drift as images show it: every step off by `error` px."""
    steps = np.diff(path, axis=0, prepend=path[:1]) + np.random.default_rng(9).normal(0, error, path.shape)
    total = steps.cumsum(0)
    return pd.DataFrame({"frame": np.arange(len(path)), "dx": total[:, 0], "dy": total[:, 1]})


PATHS = {
    "steady": np.arange(60)[:, None] * np.array([1.5, -0.5]),
    "jumps": np.where(np.arange(60) < 30, 0.0, 12.0)[:, None] * np.ones(2),
    "unsteady": np.random.default_rng(5).normal(0, 3, (60, 2)).cumsum(0),
}


@pytest.mark.parametrize("kind", [*PATHS])
def test_images_show_the_drift_of_two_particles(kind: str) -> None:
    """Two particles cannot tell the drift from their motion; the images can, and it is taken out of both."""
    path = PATHS[kind]
    out = link(two_on(path), image_drift=seen_in_images(path))
    assert out.attrs["link"]["drift"]["kind"] == kind
    moved = out[out["observed"]].groupby("frame")[["drift_x", "drift_y"]].mean().to_numpy()
    # errors of 0.05 px a frame add up to 0.39 px in 60 frames
    assert np.abs(moved - moved[0] - path + path[0]).max() < 4 * 0.05 * np.sqrt(60)
    assert out["particle"].nunique() == 2


def test_still_images_move_nothing() -> None:
    """Where images err about nothing, particles are left where they are."""
    path = np.zeros((60, 2))
    out = link(two_on(path), image_drift=seen_in_images(path))
    assert out.attrs["link"]["drift"]["kind"] == "none"


def test_many_particles_know_better() -> None:
    """With 30 particles the drift is theirs, whatever the images say."""
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 100, (30, 2)) + rng.normal(0, 0.5, (40, 30, 2)).cumsum(0)
    frame = np.repeat(np.arange(40), 30)
    table = pd.DataFrame({"frame": frame, "x": xy[..., 0].ravel(), "y": xy[..., 1].ravel()})
    wrong = pd.DataFrame({"frame": np.arange(40), "dx": 3.0 * np.arange(40), "dy": 0.0})
    pd.testing.assert_frame_equal(link(table, image_drift=wrong), link(table))


@pytest.mark.parametrize(
    ("table", "words"),
    [({"frame": [0], "dx": [0.0]}, "dy is missing"), ({"frame": [0], "dx": [np.nan], "dy": [0.0]}, "finite")],
)
def test_wrong_tables_of_image_drift_are_refused(table: dict[str, list[float]], words: str) -> None:
    """What is wrong with the table is said."""
    with pytest.raises(TableError, match=words):
        link(two_on(np.zeros((10, 2))), image_drift=pd.DataFrame(table))
