"""Tracks of a run by particle, a few columns at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lptem_tracker.run import TracksByParticle


def test_rows_come_by_particle_however_the_table_is_cut(tmp_path: Path) -> None:
    """Observed rows of wanted particles, by particle and frame, each with all its values; what is missing stays so."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"frame": np.repeat(np.arange(30), 5), "particle": np.tile([4, 0, 2, 7, -1], 30)})
    table = table.assign(x=rng.normal(size=150), observed=rng.random(150) > 0.2, class_id=np.arange(150))
    table["merged_into"] = pd.array([3 if k % 40 == 0 else None for k in range(150)], dtype="Int64")
    path = tmp_path / "tracks.parquet"
    table.to_parquet(path, index=False, row_group_size=7)
    tracks = TracksByParticle(path)
    seen = table[table["observed"]]
    assert tracks.n_rows == 150
    counts = seen[seen["particle"] >= 0].groupby("particle").size()
    assert {k: n for k, n in enumerate(tracks.lengths) if n} == counts.to_dict()
    wanted = tracks.lengths > 0
    wanted[2] = False
    names = ("particle", "frame", "x", "class_id", "merged_into")
    expected = seen[seen["particle"].isin([0, 4, 7])].sort_values(["particle", "frame"], ignore_index=True)
    pd.testing.assert_frame_equal(tracks.read((*names, "radius"), wanted), expected[list(names)])
