"""The tracks and detections of a run as the page needs them, in memory that the movie's length does not change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lptem_tracker.run import Run, read_blocks
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, TRACK_DTYPES, empty_table

MOST_ROWS = 1_000_000
"""Of a longer table every so many-th row of each particle is held."""
_COLUMNS = (PARTICLE, FRAME, "x", "y", OBSERVED, "width", "height", "radius", "drift_x", "drift_y")


@dataclass(frozen=True)
class Paths:
    """Where the measured particles were.

    Attributes
    ----------
    rows : pandas.DataFrame
        Positions, sorted by particle and frame, with `observed`; of each particle every `stride`-th row.
    stride : int
    lengths : pandas.Series
        Observed positions of each particle, thinned or not.
    counts : pandas.Series
        Observed particles of each frame that has any.
    """

    rows: pd.DataFrame
    stride: int
    lengths: pd.Series[int]
    counts: pd.Series[int]


def read_paths(run: Run, most_rows: int = MOST_ROWS) -> Paths:
    """Read the tracks that were measured, all of them where nothing was measured.

    Parameters
    ----------
    run : Run
    most_rows : int
        How many rows are held, about.

    Raises
    ------
    InputError
        The table is there and cannot be read.
    """
    path = run.path / "tracks.parquet"
    if not path.exists():
        return Paths(empty_table(TRACK_DTYPES), 1, *[pd.Series(dtype="int64")] * 2)
    measured = None
    if (run.path / "particles.csv").exists() and len(run.particles):
        measured = run.particles[PARTICLE]
    sizes, lengths, counts = [], [], []
    for block in _measured(path, (PARTICLE, FRAME, OBSERVED), measured):
        sizes.append(block[PARTICLE].value_counts())
        observed = block[block[OBSERVED]]
        lengths.append(observed[PARTICLE].value_counts())
        counts.append(observed[FRAME].value_counts())
    size = _summed(sizes)
    stride = max(1, -(-int(size.sum()) // most_rows))
    ids, seen = size.index.to_numpy(), np.zeros(len(size), np.int64)
    kept = [empty_table({name: TRACK_DTYPES[name] for name in _COLUMNS[:5]})]
    for block in _measured(path, _COLUMNS, measured):
        if stride > 1:
            at = np.searchsorted(ids, block[PARTICLE].to_numpy())
            place = seen[at] + block.groupby(PARTICLE).cumcount().to_numpy()
            seen += np.bincount(at, minlength=len(ids))
            block = block[place % stride == 0]
        kept.append(block)
    rows = pd.concat([part for part in kept if len(part)] or kept, ignore_index=True)
    rows = rows.sort_values([PARTICLE, FRAME], kind="stable", ignore_index=True)
    return Paths(rows, stride, _summed(lengths), _summed(counts))


def detections_per_frame(run: Run) -> pd.Series[int]:
    """Return how many detections the frames have; those without any are not listed.

    Raises
    ------
    InputError
        There is no such table, or it cannot be read.
    """
    blocks = read_blocks(run.path / "detections.parquet", (FRAME,))
    return _summed([block[FRAME].value_counts() for block in blocks])


def _measured(path: Path, columns: tuple[str, ...], measured: pd.Series[int] | None) -> Iterator[pd.DataFrame]:
    """Yield the rows that count, block by block."""
    for block in read_blocks(path, columns):
        keep = block[PARTICLE] >= 0
        if measured is not None:
            keep &= block[PARTICLE].isin(measured)
        yield (block if OBSERVED in block else block.assign(observed=True))[keep]


def _summed(parts: list[pd.Series[int]]) -> pd.Series[int]:
    """Add up counts of the same thing from several blocks."""
    return pd.concat([pd.Series(dtype="int64"), *parts]).groupby(level=0).sum().astype("int64")
