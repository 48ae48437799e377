"""Estimators of D that stand beside the likelihood as a check."""

from __future__ import annotations

import numpy as np

from lptem_tracker.analysis.msd import time_averaged_msd
from lptem_tracker.analysis.trackset import Floats, TrackSet


def cve(tracks: TrackSet, blur: float) -> tuple[float, float]:
    """Covariance-based estimator, pooled over tracks and both axes.

    Parameters
    ----------
    tracks : TrackSet
    blur : float
        R.

    Returns
    -------
    d, sigma2 : float
        px² a frame and px²; NaN without two successive steps. Good for sigma² up to about D dt.

    Notes
    -----
    Vestergaard 2014, eq. 14 and 16; with gaps the mean square grows with the mean span of a step.
    """
    step, span, end = tracks.steps()
    if len(step) < 2:
        return float("nan"), float("nan")
    follows = (np.diff(end) == 1) & (tracks.index[end][1:] == tracks.index[end][:-1])
    if not follows.any():
        return float("nan"), float("nan")
    square = float((step**2).mean())
    cross = float((step[1:] * step[:-1])[follows].mean())
    mean = float(span.mean())
    d = (square / 2 + cross) / mean
    return d, 2 * blur * d - cross


def gls(tracks: TrackSet, d: float, sigma2: float, blur: float, lags: int = 8) -> float:
    """Slope of the pooled MSD by generalised least squares with the exact covariance of its lags.

    Parameters
    ----------
    tracks : TrackSet
    d, sigma2 : float
        First estimate, which gives the weights, px² a frame and px².
    blur : float
        R.
    lags : int
        Lags 1..lags are fitted (fewer for short tracks).

    Returns
    -------
    float
        D in px² a frame (Bullerjahn, von Bülow & Hummer 2020).
    """
    n = int(np.median(tracks.frame_last - tracks.frame_first)) + 1
    lags = min(lags, max(2, n // 4))
    value, pairs = time_averaged_msd(tracks, lags)
    if n < 4 or (pairs.sum(0) == 0).any():
        return float("nan")
    msd = np.nansum(value * pairs, 0) / pairs.sum(0)
    weight = np.linalg.pinv(_lag_covariance(n, lags, d, max(sigma2 - 2 * blur * d, -0.45 * d)))
    design = np.stack([np.ones(lags), np.arange(1, lags + 1)], 1)
    _, slope = np.linalg.lstsq(design.T @ weight @ design, design.T @ weight @ msd)[0]
    return float(slope / 4)


def _lag_covariance(n: int, lags: int, d: float, noise: float) -> Floats:
    """Covariance of a track's MSD at lags 1..lags, up to a factor."""
    reach = np.arange(-n - 2 * lags, n + 2 * lags + 1)
    s = np.where(reach == 0, 0.0, 2 * d * np.abs(reach) + 2 * noise)
    zero = n + 2 * lags
    out = np.zeros((lags, lags))
    for a in range(1, lags + 1):
        for b in range(1, lags + 1):
            j = np.arange(-(n - a - 1), n - b)
            g = 0.5 * (s[zero + j + b] + s[zero + j - a] - s[zero + j] - s[zero + j + b - a])
            # pairs of starts that are j apart: t in 0..n-a-1, t + j in 0..n-b-1
            count = np.minimum(n - a, n - b - j) - np.maximum(0, -j)
            out[a - 1, b - 1] = (np.maximum(count, 0) * g**2).sum() / ((n - a) * (n - b))
    return out
