"""Estimates from a patch of a crowded field."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker import link
from lptem_tracker.link.core import Points
from lptem_tracker.link.patch import CROWD, patch_of


def points(n: int, frames: int) -> Points:
    """Detections all over a field of 100 px."""
    xy = np.random.default_rng(4).uniform(0, 100, (n * frames, 2))
    nothing = np.zeros(len(xy))
    return Points(np.repeat(np.arange(frames), n), xy, np.zeros_like(xy), np.empty((len(xy), 0)), nothing, nothing)


def test_few_particles_are_all_taken() -> None:
    """Where no frame is crowded nothing is left out and nothing lies at an edge."""
    some, inside, share = patch_of(points(CROWD // 2, 3), 3, 10.0)
    assert len(some.frame) == len(inside) == 3 * (CROWD // 2)
    assert inside.all()
    assert share == 1.0


def test_of_a_crowd_a_patch_is_taken() -> None:
    """Of four times as many particles a quarter is taken, from the middle half of either side, whole there."""
    whole = points(4 * CROWD, 3)
    some, inside, share = patch_of(whole, 3, 5.0)
    # the number in the middle half of x is fixed, that in y of those too; borders err by a point or two
    assert len(some.frame) == pytest.approx(3 * CROWD, abs=6)
    assert share == pytest.approx(0.25, abs=1e-3)
    low, high = some.xy.min(0), some.xy.max(0)
    # a quartile of n uniform numbers has a standard error of sqrt(3/16/n) of the side
    np.testing.assert_allclose([low, high], [[25, 25], [75, 75]], atol=5 * 100 * np.sqrt(3 / 16 / (6 * CROWD)))
    held = ((whole.xy >= low) & (whole.xy <= high)).all(1)
    assert held.sum() == len(some.frame)
    # the outermost particles stand a little within the patch
    assert inside[((some.xy > low + 5.1) & (some.xy < high - 5.1)).all(1)].all()
    assert not inside[((some.xy < low + 4.9) | (some.xy > high - 4.9)).any(1)].any()


def test_few_far_from_a_crowd_are_linked() -> None:
    """A frame whose few particles lie outside of the patch of the next one's crowd tells of no step, and is linked."""
    xy = np.random.default_rng(7).uniform(0, 2000, (4 * CROWD, 2))
    few = np.column_stack([np.linspace(-500, -490, 10), np.zeros(10)])
    table = pd.DataFrame(np.concatenate([few, xy]), columns=["x", "y"])
    table.insert(0, "frame", np.repeat([0, 1], [len(few), len(xy)]))
    out = link(pd.concat([table, table[table["frame"] == 1].assign(frame=2)], ignore_index=True))
    assert out["particle"].nunique() == len(table)
