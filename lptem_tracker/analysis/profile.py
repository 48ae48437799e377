"""Profile likelihood of D where the likelihood's scale has a closed form.

With C(rho) the covariance over D, the likelihood of m numbers is
``-m/2 log D - q(rho)/(2D) - log det C(rho)/2``: its maximum over D is q/m, and its level sets follow from
Lambert's W, so that a grid in rho alone gives estimate and interval of any number of tracks at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from lptem_tracker.analysis.brownian import KK, LOGDET, XK, XX
from lptem_tracker.analysis.quantiles import chi2_quantile, normal_quantile
from lptem_tracker.analysis.trackset import Floats, Ints

OFFSET, TOP = 1e-2, 1e8
ENDLESS = 1e7
"""Reduced error from which on D cannot be told from 0."""
BARTLETT = 0.4
"""Widens the interval's drop by this times the relative variance of D; set so that tracks of 50 positions
with sigma²/(D dt) = 0.1 to 10 are covered as often as stated (the motion benchmark prints it)."""


@dataclass(frozen=True)
class ProfileFit:
    """Maximum-likelihood D of P tracks, in px² a frame.

    Attributes
    ----------
    d, low, high, std : (P,) float
        Estimate, ends of the profile interval, and standard error (half the interval over the normal quantile).
    rho, rho_low, rho_high : (P,) float
        sigma²/(D dt) and the range where the profile stays within the interval's drop.
    sigma2, sigma2_low, sigma2_high : (P,) float
        Localisation variance in px² and the ends of its profile interval; where blur is not known, the upper end is
        that with the most blur.
    loglik : (P,) float
    m : (P,) float
        Numbers the likelihood rests on.
    """

    d: Floats
    low: Floats
    high: Floats
    std: Floats
    rho: Floats
    rho_low: Floats
    rho_high: Floats
    sigma2: Floats
    sigma2_low: Floats
    sigma2_high: Floats
    loglik: Floats
    m: Floats


def join(parts: Sequence[ProfileFit]) -> ProfileFit:
    """Put the fits of several sets of tracks one after the other."""
    return ProfileFit(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(ProfileFit)))


def reduce_stats(
    stat: Floats,
    n_steps: Floats,
    axes: tuple[int, ...] = (0, 1),
    velocity: Floats | None = None,
    spread: Floats | float = 0.0,
) -> tuple[Floats, Floats, Floats]:
    """Quadratic form, log determinant and count with the velocity handled.

    Parameters
    ----------
    stat : (P, G, 6) float
        From `brownian.stats`.
    n_steps : (P,) float
    axes : tuple of int
        0 for x, 1 for y.
    velocity : (P, 2) float or None
        Mean of the velocity's prior in px a frame; None: 0.
    spread : (P, 2) float or float
        Variance of that prior over D; 0: the velocity is known; inf: restricted likelihood (flat prior).

    Returns
    -------
    q, logdet : (P, G) float
    m : (P,) float
    """
    q = np.zeros(stat.shape[:2])
    logdet = np.zeros(stat.shape[:2])
    m = np.zeros(len(stat))
    kk = stat[..., KK]
    wide = np.broadcast_to(np.asarray(spread, dtype=np.float64), (len(stat), 2))
    for axis in axes:
        v = 0.0 if velocity is None else velocity[:, axis, None]
        c = wide[:, axis, None]
        xk = stat[..., XK + axis] - v * kk
        q += stat[..., XX + axis] - 2 * v * stat[..., XK + axis] + v**2 * kk
        logdet += stat[..., LOGDET]
        flat = np.isinf(c)
        with np.errstate(divide="ignore"):
            q -= np.where(c > 0, xk**2 / (1 / c + kk), 0.0)
        logdet += np.where(flat, np.log(np.maximum(kk, 1e-300)), np.log1p(np.where(flat, 0.0, c) * kk))
        m += n_steps - flat[:, 0]
    return np.maximum(q, 1e-300), logdet, m


def profile(q: Floats, logdet: Floats, m: Floats) -> Floats:
    """Log-likelihood maximised over D, (P, G)."""
    return -0.5 * (m[:, None] * np.log(q / np.maximum(m, 1)[:, None]) + logdet)


def solve(
    q: Floats, logdet: Floats, m: Floats, rho: Floats, level: float, *, lowest: float = 0.0, share: float = 1.0
) -> ProfileFit:
    """Maximum and profile interval of D from a grid in rho.

    Parameters
    ----------
    q, logdet : (P, G) float
    m : (P,) float
    rho : (P, G) float, rising
    level : float
        Of the interval; the drop is half the chi-squared quantile of one degree of freedom, widened in
        proportion to the relative variance of D (a Bartlett correction; its factor comes from simulation).
    lowest : float
        Smallest rho that is possible.
    share : float
        Part of the m numbers that are independent of each other.
    """
    ll = profile(q, logdet, m)
    best = ll.argmax(1)
    row = np.arange(len(ll))
    shift, top = _vertex(ll, best)
    log_d = np.log(q / m[:, None])
    s = np.log(rho - lowest + OFFSET)
    log_d_best, s_best = _between(log_d, best, shift), _between(s, best, shift)
    drop = chi2_quantile(level, 1) / 2 / share
    z = normal_quantile(0.5 + level / 2)
    low, high, inside = _interval(ll, top, log_d, best, m, np.full(len(ll), drop))
    spread = np.clip((high - low) / (2 * z), 0, 1) ** 2 * share
    drops = drop * (1 + BARTLETT * spread)
    low, high, inside = _interval(ll, top, log_d, best, m, drops)
    # sigma² is rho D: its level sets are those of D, shifted
    with np.errstate(divide="ignore"):
        least, _, _ = _interval(ll, top, log_d + np.log(np.maximum(rho, 0.0)), best, m, drops)
        _, most, _ = _interval(ll, top, log_d + np.log(rho - lowest), best, m, drops)
    d = np.exp(log_d_best)
    low = np.where(inside[:, -1] & (rho[:, -1] > ENDLESS), 0.0, np.exp(np.minimum(low, log_d_best)))
    high = np.exp(np.maximum(high, log_d_best))
    rho_best = np.maximum(lowest + np.exp(s_best) - OFFSET, lowest)
    first, last = inside.argmax(1), rho.shape[1] - 1 - inside[:, ::-1].argmax(1)
    return ProfileFit(
        d=d,
        low=low,
        high=high,
        std=(high - low) / (2 * z),
        rho=rho_best,
        rho_low=rho[row, first],
        rho_high=rho[row, last],
        sigma2=np.maximum(rho_best * d, 0.0),
        sigma2_low=np.where(inside[:, 0], 0.0, np.exp(least)),
        sigma2_high=np.exp(most),
        loglik=top,
        m=m,
    )


def _interval(
    ll: Floats,
    top: Floats,
    log_d: Floats,
    best: Ints,
    m: Floats,
    drop: Floats,
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Ends of log D where the likelihood is within `drop` of its maximum, and which rho are within."""
    room = drop[:, None] - (top[:, None] - ll)
    inside = room >= 0
    inside[np.arange(len(ll)), best] = True
    # level sets of log u + 1/u = 1 + h with u = D / D(rho)
    h = np.clip(2 * np.maximum(room, 0) / m[:, None], 0, 600)
    down, up = _level_set(h)
    low = np.where(inside, log_d - np.log(down), np.inf).min(1)
    high = np.where(inside, log_d - np.log(up), -np.inf).max(1)
    return low, high, inside


