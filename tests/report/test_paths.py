"""Where the particles of a run were, as the page reads it: in bounded memory, block by block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import InputError
from lptem_tracker.report.paths import detections_per_frame, read_paths
from lptem_tracker.report.source import DRAWN, drawn_tracks, measured_tracks
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]


def _in_blocks(folder: Path, rows: int) -> None:
    """Write the tracks of a run anew, by frame as analyze does, a few rows at a time."""
    path = folder / "tracks.parquet"
    table = pd.read_parquet(path).sort_values(["frame", "particle"])
    table.to_parquet(path, index=False, row_group_size=rows)


def test_a_table_that_fits_is_read_whole(make_run: MakeRun) -> None:
    """Every measured position, sorted by particle and frame, however the file is cut into blocks."""
    folder = make_run()
    whole = measured_tracks(open_run(folder))
    _in_blocks(folder, 7)
    paths = read_paths(open_run(folder))
    assert paths.stride == 1
    pd.testing.assert_frame_equal(paths.rows, whole[list(paths.rows)])


def test_what_is_drawn_is_what_was_measured(make_run: MakeRun) -> None:
    """Read block by block, some columns only, the rows of an overlay are those of the whole table, filled ones too."""
    folder = make_run()
    whole = measured_tracks(open_run(folder))
    _in_blocks(folder, 7)
    drawn = drawn_tracks(open_run(folder))
    assert set(drawn) == set(DRAWN) & set(whole)
    pd.testing.assert_frame_equal(drawn, whole[list(drawn)])


def test_a_long_table_is_thinned_particle_by_particle(make_run: MakeRun) -> None:
    """With room for a third of the rows each particle keeps its first and every third from there, across blocks."""
    folder = make_run()
    whole = measured_tracks(open_run(folder))
    _in_blocks(folder, 7)
    paths = read_paths(open_run(folder), most_rows=-(-len(whole) // 3))
    assert paths.stride == 3
    for particle, rows in whole.groupby("particle"):
        kept = paths.rows.loc[paths.rows["particle"] == particle, "frame"]
        assert kept.tolist() == rows["frame"].iloc[::3].tolist()


def test_counts_are_those_of_all_rows_although_few_are_held(make_run: MakeRun) -> None:
    """Lengths and particles in each frame leave out filled positions, never thinned ones."""
    folder = make_run()
    whole = measured_tracks(open_run(folder))
    seen = whole[whole["observed"]]
    _in_blocks(folder, 7)
    paths = read_paths(open_run(folder), most_rows=20)
    assert paths.lengths.to_dict() == seen.groupby("particle").size().to_dict()
    assert paths.counts.to_dict() == seen.groupby("frame").size().to_dict()


def test_tracks_of_another_tool_may_lack_columns(make_run: MakeRun) -> None:
    """Without `observed` every position counts; a run without particles.csv shows all its tracks but the unlinked."""
    table = pd.DataFrame({"particle": [0, 0, -1, 1], "frame": [0, 1, 1, 1], "x": 1.0, "y": 2.0})
    paths = read_paths(open_run(make_run(tracks=table, particles=None)))
    assert paths.lengths.to_dict() == {0: 2, 1: 1}
    assert paths.rows["observed"].all()


def test_particles_may_have_any_number(make_run: MakeRun) -> None:
    """Numbers of another tool far beyond the count of particles take no memory of their own, thinned or not."""
    table = pd.DataFrame({"particle": [7, 10**15, 10**15, 10**15], "frame": [0, 0, 1, 2], "x": 1.0, "y": 2.0})
    folder = make_run(tracks=table, particles=None)
    assert read_paths(open_run(folder)).lengths.to_dict() == {7: 1, 10**15: 3}
    assert read_paths(open_run(folder), most_rows=2).rows["frame"].tolist() == [0, 0, 2]


def test_detections_are_counted_frame_by_frame(make_run: MakeRun) -> None:
    """Two in frame 3, one in frame 5, none elsewhere; a damaged table is one sentence."""
    table = pd.DataFrame({"frame": [5, 3, 3], "x": 0.0, "y": 0.0})
    run = open_run(make_run(detections=table))
    assert detections_per_frame(run).to_dict() == {3: 2, 5: 1}
    (run.path / "detections.parquet").write_bytes(np.arange(64, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match=r"detections\.parquet cannot be read .* damaged"):
        detections_per_frame(run)
