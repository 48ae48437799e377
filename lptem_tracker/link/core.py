"""The sliding window as an object: detections in, decided identities out, memory bounded by the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link import advance
from lptem_tracker.link.assignment import FREE, Edges, Window, new_edges, new_window
from lptem_tracker.link.belief import believe
from lptem_tracker.link.candidates import Costs
from lptem_tracker.link.imm import Mixture, State


class Points(NamedTuple):
    """Detections in the order in which they are linked: by frame, then by position.

    Attributes
    ----------
    frame : int64, shape (n,)
    xy, noise : float64, shape (n, 2)
        Position (px) with the drift removed, and measurement variance (px²).
    looks : float64, shape (n, F)
        Likeness features, NaN where unknown.
    radius, confidence : float64, shape (n,)
        Radius in px, and what the detector says of the detection being real; NaN where unknown.
    """

    frame: NDArray[np.int64]
    xy: NDArray[np.float64]
    noise: NDArray[np.float64]
    looks: NDArray[np.float64]
    radius: NDArray[np.float64]
    confidence: NDArray[np.float64]

    def part(self, lo: int, hi: int) -> Points:
        """Return the detections [lo, hi)."""
        return Points._make(field[lo:hi] for field in self)


def joined_points(parts: Sequence[Points]) -> Points:
    """Return all detections of the parts, of which there is at least one."""
    return parts[0] if len(parts) == 1 else Points._make(np.concatenate(field) for field in zip(*parts))


class Decided(NamedTuple):
    """Final decisions on a run of detections, in the order in which they were given.

    Attributes
    ----------
    track : int64
        Identity.
    pred : int64
        Number of the preceding detection of that track, counted over all ever given; -1 at a start.
    belief : float64
        Posterior of the link into the detection; NaN at a start.
    """

    track: NDArray[np.int64]
    pred: NDArray[np.int64]
    belief: NDArray[np.float64]


CAUTION = 0.6
"""Factor on the log-odds of the posteriors of a sample, before anything is known of the scene."""


def tempered(belief: NDArray[np.float64], caution: float) -> NDArray[np.float64]:
    """Return posteriors whose log-odds are `caution` times those given.

    Sum-product counts the loops of the graph as independent evidence, and knows nothing of errors of the model.
    """
    yes, no = np.clip(belief, 0, 1) ** caution, (1 - np.clip(belief, 0, 1)) ** caution
    return np.asarray(yes / (yes + no), float)


def unless_misled(belief: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return posteriors of links that were predicted from a link which is itself only `before` sure.

    Where velocities last, a track that took somebody else's sight is led astray by it: whether its next
    sight is that one's successor is then no better than a toss. NaN before: nothing that could mislead.
    """
    true = np.where(np.isfinite(before), before, 1.0)
    return np.asarray(true * belief + (1 - true) * np.minimum(belief, 0.5), float)


