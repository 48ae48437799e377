"""A tracks table as flat arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.errors import TableError

TABLE = pd.DataFrame(
    {
        "particle": [7, 7, 7, 3, 3],
        "frame": [2, 0, 1, 5, 4],
        "x": [4.0, 0.0, 2.0, 9.0, 7.0],
        "y": [1.0, 1.0, 1.0, 0.0, 2.0],
    }
)


def test_rows_are_sorted_and_centred() -> None:
    """Particles rise, frames rise within them, and positions are relative to each particle's mean."""
    tracks = build_trackset(TABLE)
    assert tracks.particle.tolist() == [3, 7]
    assert tracks.frame.tolist() == [4, 5, 0, 1, 2]
    assert tracks.origin.tolist() == [[8.0, 1.0], [2.0, 1.0]]
    assert tracks.xy[:, 0].tolist() == [-1.0, 1.0, -2.0, 0.0, 2.0]


def test_tracks_of_one_length_are_centred_alike() -> None:
    """The quick way for tracks of equal length gives the same means, and leaves the table as it was."""
    table = TABLE.sort_values(["particle", "frame"]).tail(3)
    before = table.copy()
    tracks = build_trackset(table)
    assert tracks.origin.tolist() == [[2.0, 1.0]]
    assert tracks.xy[:, 0].tolist() == [-2.0, 0.0, 2.0]
    pd.testing.assert_frame_equal(table, before)


def test_steps_know_their_gaps() -> None:
    """Steps join successive rows of one particle and say how many frames they span."""
    step, span, end = build_trackset(TABLE[TABLE["frame"] != 1]).steps()
    assert step[:, 0].tolist() == [2.0, 4.0]
    assert span.tolist() == [1, 2]
    assert end.tolist() == [1, 3]


def test_rows_that_do_not_count_are_left_out() -> None:
    """Rows without a particle, without a position, or not observed do not count."""
    more = TABLE.assign(observed=[True, False, True, True, True])
    more.loc[3, "x"] = np.nan
    more.loc[4, "particle"] = -1
    tracks = build_trackset(more)
    assert tracks.particle.tolist() == [7]
    assert tracks.frame.tolist() == [1, 2]


def test_linker_drift_is_taken_out() -> None:
    """Positions are freed of the drift that the linker states, and its mean velocity is kept."""
    table = TABLE[TABLE["particle"] == 7].assign(drift_x=lambda t: 2.0 * t["frame"], drift_y=0.0)
    tracks = build_trackset(table)
    np.testing.assert_allclose(tracks.xy, 0.0)
    assert tracks.drift == (2.0, 0.0)


@pytest.mark.parametrize("change", ["double", "missing", "text"])
def test_malformed_tables_are_one_clear_error(change: str) -> None:
    """Double frames, a missing column and words for numbers are refused."""
    table = {
        "double": pd.concat([TABLE, TABLE.head(1)]),
        "missing": TABLE.drop(columns="x"),
        "text": TABLE.assign(x="far"),
    }[change]
    with pytest.raises(TableError):
        build_trackset(table)


def test_blocks_are_the_particles_in_order() -> None:
    """Particles taken one at a time have their own rows, counted from 0, and share the memory of all."""
    tracks = build_trackset(TABLE)
    blocks = list(tracks.blocks(1))
    assert [rows for rows, _ in blocks] == [slice(0, 1), slice(1, 2)]
    last = blocks[1][1]
    assert last.particle.tolist() == [7]
    assert last.offset.tolist() == [0, 3]
    assert last.xy[:, 0].tolist() == [-2.0, 0.0, 2.0]
    assert np.shares_memory(last.xy, tracks.xy)


def test_choosing_all_particles_copies_nothing() -> None:
    """A choice of every particle is the set itself; one of some holds these only."""
    tracks = build_trackset(TABLE)
    assert tracks.select(np.array([True, True])) is tracks
    assert tracks.select(np.array([False, True])).frame.tolist() == [0, 1, 2]
