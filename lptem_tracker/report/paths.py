"""The tracks and detections of a run as the page needs them, in memory that the movie's length does not change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.run import Run, read_blocks
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, TRACK_DTYPES, empty_table

MOST_ROWS = 350_000
"""Of a longer table every so many-th row of each particle is held: more a page cannot draw."""
_COLUMNS = (PARTICLE, FRAME, "x", "y", OBSERVED, "width", "height", "radius", "drift_x", "drift_y")


@dataclass(frozen=True)
class Paths:
    """Where the measured particles were.

    Attributes
    ----------
    rows : pandas.DataFrame
        Positions of the particles that are listed, sorted by particle and frame, with `observed`; of each particle
        every `stride`-th row.
    stride : int
    lengths : pandas.Series
        Observed positions of each particle, listed or not.
    counts : pandas.Series
        Observed particles of each frame that has any.
    """

    rows: pd.DataFrame
    stride: int
    lengths: pd.Series[int]
    counts: pd.Series[int]


def read_paths(
    run: Run,
    most_rows: int = MOST_ROWS,
    *,
    measured: pd.Series[int] | None = None,
    listed: pd.Series[int] | None = None,
    most_particles: int | None = None,
) -> Paths:
    """Read the tracks that were measured, all of them where nothing was measured.

    Parameters
    ----------
    run : Run
    most_rows : int
        How many rows are held, about.
    measured : pandas.Series, optional
        Particles that count; by default those of the run's particles table, all where it has none.
    listed : pandas.Series, optional
        Particles whose rows are held; by default all that count.
    most_particles : int, optional
        How many of them, where `listed` does not say: those seen most often.

    Raises
    ------
    InputError
        The table is there and cannot be read.
    """
    path = run.path / "tracks.parquet"
    if not path.exists():
        return Paths(empty_table(TRACK_DTYPES), 1, *[pd.Series(dtype="int64")] * 2)
    if measured is None and (run.path / "particles.csv").exists() and len(run.particles):
        measured = run.particles[PARTICLE]
    size, lengths, counts = _Counter(), _Counter(), _Counter()
    for block in _measured(path, (PARTICLE, FRAME, OBSERVED), measured):
        seen = block[OBSERVED].to_numpy(bool)
        size.add(block[PARTICLE])
        lengths.add(block[PARTICLE][seen])
        counts.add(block[FRAME][seen])
    long = lengths.series()
    if listed is None and most_particles is not None and len(long) > most_particles:
        listed = pd.Series(long.sort_values(ascending=False, kind="stable").index[:most_particles])
    shown = measured if listed is None else listed
    some = np.ones(len(size.ids), bool) if shown is None else np.isin(size.ids, shown)
    stride = max(1, -(-int(size.n[some].sum()) // most_rows))
    rows = _thinned(path, shown, stride, size.ids)
    return Paths(rows, stride, long, counts.series())


class _Counter:
    """How often each whole number came; memory for those that did, for particles of other tools may have any number."""

    def __init__(self) -> None:
        self.ids, self.n = np.zeros((2, 0), np.int64)

    def add(self, values: pd.Series[int]) -> None:
        """Count some values."""
        counts = values.value_counts(sort=False)
        found = counts.index.to_numpy(np.int64)
        if not np.isin(found, self.ids).all():
            ids = np.union1d(self.ids, found)
            n = np.zeros(len(ids), np.int64)
            n[np.searchsorted(ids, self.ids)] = self.n
            self.ids, self.n = ids, n
        self.n[np.searchsorted(self.ids, found)] += counts.to_numpy(np.int64)

    def series(self) -> pd.Series[int]:
        """Return the counts, by ascending number."""
        return pd.Series(self.n, index=self.ids)


def _thinned(path: Path, listed: pd.Series[int] | None, stride: int, ids: NDArray[np.int64]) -> pd.DataFrame:
    """Return every `stride`-th row of each listed particle, which are among `ids`, by particle and frame."""
    seen = np.zeros(len(ids), np.int64)
    kept = [empty_table({name: TRACK_DTYPES[name] for name in _COLUMNS[:5]})]
    for block in _measured(path, _COLUMNS, listed):
        if stride > 1:
            at = np.searchsorted(ids, block[PARTICLE].to_numpy())
            place = seen[at] + block.groupby(PARTICLE).cumcount().to_numpy()
            seen += np.bincount(at, minlength=len(ids))
            block = block[place % stride == 0]
        kept.append(block)
    rows = pd.concat([part for part in kept if len(part)] or kept, ignore_index=True)
    del kept
    return rows.sort_values([PARTICLE, FRAME], kind="stable", ignore_index=True)


def detections_per_frame(run: Run) -> pd.Series[int]:
    """Return how many detections the frames have; those without any are not listed.

    Raises
    ------
    InputError
        There is no such table, or it cannot be read.
    """
    counts = _Counter()
    for block in read_blocks(run.path / "detections.parquet", (FRAME,)):
        counts.add(block[FRAME])
    return counts.series()


def _measured(path: Path, columns: tuple[str, ...], measured: pd.Series[int] | None) -> Iterator[pd.DataFrame]:
    """Yield the rows that count, block by block."""
    for block in read_blocks(path, columns):
        keep = block[PARTICLE] >= 0
        if measured is not None:
            keep &= block[PARTICLE].isin(measured)
        yield (block if OBSERVED in block else block.assign(observed=True))[keep]
