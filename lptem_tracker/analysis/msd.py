"""Mean-square displacement against lag: for the eye; D is fitted to displacements, not to this curve."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import fft

from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet

BLOCK = 60_000  # numbers in one block: it stays in the processor's cache


def time_averaged_msd(tracks: TrackSet, max_lag: int) -> tuple[Floats, Ints]:
    """Mean-square displacement over all overlapping pairs, exact with gaps.

    Parameters
    ----------
    tracks : TrackSet
        P particles.
    max_lag : int
        Longest lag L in frames.

    Returns
    -------
    msd : (P, L) float
        px²; NaN where there is no pair.
    n_pairs : (P, L) int

    Notes
    -----
    Sum over pairs of (x_t - x_s)² as three correlations of mask and position (Calandrini 2011), each by
    FFT; positions are relative to the track's mean, as an offset costs digits.
    """
    msd = np.full((len(tracks), max_lag), np.nan)
    pairs = np.zeros((len(tracks), max_lag), dtype=np.int64)
    for part, mask, xy in dense_blocks(tracks):
        lags = min(max_lag, xy.shape[1] - 1)
        if lags < 1:
            continue
        total, count = _pair_sums(mask, xy, lags)
        n = np.rint(count).astype(np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            msd[part, :lags] = np.where(n > 0, np.maximum(total, 0) / n, np.nan)
        pairs[part, :lags] = n
    return msd, pairs


def _pair_sums(mask: Floats | None, xy: Floats, lags: int) -> tuple[Floats, Floats]:
    """Sum of squared displacements and number of pairs at lags 1..lags."""
    n = xy.shape[1]
    size = fft.next_fast_len(n + lags)
    # x + iy in one transform: the real part of its autocorrelation is that of x plus that of y
    both = fft.fft(xy.view(np.complex128)[..., 0], size)
    cross = fft.ifft(both.real**2 + both.imag**2, overwrite_x=True)[:, 1 : lags + 1].real
    square = xy[..., 0] ** 2 + xy[..., 1] ** 2
    if mask is None:
        # pairs that are k apart leave out the last k positions once and the first k once
        head, tail = np.cumsum(square[:, :lags], 1), np.cumsum(square[:, : -lags - 1 : -1], 1)
        count = np.broadcast_to(n - np.arange(1, lags + 1), cross.shape)
        return 2 * square.sum(1, keepdims=True) - head - tail - 2 * cross, count
    m = fft.rfft(mask, size)
    total = fft.irfft(2 * (fft.rfft(square, size) * m.conj()).real, size)[:, 1 : lags + 1] - 2 * cross
    return total, fft.irfft(m.real**2 + m.imag**2, size)[:, 1 : lags + 1]


def dense_blocks(tracks: TrackSet) -> Iterator[tuple[Ints, Floats | None, Floats]]:
    """Yield particles of similar length as arrays over frames.

    Yields
    ------
    part : (p,) int
        Numbers of the particles.
    mask : (p, T) float or None
        1 where observed, 0 in gaps and after the end; None where all are observed.
    xy : (p, T, 2) float
        Position relative to the track's mean, 0 where not observed.
    """
    span = tracks.frame_last - tracks.frame_first + 1
    order = np.argsort(span, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while (
            stop < len(order)
            and span[order[stop]] <= 1.3 * span[order[start]] + 8
            and (stop - start) * span[order[stop]] < BLOCK
        ):
            stop += 1
        part = order[start:stop]
        start = stop
        first, last, width = part[0], part[-1], int(span[part[-1]])
        if last - first == len(part) - 1 and tracks.offset[last + 1] - tracks.offset[first] == len(part) * width:
            xy = tracks.xy[tracks.offset[first] : tracks.offset[last + 1]].reshape(len(part), width, 2)
            yield part, None, xy
            continue
        mask = np.zeros((len(part), int(span[part].max())))
        xy = np.zeros((*mask.shape, 2))
        counts = tracks.n_observed[part]
        row = np.repeat(np.arange(len(part)), counts)
        source = np.repeat(tracks.offset[part] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        column = tracks.frame[source] - np.repeat(tracks.frame_first[part], counts)
        mask[row, column] = 1
        xy[row, column] = tracks.xy[source]
        yield part, mask, xy


def msd_std(n_frames: int, structure: Floats, n_pairs: Ints) -> Floats:
    """Standard error of a time-averaged MSD of a Gaussian process with stationary steps.

    Parameters
    ----------
    n_frames : int
        Frames that the track spans.
    structure : (n_frames + L,) float
        Mean-square displacement per axis at lags 0, 1, 2, … in px², its value at lag 0 being 0.
    n_pairs : (L,) int
        Pairs at each lag; where gaps leave fewer, the variance rises in proportion.

    Returns
    -------
    (L,) float
        px², for the sum over two axes.

    Notes
    -----
    Displacements over n frames that start j frames apart have the covariance
    ``g(j) = (S(j + n) + S(|j - n|) - 2 S(j)) / 2``; the variance of their mean square is
    ``2/K² sum_j (K - |j|) g(j)²`` per axis (Michalet 2010, appendix A; Qian 1991).
    """
    full = n_frames - np.arange(1, len(n_pairs) + 1)
    variance = np.empty(len(full))
    j = np.arange(n_frames)
    step = max(1, BLOCK // max(n_frames, 1))
    for start in range(0, len(full), step):
        lag = np.arange(start + 1, min(start + step, len(full)) + 1)[:, None]
        g = 0.5 * (structure[j + lag] + structure[np.abs(j - lag)] - 2 * structure[j])
        weight = np.maximum(n_frames - lag - j, 0) * np.where(j > 0, 2.0, 1.0)
        variance[start : start + step] = 4 * (weight * g**2).sum(1)
    variance /= np.maximum(full, 1) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n_pairs > 0, np.sqrt(variance * full / n_pairs), np.nan)


def ensemble_msd(
    lag: Ints, msd: Floats, std: Floats, n_pairs: Ints, *, enough: int = 20
) -> tuple[Floats, Floats, Ints]:
    """Average over particles, each weighted by its number of pairs.

    Parameters
    ----------
    lag : (N,) int
        Frames, from 1; one row a particle and lag, none twice.
    msd, std : (N,) float
    n_pairs : (N,) int
        At least 1.
    enough : int
        Particles from which on the standard error comes from their scatter rather than from their models.

    Returns
    -------
    value, std : (L,) float
        At lags 1 to the longest; NaN where there is no pair.
    n_pairs : (L,) int
    """
    at, lags = lag - 1, int(lag.max(initial=1))

    def summed(values: Floats) -> Floats:
        return np.asarray(np.bincount(at, values, lags), np.float64)

    total = summed(n_pairs.astype(np.float64)).astype(np.int64)
    weight = n_pairs / total[at]
    value = np.where(total > 0, summed(weight * msd), np.nan)
    own = np.sqrt(summed((weight * np.nan_to_num(std)) ** 2))
    n = np.bincount(at, minlength=lags)
    scatter = np.sqrt(summed((weight * (msd - value[at])) ** 2) * n / np.maximum(n - 1, 1))
    return value, np.where(n >= enough, scatter, own), total
