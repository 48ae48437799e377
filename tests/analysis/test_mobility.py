"""Mobilities of single particles and the error that all positions share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis import mobility as module
from lptem_tracker.analysis.bodies import Bodies, bodies_from_tracks
from lptem_tracker.analysis.mobility import Mobility, measure_mobility
from lptem_tracker.analysis.noise import estimate_noise
from lptem_tracker.tables import validate_tracks


def measured(step: np.ndarray, error: float, *, frames: int = 60, seed: int = 1) -> tuple[Mobility, Bodies]:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 1, (frames, len(step), 2)) * step[:, None], axis=0) + rng.uniform(
        0, 500, (len(step), 2)
    )
    seen = walk + rng.normal(0, error, walk.shape) + 0.2 * np.arange(frames)[:, None, None]
    frame, particle = np.indices(seen.shape[:2])
    columns = {
        "particle": particle.ravel(),
        "frame": frame.ravel(),
        "x": seen[..., 0].ravel(),
        "y": seen[..., 1].ravel(),
    }
    table = validate_tracks(pd.DataFrame(columns))
    bodies = bodies_from_tracks(table, field_px=(500, 500))
    found = measure_mobility(
        bodies, np.ones(len(bodies.frame), bool), estimate_noise(bodies, table), np.arange(len(step))
    )
    return found, bodies


def test_slow_motion_is_measured_beneath_a_larger_error() -> None:
    """Steps of .32 px beside an error of .4 px: variance to 15 %, error to 10 % (grids of a factor 2 and 1.2)."""
    found, _ = measured(np.full(150, np.sqrt(0.1)), 0.4)
    assert found.mean(found.usual) == pytest.approx(0.1, rel=0.15)
    assert np.sqrt(found.error2) == pytest.approx(0.4, rel=0.1)


def test_stuck_and_free_particles_are_told_apart() -> None:
    """Of stuck and free ones in equal numbers each has odds of its own."""
    step = np.repeat([0.0, 0.4], 40)
    found, _ = measured(step, 0.3)
    own = np.array([found.mean(found.of(k)) for k in range(80)])
    assert own[:40].max() < 0.02
    assert np.median(own[40:]) == pytest.approx(0.16, rel=0.2)
    assert found.usual[found.grid < 0.02].sum() == pytest.approx(0.5, abs=0.1)


def test_mobilities_of_a_pair_add() -> None:
    """Two particles of known mobility move apart with the sum of both, to a step of the grid."""
    grid = np.concatenate([[0.0], np.geomspace(0.01, 10, 16)])
    one, other = np.eye(17)[8], np.eye(17)[8]
    pair = Mobility(grid, one, {3: other}, 0.1).of_pair(3, 5)
    assert pair.sum() == pytest.approx(1)
    assert np.log(grid[pair.argmax()] / (2 * grid[8])) == pytest.approx(0, abs=np.log(grid[2] / grid[1]) / 2)


def test_no_row_alone_leaves_all_open() -> None:
    """Where no particle is seen alone, every mobility is as likely as any other."""
    found, bodies = measured(np.full(5, 0.3), 0.2)
    assert len(found.own) == 5
    table = estimate_noise(bodies, pd.DataFrame({"observed": []}))
    nothing = measure_mobility(bodies, np.zeros(len(bodies.frame), bool), table, np.arange(5))
    assert nothing.own == {}
    assert len(set(nothing.usual)) == 1


def test_particles_in_blocks_are_measured_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven at a time, particles have the odds that they have all at once."""
    whole, _ = measured(np.linspace(0.1, 0.5, 40), 0.3)
    monkeypatch.setattr(module, "TOGETHER", 11)
    part, _ = measured(np.linspace(0.1, 0.5, 40), 0.3)
    assert sorted(part.own) == sorted(whole.own) == list(range(40))
    for k in range(40):
        np.testing.assert_allclose(part.of(k), whole.of(k), rtol=1e-9, atol=1e-12)
