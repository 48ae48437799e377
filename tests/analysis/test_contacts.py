"""Bonds from gaps: hysteresis, dwell times, bridging."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.bodies import bodies_from_tracks
from lptem_tracker.analysis.contacts import (
    contact_rule,
    find_bonds,
    hysteresis,
    median_state,
    near_pairs,
    runs_of_bonds,
)
from lptem_tracker.analysis.noise import Noise, estimate_noise, stated_error
from lptem_tracker.settings import EventSettings
from lptem_tracker.tables import validate_tracks


def bonds_of(gap, *, missed=(), settings: EventSettings | None = None):
    """Bonds of two disks of 10 px whose gap is given frame by frame."""
    frames = np.arange(len(gap))
    a = pd.DataFrame({"particle": 0, "frame": frames, "x": 100.0, "y": 100.0, "radius": 10.0})
    b = pd.DataFrame({"particle": 1, "frame": frames, "x": 120.0 + np.asarray(gap, float), "y": 100.0, "radius": 10.0})
    table = validate_tracks(pd.concat([a, b[~b["frame"].isin(missed)]]))
    bodies = bodies_from_tracks(table, field_px=(400, 200))
    rule = contact_rule(bodies, settings or EventSettings(), Noise(0.1, 0.1, 1.0, 0.1))
    return find_bonds(bodies, near_pairs(bodies, rule.off_px), rule)


def test_bond_runs_from_first_contact_to_first_frame_apart():
    """Contact in frames 10 to 29: one bond, formed at 10 and broken at 30."""
    bonds = bonds_of([20] * 10 + [0.5] * 20 + [20] * 20)
    assert (bonds.start.tolist(), bonds.end.tolist()) == ([10], [30])
    assert bonds.formed.tolist() == bonds.broken.tolist() == [True]
    assert bonds.score_on[0] == bonds.score_off[0] == 1.0


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_touch_shorter_than_the_dwell_time_is_no_bond(frames):
    """A touch of up to 4 frames does not count."""
    assert len(bonds_of([20] * 20 + [0.5] * frames + [20] * 20)) == 0


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_separation_shorter_than_the_dwell_time_does_not_break_a_bond(frames):
    """Up to 4 frames apart leave one bond."""
    bonds = bonds_of([20] * 10 + [0.5] * 20 + [20] * frames + [0.5] * 20 + [20] * 10)
    assert (bonds.start.tolist(), bonds.end.tolist()) == ([10], [50 + frames])


def test_gap_between_the_thresholds_keeps_the_state():
    """3 px is contact after contact and separation after separation (on 2 px, off 4 px)."""
    assert len(bonds_of([20] * 10 + [3] * 30 + [20] * 10)) == 0
    assert bonds_of([20] * 10 + [1] * 10 + [3] * 20 + [20] * 10).end.tolist() == [40]


def test_missed_frames_are_bridged():
    """A particle missed for 5 frames inside a bond leaves one bond."""
    bonds = bonds_of([20] * 10 + [0.5] * 30 + [20] * 20, missed=range(20, 25))
    assert (bonds.start.tolist(), bonds.end.tolist()) == ([10], [40])


def test_bond_that_was_there_from_the_start_is_not_formed_and_one_at_the_end_not_broken():
    """What was not seen apart before (or after) is censored."""
    bonds = bonds_of([0.5] * 40)
    assert (bonds.formed.tolist(), bonds.broken.tolist()) == ([False], [False])


def test_settings_replace_the_thresholds():
    """A contact gap of 6 px makes 5 px a contact."""
    bonds = bonds_of([30] * 10 + [5] * 20 + [30] * 20, settings=EventSettings(contact_on_px=6))
    assert bonds.start.tolist() == [10]


def test_hysteresis_holds_the_last_known_state_within_a_group():
    """0 keeps the state, a new group begins off."""
    code = np.array([0, 1, 0, 0, -1, 0, 1, 0, 0])
    group = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1])
    assert hysteresis(code, group).tolist() == [False, True, True, True, False, False, True, False, False]


def test_median_state_removes_a_flicker_but_no_edge():
    """One odd frame goes; the step stays where it is."""
    state = np.array([0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], bool)
    assert median_state(state, np.zeros(11, int)).astype(int).tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_runs_of_bonds_need_both_dwell_times():
    """On 3, off 2, on 5, off 2, on 3, off 5: the bond is entries 5 to 14."""
    state = np.repeat([True, False, True, False, True, False], [3, 2, 5, 2, 3, 5])
    start, end = runs_of_bonds(state, np.zeros(20, int), 5, 5)
    assert (start.tolist(), end.tolist()) == ([5], [15])


def test_noise_of_position_and_radius_is_found():
    """50 free particles with 0.4 px of noise in position and 0.3 px in radius, each within 5 % (standard error 1 %)."""
    rng = np.random.default_rng(0)
    parts = []
    for k in range(50):
        xy = np.cumsum(rng.normal(0, 0.3, (400, 2)), axis=0) + rng.normal(0, 0.4, (400, 2)) + 100
        columns = {"frame": np.arange(400), "x": xy[:, 0], "y": xy[:, 1], "radius": rng.normal(10, 0.3, 400)}
        parts.append(pd.DataFrame({"particle": k, **columns}))
    table = validate_tracks(pd.concat(parts))
    noise = estimate_noise(bodies_from_tracks(table), table)
    assert noise.position_px == pytest.approx(0.4, rel=0.05)
    assert noise.radius_px == pytest.approx(0.3, rel=0.05)
    table["x_std"] = table["y_std"] = 0.7
    assert estimate_noise(bodies_from_tracks(table), table).position_px == 0.7


def test_rows_filled_in_a_gap_do_not_state_the_error_of_positions():
    """What stands between sights is wider than any of them; with or without such rows a run has the same noise."""
    frame = np.arange(9)
    seen = frame % 3 == 0
    std = np.where(seen, 0.2, 5.0)
    table = pd.DataFrame({"particle": 0, "frame": frame, "x": 1.0 * frame, "y": 5.0, "x_std": std, "y_std": std})
    table = validate_tracks(table.assign(observed=seen))
    assert stated_error(table) == stated_error(table[seen]) == 0.2


def test_contact_gap_follows_the_noise():
    """3 σ_g above 2 px: position error 1 px gives σ_g = √2 px and on = 4.24 px, off twice that."""
    rows = pd.DataFrame({"particle": [0, 1], "frame": 0, "x": [0.0, 90.0], "y": 0.0, "radius": 20.0})
    rule = contact_rule(bodies_from_tracks(validate_tracks(rows)), EventSettings(), Noise(1.0, 0.0, 1.0, 1.0))
    assert rule.on_px == pytest.approx(3 * np.sqrt(2))
    assert rule.off_px == pytest.approx(2 * rule.on_px)
