"""Detections as blocks of whole frames in a fixed order, from a table or from chunks that are read again and again.

Where a block ends follows from the number of detections in each frame alone, so that everything computed
block by block is the same to the last digit, however the detections were given.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import LptemWarning, TableError
from lptem_tracker.link import table as tab
from lptem_tracker.link.core import Points, frame_starts, joined_points

Ints = NDArray[np.int64]

BLOCK = 16_384
"""Detections in a block, at most; a frame is never cut."""

WHOLE = 4
"""Frames in a block, at least: what waits for its decision is carried from block to block."""

KEPT = 262_144
"""Detections of a table that are put in order once, not at each reading: 100 bytes each."""

Chunks = Callable[[], Iterable[pd.DataFrame]]
"""A function that starts reading the detections from the beginning each time it is called."""

Run = tuple[int, int]
"""Frames from the first number to before the second, counted over the frames that hold detections."""


class Block(NamedTuple):
    """Some whole frames.

    Attributes
    ----------
    points : Points
        Detections with a position, by frame, x and y.
    table : pandas.DataFrame
        Rows of these frames; for a table in memory the whole of it.
    rows : int64, shape (n,)
        Place of each point in `table`.
    """

    points: Points
    table: pd.DataFrame
    rows: Ints


def warn_of_lost(n_lost: int, n: int) -> None:
    """Tell the user how many of `n` detections have no position, if any."""
    if n_lost:
        warnings.warn(
            f"{n_lost} of {n} detections have no finite x, y; each is kept as a track of its own.",
            LptemWarning,
            stacklevel=6,
        )


class Source(ABC):
    """Detections that can be gone through several times.

    Attributes
    ----------
    frame, count : int64, shape (F,)
        Frames that hold detections with a position, and how many.
    starts : int64, shape (F + 1,)
        Number of detections before each of these frames.
    n_lost : int
        Rows without a position.
    film : tuple of int
        First and last frame of all rows.
    """

    frame: Ints
    count: Ints
    starts: Ints
    n_lost: int
    film: tuple[int, int]

    def _found(self, frame: Ints, count: Ints, n_lost: int) -> None:
        self.frame, self.count, self.n_lost = frame, count, n_lost
        self.starts = np.concatenate(([0], np.cumsum(count))).astype(np.int64)
        warn_of_lost(n_lost, n_lost + int(self.starts[-1]))

    @property
    def n_points(self) -> int:
        """Detections with a position."""
        return int(self.starts[-1])

    def bounds(self) -> list[int]:
        """Return the frame ordinals at which blocks begin, and F at the end."""
        out = [0]
        while out[-1] < len(self.frame):
            enough = int(np.searchsorted(self.starts, self.starts[out[-1]] + BLOCK, "right")) - 1
            out.append(min(max(enough, out[-1] + WHOLE), len(self.frame)))
        return out

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Yield all blocks in order, from the first."""

    def runs(self, wanted: Sequence[Run]) -> dict[Run, Points]:
        """Return the detections of some runs of frames, in one reading."""
        pieces: dict[Run, list[Points]] = {run: [] for run in wanted}
        ordered, begun = sorted(pieces), 0
        for (first, last), block in zip(_pairs(self.bounds()), self.blocks()):
            places = self.starts[first : last + 1] - self.starts[first]
            while begun < len(ordered) and ordered[begun][1] <= first:
                begun += 1
            if begun == len(ordered):
                break
            for a, b in ordered[begun:]:
                if a >= last:
                    break
                lo, hi = max(a, first) - first, min(b, last) - first
                if lo < hi:
                    pieces[a, b].append(block.points.part(int(places[lo]), int(places[hi])))
        return {run: joined_points(parts) for run, parts in pieces.items()}


def _pairs(bounds: list[int]) -> list[Run]:
    return list(zip(bounds, bounds[1:]))


