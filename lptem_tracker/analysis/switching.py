"""Motion that changes between two rates of diffusion: a hidden Markov model of the true, unseen path.

In each state the particle diffuses with its own D; positions carry localisation error. The likelihood is summed over
state sequences by an interacting-multiple-model filter (Blom & Bar-Shalom 1988), which keeps one Gaussian per state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np

from lptem_tracker.analysis.trackset import Floats, TrackSet

STARTS = np.log(np.array([[0.25, 2.5, 0.04, 0.04], [0.02, 4.0, 0.08, 0.25], [1e-3, 6.0, 0.15, 0.85]]))
"""First guesses: D of both states over the track's D, and chances of leaving each state in a frame."""


@dataclass(frozen=True)
class TwoStates:
    """Two-state models of P tracks.

    Attributes
    ----------
    d : (P, 2) float
        D of the slow and the fast state in px² a frame.
    leave : (P, 2) float
        Chance of leaving each state in a frame.
    gain : (P,) float
        Log-likelihood over one state, both by the same filter.
    change_points : list of list of int
        Frames at which the particle is first seen in its new state.
    fast : (M,) float
        Chance that the step into each row was of the fast state; NaN at the start of a track.
    """

    d: Floats
    leave: Floats
    gain: Floats
    change_points: list[list[int]]
    fast: Floats


def fit_two_states(tracks: TrackSet, d: Floats, sigma2: Floats, blur: float) -> TwoStates:
    """Fit two states to each track.

    Parameters
    ----------
    tracks : TrackSet
    d, sigma2 : (P,) float
        D (px² a frame) and localisation variance (px²) of each track as one state.
    blur : float
        R; blur is treated as a smaller localisation variance where that leaves any.
    """
    floor = np.maximum(d, 1e-9 + 1e-4 * sigma2)
    par, gain, fast = _fit_all(tracks.offset, tracks.frame, tracks.xy, floor, np.maximum(sigma2, 1e-12), blur, STARTS)
    points = [_changes(tracks.frame[rows], fast[rows]) for rows in tracks]
    return TwoStates(np.exp(par[:, :2]), np.exp(par[:, 2:]), gain, points, fast)


def _changes(frame: np.ndarray, fast: Floats) -> list[int]:
    state = fast[1:] > 0.5
    # the step into row i + 1 is the first of the new state: the new motion began at row i
    return [int(frame[i + 1]) for i in np.flatnonzero(state[1:] != state[:-1])]


@nb.njit(cache=True, inline="always")
def _mixed(x0, y0, x1, y1, p0, p1, w1, leave0, leave1):  # type: ignore[no-untyped-def]
    """Return both states' places and variances and the chance of the fast one after a chance to change over."""
    to1 = (1 - w1) * leave0
    to0 = w1 * leave1
    s1, s0 = to1 + w1 * (1 - leave1), to0 + (1 - w1) * (1 - leave0)
    f, g = to1 / max(s1, 1e-300), to0 / max(s0, 1e-300)
    dx, dy = x0 - x1, y0 - y1
    dd = 0.5 * (dx * dx + dy * dy)
    q1 = (1 - f) * p1 + f * p0 + f * (1 - f) * dd
    q0 = (1 - g) * p0 + g * p1 + g * (1 - g) * dd
    return x0 - g * dx, y0 - g * dy, x1 + f * dx, y1 + f * dy, q0, q1, s1


