"""Identities through a merger: two tracks become one blob and two again.

A track that ends where another one stands and grows at that moment has merged into it; a track that begins
out of another one which shrinks at that moment has split off. A split of a host into which somebody merged
before gives that identity back (Jaqaman 2008, supplementary note 4). Sizes decide: without radii
nothing is merged, because an end beside a neighbour is far more often a miss.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.rows import Rows, following, joined_rows, no_rows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOUCH, GROWTH = 1.6, 1.06
"""Largest centre distance over the sum of the radii (1.9 holds nine of ten real coalescences, at more false
ones), and least change of the host's radius where sizes are well known."""

SIGNIFICANT, STEADY = 4.0, 0.15
"""A change of size counts from this many standard deviations of its scatter along tracks on; where that scatter
is larger than `STEADY`, areas do not tell one particle from two."""

LEAST_AREA, MOST_AREA = 0.6, 1.5
"""Bounds of a blob's area over the sum of its two particles': nine of ten real coalescences lie above the lower."""

HISTORY = 24
"""Frames before an event from which a particle's size is known."""


class Guest(NamedTuple):
    """A particle inside another one: its name, its radius before, and the host's."""

    name: int
    radius: float
    host_radius: float


class Mergers:
    """Follow identities through mergers, frame after frame.

    Rows go in as the window decides them and come out `max_lag` frames later, when what became of the tracks
    that ended is known.

    Parameters
    ----------
    max_lag : int
        Largest frame difference of a link.
    step : float
        Standard deviation of a step in px.
    scatter : float
        Standard deviation of the change of log radius from sight to sight.
    """

    def __init__(self, max_lag: int, step: float, scatter: float) -> None:
        self._max_lag, self._step = max_lag, step
        self._blobs, self._change = scatter <= STEADY, max(GROWTH, math.exp(SIGNIFICANT * scatter))
        self._rows, self._first, self._out = no_rows(), 0, 0
        self._after = np.empty(0, np.int64)
        self._frame = -1
        self._start = -1
        self._alias: dict[int, int] = {}
        self._inside: dict[int, list[Guest]] = {}

    @property
    def absent(self) -> set[int]:
        """Particles that are inside another one."""
        return {guest.name for guests in self._inside.values() for guest in guests}

    def push(self, rows: Rows) -> Rows:
        """Take in decided rows of whole frames and return those whose name is final."""
        if len(rows.frame) == 0:
            return rows
        if self._start < 0:
            self._start = int(rows.frame[0])
        self._rows = joined_rows([self._rows, rows])
        # names and predecessors are changed here, and nobody else's arrays must be
        self._rows = self._rows._replace(
            particle=self._rows.particle.copy(), pred=self._rows.pred.copy(), merged=self._rows.merged.copy()
        )
        self._after = following(self._rows.pred, self._first)
        return self._advance(int(rows.frame[-1]) - self._max_lag + 1, done=False)

    def finish(self) -> Rows:
        """Return the rest; the last frame's tracks are not said to have merged."""
        if len(self._rows.frame) == 0:
            return self._rows
        return self._advance(int(self._rows.frame[-1]), done=True)

    def _advance(self, limit: int, *, done: bool) -> Rows:
        frames = np.unique(self._rows.frame)
        for f in np.union1d(frames, frames + 1):
            if self._frame < f <= limit:
                self._event(int(f))
                self._frame = int(f)
        end = len(self._rows.frame) if done else int(np.searchsorted(self._rows.frame, limit))
        out = self._rows.part(self._out, max(end, self._out))
        self._out = max(end, self._out)
        self._forget(limit)
        return out

    def _forget(self, limit: int) -> None:
        oldest = limit - max(HISTORY, 2 * self._max_lag)
        keep = min(int(np.searchsorted(self._rows.frame, oldest)), self._out)
        self._rows, self._first, self._out = (
            self._rows.part(keep, len(self._rows.frame)),
            self._first + keep,
            self._out - keep,
        )
        self._after = following(self._rows.pred, self._first)
        self._forget_names()

    def _forget_names(self) -> None:
        """Forget the new names of tracks that have ended: no row near the window bears them any more."""
        if self._alias and len(self._rows.frame):
            behind = int(np.searchsorted(self._rows.frame, self._rows.frame[-1] - 3 * self._max_lag))
            near = set(self._rows.particle[behind:].tolist())
            self._alias = {raw: name for raw, name in self._alias.items() if raw in near or name in near}

    def _event(self, frame: int) -> None:
        """Name the rows of `frame`, after what ended just before it and what begins in it was looked at."""
        rows = self._rows
        before, at, after, last = np.searchsorted(rows.frame, [frame - 1, frame, frame + 1, frame + self._max_lag])
        ends = before + np.flatnonzero(self._after[before:at] < 0)
        starts = at + np.flatnonzero(rows.pred[at:after] < 0) if frame > self._start else np.empty(0, np.int64)
        if len(ends) and len(starts) and self._blobs:
            self._through_blobs(starts, ends, -1)
            self._through_blobs(ends, starts, 1)
            ends, starts = ends[self._after[ends] < 0], starts[rows.pred[starts] < 0]
        if len(ends) or len(starts):
            pool = at + np.flatnonzero(rows.pred[at:last] >= self._first)
            pool = pool[rows.pred[pool] - self._first < at]
            growth = rows.radius[pool] / rows.radius[rows.pred[pool] - self._first]
            for end in ends:
                self._merge(int(end), pool[growth > self._change])
            for start in starts:
                self._split(int(start), pool[growth * self._change < 1])
        self._name(int(at), int(after))

    def _name(self, lo: int, hi: int) -> None:
        name, pred = self._rows.particle, self._rows.pred
        if self._alias:
            for i in np.flatnonzero(np.isin(name[lo:hi], np.fromiter(self._alias, np.int64, len(self._alias)))) + lo:
                name[i] = self._alias[int(name[i])]
        linked = lo + np.flatnonzero(pred[lo:hi] >= self._first)
        # where identities were exchanged, the row before belongs to somebody else
        pred[linked[name[pred[linked] - self._first] != name[linked]]] = -1

    def _current(self, row: int) -> int:
        """Return the name, at this moment, of the track of a row that has no name yet."""
        raw = int(self._rows.particle[row])
        return self._alias.get(raw, raw)

    def _through_blobs(self, singles: Ints, many: Ints, ahead: int) -> None:
        """Carry the larger of two ends on into a blob that begins between them, or a blob into the larger start.

        The centre jumps by a share of the distance when two become one, far more than any step.
        """
        rows = self._rows
        for one in singles:
            radius = rows.radius[one]
            if not math.isfinite(radius) or (self._after[one] >= 0 if ahead > 0 else rows.pred[one] >= 0):
                continue
            near = many[(rows.pred[many] < 0) if ahead > 0 else (self._after[many] < 0)]
            near = near[np.hypot(*(rows.still[near] - rows.still[one]).T) <= TOUCH * radius]
            if len(near) != 2 or not self._adds_up(radius, *rows.radius[near]):
                continue
            heir = int(near[np.argmax(rows.radius[near])])
            before, after = (heir, int(one)) if ahead < 0 else (int(one), heir)
            rows.pred[after], self._after[before] = before + self._first, after
            self._alias[int(rows.particle[after])] = int(rows.particle[before])

    @staticmethod
    def _adds_up(blob: Floats | float, one: Floats | float, other: Floats | float) -> Any:
        """Whether a blob's area is that of two particles, as loosely as real coalescences ask for."""
        return (blob**2 > LEAST_AREA * (one**2 + other**2)) & (blob**2 < MOST_AREA * (one**2 + other**2))

    def _touched(self, row: int, apart: Ints, blob: Ints) -> int:
        """Return which host `row` touches; −1: none.

        Parameters
        ----------
        row : int
        apart, blob : int64
            Rows of the hosts while both are separate, and while they are one.
        """
        rows = self._rows
        gap = np.hypot(*(rows.still[apart] - rows.still[row]).T)
        reach = TOUCH * (rows.radius[apart] + rows.radius[row]) + 3 * self._step
        fits = (gap <= reach) & self._adds_up(rows.radius[blob], rows.radius[apart], rows.radius[row])
        return int(np.argmin(np.where(fits, gap / reach, math.inf))) if fits.any() else -1

    def _merge(self, end: int, growing: Ints) -> None:
        apart = self._rows.pred[growing] - self._first
        at = self._touched(end, apart, growing)
        if at >= 0:
            host = int(self._rows.particle[apart[at]])
            self._rows.merged[end] = host
            guest = Guest(int(self._rows.particle[end]), self._size_before(end), self._size_before(int(apart[at])))
            self._inside.setdefault(host, []).append(guest)

    def _split(self, start: int, shrinking: Ints) -> None:
        at = self._touched(start, shrinking, self._rows.pred[shrinking] - self._first)
        if at < 0:
            return
        row = int(shrinking[at])
        host = self._current(row)
        guests = self._inside.get(host)
        if guests:
            guest = guests.pop()
            back, rest = self._size_after(start), self._size_after(row)
            straight = abs(math.log(back / guest.radius)) + abs(math.log(rest / guest.host_radius))
            crossed = abs(math.log(rest / guest.radius)) + abs(math.log(back / guest.host_radius))
            fresh, old = int(self._rows.particle[start]), int(self._rows.particle[row])
            exchange = crossed + 0.1 < straight
            self._alias[fresh] = host if exchange else guest.name
            if exchange:
                self._alias[old] = guest.name
                self._inside[guest.name] = guests
            if exchange or not guests:
                del self._inside[host]

    def _size_before(self, row: int) -> float:
        """Return the median radius of the track of a row up to it."""
        oldest, sizes = self._rows.frame[row] - HISTORY, []
        while row >= 0 and self._rows.frame[row] > oldest:
            sizes.append(self._rows.radius[row])
            row = int(self._rows.pred[row]) - self._first if self._rows.pred[row] >= self._first else -1
        return float(np.nanmedian(sizes))

    def _size_after(self, row: int) -> float:
        """Return the median radius of the track of a row from it on, as far as every row there is decided."""
        newest, sizes = self._rows.frame[row] + self._max_lag, []
        while row >= 0 and self._rows.frame[row] < newest:
            sizes.append(self._rows.radius[row])
            row = int(self._after[row])
        return float(np.nanmedian(sizes))
