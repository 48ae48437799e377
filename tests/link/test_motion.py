"""Which motion is chosen from the data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lptem_tracker.link import link
from lptem_tracker.link.core import unless_misled


def runners(seed: int, *, walls: bool) -> pd.DataFrame:
    """Sixty runners, 10 px apart, at 3 px a frame each in its own direction; `walls` turn them back."""
    rng = np.random.default_rng(seed)
    n, side = 60, 10 * np.sqrt(60)
    angle = rng.uniform(0, 2 * np.pi, n)
    velocity, at = 3 * np.column_stack([np.cos(angle), np.sin(angle)]), rng.uniform(0, side, (n, 2))
    rows = []
    for frame in range(60):
        rows.append(pd.DataFrame({"frame": frame, "x": at[:, 0], "y": at[:, 1], "true": range(n)}))
        new = at + velocity + rng.normal(0, 0.4, at.shape)
        if walls:
            velocity = np.where((new < 0) | (new > side), -velocity, velocity)
            new = side - np.abs(side - np.abs(new))
        at = new
    return pd.concat(rows, ignore_index=True)


def wrong_links(table: pd.DataFrame) -> float:
    """Return the share of neighbouring sights of one track that belong to two particles."""
    seen = table[table["observed"]].sort_values(["particle", "frame"])
    same = seen["particle"] == seen["particle"].shift()
    return float((seen["true"] != seen["true"].shift())[same].mean())


def test_sudden_turns_are_a_motion_of_their_own() -> None:
    """Runners that walls turn back are followed with a second mode, those that run on with one; few links are wrong."""
    turning, straight = link(runners(1, walls=True)), link(runners(1, walls=False))
    assert turning.attrs["link"]["parameters"]["motion"]["value"] == "velocity, velocity"
    assert straight.attrs["link"]["parameters"]["motion"]["value"] == "velocity"
    # with a single mode 2.3 % are wrong; the standard error of 1.6 % is 0.2 %
    assert wrong_links(turning) < 0.02
    assert wrong_links(straight) < 0.01


def test_a_link_is_hardly_surer_than_the_one_it_was_predicted_from() -> None:
    """Links of runners that follow a doubtful link are right as often as they say, within three standard errors."""
    said, right = [], []
    for seed in (11, 12):
        at = link(runners(seed, walls=True)).query("observed").sort_values(["particle", "frame"])
        track = at.groupby("particle")
        before = track["link_confidence"].shift()
        doubtful = (before < 0.9) & at["link_confidence"].notna()
        said.append(at["link_confidence"][doubtful])
        right.append((at["true"] == track["true"].shift())[doubtful])
    claimed, hit = np.concatenate(said), np.concatenate(right)
    assert len(hit) > 100
    assert abs(claimed.mean() - hit.mean()) < 3 * np.sqrt(np.mean(claimed * (1 - claimed)) / len(hit))


def test_unless_misled_by_hand() -> None:
    """A link 0.9 sure after one 0.6 sure: 0.6 · 0.9 + 0.4 · 0.5 = 0.74; after a start it stays; 0.3 is not raised."""
    belief, before = np.array([0.9, 0.9, 0.3]), np.array([0.6, np.nan, 0.6])
    np.testing.assert_allclose(unless_misled(belief, before), [0.74, 0.9, 0.3])