def frame_starts(frame: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each frame begins in a sorted column, and its length at the end."""
    change = np.flatnonzero(frame[1:] != frame[:-1]) + 1
    return np.concatenate(([0], change, [len(frame)])) if len(frame) else np.zeros(1, np.int64)


class SlidingWindow:
    """Links detections of successive frames under one set of costs.

    Parameters
    ----------
    costs : Costs
    window_frames : int
        Frames decided together; 1 is the frame-by-frame assignment.
    chunk : int
        Detections taken in between two clean-ups.
    caution : float
        As of `tempered`.
    """

    def __init__(
        self,
        costs: Costs,
        window_frames: int,
        *,
        adopt: bool,
        looks: int = 0,
        chunk: int = 4096,
        mixture: Mixture | None = None,
        caution: float = CAUTION,
    ) -> None:
        self._caution = caution
        self._costs, self._window, self._adopt, self._chunk = costs, window_frames, adopt, chunk
        self._win: Window = new_window(2 * chunk, looks)
        self._win.belief[:] = np.nan
        self._edges: Edges = new_edges(32 * chunk)  # memory that is never written is never taken
        self._counts = np.zeros(5, np.int64)
        self._rank = -1
        self._given_out = 0  # decided detections already handed out, counted within the window
        self._forgotten = 0  # detections that have left the window
        self._mixture = mixture
        self._state: State | None = None

    def push(self, points: Points) -> Decided:
        """Take in whole frames, all later than those before, and return what became final."""
        starts = frame_starts(points.frame)
        out = []
        f = 0
        while f < len(starts) - 1:
            g = max(int(np.searchsorted(starts, starts[f] + self._chunk, "right")) - 1, f + 1)
            self._take(points.part(int(starts[f]), int(starts[g])), starts[f : g + 1] - starts[f])
            out.append(self._hand_out())
            self._forget()
            f = g
        return joined(out)

    def fresh_names(self, n: int) -> NDArray[np.int64]:
        """Return `n` names that no track has or will have."""
        self._counts[advance.TRACKS] += n
        return np.arange(self._counts[advance.TRACKS] - n, self._counts[advance.TRACKS])

    def finish(self) -> Decided:
        """Make everything final."""
        c = self._counts
        believe(self._win, self._edges, c[advance.DECIDED], c[advance.NODES], c[advance.EDGES], advance.BELIEF_SWEEPS)
        advance.decide_up_to(self._win, self._edges, c, self._costs, self._rank, self._adopt)
        return self._hand_out()

    def _take(self, points: Points, starts: NDArray[np.int64]) -> None:
        at, n = int(self._counts[advance.NODES]), len(points.frame)
        self._make_room(at + n)
        win = self._win
        win.frame[at : at + n], win.xy[at : at + n], win.noise[at : at + n] = points.frame, points.xy, points.noise
        win.looks[at : at + n] = points.looks
        win.doubt[at : at + n] = self._costs.doubts(points.confidence)
        win.rank[at : at + n] = self._rank + 1 + np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._rank += len(starts) - 1
        places = starts + at
        done = 0
        if self._mixture is not None:
            for lo, hi in zip(places, places[1:]):
                self._follow(self._mixture, int(lo), int(hi))
            return
        while done < len(starts) - 1:
            done += int(
                advance.add_frames(
                    win, self._edges, self._counts, self._costs, places[done:], self._window, self._adopt
                )
            )
            if done < len(starts) - 1:
                self._edges = _grown(self._edges, 2 * len(self._edges.row))

    def _follow(self, mixture: Mixture, lo: int, hi: int) -> None:
        """Bring one frame in under motion with memory: every row predicts from the track it ends."""
        win, counts = self._win, self._counts
        rows = advance.active_rows(win, counts, self._costs, lo)
        modes = len(mixture.motions)
        weight, mean, var = (
            np.empty((len(rows), modes)),
            np.empty((len(rows), modes, 2)),
            np.empty((len(rows), modes, 2)),
        )
        lag = win.frame[lo] - win.frame[rows]
        for k in np.unique(lag):
            some = lag == k
            ahead = mixture.predict(_taken(self._state, rows[some]), int(k))
            weight[some] = np.log(np.maximum(ahead.weight, 1e-12))
            mean[some], var[some] = ahead.mean[..., ::2], ahead.cov[..., [0, 2], [0, 2]]
        while not advance.add_frame(win, self._edges, counts, self._costs, lo, hi, rows, weight, mean, var):
            self._edges = _grown(self._edges, 2 * len(self._edges.row))
        self._learn(mixture, lo, hi)
        believe(win, self._edges, counts[advance.DECIDED], counts[advance.NODES], counts[advance.EDGES], 2)
        advance.decide_up_to(win, self._edges, counts, self._costs, win.rank[lo] - self._window + 1, self._adopt)

    def _learn(self, mixture: Mixture, lo: int, hi: int) -> None:
        """Update the states of the new detections from those that they follow for now."""
        win = self._win
        state = mixture.start(win.xy[lo:hi], win.noise[lo:hi])
        pred = win.pred[lo:hi]
        old = (pred >= 0) & (pred < lo)
        lag = win.frame[lo] - win.frame[np.where(old, pred, lo)]
        for k in np.unique(lag[old]):
            some = np.flatnonzero(old & (lag == k))
            ahead = mixture.predict(_taken(self._state, pred[some]), int(k))
            # a position known exactly would leave no variance to divide by
            noise = np.maximum(win.noise[lo:hi][some], 1e-9)
            for whole, part in zip(state, mixture.update(ahead, win.xy[lo:hi][some], noise)):
                whole[some] = part
        before = _taken(self._state, np.arange(lo)) if self._state is not None else None
        self._state = state if before is None else State(*(np.concatenate(pair) for pair in zip(before, state)))

    def _make_room(self, need: int) -> None:
        if need <= len(self._win.frame):
            return
        new = new_window(max(need, 2 * len(self._win.frame)), self._win.looks.shape[1])
        n = int(self._counts[advance.NODES])
        for old, fresh in zip(self._win, new):
            if len(old) == len(self._win.frame):
                fresh[:n] = old[:n]
        self._win = new

    def _hand_out(self) -> Decided:
        a, b = self._given_out, int(self._counts[advance.DECIDED])
        pred = self._win.pred[a:b]
        alone = (pred == FREE) | (pred == np.arange(a, b))
        self._given_out = b
        belief = tempered(self._win.belief[a:b], self._caution)
        if self._mixture is not None and any(motion.kind == "velocity" for motion in self._mixture.motions):
            belief = unless_misled(belief, tempered(self._win.belief[pred], self._caution))
        return Decided(
            self._win.track[a:b].copy(),
            np.where(alone, FREE, pred + self._forgotten),
            np.where(alone, np.nan, belief),
        )

    def _forget(self) -> None:
        decided, n = int(self._counts[advance.DECIDED]), int(self._counts[advance.NODES])
        if decided == 0:
            return
        first = self._win.frame[min(decided, n - 1)] - self._costs.max_lag
        keep = min(int(np.searchsorted(self._win.frame[:n], first)), decided)
        # moving the rest has to pay: where frames are large, only every few of them
        if 4 * keep >= n - keep:
            advance.compact(self._win, self._edges, self._counts, keep)
            if self._state is not None:
                self._state = _taken(self._state, np.arange(keep, n))
            self._given_out -= keep
            self._forgotten += keep


def _taken(state: State | None, rows: NDArray[np.int64]) -> State:
    assert state is not None, "a row to predict from has a state"
    return State(*(field[rows] for field in state))


def _grown(edges: Edges, capacity: int) -> Edges:
    new = new_edges(capacity)
    for old, fresh in zip(edges, new):
        fresh[: len(old)] = old
    return new


def joined(parts: list[Decided]) -> Decided:
    if not parts:
        return Decided(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return Decided(*(np.concatenate(field) for field in zip(*parts)))
