"""A run's tracks by particle: some columns at a time, so that no copy of a long table is ever made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptem_tracker.run.folder import read_blocks
from lptem_tracker.tables import OBSERVED, PARTICLE

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]


class TracksByParticle:
    """Observed rows of a run's tracks, sorted by particle and frame.

    The table holds its rows by frame. Where each goes follows from how many rows its particle has before it, so the
    columns are filled block by block as they are read.

    Parameters
    ----------
    path : pathlib.Path
        ``tracks.parquet``, written in order of frames.

    Attributes
    ----------
    n_rows : int
        Rows of the table, all that it has.
    lengths : (P,) int
        Observed rows of each particle number from 0.

    Raises
    ------
    InputError
        The table is absent or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_rows, self.lengths = 0, np.zeros(0, np.int64)
        for block in read_blocks(path, (PARTICLE, OBSERVED)):
            self.n_rows += len(block)
            counts = np.bincount(_known(block), minlength=len(self.lengths)).astype(np.int64)
            counts[: len(self.lengths)] += self.lengths
            self.lengths = counts

    def read(self, columns: Sequence[str], wanted: npt.NDArray[np.bool_]) -> pd.DataFrame:
        """Return those of some columns that the table has, of the particles that are wanted.

        Parameters
        ----------
        columns : sequence of str
        wanted : (P,) bool

        Returns
        -------
        pandas.DataFrame
            Observed rows; each column is memory of its own and is let go of by itself.
        """
        import pandas as pd

        lengths = np.where(wanted, self.lengths, 0)
        begin, total = np.cumsum(lengths) - lengths, int(lengths.sum())
        out: dict[str, Any] = {}
        for block, place in self._placed(columns, wanted, begin):
            for name in columns:
                if name in block:
                    _fill(out, name, block[name], place, total)
        for name, column in out.items():
            if isinstance(column, tuple):
                out[name] = pd.arrays.IntegerArray(*column)
        return pd.DataFrame(out, copy=False)

    def _placed(
        self, columns: Sequence[str], wanted: npt.NDArray[np.bool_], begin: Ints
    ) -> Iterator[tuple[pd.DataFrame, Ints]]:
        """Yield the wanted rows of each block, and where they go."""
        free = begin.copy()
        for block in read_blocks(self._path, tuple(dict.fromkeys((PARTICLE, OBSERVED, *columns)))):
            use = block[OBSERVED].to_numpy(bool) & (block[PARTICLE].to_numpy() >= 0)
            use[use] = wanted[block[PARTICLE].to_numpy()[use]]
            block = block[use]
            particle = block[PARTICLE].to_numpy()
            order = np.argsort(particle, kind="stable")
            ids, first, count = np.unique(particle[order], return_index=True, return_counts=True)
            place = np.empty(len(particle), np.int64)
            place[order] = np.arange(len(particle)) - np.repeat(first - free[ids], count)
            free[ids] += count
            yield block, place


def _known(block: pd.DataFrame) -> Ints:
    """Return the particle of each observed row that belongs to one."""
    particle = block[PARTICLE].to_numpy(np.int64)
    return np.asarray(particle[block[OBSERVED].to_numpy(bool) & (particle >= 0)])


def _fill(out: dict[str, Any], name: str, column: pd.Series, place: Ints, total: int) -> None:
    """Put values where they go; whole numbers of which some may be missing are a pair: values, and which are."""
    if isinstance(column.dtype, np.dtype):
        if name not in out:
            out[name] = np.empty(total, column.dtype)
        out[name][place] = column.to_numpy()
        return
    if name not in out:
        out[name] = (np.zeros(total, np.int64), np.ones(total, bool))
    values, missing = out[name]
    missing[place] = column.isna().to_numpy()
    values[place] = column.to_numpy(np.int64, na_value=0)
