"""Two particles that become one blob and part again keep their identities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.link import link


def collision(radii: tuple[float, float], together: int, *, swap: bool = False) -> pd.DataFrame:
    """Two disks that meet at frame 40 for `together` frames, among 20 that stay apart."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(20):
        x, y = 60 * (k % 5) + rng.normal(0, 0.3, 120).cumsum(), 100 + 60 * (k // 5) + rng.normal(0, 0.3, 120).cumsum()
        rows += [(t, x[t], y[t], 6 + 0.1 * k, k) for t in range(120)]
    merged = float(np.hypot(*radii))
    for t in range(120):
        gap = 16 + abs(t - 40 - together / 2) * 0.3
        side = -1 if swap and t > 40 else 1
        if 40 <= t < 40 + together:
            rows.append((t, 100.0, 20.0, merged, 100))
        else:
            rows.append((t, 100 - side * gap / 2, 20.0, radii[0], 100))
            rows.append((t, 100 + side * gap / 2, 20.0, radii[1], 101))
    return pd.DataFrame(rows, columns=["frame", "x", "y", "radius", "true"])


@pytest.mark.parametrize("swap", [False, True])
def test_identities_survive_a_long_merger(swap: bool) -> None:
    """After 20 frames as one blob both particles have their names back, by size even on exchanged sides."""
    out = link(collision((9.0, 6.0), 20, swap=swap), max_gap_frames=3)
    seen = out[out["observed"] & (out["true"] >= 100) & ~out["frame"].between(38, 62)]
    assert (seen.groupby("true")["particle"].nunique() == 1).all()
    assert out["merged_into"].notna().sum() == 1


def test_end_without_growth_is_no_merger() -> None:
    """A track that ends beside a neighbour whose size stays is not said to have merged."""
    table = collision((9.0, 6.0), 0)
    table = table[~((table["true"] == 101) & (table["frame"] > 40))]
    assert link(table)["merged_into"].isna().all()


def test_noisy_sizes_exchange_no_identities():
    """Radii that scatter by 35 % say nothing of mergers: the links are those of a table without radii."""
    rng = np.random.default_rng(4)
    steps = rng.normal(0, 4, (60, 8, 2))
    xy = rng.uniform(100, 900, (1, 8, 2)) + np.cumsum(steps, 0)
    seen = rng.random((60, 8)) > 0.15
    frame = np.nonzero(seen)[0]
    table = pd.DataFrame({"frame": frame, "x": xy[seen][:, 0], "y": xy[seen][:, 1]})
    noisy = table.assign(radius=10 * np.exp(rng.normal(0, 0.35, len(table))))
    linked = link(noisy, max_gap_frames=5)
    assert not linked.duplicated(["particle", "frame"]).any()
    plain = link(table, max_gap_frames=5)
    pairs = set(zip(linked["particle"][: len(table)], plain["particle"][: len(table)]))
    assert len(pairs) == plain["particle"].nunique()
