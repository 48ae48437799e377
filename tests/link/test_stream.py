"""`link_stream`: the tracks of `link`, however the detections are cut, in memory that their number does not change."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import LptemWarning, TableError
from lptem_tracker.link import LinkOptions, blocks, link, link_stream, supported

Movie = Callable[..., pd.DataFrame]
Streamed = Callable[[pd.DataFrame], pd.DataFrame]


def cut(table: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the table in pieces of `rows` rows, whatever frame they end in."""
    for a in range(0, len(table), rows):
        yield table.iloc[a : a + rows]


@pytest.mark.parametrize("kind", ["still", "steady", "unsteady", "jumps", "velocity", "mergers"])
@pytest.mark.parametrize("rows", [37, 1000])
def test_stream_equals_link(
    movie: Movie, as_streamed: Streamed, kind: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut anywhere, in blocks of a few frames, every column of every row is that of `link`, bit by bit."""
    monkeypatch.setattr(blocks, "BLOCK", 400)
    table = movie(kind)
    whole = link(table, max_gap_frames=4)
    stream = link_stream(lambda: cut(table, rows), LinkOptions(max_gap_frames=4))
    assert stream.report == whole.attrs["link"]
    pd.testing.assert_frame_equal(pd.concat([*stream]), as_streamed(whole), check_exact=True)


@pytest.mark.parametrize("kind", ["still", "unsteady", "mergers"])
def test_blocks_do_not_change_the_tracks(movie: Movie, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block or many: the same identities, and positions without drift equal to rounding."""
    table = movie(kind)
    one = link(table)
    monkeypatch.setattr(blocks, "BLOCK", 300)
    many = link(table.sample(frac=1, random_state=2)).sort_index()
    seen = one["observed"]
    pd.testing.assert_series_equal(one[seen]["particle"], many[many["observed"]]["particle"])
    pd.testing.assert_series_equal(one[seen]["drift_x"], many[many["observed"]]["drift_x"], rtol=0, atol=1e-9)
    assert (~seen).sum() == (~many["observed"]).sum()


def test_mergers_happen_in_the_scene(movie: Movie) -> None:
    """The scene that the stream is tested on holds tracks that merge, so that their identities are tested too."""
    assert link(movie("mergers"))["merged_into"].notna().sum() > 2


def test_only_rows_that_count(movie: Movie, as_streamed: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a threshold the rows are those that `supported` marks, rows without position included."""
    monkeypatch.setattr(blocks, "BLOCK", 400)
    table = movie("still", seed=3)
    table.loc[[5, 700, 701], "x"] = np.nan
    table.loc[701, "confidence"] = 0.3
    with pytest.warns(LptemWarning, match="no finite"):
        whole = link(table)
    counted = as_streamed(whole[supported(whole, 0.5)])
    with pytest.warns(LptemWarning, match="no finite"):
        stream = link_stream(lambda: cut(table, 311), sure_confidence=0.5)
    assert 0 < len(counted) < len(whole)
    assert stream.n_tracks == whole["particle"].max() + 1
    pd.testing.assert_frame_equal(pd.concat([*stream]), counted, check_exact=True)


def test_rows_of_a_chunk_come_in_any_order(movie: Movie) -> None:
    """Rows of a chunk may be shuffled; between chunks the order of frames counts and is checked."""
    table = movie("still", frames=30)
    early, late = table[table["frame"] < 10], table[table["frame"] >= 10]
    tidy = pd.concat([*link_stream(lambda: [early, late])])
    shuffled = pd.concat([*link_stream(lambda: [part.sample(frac=1, random_state=1) for part in (early, late)])])
    pd.testing.assert_frame_equal(shuffled, tidy)
    with pytest.raises(TableError, match="in order of frames"):
        link_stream(lambda: [late, early])


def test_changed_chunks_are_refused(movie: Movie) -> None:
    """A source that yields less at its second reading is an error, not a shorter movie."""
    table = movie("still", frames=30)
    readings = iter([table, table.iloc[:-5], table.iloc[:-5], table.iloc[:-5]])
    with pytest.raises(TableError, match="changed between two readings"):
        link_stream(lambda: [next(readings)])


@pytest.mark.parametrize("chunks", [[], [pd.DataFrame({"frame": [], "x": [], "y": [], "radius": []})]])
def test_no_detections_are_one_empty_chunk(chunks: list[pd.DataFrame]) -> None:
    """Without detections one table comes, with the columns and no rows."""
    parts = [*link_stream(lambda: chunks)]
    assert [len(part) for part in parts] == [0]
    assert {"frame", "x", "y", "particle", "observed", "merged_into"} <= set(parts[0].columns)


def test_chunks_come_while_the_movie_is_read(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first tracks are handed out long before the last detections were read for the last time."""
    monkeypatch.setattr(blocks, "BLOCK", 300)
    table, read = movie("still"), [0]

    def chunks() -> Iterator[pd.DataFrame]:
        read[0] = 0
        for part in cut(table, 100):
            read[0] += len(part)
            yield part

    next(iter(link_stream(chunks)))
    assert read[0] < 0.5 * len(table)


def test_memory_does_not_grow_with_the_movie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six times the frames take less than 1.3 times the memory."""
    monkeypatch.setattr(blocks, "BLOCK", 1500)

    def chunks(many: int) -> Iterator[pd.DataFrame]:
        for at in range(many):
            rng = np.random.default_rng(at)
            xy = (rng.uniform(0, 200, (1, 30, 2)) + rng.normal(0, 0.5, (50, 30, 2)).cumsum(0)).reshape(-1, 2)
            frame = 50 * at + np.repeat(np.arange(50), 30)
            yield pd.DataFrame({"frame": frame, "x": xy[:, 0], "y": xy[:, 1]})

    peaks = []
    for many in (4, 4, 24):
        tracemalloc.start()
        for _ in link_stream(lambda many=many: chunks(many), LinkOptions(motion="brownian")):  # type: ignore[misc]
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1]
