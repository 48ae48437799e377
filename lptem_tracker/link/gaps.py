"""Positions for the frames in which a linked particle was not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.kalman import Motion, smooth

CONTEXT = 8
"""Sights on either side that the smoother sees: its memory of a random walk is far shorter."""

BATCH = 2000


class Filled(NamedTuple):
    """Rows for missed frames.

    Attributes
    ----------
    before : int64, shape (n,)
        The sight before the gap, as a place among the detections.
    frame : int64, shape (n,)
    xy, std : float64, shape (n, 2)
        Smoothed position and its standard error, px.
    """

    before: NDArray[np.int64]
    frame: NDArray[np.int64]
    xy: NDArray[np.float64]
    std: NDArray[np.float64]


def fill_gaps(
    frame: NDArray[np.int64],
    xy: NDArray[np.float64],
    noise: NDArray[np.float64],
    pred: NDArray[np.int64],
    motion: Motion,
    velocity_var: float,
    ends: slice = slice(None),
) -> Filled:
    """Return smoothed positions for the frames inside gaps (Rauch, Tung & Striebel 1965).

    Parameters
    ----------
    frame, xy, noise, pred : arrays over the detections
        Positions with the drift removed (px), measurement variances (px²), and the preceding sight or -1.
    motion : Motion
    velocity_var : float
        Variance of an unknown velocity per axis, (px/frame)².
    ends : slice
        Detections after whose gaps are looked for; the others are context, of which `CONTEXT` frames tell.
    """
    after = np.arange(len(pred))[ends]
    after = after[pred[after] >= 0]
    after = after[frame[after] - frame[pred[after]] > 1]
    before = pred[after]
    lag = frame[after] - frame[before]
    if len(after) == 0:
        return Filled(before, np.empty(0, np.int64), np.empty((0, 2)), np.empty((0, 2)))
    which = np.repeat(np.arange(len(after)), lag - 1)
    step = np.arange(len(which)) - np.repeat(np.cumsum(lag - 1) - (lag - 1), lag - 1) + 1
    if motion.kind == "brownian" and not noise.any():
        # a random walk seen without error is smoothed by the straight line between its ends
        share = (step / lag[which])[:, None]
        mean = xy[before[which]] * (1 - share) + xy[after[which]] * share
        std = np.sqrt(motion.step_var * step * (1 - step / lag[which]))[:, None].repeat(2, 1)
    else:
        mean, std = _smoothed(frame, xy, noise, pred, before, after, lag, motion, velocity_var)
    return Filled(before[which], frame[before[which]] + step, mean, std)


def _smoothed(
    frame: NDArray[np.int64],
    xy: NDArray[np.float64],
    noise: NDArray[np.float64],
    pred: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    lag: NDArray[np.int64],
    motion: Motion,
    velocity_var: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    following = np.full(len(frame), -1)
    linked = np.flatnonzero(pred >= 0)
    following[pred[linked]] = linked
    first = np.concatenate(([0], np.cumsum(lag - 1)))
    mean, std = np.empty((first[-1], 2)), np.empty((first[-1], 2))
    order = np.argsort(lag, kind="stable")
    at = 0
    while at < len(order):
        k = int(lag[order[at]])
        some = order[at : at + max(BATCH // k, 1)]
        some = some[lag[some] == k]
        at += len(some)
        length = k + 1 + 2 * CONTEXT
        seen, error = np.full((len(some), length, 2), np.nan), np.full((len(some), length, 2), np.nan)
        origin = frame[before[some]] - CONTEXT
        for start, pointer in ((before[some], pred), (after[some], following)):
            here, row = start, np.arange(len(some))
            for _ in range(CONTEXT + 1):
                ok = here >= 0
                here, row = here[ok], row[ok]
                place = frame[here] - origin[row]
                ok = (place >= 0) & (place < length)
                here, row, place = here[ok], row[ok], place[ok]
                seen[row, place], error[row, place] = xy[here], np.maximum(noise[here], 1e-9 * motion.step_var)
                here = pointer[here]
        unknown = ~np.isfinite(seen[:, 0, 0])
        seen[unknown, 0], error[unknown, 0] = xy[before[some][unknown]], 1e4 * motion.step_var * length**2
        out = smooth(seen, error, motion, velocity_var)
        for f in range(k - 1):
            mean[first[some] + f] = out.smooth_mean[:, CONTEXT + 1 + f, ::2]
            std[first[some] + f] = np.sqrt(np.maximum(out.smooth_cov[:, CONTEXT + 1 + f, [0, 2], [0, 2]], 0))
    return mean, std