@nb.njit(cache=True)
def _filter(frame, xy, a, b, par, sigma2, blur, before):  # type: ignore[no-untyped-def]
    """Log-likelihood of rows a..b-1; `before` gets the chance of the fast state before each step is seen."""
    d0, d1 = math.exp(par[0]), math.exp(par[1])
    leave0, leave1 = min(math.exp(par[2]), 0.98), min(math.exp(par[3]), 0.98)
    e0 = max(sigma2 - 2 * blur * d0, 0.02 * (sigma2 + d0))
    e1 = max(sigma2 - 2 * blur * d1, 0.02 * (sigma2 + d1))
    w1 = leave0 / (leave0 + leave1)
    x0, y0, x1, y1 = xy[a, 0], xy[a, 1], xy[a, 0], xy[a, 1]
    p0, p1 = e0, e1
    total = 0.0
    for i in range(a + 1, b):
        k = float(abs(frame[i] - frame[i - 1]))
        if i > a + 1:
            x0, y0, x1, y1, p0, p1, w1 = _mixed(x0, y0, x1, y1, p0, p1, w1, leave0, leave1)
        before[i] = w1
        p0 += 2 * d0 * k
        p1 += 2 * d1 * k
        v0, v1 = p0 + e0, p1 + e1
        ex0, ey0, ex1, ey1 = xy[i, 0] - x0, xy[i, 1] - y0, xy[i, 0] - x1, xy[i, 1] - y1
        h0, h1 = 0.5 * (ex0 * ex0 + ey0 * ey0) / v0, 0.5 * (ex1 * ex1 + ey1 * ey1) / v1
        # one exponential: the better state's is taken out
        a0, a1 = (1 - w1) / v0, w1 / v1
        if h0 < h1:
            a1 *= math.exp(h0 - h1)
        else:
            a0 *= math.exp(h1 - h0)
        both = max(a0 + a1, 1e-300)
        total += math.log(both) - min(h0, h1)
        w1 = a1 / both
        g0, g1 = p0 / v0, p1 / v1
        x0, y0, x1, y1 = x0 + g0 * ex0, y0 + g0 * ey0, x1 + g1 * ex1, y1 + g1 * ey1
        p0, p1 = p0 - g0 * p0, p1 - g1 * p1
    return total


@nb.njit(cache=True)
def _filters(frame, xy, a, b, pars, n, sigma2, blur, work, total):  # type: ignore[no-untyped-def]
    """Write the log-likelihoods (n,) of rows a..b-1 under the first `n` of `pars` (M, 4).

    As `_filter` one after the other, but step by step side by side: no step of one waits for another's. `work` is
    scratch of shape (M, 16).
    """
    for m in range(n):
        d0, d1, w = math.exp(pars[m, 0]), math.exp(pars[m, 1]), work[m]
        leave0, leave1 = min(math.exp(pars[m, 2]), 0.98), min(math.exp(pars[m, 3]), 0.98)
        e0 = max(sigma2 - 2 * blur * d0, 0.02 * (sigma2 + d0))
        e1 = max(sigma2 - 2 * blur * d1, 0.02 * (sigma2 + d1))
        w[0], w[1], w[2], w[3], w[4], w[5] = 2 * d0, 2 * d1, leave0, leave1, e0, e1
        w[6], w[7], w[8], w[9], w[10], w[11] = xy[a, 0], xy[a, 1], xy[a, 0], xy[a, 1], e0, e1
        w[12], w[13] = leave0 / (leave0 + leave1), 1.0
        total[m] = 0.0
    for i in range(a + 1, b):
        k, x, y = float(abs(frame[i] - frame[i - 1])), xy[i, 0], xy[i, 1]
        for m in range(n):
            w = work[m]
            leave0, leave1, e0, e1 = w[2], w[3], w[4], w[5]
            x0, y0, x1, y1, p0, p1, w1 = w[6], w[7], w[8], w[9], w[10], w[11], w[12]
            if i > a + 1:
                x0, y0, x1, y1, p0, p1, w1 = _mixed(x0, y0, x1, y1, p0, p1, w1, leave0, leave1)
            p0 += w[0] * k
            p1 += w[1] * k
            i0, i1 = 1 / (p0 + e0), 1 / (p1 + e1)
            ex0, ey0, ex1, ey1 = x - x0, y - y0, x - x1, y - y1
            h0, h1 = 0.5 * (ex0 * ex0 + ey0 * ey0) * i0, 0.5 * (ex1 * ex1 + ey1 * ey1) * i1
            # one exponential: the better state's is taken out
            less, a0, a1 = math.exp(-abs(h0 - h1)), (1 - w1) * i0, w1 * i1
            a0, a1 = (a0, a1 * less) if h0 < h1 else (a0 * less, a1)
            both = max(a0 + a1, 1e-300)
            total[m] -= min(h0, h1)
            product = w[13] * both
            if product > 1e100 or product < 1e-100:
                total[m] += math.log(w[13]) + math.log(both)
                product = 1.0
            g0, g1 = p0 * i0, p1 * i1
            w[6], w[7], w[8], w[9] = x0 + g0 * ex0, y0 + g0 * ey0, x1 + g1 * ex1, y1 + g1 * ey1
            w[10], w[11], w[12], w[13] = p0 - g0 * p0, p1 - g1 * p1, a1 / both, product
    for m in range(n):
        total[m] += math.log(work[m, 13])


