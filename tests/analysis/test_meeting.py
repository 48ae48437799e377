"""Particles that come together without moving freely."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.bodies import Bodies, bodies_from_tracks
from lptem_tracker.analysis.meeting import Reach, came_together
from lptem_tracker.tables import validate_tracks

STILL = Reach(step2=0.0, gap_std_px=0.3)


def two(gap: np.ndarray, seed: int = 2) -> Bodies:
    """Two disks whose surfaces are `gap` px apart in each frame, measured to .3 px."""
    seen = gap + np.random.default_rng(seed).normal(0, 0.3, len(gap))
    frame = np.arange(len(gap))
    one = pd.DataFrame({"particle": 0, "frame": frame, "x": 100.0})
    other = pd.DataFrame({"particle": 1, "frame": frame, "x": 110 + seen})
    return bodies_from_tracks(validate_tracks(pd.concat([one, other]).assign(y=50.0, radius=5.0)), field_px=(300, 100))


def test_surfaces_that_grow_together_have_met() -> None:
    """Gaps that fall from 6 px to 0 over 40 frames, of particles that never move."""
    bodies = two(np.maximum(6 - 0.15 * np.arange(100), 0))
    assert came_together(bodies, 0, 1, 35, 100, STILL)


def test_neighbours_that_stay_where_they_are_have_not() -> None:
    """Of 200 still pairs at 2 px, none is said to have met: five standard deviations come up by chance in 10⁻⁶."""
    assert not any(came_together(two(np.full(60, 2.0), seed), 0, 1, 30, 60, STILL) for seed in range(200))


def test_free_motion_explains_an_approach() -> None:
    """What proves a meeting of still particles proves nothing of such as move so far by themselves."""
    bodies = two(np.maximum(6 - 0.15 * np.arange(100), 0))
    assert not came_together(bodies, 0, 1, 35, 100, Reach(step2=0.1, gap_std_px=0.3))


@pytest.mark.parametrize("apart", [0.0, 8.0])
def test_a_parting_is_a_meeting_backwards(apart: float) -> None:
    """Two that are 8 px apart from frame 50 on have parted, two that stay have not."""
    bodies = two(np.where(np.arange(100) < 50, 0.0, apart))
    assert came_together(bodies, 0, 1, 49, 9, STILL) == (apart > 0)


def test_too_few_frames_before_prove_nothing() -> None:
    """A contact that begins in the third frame has no before."""
    assert not came_together(two(np.where(np.arange(60) < 2, 9.0, 0.0)), 0, 1, 2, 60, STILL)
