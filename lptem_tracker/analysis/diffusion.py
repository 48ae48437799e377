"""Diffusion coefficient and localisation error of single tracks and of all tracks together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.between_tracks import DOUBT, Between, between, log_std, resampled, without_each
from lptem_tracker.analysis.brownian import BLUR_MAX, KK, XK, stats
from lptem_tracker.analysis.profile import OFFSET, ProfileFit, join, profile, reduce_stats, refine
from lptem_tracker.analysis.quantiles import chi2_quantile
from lptem_tracker.analysis.trackset import Floats, TrackSet
from lptem_tracker.calibration import Calibration

MIN_BOOTSTRAP = 20
"""Tracks from which on the ensemble's interval is a bootstrap over tracks."""
MIN_SPREAD = 3
"""Tracks from which on it is tested whether particles differ."""
DIFFER = 0.01
"""Probability with which fewer than `MIN_BOOTSTRAP` equal particles are taken for different ones."""


@dataclass(frozen=True)
class Imaging:
    """What is known of how positions were recorded.

    Attributes
    ----------
    blur : float
        R of the exposure (Berglund 2010, eq. 8).
    lowest : float
        Smallest sigma²/(D dt): 0 where R is known. Where it is not, blur acts like a negative localisation
        variance of down to -2 R_max D dt, so that D stays right for any exposure.
    weighted : bool
        Whether stated errors of single positions scale the localisation variance.
    """

    blur: float
    lowest: float = 0.0
    weighted: bool = False


@dataclass(frozen=True)
class Velocity:
    """Prior of each particle's mean velocity: what the others say about the common drift.

    Attributes
    ----------
    mean : (P, 2) float
        px a frame.
    variance : (P, 2) float
        px² a frame²; inf: nothing is known.
    """

    mean: Floats
    variance: Floats


@dataclass(frozen=True)
class PooledFit:
    """One likelihood over all tracks.

    Attributes
    ----------
    fit : ProfileFit
        Of one row; its interval is the profile's.
    low, high, std : float
        The interval reported: bootstrap over tracks from 20 tracks on; below, the profile's, or where particles
        seem to differ that of a jackknife over tracks.
    method : str
    overdispersion : float
        Variance over tracks relative to what one common D would give; NaN with fewer than 3 tracks.
    differ : bool
        Whether particles differ more than their errors let them.
    """

    fit: ProfileFit
    low: float
    high: float
    std: float
    method: str
    overdispersion: float
    differ: bool = False

    @property
    def d(self) -> float:
        """D in px² a frame."""
        return float(self.fit.d[0])

    @property
    def sigma2(self) -> float:
        """Localisation variance in px²."""
        return float(self.fit.sigma2[0])

    @property
    def sigma2_ends(self) -> tuple[float, float]:
        """Ends of the localisation variance's profile interval in px²."""
        return float(self.fit.sigma2_low[0]), float(self.fit.sigma2_high[0])


def imaging_of(calibration: Calibration) -> Imaging:
    """Return the blur that the calibration states, or the range that an unknown exposure leaves."""
    if calibration.exposure_s is None or calibration.frame_interval_s is None:
        return Imaging(0.0, -2 * BLUR_MAX)
    return Imaging(calibration.blur_coefficient)


def fit_tracks(
    tracks: TrackSet,
    imaging: Imaging,
    *,
    level: float = 0.95,
    velocity: Velocity | None = None,
    axes: tuple[int, ...] = (0, 1),
) -> ProfileFit:
    """Maximum-likelihood D of each track, its localisation error free.

    Parameters
    ----------
    tracks : TrackSet
        At least 3 positions each.
    imaging : Imaging
    level : float
        Of the profile-likelihood intervals.
    velocity : Velocity, optional
        Prior of each track's mean velocity; None: no mean motion.
    axes : tuple of int
        0 for x, 1 for y.
    """
    parts = []
    for rows, block in tracks.blocks():
        prior = None if velocity is None else Velocity(velocity.mean[rows], velocity.variance[rows])
        parts.append(_fit_block(block, imaging, level, prior, axes))
    return join(parts) if parts else _fit_block(tracks, imaging, level, velocity, axes)