class TableSource(Source):
    """Blocks of a table in memory, whose rows come in any order."""

    def __init__(self, table: pd.DataFrame) -> None:
        frame, xy = tab.read_columns(table)
        self._table, self._frame = table, frame
        self._good = good = np.asarray(np.isfinite(xy[0]) & np.isfinite(xy[1]))
        self._by_frame = None if (np.diff(frame) >= 0).all() else np.argsort(frame, kind="stable")
        ordered = frame if self._by_frame is None else frame[self._by_frame]
        begins = frame_starts(ordered)
        count = np.add.reduceat(good if self._by_frame is None else good[self._by_frame], begins[:-1], dtype=np.int64)
        held = np.flatnonzero(count > 0) if len(ordered) else np.empty(0, np.int64)
        self.film = (int(ordered[0]), int(ordered[-1])) if len(ordered) else (0, 0)
        self._begins = np.append(begins[:-1][held], len(ordered))
        self._found(ordered[self._begins[:-1]], count[held], len(table) - int(count.sum()))
        self._kept: list[Block] = []

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks in order; the first ones are kept for the next time."""
        for at, (first, last) in enumerate(_pairs(self.bounds())):
            if at < len(self._kept):
                yield self._kept[at]
                continue
            block = self._block(int(self._begins[first]), int(self._begins[last]))
            if int(self.starts[last]) <= KEPT:
                self._kept.append(block)
            yield block

    def lost(self) -> Ints:
        """Return the rows without a position, by frame."""
        rows = np.flatnonzero(~self._good)
        return rows[np.argsort(self._frame[rows], kind="stable")]

    def _block(self, lo: int, hi: int) -> Block:
        rows = np.arange(lo, hi) if self._by_frame is None else self._by_frame[lo:hi]
        part, used = self._table, tab.used(self._table)
        if len(used) < len(part.columns):
            part = part[used]
        if hi - lo < len(part) or self._by_frame is not None:
            part = part.iloc[lo:hi] if self._by_frame is None else part.iloc[rows]
        points, order = tab.ordered_points(part, self._frame[rows], np.arange(hi - lo))
        return Block(points, self._table, rows[order])


class ChunkSource(Source):
    """Blocks of chunks that come in order of frames.

    Raises
    ------
    TableError
        Frames do not come in order, or a later reading differs from the first.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self.template = pd.DataFrame({"frame": np.empty(0, np.int64), "x": np.empty(0), "y": np.empty(0)})
        self.n_rows = n_lost = 0
        frames, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        newest, oldest = -1, -1
        for at, chunk in enumerate(chunks()):
            frame, xy = tab.read_columns(chunk)
            if at == 0:
                self.template = chunk.iloc[:0]
            if len(frame) == 0:
                continue
            if frame.min() < newest:
                raise TableError(
                    f"Chunks of detections must come in order of frames; frame {frame.min()} came after frame {newest}."
                )
            oldest, newest = int(frame.min()) if oldest < 0 else oldest, int(frame.max())
            good = np.isfinite(xy[0]) & np.isfinite(xy[1])
            found, count = np.unique(frame[good], return_counts=True)
            if len(found) and len(frames[-1]) and frames[-1][-1] == found[0]:
                counts[-1][-1] += count[0]
                found, count = found[1:], count[1:]
            if len(found):
                frames.append(found)
                counts.append(count)
            self.n_rows += len(frame)
            n_lost += len(frame) - int(good.sum())
        self.film = oldest, newest
        self._found(np.concatenate(frames), np.concatenate(counts), n_lost)

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks in order, reading the chunks again; rows without position lie beside the others."""
        cuts = [int(self.frame[f]) for f in self.bounds()[1:-1]]
        waiting: list[pd.DataFrame] = []
        read = 0
        for chunk in self._chunks():
            read += len(chunk)
            rest, frame = chunk, tab.read_columns(chunk)[0]
            while cuts and len(rest) and frame.max() >= cuts[0]:
                later = frame >= cuts.pop(0)
                yield self._block([*waiting, rest[~later]])
                waiting, rest, frame = [], rest[later], frame[later]
            if len(rest):
                waiting.append(rest)
        if read != self.n_rows or cuts:
            raise TableError(
                f"The chunks of detections changed between two readings ({self.n_rows} rows at first, then {read}); "
                "give a function that reads the same detections each time."
            )
        yield self._block(waiting)

    def _block(self, parts: list[pd.DataFrame]) -> Block:
        table = pd.concat(parts, ignore_index=True) if parts else self.template
        frame, _ = tab.read_columns(table)
        points, rows = tab.ordered_points(table, frame, np.arange(len(table)))
        return Block(points, table, rows)
