"""Anomalous exponent by fractional-Brownian maximum likelihood, localisation error shared by all tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from lptem_tracker.analysis import fbm
from lptem_tracker.analysis.between_tracks import between, resampled, without_each
from lptem_tracker.analysis.diffusion import MIN_BOOTSTRAP, MIN_SPREAD, Imaging, Velocity
from lptem_tracker.analysis.family import Family, at_sigma2, build_family, over_sigma2, pool
from lptem_tracker.analysis.profile import reduce_stats
from lptem_tracker.analysis.quantiles import chi2_quantile, normal_quantile, student_quantile
from lptem_tracker.analysis.shared_noise import SharedNoise
from lptem_tracker.analysis.trackset import Floats, TrackSet

ALPHA = np.linspace(0.05, 1.95, 20)
ALPHA_FINE = np.linspace(0.05, 1.95, 761)


@dataclass(frozen=True)
class AlphaFit:
    """Anomalous exponent of P tracks and of all together.

    Attributes
    ----------
    alpha, low, high, std : (P,) float
        Estimate and profile interval of each track.
    pooled : tuple of float
        alpha, low, high, std of all tracks together.
    pooled_method : str
    """

    alpha: Floats
    low: Floats
    high: Floats
    std: Floats
    pooled: tuple[float, float, float, float]
    pooled_method: str


def fbm_family(tracks: TrackSet, imaging: Imaging, velocity: Velocity | None, scale: Floats) -> Family:
    """Tables of fractional Brownian motion over alpha.

    Parameters
    ----------
    tracks : TrackSet
    imaging : Imaging
    velocity : Velocity or None
        Prior of each track's mean velocity.
    scale : (P,) float
        D of each track, to compare with the prior's width.
    """
    groups = fbm.cut_segments(tracks)
    longest = max(group.steps.shape[1] for group in groups)
    n = np.zeros(len(tracks))
    for group in groups:
        np.add.at(n, group.track, group.n_steps - (group.missing >= 0).sum(1))
    mean = None if velocity is None else velocity.mean
    spread: Floats | float = 0.0 if velocity is None else velocity.variance / np.maximum(scale, 1e-300)[:, None]

    def evaluate(alpha: float, rho: float) -> tuple[Floats, Floats, Floats]:
        row = fbm.step_covariance(alpha, rho, longest, 6 * imaging.blur)
        q, logdet, m = reduce_stats(fbm.stats(groups, len(tracks), row)[:, None], n, (0, 1), mean, spread)
        return q[:, 0], logdet[:, 0], m

    return build_family(ALPHA, evaluate)


def fit_alpha(
    family: Family,
    noise: SharedNoise,
    *,
    one_scale: bool = True,
    level: float = 0.95,
    bootstrap: int = 400,
    seed: int = 0,
) -> AlphaFit:
    """Estimate alpha of each track and of all, with the uncertainty of the shared localisation error.

    Parameters
    ----------
    family : Family
        From `fbm_family`.
    noise : SharedNoise
    one_scale : bool
        Whether all tracks share one K in the pooled estimate; else each has its own.
    level : float
        Of the intervals.
    bootstrap, seed : int
        Resamplings over tracks, from 20 tracks on; three or more that seem to differ get a jackknife's interval.
    """
    found = []
    for rows, part in over_sigma2(family, noise.sigma2):
        joint = part.best + noise.others[rows, None, :]
        found.append(_interval(CubicSpline(ALPHA, joint.max(2), axis=1)(ALPHA_FINE), level))
    alpha, low, high = (np.concatenate(each) for each in zip(*found))
    std = (high - low) / (2 * normal_quantile(0.5 + level / 2))
    pooled, method = _pooled(family, noise, one_scale, level, bootstrap, seed)
    return AlphaFit(alpha, low, high, std, pooled, method)


def _pooled(
    family: Family, noise: SharedNoise, one_scale: bool, level: float, bootstrap: int, seed: int
) -> tuple[tuple[float, float, float, float], str]:
    """One alpha for all tracks, with one K or with each track's own integrated out."""
    n = len(family.m)
    many = n >= MIN_BOOTSTRAP and bootstrap >= 2
    counts: list[npt.NDArray[Any]] = [np.ones((1, n))]
    if many:
        counts.append(resampled(n, bootstrap, seed))
    elif n >= MIN_SPREAD:
        counts.append(without_each(n))
    whole, *others = _curves(family, noise, counts, one_scale=one_scale)
    alpha, low, high = (float(v[0]) for v in _interval(whole, level))
    std = (high - low) / (2 * normal_quantile(0.5 + level / 2))
    method = "profile likelihood"
    if many:
        draws = ALPHA_FINE[others[0].argmax(1)]
        std = float(draws.std()) * np.sqrt(n / (n - 1))
        half = student_quantile(0.5 + level / 2, n - 1) * std
        low, high, method = max(alpha - half, 0.0), min(alpha + half, 2.0), f"bootstrap over {n} tracks"
    elif n >= MIN_SPREAD and (found := between(ALPHA_FINE[others[0].argmax(1)], std)).doubtful:
        std, method = max(found.std, std), f"jackknife over {n} tracks"
        half = student_quantile(0.5 + level / 2, n - 1) * std
        low, high = max(min(low, alpha - half), 0.0), min(max(high, alpha + half), 2.0)
    return (alpha, low, high, std), method


def _curves(family: Family, noise: SharedNoise, counts: Sequence[npt.NDArray[Any]], *, one_scale: bool) -> list[Floats]:
    """Log-likelihoods (B, A) over alpha of ensembles in which each track counts as often as `counts` (B, P) says."""
    if one_scale:
        totals = [at_sigma2(pool(family, each), noise.sigma2).best for each in counts]
    else:
        totals = [np.zeros((len(each), len(ALPHA), len(noise.sigma2))) for each in counts]
        for rows, part in over_sigma2(family, noise.sigma2):
            for total, each in zip(totals, counts):
                total += np.tensordot(each[:, rows], part.integrated, 1)
    return [np.asarray(CubicSpline(ALPHA, total.max(2), axis=1)(ALPHA_FINE)) for total in totals]


def _interval(curve: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Place of the maximum and ends of the profile interval of each row of curves over `ALPHA_FINE`."""
    best = curve.argmax(1)
    inside = curve >= curve.max(1, keepdims=True) - chi2_quantile(level, 1) / 2
    low = ALPHA_FINE[inside.argmax(1)]
    high = ALPHA_FINE[curve.shape[1] - 1 - inside[:, ::-1].argmax(1)]
    # at the end of the grid the interval is open: alpha lies between 0 and 2
    low, high = np.where(inside[:, 0], 0.0, low), np.where(inside[:, -1], 2.0, high)
    return ALPHA_FINE[best], low, high
