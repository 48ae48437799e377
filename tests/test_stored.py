"""Stored detections are read again and again."""

import numpy as np
import pandas as pd
import pytest

from lptem_tracker import stored
from lptem_tracker.stored import StoredDetections


class _Store:
    """Chunks in memory; counts how often each is read."""

    def __init__(self, rows):
        self.chunks = [
            pd.DataFrame({"frame": np.full(n, 64 * k), "x": np.arange(n, dtype=float)}) for k, n in enumerate(rows)
        ]
        self.reads = [0] * len(rows)

    def tables(self, first, step):
        for k in range(first // step, len(self.chunks)):
            self.reads[k] += 1
            yield self.chunks[k]


def test_chunks_that_fit_are_read_once_and_come_in_order_each_time():
    """Of three chunks the second is empty; three passes give the two others, each read from the store once."""
    store = _Store([3, 0, 2])
    tables = StoredDetections(store, 0, 64)
    for _ in range(3):
        assert [len(table) for table in tables()] == [3, 2]
    assert store.reads == [1, 1, 1]


def test_what_does_not_fit_is_read_again(monkeypatch):
    """Room for 5 rows of 16 bytes keeps the first chunk of 4: the next of 4 and all after it are read each time."""
    monkeypatch.setattr(stored, "_KEPT_BYTES", 80)
    store = _Store([4, 4, 1])
    tables = StoredDetections(store, 0, 64)
    for _ in range(2):
        assert [table["x"].tolist() for table in tables()] == [[0, 1, 2, 3], [0, 1, 2, 3], [0]]
    assert store.reads == [1, 3, 3]


def test_a_reader_may_change_its_tables():
    """What one pass writes into its table is not in that of the next."""
    tables = StoredDetections(_Store([2]), 0, 64)
    table = next(tables())
    table.loc[0, "x"] = 99.0
    assert next(tables())["x"].tolist() == [0, 1]


@pytest.mark.parametrize("rows", [[], [0, 0]])
def test_no_detections_give_one_table_with_all_columns(rows):
    """A store of nothing, or of empty chunks, gives one empty table of detections."""
    (table,) = StoredDetections(_Store(rows), 0, 64)()
    assert table.empty
    assert {"frame", "x", "y", "confidence"} <= set(table.columns)
