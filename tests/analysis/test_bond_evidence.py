"""Collisions and bonds are told apart by how two particles move."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import assemble, measure_assembly
from lptem_tracker.analysis.contacts import find_bonds, near_pairs
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings
from lptem_tracker.tables import validate_tracks

RADIUS, STEP = 8.0, 1.0


def hard_disks(seed: int, *, n: int = 30, frames: int = 120, area: float = 0.2, error: float = 0.0) -> pd.DataFrame:
    """Brownian hard disks in a box: a move that would overlap is not made."""
    rng = np.random.default_rng(seed)
    side = RADIUS * np.sqrt(n * np.pi / area)
    places = np.empty((0, 2))
    while len(places) < n:
        trial = rng.uniform(RADIUS, side - RADIUS, 2)
        if (np.hypot(*(places - trial).T) > 2 * RADIUS).all():
            places = np.vstack([places, trial])
    rows = []
    for frame in range(frames):
        for _ in range(6):
            for k in rng.permutation(n):
                trial = places[k] + rng.normal(0, STEP / np.sqrt(6), 2)
                apart = np.hypot(*(places - trial).T)
                apart[k] = np.inf
                if (apart > 2 * RADIUS).all() and (trial > RADIUS).all() and (trial < side - RADIUS).all():
                    places[k] = trial
        seen = places + rng.normal(0, error, places.shape)
        rows.append(pd.DataFrame({"particle": range(n), "frame": frame, "x": seen[:, 0], "y": seen[:, 1]}))
    return pd.concat(rows).assign(radius=RADIUS, side=side)


def pair(seed: int, *, meet: int, part: int | None, wander: bool, frames: int = 160) -> pd.DataFrame:
    """Two disks that come together at `meet`; bound they share every step, else they wander within 2 px of contact."""
    rng = np.random.default_rng(seed)
    centre, rows = np.array([100.0, 100.0]), []
    gap, turn = 0.5, 0.3
    for frame in range(frames):
        centre = centre + rng.normal(0, STEP / np.sqrt(2), 2)
        close = frame >= meet and (part is None or frame < part)
        if close and wander:
            gap = abs((gap + rng.normal(0, np.sqrt(2) * STEP) + 2) % 4 - 2)  # walls at 0 and 2 px
            turn += rng.normal(0, np.sqrt(2) * STEP / (2 * RADIUS))
        distance = 2 * RADIUS + (gap if close else 12.0)
        half = 0.5 * distance * np.array([np.cos(turn), np.sin(turn)])
        rows += [(0, frame, *(centre - half)), (1, frame, *(centre + half))]
    others = [
        (2 + k, frame, *place)
        for k in range(6)
        for frame, place in enumerate(np.cumsum(rng.normal(0, STEP, (frames, 2)), 0) + np.array([80 * k + 20, 300]))
    ]
    return pd.DataFrame(rows + others, columns=["particle", "frame", "x", "y"]).assign(radius=RADIUS)


def bonds_of(table: pd.DataFrame) -> list[tuple[int, int, int, int]]:
    bonds = assemble(validate_tracks(table), EventSettings(), field_px=(600, 400)).bonds
    return list(zip(bonds.a.tolist(), bonds.b.tolist(), bonds.start.tolist(), bonds.end.tolist()))


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_colliding_hard_disks_form_no_bonds(error: float) -> None:
    """At 20 % area, where disks meet all the time, at most one contact in 3,600 particle-frames passes for a bond."""
    table = hard_disks(5, error=error)
    side = float(table["side"].iloc[0])
    found = assemble(validate_tracks(table.drop(columns="side")), EventSettings(), field_px=(side, side))
    assert found.bonds.formed.sum() <= 1


def test_a_pair_that_shares_every_step_is_bound() -> None:
    """A bond of 15 frames is found with its first frame and the frame in which it breaks."""
    assert bonds_of(pair(1, meet=60, part=75, wander=False)) == [(0, 1, 60, 75)]


def test_a_pair_that_wanders_close_by_is_not_bound() -> None:
    """Of 20 pairs that move independently within 2 px of contact for 15 frames, four at most make a bond."""
    # one in twenty at most is expected: five or more of twenty come up in .3 %
    assert sum(bool(bonds_of(pair(seed, meet=60, part=75, wander=True))) for seed in range(20)) <= 4


def crowd(seed: int, *, n: int = 400, frames: int = 40, step: float = 0.316, error: float = 0.4) -> pd.DataFrame:
    """Independent walks of particles of 3.5 px, three or four of which are always beside another."""
    rng = np.random.default_rng(seed)
    walk = rng.uniform(0, 300, (n, 2)) + np.cumsum(rng.normal(0, step, (frames, n, 2)), axis=0)
    seen = walk + rng.normal(0, error, walk.shape)
    frame, particle = np.indices(seen.shape[:2])
    columns = {
        "particle": particle.ravel(),
        "frame": frame.ravel(),
        "x": seen[..., 0].ravel(),
        "y": seen[..., 1].ravel(),
    }
    return pd.DataFrame(columns).assign(radius=3.5, x_std=error, y_std=error)


@pytest.mark.parametrize(("step", "seed"), [(0.1, 1), (0.316, 2), (0.8, 3)])
def test_neighbours_in_a_dense_slow_film_are_not_attached(step: float, seed: int) -> None:
    """Independent walks in a crowd meet in dozens in 40 frames, and not one is claimed as a bond."""
    table = validate_tracks(crowd(seed, step=step))
    found = assemble(table, EventSettings(), field_px=(300, 300))
    changing = find_bonds(found.bodies, near_pairs(found.bodies, found.rule.off_px), found.rule)
    assert (changing.formed | changing.broken).sum() > 15
    assert not (found.bonds.formed | found.bonds.broken).any()


def test_what_cannot_be_told_is_counted() -> None:
    """Still particles beside each other are claimed as no bonds, and a warning says how many pairs are in doubt."""
    found = measure_assembly(crowd(4, step=0.0), Calibration(), EventSettings(), field_px=(300, 300))
    assert not found.events["kind"].isin(["attach", "detach"]).any()
    assert any("may be bonds" in sentence for sentence in found.warnings)


def test_a_contact_that_outlasts_diffusion_by_far_is_a_bond() -> None:
    """Two particles that roll and wobble, but stay together for 150 frames, are bound."""
    assert [bond[:3] for bond in bonds_of(pair(2, meet=10, part=None, wander=True, frames=280))] == [(0, 1, 10)]


@pytest.mark.parametrize("part", [None, 140])
def test_a_bond_that_turns_once_is_one_bond(part: int | None) -> None:
    """Two that turn by 3 px about each other within a frame, and stay so, are bound before and after."""
    table = pair(3, meet=60, part=part, wander=False)
    turned = table["frame"].ge(100) & table["particle"].lt(2)
    centre = table[turned].groupby("frame")[["x", "y"]].transform("mean")
    x, y = (table.loc[turned, ["x", "y"]] - centre).to_numpy().T
    table.loc[turned, "x"] = centre["x"] + x * np.cos(0.35) - y * np.sin(0.35)
    table.loc[turned, "y"] = centre["y"] + x * np.sin(0.35) + y * np.cos(0.35)
    assert bonds_of(table) == [(0, 1, 60, part or 160)]


def test_a_bond_begins_when_the_two_stop_moving_freely() -> None:
    """Twenty frames of free motion within 2 px of contact before a bond of 100 frames are no part of it."""
    wander, bound = pair(4, meet=40, part=60, wander=True), pair(4, meet=60, part=160, wander=False)
    table = pd.concat([wander[wander["frame"] < 60], bound[bound["frame"] >= 60]])
    found = bonds_of(table)
    assert [bond[:2] for bond in found] == [(0, 1)]
    assert abs(found[0][2] - 60) <= 5


def test_a_contact_that_ends_in_a_coalescence_was_a_bond() -> None:
    """Two that wander about each other for 12 frames and then become one were attached before."""
    table = pair(6, meet=60, part=72, wander=True)
    one = (table["particle"] == 0) & (table["frame"] >= 72)
    table = table[~((table["particle"] == 1) & (table["frame"] >= 72))].copy()
    table.loc[one[table.index], "radius"] = RADIUS * 2 ** (1 / 3)
    last = table[(table["frame"] == 71) & (table["particle"] < 2)]
    shift = last[["x", "y"]].mean().to_numpy() - table.loc[one[table.index], ["x", "y"]].iloc[0].to_numpy()
    table.loc[one[table.index], ["x", "y"]] += shift
    assert [bond[:2] for bond in bonds_of(table)] == [(0, 1)]
    assert bonds_of(pair(6, meet=60, part=72, wander=True)) == []
