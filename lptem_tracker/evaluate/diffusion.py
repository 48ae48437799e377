"""Scores of estimates against truth: bias, error relative to the Cramér–Rao bound, and coverage of intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.brownian import crlb

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """How estimates of one quantity compare with the truth.

    Attributes
    ----------
    bias, bias_std : float
        Mean of (estimate - truth)/truth and its standard error.
    rmse : float
        Root mean square of the same.
    rmse_over_bound : float
        Relative to the Cramér–Rao bound; NaN where none was given.
    coverage, coverage_std : float
        Share of intervals that hold the truth, and its binomial error.
    n : int
        Estimates.
    """

    bias: float
    bias_std: float
    rmse: float
    rmse_over_bound: float
    coverage: float
    coverage_std: float
    n: int


def score(value: Floats, low: Floats, high: Floats, truth: float, bound: float = float("nan")) -> Score:
    """Score estimates of one truth.

    Parameters
    ----------
    value, low, high : (n,) float
        Estimates and ends of their intervals; NaN estimates are left out.
    truth : float
        Not zero.
    bound : float
        Cramér–Rao bound of the standard error, in the unit of `truth`.

    Examples
    --------
    >>> s = score(np.array([0.9, 1.1]), np.array([0.8, 1.05]), np.array([1.2, 1.3]), 1.0, 0.1)
    >>> round(s.rmse_over_bound, 3), s.coverage
    (1.0, 0.5)
    """
    good = np.isfinite(value)
    error = value[good] / truth - 1
    n = int(good.sum())
    held = (low[good] <= truth) & (high[good] >= truth)
    rmse = float(np.sqrt((error**2).mean()))
    share = float(held.mean())
    return Score(
        float(error.mean()),
        float(error.std() / np.sqrt(n)),
        rmse,
        rmse * abs(truth) / bound,
        share,
        float(np.sqrt(share * (1 - share) / n)),
        n,
    )


def bound_of_d(d: float, sigma2: float, n_positions: int, blur: float, n_tracks: int = 1) -> float:
    """Cramér–Rao bound of D from complete tracks in two dimensions, localisation error unknown.

    Parameters
    ----------
    d, sigma2 : float
        px² a frame and px².
    n_positions : int
        Of each track.
    blur : float
        R.
    n_tracks : int
        Tracks that share D and sigma.
    """
    return crlb(d, sigma2, n_positions - 1, blur) / float(np.sqrt(n_tracks))
