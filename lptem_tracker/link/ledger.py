"""What is known of the tracks only when they have ended, gathered while rows stream by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.evidence import LASTING_SHARE, counts, is_brief, is_carrier
from lptem_tracker.link.rows import Rows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SHORTEST, SHARE = 5, 0.25
"""A track tells of a common velocity if it lasts this many frames, and this share of the longest one."""

CARRIER, BRIEF = 1, 2
"""Marks of a particle: its faint rows count; it is a brief visitor."""


class Open(NamedTuple):
    """Tracks that may go on, sorted by name: sights, first and last frame and position, whether one was sure."""

    name: Ints
    n: Ints
    first: Ints
    begin: Floats
    last: Ints
    end: Floats
    sure: Bools


class Ledger:
    """Sums over ended tracks, in memory that holds the open ones, and a byte for each track.

    Parameters
    ----------
    threshold : float, optional
        Confidence from which a detection counts by itself; None: all count.
    film : tuple of int
        First and last frame with a detection.
    """

    def __init__(self, threshold: float | None, film: tuple[int, int]) -> None:
        self._threshold, self._film = threshold, film
        self._open = Open(
            *(np.empty(0, np.int64),) * 3,
            np.empty((0, 2)),
            np.empty(0, np.int64),
            np.empty((0, 2)),
            np.empty(0, bool),
        )
        self._lives: dict[int, Floats] = {}
        self._marks = np.zeros(1024, np.uint8)
        self.n_tracks, self._carried, self._rows = 0, 0, 0

    def add(self, rows: Rows, absent: set[int], patience: int) -> None:
        """Take in final rows, and close tracks not seen for `patience` frames unless they are in `absent`."""
        if len(rows.frame) == 0:
            return
        sure = np.ones(len(rows.frame), bool)
        if self._threshold is not None:
            sure = (rows.confidence >= self._threshold) | np.isnan(rows.confidence)
        ones = np.ones(len(rows.frame), np.int64)
        fresh = Open(rows.particle, ones, rows.frame, rows.still, rows.frame, rows.still, sure)
        both = Open._make(np.concatenate(pair) for pair in zip(self._open, fresh))
        order = np.argsort(both.name, kind="stable")
        begins = np.flatnonzero(np.diff(both.name[order], prepend=-1))
        head, tail = order[begins], order[np.append(begins[1:], len(order)) - 1]
        self._open = Open(
            both.name[head],
            np.add.reduceat(both.n[order], begins),
            both.first[head],
            both.begin[head],
            both.last[tail],
            both.end[tail],
            np.logical_or.reduceat(both.sure[order], begins),
        )
        self.n_tracks = max(self.n_tracks, int(rows.particle.max()) + 1)
        over = self._open.last < rows.frame[-1] - patience
        if absent and over.any():
            over &= ~np.isin(self._open.name, np.fromiter(absent, np.int64, len(absent)))
        self._close(over)

    def finish(self) -> None:
        """Close all tracks."""
        self._close(np.ones(len(self._open.name), bool))

    def _close(self, over: Bools) -> None:
        if not over.any():
            return
        done = Open._make(field[over] for field in self._open)
        self._open = Open._make(field[~over] for field in self._open)
        self._add_velocities(done)
        if self._threshold is None:
            return
        good = is_carrier(done.n, done.first, done.last, done.sure)
        if len(self._marks) < self.n_tracks:
            self._marks = np.concatenate([self._marks, np.zeros(max(len(self._marks), self.n_tracks), np.uint8)])
        self._marks[done.name] = CARRIER * good + BRIEF * is_brief(done.n, done.first, done.last, self._film)
        self._carried += int(done.n[good].sum())
        self._rows += int(done.n[done.sure].sum())

    def supported(self, frame: Ints, particle: Ints, observed: Bools, confidence: Floats) -> Bools:
        """Return which rows `evidence.supported` would keep, once all tracks are closed.

        Parameters
        ----------
        frame, particle : int64
            Particles from `n_tracks` on are rows without position, each a track of its own.
        observed : bool
        confidence : float64
        """
        if self._threshold is None:
            return np.ones(len(particle), bool)
        lost = particle >= self.n_tracks
        marks = self._marks[np.where(lost, 0, particle)]
        carried = ((marks & CARRIER) > 0) & ~lost
        brief = np.where(lost, is_brief(np.ones_like(frame), frame, frame, self._film), (marks & BRIEF) > 0)
        if not self._carried > LASTING_SHARE * self._rows:
            brief[:] = False
        return counts(carried, brief, observed, confidence, self._threshold)

    def _add_velocities(self, done: Open) -> None:
        life = done.last - done.first
        longest = max(int(life.max(initial=0)), max(self._lives, default=0))
        told = np.flatnonzero(life >= max(SHORTEST, SHARE * longest))
        v = (done.end[told] - done.begin[told]) / life[told, None]
        lives, which = np.unique(life[told], return_inverse=True)
        sums = np.zeros((len(lives), 5))
        np.add.at(sums, which, np.column_stack([np.ones(len(v)), v, v**2]))
        for a_life, total in zip(lives.tolist(), sums):
            self._lives[a_life] = self._lives[a_life] + total if a_life in self._lives else total
        self._lives = {a: total for a, total in self._lives.items() if a >= SHARE * longest}

    def velocities(self) -> tuple[int, Floats, Floats]:
        """Return the number of lasting tracks, and mean and standard deviation of their velocities, px a frame."""
        longest = max(self._lives, default=0)
        long = [total for a, total in sorted(self._lives.items()) if a >= max(SHORTEST, SHARE * longest)]
        if not long:
            return 0, np.zeros(2), np.zeros(2)
        total = np.sum(long, axis=0)
        n, mean = int(total[0]), total[1:3] / total[0]
        var = np.maximum(total[3:] - n * mean**2, 0) / max(n - 1, 1)
        return n, mean, np.sqrt(var)
