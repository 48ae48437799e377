"""Common motion found from unlinked particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.link import link


def film(n: int, frames: int, sigma: float, path: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Brownian particles 10 px apart in the mean on a field that moves along `path`, shape (frames, 2)."""
    rng = np.random.default_rng(seed)
    side = 10 * np.sqrt(n)
    xy = rng.uniform(0, side, (n, 2)) + np.cumsum(rng.normal(0, sigma, (frames, n, 2)), 0) + path[:, None]
    table = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(frames), n),
            "x": xy[..., 0].ravel(),
            "y": xy[..., 1].ravel(),
            "true": np.tile(np.arange(n), frames),
        }
    )
    return table[rng.random(len(table)) > 0.03].sample(frac=1, random_state=1)


def frame_drift(out: pd.DataFrame) -> np.ndarray:
    """Mean drift of each frame, relative to the first."""
    mean = out.groupby("frame")[["drift_x", "drift_y"]].mean().to_numpy()
    return mean - mean[0]


def test_still_field_has_no_drift() -> None:
    """Diffusion of particles is not taken for drift."""
    out = link(film(60, 50, 1.0, np.zeros((50, 2))))
    assert out.attrs["link"]["drift"]["kind"] == "none"
    assert not out[["drift_x", "drift_y"]].any(axis=None)


def test_three_particles_show_no_drift() -> None:
    """Three particles that all move alike are too few to call it drift."""
    out = link(film(3, 40, 0.2, np.arange(40)[:, None] * np.array([[0.5, 0.0]])))
    assert out.attrs["link"]["drift"]["kind"] == "none"


def test_fast_steady_drift_is_found_before_linking() -> None:
    """A drift of 1.2 spacings a frame is taken out; its slope is right within four standard errors."""
    path = np.arange(40)[:, None] * np.array([[12.0, -2.0]])
    table = film(50, 40, 0.2, path)
    out = link(table)
    # the mean step of 50 particles over 39 steps of 0.2 px
    np.testing.assert_allclose(frame_drift(out)[-1] / 39, [12, -2], atol=4 * 0.2 / np.sqrt(50 * 39) + 0.01)
    seen = out[out["observed"]]
    assert (seen.groupby("particle")["true"].nunique() == 1).mean() > 0.95


def test_sudden_jumps_are_found() -> None:
    """Jumps of most of the neighbour spacing in single frames do not cut tracks."""
    path = np.zeros((40, 2))
    path[10:] += [7.0, 0.0]
    path[25:] += [-3.0, 8.0]
    out = link(film(50, 40, 0.5, path))
    assert out.attrs["link"]["drift"]["kind"] == "jumps"
    # a jump is known to the mean of 50 steps
    np.testing.assert_allclose(
        np.diff(frame_drift(out), axis=0)[[9, 24]], [[7, 0], [-3, 8]], atol=5 * 0.5 * np.sqrt(2 / 50)
    )


def test_rotation_is_found() -> None:
    """A field that shakes and turns is turned back."""
    rng = np.random.default_rng(3)
    table = film(60, 30, 0.1, rng.normal(0, 2, (30, 2)))
    angle = 0.004 * table["frame"]
    x, y = table["x"] - 40, table["y"] - 40
    table = table.assign(x=40 + x * np.cos(angle) - y * np.sin(angle), y=40 + x * np.sin(angle) + y * np.cos(angle))
    drift = link(table).attrs["link"]["drift"]
    # arms of 31 px rms in 60 particles with steps of 0.1 px: 4e-4 rad a step, 29 of them
    assert drift["angle"][-1] == pytest.approx(0.004 * 29, abs=4 * 4e-4 * np.sqrt(29))


@pytest.mark.parametrize("name", ["Cube_22mM", "Prism"])
def test_real_lattices_are_linked_without_error(shared_data: Path, name: str) -> None:
    """Lattices whose identities were shuffled get every link right, and the authors' drift within 0.5 nm."""
    raw = pd.read_csv(shared_data / "phonon_lattices" / f"PhononLattice_{name}_raw.csv")
    fixed = pd.read_csv(shared_data / "phonon_lattices" / f"PhononLattice_{name}_corrected.csv")
    out = link(raw.rename(columns={"x_nm": "x", "y_nm": "y"}).sample(frac=1, random_state=0))
    assert out["observed"].all()
    pairs = out[["track_id", "particle"]].drop_duplicates()
    assert pairs["track_id"].is_unique
    assert pairs["particle"].is_unique
    both = out.merge(fixed, on=["track_id", "frame"])
    mean = both.groupby("frame")[["x", "y", "drift_x", "drift_y"]].mean().to_numpy()
    apart = mean[:, :2] - mean[:, 2:]
    assert np.abs(apart - apart.mean(0)).max() < 0.5