def _level_set(h: Floats) -> tuple[Floats, Floats]:
    """Both roots w of w - log w = 1 + h (Lambert's W of -exp(-1 - h), by Newton's method)."""
    root = np.sqrt(2 * h)
    up = 1 + h + np.log1p(root + h)
    down = np.where(h < 1, np.maximum(1 - root + h * 2 / 3, np.exp(-1 - h)), np.exp(-1 - h))
    for _ in range(5):
        up = np.maximum(up - (up - np.log(up) - 1 - h) * up / np.maximum(up - 1, 1e-9), 1.0)
        # in log w the lower branch is nearly straight
        y = np.log(down)
        down = np.exp(np.minimum(y - (down - y - 1 - h) / np.minimum(down - 1, -1e-9), 0.0))
    return up, np.maximum(down, 1e-300)


def refine(
    evaluate: Callable[[Floats], tuple[Floats, Floats, Floats]],
    n_tracks: int,
    lowest: float,
    level: float,
    *,
    sizes: tuple[int, ...] = (40, 32),
    drop: float = 12.0,
    share: float = 1.0,
) -> ProfileFit:
    """Solve on a coarse grid, then on finer ones around each maximum.

    Parameters
    ----------
    evaluate : callable
        Takes rho (P, G), returns q, logdet (P, G) and m (P,).
    n_tracks : int
    lowest : float
        Smallest rho.
    level : float
    sizes : tuple of int
        Points of each grid in turn.
    drop : float
        The next grid spans all points whose profile lies less than this below the maximum.
    share : float
        As in `solve`.
    """
    s = np.broadcast_to(np.linspace(np.log(OFFSET), np.log(TOP), sizes[0]), (n_tracks, sizes[0]))
    rho = lowest + np.exp(s) - OFFSET
    q, logdet, m = evaluate(rho)
    wall = _boundary(rho, logdet, m)
    for size in sizes[1:]:
        near = profile(q, logdet, m)
        near = near >= near.max(1, keepdims=True) - drop
        first = np.maximum(near.argmax(1) - 1, 0)
        last = np.minimum(s.shape[1] - near[:, ::-1].argmax(1), s.shape[1] - 1)
        row = np.arange(n_tracks)
        s = np.linspace(s[row, first], s[row, last], size, axis=1)
        rho = lowest + np.exp(s) - OFFSET
        q, logdet, m = evaluate(rho)
    return _restore(solve(q, logdet, m, rho, level, lowest=lowest, share=share), *wall, lowest)


