"""Rows of bodies frame by frame, without an array of its own for each frame of a long movie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ByFrame:
    """F frames and the rows in each.

    Attributes
    ----------
    rows : (K,) int
        In order of frames.
    start, count : (F,) int
        Where the rows of each frame begin in `rows`, and how many there are.
    """

    rows: Ints
    start: Ints
    count: Ints

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[Ints]:
        return (self.rows[first : first + n] for first, n in zip(self.start, self.count))

    def some(self, which: Any) -> ByFrame:
        """Return some of the frames, given as NumPy's index; `rows` stays whole."""
        return ByFrame(self.rows, self.start[which], self.count[which])

    def within(self) -> Ints:
        """Return the rows of these frames alone."""
        offset = np.cumsum(self.count) - self.count
        place = np.arange(int(self.count.sum())) + np.repeat(self.start - offset, self.count)
        return np.asarray(self.rows[place])


def rows_by_frame(bodies: Bodies, rows: Ints) -> ByFrame:
    """Arrange rows by frame; within a frame they stay in their order.

    Parameters
    ----------
    bodies : Bodies
    rows : (K,) int
    """
    order = rows[np.argsort(bodies.frame[rows], kind="stable")]
    start = np.flatnonzero(np.diff(bodies.frame[order], prepend=-1))
    return ByFrame(order, start, np.diff(np.append(start, len(order))))
