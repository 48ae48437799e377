"""Detections whose identity is final, as they leave the sliding window."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Linked detections in canonical order.

    Attributes
    ----------
    frame : int64, shape (n,)
    seen, still : float64, shape (n, 2)
        Position in px as detected, and with the drift found before linking removed.
    noise : float64, shape (n, 2)
        Measurement variance, px².
    radius, confidence : float64, shape (n,)
        NaN where unknown.
    particle : int64, shape (n,)
    pred : int64, shape (n,)
        Number of the preceding sight, counted over all detections of the movie; −1 at a start.
    belief : float64, shape (n,)
        Posterior of the link into the row; NaN at a start.
    merged : int64, shape (n,)
        At a track's last row the particle that it became part of, else −1.
    """

    frame: Ints
    seen: Floats
    still: Floats
    noise: Floats
    radius: Floats
    confidence: Floats
    particle: Ints
    pred: Ints
    belief: Floats
    merged: Ints

    def part(self, lo: int, hi: int) -> Rows:
        """Return the rows [lo, hi)."""
        return Rows._make(field[lo:hi] for field in self)


def no_rows() -> Rows:
    """Return an empty set of rows."""
    ints, floats, pairs = np.empty(0, np.int64), np.empty(0), np.empty((0, 2))
    return Rows(ints, pairs, pairs, pairs, floats, floats, ints, ints, floats, ints)


def joined_rows(parts: Iterable[Rows]) -> Rows:
    """Return all rows of the parts."""
    some = [part for part in parts if len(part.frame)]
    if not some:
        return no_rows()
    return some[0] if len(some) == 1 else Rows._make(np.concatenate(field) for field in zip(*some))


def following(pred: Ints, first: int) -> Ints:
    """Return the place of the next sight of each row, −1 at ends; `first` is the number of the first row."""
    out = np.full(len(pred), -1)
    linked = np.flatnonzero(pred >= first)
    out[pred[linked] - first] = linked
    return out
