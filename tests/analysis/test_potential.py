"""The pair potential, from positions drawn with a known one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.bodies import Bodies, bodies_from_tracks
from lptem_tracker.analysis.potential import PotentialFit, fit_potential, potential_well
from lptem_tracker.analysis.radial import pair_correlation
from lptem_tracker.tables import validate_tracks

DEPTH, PLACE = 2.0, 10.0


def energy(r: np.ndarray) -> np.ndarray:
    """Parabolic well of 2 kT at 10 px, 2.5 px to either side, over a hard core of 7.5 px."""
    return np.where(r < PLACE - 2.5, 50.0, np.where(r < PLACE + 2.5, DEPTH * (((r - PLACE) / 2.5) ** 2 - 1), 0.0))


def gas(seed: int, *, n: int = 50, frames: int = 160, area: float = 0.2) -> Bodies:
    """Metropolis Monte Carlo in a periodic box, of which the middle 80 % is seen."""
    rng = np.random.default_rng(seed)
    box = float(np.sqrt(n * np.pi * (PLACE / 2) ** 2 / area))
    side = int(np.ceil(np.sqrt(n)))
    xy = (np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)[:n] + 0.5) * box / side
    kept = []
    for _ in range(30 + frames):
        for k, step, luck in zip(rng.integers(n, size=6 * n), rng.normal(0, 3, (6 * n, 2)), rng.random(6 * n)):
            to = (xy[k] + step) % box
            apart = np.abs(np.stack([xy - to, xy - xy[k]]))
            new, old = energy(np.sqrt((np.minimum(apart, box - apart) ** 2).sum(-1)))
            new[k] = old[k] = 0
            if luck < np.exp(min(old.sum() - new.sum(), 0.0)):
                xy[k] = to
        kept.append(xy - 0.1 * box)
    places = np.concatenate(kept[30:])
    table = {"particle": np.tile(np.arange(n), frames), "frame": np.repeat(np.arange(frames), n)}
    rows = pd.DataFrame({**table, "x": places[:, 0], "y": places[:, 1], "radius": 0.45 * PLACE})
    rows = rows[rows[["x", "y"]].gt(0).all(axis=1) & rows[["x", "y"]].lt(0.8 * box).all(axis=1)]
    return bodies_from_tracks(validate_tracks(rows), field_px=(0.8 * box, 0.8 * box))


def test_well_of_a_crowded_gas_is_the_pair_potentials() -> None:
    """At 20 % area the depth is within four of its errors, which are below 10 %, of the 2 kT that were put in."""
    bodies = gas(3)
    rows = np.arange(len(bodies.x))
    found = pair_correlation(bodies, rows)
    assert found is not None
    well = potential_well(bodies, rows, found)
    assert well is not None
    assert well.corrected
    assert well.depth_std_kt < 0.1 * DEPTH
    assert abs(well.depth_kt - DEPTH) < 4 * well.depth_std_kt
    # an error of 0.1 kT at the bottom of the parabola is one of 0.6 px in its place
    assert well.r_px == pytest.approx(PLACE, abs=1.2)


def test_potential_is_nothing_beyond_its_range() -> None:
    """Bins hold from their lower edge to the next; beyond the last u is 0."""
    fit = PotentialFit(np.array([0.0, 1.0, 2.0]), np.array([np.inf, -1.0]), np.zeros((1, 2)))
    assert fit.at(np.array([0.5, 1.0, 1.9, 2.0, 9.0])).tolist() == [np.inf, -1.0, -1.0, 0.0, 0.0]


def test_a_field_within_the_potentials_range_has_no_fit() -> None:
    """In 40 px there is no place farther than 25 px from the border: nothing is fitted."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 40, (600, 2))
    table = {"particle": np.tile(np.arange(6), 100), "frame": np.repeat(np.arange(100), 6)}
    rows = pd.DataFrame({**table, "x": xy[:, 0], "y": xy[:, 1], "radius": 4.0})
    bodies = bodies_from_tracks(validate_tracks(rows), field_px=(40, 40))
    found = pair_correlation(bodies, np.arange(600))
    assert found is not None
    assert fit_potential(bodies, np.arange(600), found, 10.0) is None


def test_few_frames_give_no_error_and_so_no_correction() -> None:
    """Four frames are too few for an error by jackknife: −ln g stands, and says that it is not corrected."""
    rng = np.random.default_rng(0)
    centre = rng.uniform(0, 700, (500, 2))
    turn, apart = rng.uniform(0, 2 * np.pi, 500), rng.normal(10, 0.8, (500, 1))
    image = np.concatenate([centre, centre + apart * np.column_stack([np.cos(turn), np.sin(turn)])])
    xy = np.concatenate([image] * 4)
    table = {"particle": np.tile(np.arange(1000), 4), "frame": np.repeat(np.arange(4), 1000)}
    rows = pd.DataFrame({**table, "x": xy[:, 0], "y": xy[:, 1], "radius": 4.0})
    bodies = bodies_from_tracks(validate_tracks(rows), field_px=(700, 700))
    found = pair_correlation(bodies, np.arange(4000))
    assert found is not None
    well = potential_well(bodies, np.arange(4000), found)
    assert well is not None
    assert not well.corrected
    assert well.depth_kt == well.raw_depth_kt
