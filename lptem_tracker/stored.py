"""Stored detections read again and again, block by block; of a short movie they stay in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from lptem_tracker.detect.chunks import join_detections
from lptem_tracker.detect.refine import Evidence, pooled_evidence, settle_profile

if TYPE_CHECKING:
    from lptem_tracker.job import Stored

_KEPT_BYTES = 8 * 2**20
"""Of tables that are kept, the first ones of the movie: linking reads each some eight times."""


class StoredDetections:
    """The detections of a movie in order of frames.

    Which thickness profile the particles have is decided by all frames together.

    Parameters
    ----------
    store : Stored
        Does not change meanwhile.
    start, step : int
        First frame, and frames of a chunk.
    """

    def __init__(self, store: Stored, start: int, step: int) -> None:
        self._store, self._start, self._step = store, start, step
        self._kept: list[pd.DataFrame] = []
        self._room = _KEPT_BYTES
        self._domes: Evidence | None = None
        self._domes = pooled_evidence(self._tables())
        self._kept = [self._settled(table) for table in self._kept]

    def __call__(self) -> Iterator[pd.DataFrame]:
        """Yield tables of some frames each; at least one, all with the same columns."""
        some = False
        for table in self._tables():
            if len(table):
                some = True
                yield table.copy()
        if not some:
            yield join_detections([])

    def _tables(self) -> Iterator[pd.DataFrame]:
        """Yield the table of every chunk, from memory as far as they are there."""
        at = 0
        while at < len(self._kept):
            yield self._kept[at]
            at += 1
        for read in self._store.tables(self._start + at * self._step, self._step):
            table = self._settled(read)
            size = int(table.memory_usage(index=False).sum())
            if at == len(self._kept) and size <= self._room:
                self._kept.append(table)
                self._room -= size
            at += 1
            yield table

    def _settled(self, table: pd.DataFrame) -> pd.DataFrame:
        return table if self._domes is None or not len(table) else settle_profile(table, self._domes)