def _fit_block(
    tracks: TrackSet, imaging: Imaging, level: float, velocity: Velocity | None, axes: tuple[int, ...]
) -> ProfileFit:
    n = tracks.n_observed.astype(np.float64) - 1

    def plain(rho: Floats) -> tuple[Floats, Floats, Floats]:
        stat = stats(tracks, rho, imaging.blur, weighted=imaging.weighted)
        return reduce_stats(stat, n, axes, None if velocity is None else velocity.mean, spread)

    spread: Floats | float = 0.0
    if velocity is not None:
        # the prior's width is absolute, the likelihood's scale is D: take D from a first, drift-free fit
        spread = np.inf
        if np.isinf(velocity.variance).all():
            return refine(plain, len(tracks), imaging.lowest, level)
        first = refine(plain, len(tracks), imaging.lowest, level, sizes=(40,))
        with np.errstate(divide="ignore", over="ignore"):
            spread = velocity.variance / np.maximum(first.d, 1e-300)[:, None]
        spread = np.where(np.isinf(velocity.variance), np.inf, np.minimum(spread, 1e12))
    return refine(plain, len(tracks), imaging.lowest, level)


def fit_pooled(
    tracks: TrackSet,
    imaging: Imaging,
    *,
    level: float = 0.95,
    drift: bool = False,
    own_velocity: bool = False,
    axes: tuple[int, ...] = (0, 1),
    share: float = 1.0,
    bootstrap: int = 400,
    seed: int = 0,
) -> PooledFit:
    """One D and one localisation error of all tracks.

    Parameters
    ----------
    tracks : TrackSet
    imaging : Imaging
    level : float
    drift : bool
        One unknown velocity common to all, by restricted likelihood (flat prior).
    own_velocity : bool
        One unknown velocity for each track.
    axes : tuple of int
    share : float
        Part of the displacements that are independent (1 - 1/n after a frame-wise drift was taken out).
    bootstrap, seed : int
        Resamplings over tracks.
    """

    def pooled(rho: Floats, counts: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
        return _sums(tracks, imaging, rho, counts, axes, own_velocity=own_velocity, drift=drift)

    one = np.ones((1, len(tracks)))
    fit = refine(lambda rho: pooled(rho[0], one), 1, imaging.lowest, level, sizes=(40, 32, 32), share=share)
    if len(tracks) < MIN_SPREAD or bootstrap < 2:
        return _profiled(fit)
    counts = without_each(len(tracks)).astype(np.uint16)
    groups, many = len(counts), len(tracks) >= MIN_BOOTSTRAP
    if many:
        counts = np.concatenate([counts, resampled(len(tracks), bootstrap, seed)])
    logs = _log_d(*pooled(_around(fit, imaging.lowest), counts))
    found = between(logs[:groups], log_std(float(fit.low[0]), float(fit.high[0]), level))
    if many:
        return _bootstrapped(fit, logs[groups:], len(tracks), found, level)
    ratio = share * likelihood_ratio(tracks, imaging, fit, drift=drift, own_velocity=own_velocity, axes=axes)
    return _jackknifed(fit, found, ratio, level)


def _sums(
    tracks: TrackSet,
    imaging: Imaging,
    rho: Floats,
    counts: npt.NDArray[Any],
    axes: tuple[int, ...],
    *,
    own_velocity: bool,
    drift: bool,
) -> tuple[Floats, Floats, Floats]:
    """Quadratic form, log determinant (B, G) and count (B,) of all tracks, `counts` (B, P) times each."""
    n = tracks.n_observed.astype(np.float64) - 1
    total = np.zeros((len(counts), len(rho), 6))
    q, logdet, m = np.zeros(total.shape[:2]), np.zeros(total.shape[:2]), np.zeros(len(counts))
    for rows, block in tracks.blocks():
        stat, times = stats(block, rho, imaging.blur, weighted=imaging.weighted), counts[:, rows].astype(np.float64)
        if own_velocity:
            part = reduce_stats(stat, n[rows], axes, None, np.inf)
            q, logdet, m = q + times @ part[0], logdet + times @ part[1], m + times @ part[2]
        else:
            total += np.tensordot(times, stat, 1)
            m += times @ n[rows]
    return (q, logdet, m) if own_velocity else reduce_stats(total, m, axes, None, np.inf if drift else 0.0)


def likelihood_ratio(
    tracks: TrackSet,
    imaging: Imaging,
    fit: ProfileFit,
    *,
    drift: bool = False,
    own_velocity: bool = False,
    axes: tuple[int, ...] = (0, 1),
) -> float:
    """Twice the log-likelihood that a D of each track's own gains over one D, at the common localisation error.

    Of equal particles it is distributed as chi-squared of one less than their number (Bartlett 1937, of variances).

    Parameters
    ----------
    tracks : TrackSet
    imaging : Imaging
    fit : ProfileFit
        Of all tracks together, one row.
    drift, own_velocity : bool
    axes : tuple of int
        As in `fit_pooled`.
    """
    n = tracks.n_observed.astype(np.float64) - 1
    one, rho = float(fit.d[0]), float(fit.rho[0])

    def loglik(d: Floats) -> Floats:
        """Return each track's log-likelihood (n, grid) of its D in `d`, up to a constant."""
        # blur lowers the variance in proportion to D, the localisation error adds the same to each
        at = np.full_like(d, rho) if rho <= 0 else rho * one / d
        stat = stats(tracks, at, imaging.blur, weighted=imaging.weighted)
        velocity = None
        if drift and not own_velocity:
            ours = stats(tracks, np.full((len(tracks), 1), rho), imaging.blur, weighted=imaging.weighted)[:, 0].sum(0)
            velocity = np.broadcast_to(ours[XK : XK + 2] / max(float(ours[KK]), 1e-300), (len(tracks), 2))
        q, logdet, m = reduce_stats(stat, n, axes, velocity, np.inf if own_velocity else 0.0)
        return np.asarray(-0.5 * (m[:, None] * np.log(d) + q / d + logdet))

    wide = np.linspace(-16.0, 8.0, 97)
    first = loglik(np.broadcast_to(one * np.exp(wide), (len(tracks), len(wide))))
    fine = np.linspace(-0.3, 0.3, 61)
    own = loglik(one * np.exp(wide[first.argmax(1)][:, None] + fine))
    common = loglik(np.broadcast_to(one * np.exp(fine), (len(tracks), len(fine)))).sum(0)
    return 2 * float(np.maximum(own.max(1), first.max(1)).sum() - common.max())


def _profiled(fit: ProfileFit, overdispersion: float = float("nan")) -> PooledFit:
    return PooledFit(
        fit, float(fit.low[0]), float(fit.high[0]), float(fit.std[0]), "profile likelihood", overdispersion
    )


def _jackknifed(fit: ProfileFit, found: Between, ratio: float, level: float) -> PooledFit:
    """Profile interval, or where particles seem to differ one over tracks; they do differ by the likelihood ratio."""
    if not ratio > chi2_quantile(1 - DOUBT, found.n - 1):
        return _profiled(fit, found.overdispersion)
    d, low, high = float(fit.d[0]), float(fit.low[0]), float(fit.high[0])
    below, above = found.ends(level, least=found.expected)
    return PooledFit(
        fit,
        min(low, d * np.exp(-below)),
        max(high, d * np.exp(above)),
        d * max(found.std, found.expected),
        f"jackknife over {found.n} tracks",
        found.overdispersion,
        bool(ratio > chi2_quantile(1 - DIFFER, found.n - 1)),
    )


def _bootstrapped(fit: ProfileFit, logs: Floats, n: int, found: Between, level: float) -> PooledFit:
    """Interval from resampled log D, with the skewness of single tracks."""
    d = float(fit.d[0])
    skewness = found.skewness * np.sqrt(n / found.n)  # of tracks rather than groups of them
    found = replace(found, std=float(np.std(logs)) * np.sqrt(n / (n - 1)), skewness=skewness, n=n)
    below, above = found.ends(level)
    return PooledFit(
        fit,
        d * np.exp(-below),
        d * np.exp(above),
        d * found.std,
        f"bootstrap over {n} tracks",
        found.overdispersion,
        found.differ,
    )


def _log_d(q: Floats, logdet: Floats, m: Floats) -> Floats:
    best = profile(q, logdet, m).argmax(1)
    return np.asarray(np.log(q[np.arange(len(q)), best] / m))


def _around(fit: ProfileFit, lowest: float) -> Floats:
    """Grid of 96 reduced errors around a pooled fit, wide enough for particles that differ."""
    s = np.log(np.array([fit.rho_low[0], fit.rho[0], fit.rho_high[0]]) - lowest + OFFSET)
    wide = 6 * max(s[2] - s[0], 0.05)
    low = max(np.log(OFFSET), s[1] - wide)
    return np.asarray(lowest + np.exp(np.linspace(low, s[1] + wide, 96)) - OFFSET)