def _boundary(rho: Floats, logdet: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Slope of log D over rho and standard error of rho at the lowest rho, (P,), from Fisher's information.

    As C is linear in rho, derivatives of log det C give its traces: tr(C⁻¹C') and -tr(C⁻¹C'C⁻¹C').
    """
    x, y = rho[:, :3].T, logdet[:, :3].T
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    bend = 2 * (right - left) / (x[2] - x[0])
    first = left - bend * (x[1] - x[0]) / 2
    return -first / m, 1 / np.sqrt(np.maximum(0.5 * (-bend - first**2 / m), 1e-12))


def _restore(fit: ProfileFit, slope: Floats, std: Floats, lowest: float) -> ProfileFit:
    """Give back what D loses where the free estimate of rho would lie below its lowest value.

    A normal estimate that is cut at 0 is too large by std (pdf(z) - z cdf(-z)) in the mean, z = rho/std (Tobin 1958),
    and D is too small by its slope over rho times that.
    """
    z = (fit.rho - lowest) / std
    d = fit.d * (1 + np.clip(-slope * std * (np.exp(-z * z / 2) / np.sqrt(2 * np.pi) - z * ndtr(-z)), 0.0, 0.3))
    return replace(fit, d=d, high=np.maximum(fit.high, d))


def _vertex(ll: Floats, best: Ints) -> tuple[Floats, Floats]:
    """Place (in grid steps, -0.5..0.5) and height of the parabola through each maximum and its neighbours."""
    row = np.arange(len(ll))
    mid = np.clip(best, 1, ll.shape[1] - 2)
    a, b, c = ll[row, mid - 1], ll[row, mid], ll[row, mid + 1]
    bend = a - 2 * b + c
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bend < 0, 0.5 * (a - c) / bend, 0.0)
    shift = np.where(best == mid, np.clip(shift, -0.5, 0.5), 0.0)
    return shift, np.where(best == mid, b - 0.25 * (a - c) * shift, ll[row, best])


def _between(values: Floats, best: Ints, shift: Floats) -> Floats:
    """Value at a fraction of a step from each maximum, linear in between."""
    row = np.arange(len(values))
    other = np.clip(best + np.where(shift < 0, -1, 1), 0, values.shape[1] - 1)
    return values[row, best] + np.abs(shift) * (values[row, other] - values[row, best])
