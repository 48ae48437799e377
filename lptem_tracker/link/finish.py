"""Final rows, filled ones and those without position put together and handed out by whole frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.link.blocks import Block
from lptem_tracker.link.drift import Removal
from lptem_tracker.link.fill import Filler
from lptem_tracker.link.gaps import CONTEXT
from lptem_tracker.link.rows import Rows
from lptem_tracker.link.survey import Survey
from lptem_tracker.link.table import linker_columns, no_tracks, with_columns
from lptem_tracker.tables import FRAME, PARTICLE

Ints = NDArray[np.int64]


@dataclass
class Finisher:
    """Make tables of what the window decides.

    Attributes
    ----------
    template : pandas.DataFrame
        A detections table without rows.
    known : Survey
    drift : Removal
        What is subtracted from the positions.
    names : callable
        Given n it returns names that no track has, for n rows without position.
    keep : callable
        Given a table it returns which of its rows are handed out.
    """

    template: pd.DataFrame
    known: Survey
    drift: Removal
    names: Callable[[int], Ints]
    keep: Callable[[pd.DataFrame], NDArray[np.bool_]] | None = None
    _ready: list[pd.DataFrame] = field(default_factory=list, init=False)
    _first: int = field(default=0, init=False)
    _out: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._filler = Filler(self.known, self.drift) if self.known.options.fill else None
        self._undecided, self._recent = self.template, no_tracks(self.template)

    def push(self, block: Block | None, rows: Rows) -> pd.DataFrame:
        """Take in a block (None: there are no more) and the rows that became final by it; return what is complete."""
        if block is not None:
            self._undecided = pd.concat([self._undecided, block.table.iloc[block.rows]], ignore_index=True)
            self._ready.append(self._without_position(block))
        done = self._tracks(rows)
        self._ready.append(done)
        if self._filler is not None:
            self._recent = pd.concat([self._recent.iloc[self._filler.first - self._first :], done], ignore_index=True)
            self._first = self._filler.first
            filled = self._filler.push(rows, last=block is None)
            self._ready.append(self._filler.frame(filled, self._recent, filled.before - self._first))
        table = pd.concat([part for part in self._ready if len(part)] or [no_tracks(self.template)], ignore_index=True)
        self._ready = []
        if block is not None:
            # a gap is filled when its context is known, and the rows of a frame come out together
            newest = int(rows.frame[-1]) if len(rows.frame) else -1
            early = (table[FRAME] < newest - self.known.options.max_lag - CONTEXT).to_numpy()
            self._ready, table = [table[~early]], table[early]
        return self._numbered(table)

    def _tracks(self, rows: Rows) -> pd.DataFrame:
        n = len(rows.frame)
        done, self._undecided = self._undecided.iloc[:n], self._undecided.iloc[n:]
        moved = self.drift.moved_by(rows.frame, rows.seen)
        return with_columns(
            done, linker_columns(rows.particle, rows.belief, np.maximum(rows.merged, 0), rows.merged < 0, moved)
        )

    def _without_position(self, block: Block) -> pd.DataFrame:
        lost = np.setdiff1d(np.arange(len(block.table)), block.rows)
        if (n := len(lost)) == 0:
            return no_tracks(self.template)
        table = block.table.iloc[lost].sort_values(FRAME, kind="stable", ignore_index=True)
        zeros, nobody = np.zeros(n, np.int64), np.ones(n, bool)
        return with_columns(table, linker_columns(self.names(n), np.full(n, np.nan), zeros, nobody, np.zeros((n, 2))))

    def _numbered(self, table: pd.DataFrame) -> pd.DataFrame:
        table = table.sort_values([FRAME, PARTICLE], kind="stable")
        if self.keep is not None:
            table = table[self.keep(table)]
        table.index = pd.RangeIndex(self._out, self._out + len(table))
        self._out += len(table)
        return table
