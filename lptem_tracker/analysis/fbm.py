"""Exact likelihood of fractional Brownian tracks with localisation error, motion blur and gaps.

The steps of complete tracks have a Toeplitz covariance. One Durbin–Levinson pass gives the inverse of its
Cholesky factor, whose leading blocks serve all shorter tracks as well; missing frames are filled with anything
and integrated out exactly afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np

from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet

SEGMENT = 256
"""Frames from which on a track is cut into pieces that share its parameters but not their correlation."""


def structure_function(lag: Floats, alpha: float, exposure: float) -> Floats:
    """Mean-square displacement per axis over 2 K of exposure-averaged fractional Brownian motion.

    Parameters
    ----------
    lag : (n,) float
        Frames, at least 1.
    alpha : float
        Anomalous exponent, 0 to 2.
    exposure : float
        Exposure over frame interval, 0 to 1.

    Notes
    -----
    Backlund, Joyner & Moerner 2015, eq. 8 (their 2H is alpha).
    """
    k = np.asarray(lag, dtype=np.float64)
    if exposure < 1e-6:
        return np.asarray(k**alpha)
    c = (alpha + 1) * (alpha + 2)
    f = exposure
    if f < 0.02:  # the second difference below would cancel
        return np.asarray(k**alpha + f * f / 12 * alpha * (alpha - 1) * k ** (alpha - 2) - 2 * f**alpha / c)
    wide = (k + f) ** (alpha + 2) + np.abs(k - f) ** (alpha + 2) - 2 * k ** (alpha + 2)
    return np.asarray(wide / (f * f * c) - 2 * f**alpha / c)


def step_covariance(alpha: float, rho: float, n: int, exposure: float) -> Floats:
    """First row (n,) of the covariance of steps over K, with rho = sigma²/K, per axis."""
    s = np.zeros(n + 1)
    s[1:] = 2 * structure_function(np.arange(1.0, n + 1), alpha, exposure) + 2 * rho
    row = np.empty(n)
    row[0] = s[1]
    row[1:] = 0.5 * (s[2:] + s[:-2] - 2 * s[1:-1])
    return row


@dataclass(frozen=True)
class Segments:
    """Pieces of tracks on a regular grid of frames, sorted by length.

    Attributes
    ----------
    track : (S,) int
        Which particle each belongs to.
    n_steps : (S,) int
        Frames it spans less one.
    steps : (S, N, 2) float
        Displacements of the filled-in positions, 0 after the end.
    missing : (S, M) int
        Frames (from 1) that were not observed, -1 where there are fewer.
    """

    track: Ints
    n_steps: Ints
    steps: Floats
    missing: Ints

    @cached_property
    def columns(self) -> Floats:
        """The steps as columns (N, 2 S), as matrices take them."""
        return np.ascontiguousarray(self.steps.transpose(1, 0, 2).reshape(self.steps.shape[1], -1))


def cut_segments(tracks: TrackSet, *, longest: int = SEGMENT) -> list[Segments]:
    """Cut tracks into pieces of at most about `longest` frames and group those of similar length."""
    pieces: list[tuple[int, int, int]] = []
    for i, rows in enumerate(tracks):
        frame = tracks.frame[rows]
        start = 0
        parts = max(1, math.ceil((frame[-1] - frame[0]) / longest))
        for part in range(1, parts + 1):
            goal = frame[0] + (frame[-1] - frame[0]) * part / parts
            stop = int(np.searchsorted(frame, goal)) if part < parts else len(frame) - 1
            if stop > start and frame[stop] - frame[start] <= 4 * longest:
                pieces.append((i, rows.start + start, rows.start + stop))
                start = stop
    pieces.sort(key=lambda piece: tracks.frame[piece[2]] - tracks.frame[piece[1]])
    groups: list[Segments] = []
    first = 0
    for k in range(1, len(pieces) + 1):
        if k == len(pieces) or _span(tracks, pieces[k]) > 1.25 * _span(tracks, pieces[first]) + 4:
            groups.append(_segments(tracks, pieces[first:k]))
            first = k
    return groups


def _span(tracks: TrackSet, piece: tuple[int, int, int]) -> int:
    return int(tracks.frame[piece[2]] - tracks.frame[piece[1]])


def _segments(tracks: TrackSet, pieces: list[tuple[int, int, int]]) -> Segments:
    n = np.array([_span(tracks, piece) for piece in pieces])
    steps = np.zeros((len(pieces), int(n.max()), 2))
    gaps: list[Ints] = []
    for s, (_, a, b) in enumerate(pieces):
        frame = tracks.frame[a : b + 1] - tracks.frame[a]
        grid = np.arange(n[s] + 1)
        for axis in (0, 1):
            steps[s, : n[s], axis] = np.diff(np.interp(grid, frame, tracks.xy[a : b + 1, axis]))
        seen = np.zeros(n[s] + 1, dtype=bool)
        seen[frame] = True
        gaps.append(np.flatnonzero(~seen))
    missing = np.full((len(pieces), max(len(g) for g in gaps)), -1, dtype=np.int64)
    for s, gap in enumerate(gaps):
        missing[s, : len(gap)] = gap
    return Segments(np.array([piece[0] for piece in pieces]), n, steps, missing)


def stats(groups: list[Segments], n_tracks: int, row_of: Floats | list[Floats]) -> Floats:
    """Sufficient statistics of every track under one step covariance.

    Parameters
    ----------
    groups : list of Segments
    n_tracks : int
    row_of : (N,) float
        First row of the Toeplitz covariance of steps over its scale, long enough for every segment.

    Returns
    -------
    (P, 6) float
        As in `brownian.stats`: log det, xx, yy, xk, yk, kk, summed over a track's segments.
    """
    out = np.zeros((n_tracks, 6))
    whole = _inverse_cholesky(np.asarray(row_of)[: max(group.steps.shape[1] for group in groups)])
    # of a factor that is a lower triangle, what lies right of a leading block adds nothing to its rows
    beat, logs = whole.sum(1), -2 * np.cumsum(np.log(np.diagonal(whole)))
    for group in groups:
        n = group.steps.shape[1]
        white = (whole[:n, :n] @ group.columns).reshape(n, -1, 2)
        part = _collect(white, beat, logs, whole, group.n_steps, group.missing)
        np.add.at(out, group.track, part)
    return out


@nb.njit(cache=True)
def _inverse_cholesky(row):  # type: ignore[no-untyped-def]
    """L⁻¹ of a Toeplitz matrix by Durbin–Levinson (Golub & Van Loan 2013, algorithm 4.7.1)."""
    n = len(row)
    out = np.zeros((n, n))
    phi = np.zeros(n)
    old = np.zeros(n)
    v = max(row[0], 1e-300)
    out[0, 0] = 1 / math.sqrt(v)
    for t in range(1, n):
        acc = row[t]
        for j in range(t - 1):
            acc -= phi[j] * row[t - 1 - j]
        kappa = acc / v
        for j in range(t - 1):
            old[j] = phi[j]
        for j in range(t - 1):
            phi[j] = old[j] - kappa * old[t - 2 - j]
        phi[t - 1] = kappa
        v = max(v * (1 - kappa * kappa), 1e-300)
        scale = 1 / math.sqrt(v)
        out[t, t] = scale
        for j in range(t):
            out[t, t - 1 - j] = -phi[j] * scale
    return out


@nb.njit(cache=True)
def _collect(white, beat, logs, inverse, n_steps, missing):  # type: ignore[no-untyped-def]
    """Sum whitened steps into the six statistics and integrate the missing frames out.

    beat, logs : (N,) sums of the factor's rows, and the log determinant of each leading block of the covariance.
    """
    n_seg = white.shape[1]
    out = np.zeros((n_seg, 6))
    for s in range(n_seg):
        n = n_steps[s]
        out[s, 0] = logs[n - 1]
        for t in range(n):
            x, y, k = white[t, s, 0], white[t, s, 1], beat[t]
            out[s, 1] += x * x
            out[s, 2] += y * y
            out[s, 3] += x * k
            out[s, 4] += y * k
            out[s, 5] += k * k
        m = 0
        while m < missing.shape[1] and missing[s, m] >= 0:
            m += 1
        if m == 0:
            continue
        # what moving one missing position does to the whitened steps
        w = np.zeros((n, m + 3))
        for j in range(m):
            i = missing[s, j]
            for t in range(i - 1, n):
                w[t, j] = inverse[t, i - 1] - inverse[t, i]
        for t in range(n):
            w[t, m], w[t, m + 1], w[t, m + 2] = white[t, s, 0], white[t, s, 1], beat[t]
        gram = w.T @ w
        for j in range(m):
            pivot = gram[j, j]
            out[s, 0] += math.log(pivot)
            for a in range(j + 1, m + 3):
                ratio = gram[a, j] / pivot
                for b in range(a, m + 3):
                    gram[b, a] -= ratio * gram[b, j]
        out[s, 1], out[s, 2], out[s, 5] = gram[m, m], gram[m + 1, m + 1], gram[m + 2, m + 2]
        out[s, 3], out[s, 4] = gram[m + 2, m], gram[m + 2, m + 1]
    return out