@nb.njit(cache=True)
def _climb(frame, xy, a, b, starts, sigma2, blur, low):  # type: ignore[no-untyped-def]
    """Pattern search of the four parameters from each of some starts (S, 4); return the best end."""
    n = len(starts)
    best, top, width = starts.copy(), np.empty(n), np.full((n, 4), 0.8)
    trial, value, work = np.empty((n, 4)), np.empty(n), np.empty((n, 16))
    rows, waiting = np.empty(n, np.int64), np.empty(n, np.bool_)
    _filters(frame, xy, a, b, best, n, sigma2, blur, work, top)
    for _ in range(11):
        for j in range(4):
            waiting[:] = True
            for sign in (1.0, -1.0):
                count = 0
                for s in range(n):
                    if waiting[s]:
                        rows[count], trial[count] = s, best[s]
                        trial[count, j] += sign * width[s, j]
                        if j >= 2:
                            trial[count, j] = min(max(trial[count, j], low), math.log(0.98))
                        count += 1
                _filters(frame, xy, a, b, trial, count, sigma2, blur, work, value)
                for t in range(count):
                    if value[t] > top[rows[t]]:
                        best[rows[t]], top[rows[t]], waiting[rows[t]] = trial[t], value[t], False
            for s in range(n):
                width[s, j] *= 0.5 if waiting[s] else 1.3
    first = int(top.argmax())
    return best[first], top[first]


@nb.njit(cache=True)
def _fit_all(offset, frame, xy, d, sigma2, blur, starts):  # type: ignore[no-untyped-def]
    n_tracks = len(d)
    out = np.zeros((n_tracks, 4))
    gain = np.zeros(n_tracks)
    fast = np.full(len(frame), np.nan)
    ahead, behind = np.zeros(len(frame)), np.zeros(len(frame))
    ones, work, value = np.full((17, 4), math.log(0.5)), np.empty((17, 16)), np.empty(17)
    for p in range(n_tracks):
        a, b = offset[p], offset[p + 1]
        if b - a < 4:
            continue
        low = math.log(0.5 / (b - a))
        # the same filter with equal states is the one-state model
        for step in range(17):
            ones[step, 0] = ones[step, 1] = math.log(d[p]) + 0.15 * (step - 8)
        _filters(frame, xy, a, b, ones, 17, sigma2[p], blur, work, value)
        single = value.max()
        guess = starts.copy()
        guess[:, :2] += math.log(d[p])
        best, top = _climb(frame, xy, a, b, guess, sigma2[p], blur, low)
        if best[0] > best[1]:
            best = np.array([best[1], best[0], best[3], best[2]])
        out[p] = best
        gain[p] = top - single
        _filter(frame, xy, a, b, best, sigma2[p], blur, ahead)
        n = b - a
        back_frame, back = np.empty(n, frame.dtype), np.empty((n, 2))
        for i in range(n):
            back_frame[i] = frame[b - 1 - i]
            back[i] = xy[b - 1 - i]
        reverse = np.array([best[0], best[1], best[2], best[3]])
        _filter(back_frame, back, 0, n, reverse, sigma2[p], blur, behind)
        pi1 = math.exp(best[2]) / (math.exp(best[2]) + math.exp(best[3]))
        e = sigma2[p]
        for i in range(a + 1, b):
            # seen from both sides: (before, from the past) x (before, from the future) x this step
            j = b - i
            f1, f0 = ahead[i] * behind[j] / max(pi1, 1e-12), (1 - ahead[i]) * (1 - behind[j]) / max(1 - pi1, 1e-12)
            dx, dy = xy[i, 0] - xy[i - 1, 0], xy[i, 1] - xy[i - 1, 1]
            k = float(frame[i] - frame[i - 1])
            v0 = math.exp(best[0]) * (2 * k - 4 * blur) + 2 * e
            v1 = math.exp(best[1]) * (2 * k - 4 * blur) + 2 * e
            r2 = dx * dx + dy * dy
            odds = math.log(v0) - math.log(v1) + 0.5 * r2 * (1 / v0 - 1 / v1)
            odds = min(max(odds, -600.0), 600.0)
            up = f1 * math.exp(odds)
            fast[i] = up / max(up + f0, 1e-300)
    return out, gain, fast
