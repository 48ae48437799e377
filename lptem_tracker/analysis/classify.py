"""Which way each particle moves, with the evidence for every way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import i0e, logsumexp

from lptem_tracker.analysis.anomalous import ALPHA, ALPHA_FINE
from lptem_tracker.analysis.brownian import KK, LOGDET, XK, XX, stats
from lptem_tracker.analysis.diffusion import Imaging, Velocity
from lptem_tracker.analysis.family import LOG_RHO, Family, at_sigma2, build_family
from lptem_tracker.analysis.profile import reduce_stats
from lptem_tracker.analysis.shared_noise import SharedNoise
from lptem_tracker.analysis.switching import TwoStates
from lptem_tracker.analysis.trackset import BLOCK, Floats, TrackSet

CLASSES = ("immobile", "brownian", "confined", "directed", "subdiffusive", "superdiffusive", "ctrw", "switching")
PARAMETERS = np.array([0, 1, 2, 3, 2, 2, 4, 4])
TWO_STATE_GAIN = 9.0
"""Log-likelihood that two states must gain over one: keeps false change points below 0.05 in 1,000 frames of Brownian
motion (the motion benchmark counts them)."""
CONVINCED = 0.6
PRIOR = np.array([0.05, 0.65, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
PRIOR_PARTICLES = 4
ONE = int(np.abs(ALPHA_FINE - 1).argmin())
_SPLINE = CubicSpline(ALPHA, np.eye(len(ALPHA)), axis=1)(ALPHA_FINE)


@dataclass(frozen=True)
class Classification:
    """Evidence for each class of motion.

    Attributes
    ----------
    weight : (P, C) float
        Probability of each class of `CLASSES` for each particle.
    loglik : (P, C) float
        Maximised log-likelihood, less half log(m) for each parameter (Schwarz 1978).
    motion : list of str
        The class of each particle, or ``unknown``.
    fraction : (C,) float
        Share of each class among the particles.
    pooled : str
        The class of the ensemble, ``mixture`` where no class holds three quarters of the particles.
    """

    weight: Floats
    loglik: Floats
    motion: list[str]
    fraction: Floats
    pooled: str


def brownian_family(tracks: TrackSet, imaging: Imaging, velocity: Velocity | None, scale: Floats) -> Family:
    """Tables of Brownian motion, one shape; the mean velocity follows the drift's prior."""
    n = tracks.n_observed.astype(np.float64) - 1
    spread: Floats | float = 0.0 if velocity is None else velocity.variance / np.maximum(scale, 1e-300)[:, None]

    def evaluate(_: float, rho: float) -> tuple[Floats, Floats, Floats]:
        stat = stats(tracks, np.array([rho]), imaging.blur, weighted=False)
        q, logdet, m = reduce_stats(stat, n, (0, 1), None if velocity is None else velocity.mean, spread)
        return q[:, 0], logdet[:, 0], m

    return build_family(np.array([1.0]), evaluate)


def directed_family(tracks: TrackSet, imaging: Imaging) -> Family:
    """Tables of diffusion with a velocity of its own, fitted."""
    m = 2 * (tracks.n_observed.astype(np.float64) - 1)

    def evaluate(_: float, rho: float) -> tuple[Floats, Floats, Floats]:
        stat = stats(tracks, np.array([rho]), imaging.blur, weighted=False)[:, 0]
        moved = (stat[:, XK] ** 2 + stat[:, XK + 1] ** 2) / stat[:, KK]
        return np.maximum(stat[:, XX] + stat[:, XX + 1] - moved, 1e-300), 2 * stat[:, LOGDET], m

    return build_family(np.array([1.0]), evaluate)


def classify(
    tracks: TrackSet,
    imaging: Imaging,
    families: tuple[Family, Family, Family, Family],
    noise: SharedNoise,
    states: TwoStates,
    *,
    min_points: int,
) -> Classification:
    """Weigh all classes for each track.

    Parameters
    ----------
    tracks : TrackSet
        P tracks without drift.
    imaging : Imaging
    families : tuple of Family
        Brownian, directed, trapped and fractional, of these tracks.
    noise : SharedNoise
    states : TwoStates
    min_points : int
        Positions below which the answer is ``unknown``.

    Notes
    -----
    All classes see the same localisation variance with its uncertainty. The prior of each class is its share among
    all particles (empirical Bayes), so that many alike tracks support each other.
    """
    two = _two_states(states, noise.best)
    levels = noise.sigma2[::2]
    answers = [_weigh(_curves(tracks, imaging, families, float(s), two)) for s in levels]
    total = np.array([answer[2] for answer in answers])
    belief = np.exp(total - logsumexp(total))
    weight = np.einsum("j,jpc->pc", belief, np.stack([answer[1] for answer in answers]))
    evidence = answers[int(total.argmax())][0]
    motion = [
        CLASSES[k] if n >= min_points and row[k] >= CONVINCED else "unknown"
        for k, row, n in zip(weight.argmax(1), weight, tracks.n_observed)
    ]
    fraction = weight.mean(0)
    together = fraction.copy()
    # hops seen too rarely to tell pinning from two rates still are two states
    together[6 if fraction[6] >= fraction[7] else 7] = fraction[6] + fraction[7]
    pooled = CLASSES[int(together.argmax())] if together.max() >= 0.75 else "mixture"
    return Classification(weight, evidence, motion, fraction, pooled)


@dataclass(frozen=True)
class _Curve:
    """Log-likelihood over the shapes of a class, ``nodes @ fine`` (P, A): only the nodes (P, N) are kept."""

    nodes: Floats
    fine: Floats

    @property
    def best(self) -> Floats:
        """The maximum of each track (P,)."""
        blocks = (self.nodes[first : first + BLOCK] for first in range(0, len(self.nodes), BLOCK))
        return np.concatenate([(block @ self.fine).max(1) for block in blocks])

    def alike(self, weight: Floats) -> Floats:
        """Likelihood of each track (P,) where all particles of a class share one shape."""
        belongs = weight if weight.max() > 0.5 else np.ones_like(weight)
        return np.asarray(self.nodes @ self.fine[:, int((belongs @ self.nodes @ self.fine).argmax())])


@dataclass(frozen=True)
class _Curves:
    """Log-likelihoods at one sigma²: of classes without a shape (P,), and over the shapes of the others."""

    still: Floats
    plain: Floats
    moving: Floats
    states: tuple[Floats, Floats]
    shapes: dict[int, _Curve]
    cost: Floats


def _curves(
    tracks: TrackSet,
    imaging: Imaging,
    families: tuple[Family, Family, Family, Family],
    sigma2: float,
    two: tuple[Floats, Floats],
) -> _Curves:
    brownian, directed, trapped, fractional = families
    at = np.array([sigma2])
    plain = at_sigma2(brownian, at).best[:, 0, 0]
    ballistic = at_sigma2(directed, at)
    moving = ballistic.best[:, 0, 0]
    alpha = at_sigma2(fractional, at).best[..., 0]
    alpha += (plain - alpha @ _SPLINE[:, ONE])[:, None]
    trap = at_sigma2(trapped, at).best[..., 0]
    speeds = _speed_curves(tracks, imaging, sigma2, np.exp(ballistic.log_k[:, 0, 0]), moving)
    return _Curves(
        _still(brownian, sigma2),
        plain,
        moving,
        (plain + two[0], plain + two[1]),
        {
            2: _Curve(trap, np.eye(trap.shape[1])),
            3: _Curve(speeds, np.eye(speeds.shape[1])),
            4: _Curve(alpha, _SPLINE[:, :ONE]),
            5: _Curve(alpha, _SPLINE[:, ONE + 1 :]),
        },
        0.5 * np.log(brownian.m),
    )


def _weigh(curves: _Curves) -> tuple[Floats, Floats, float]:
    """Evidence (P, C), weights (P, C) and log-likelihood of all tracks as a mixture of classes."""
    shapes = curves.shapes
    loglik = np.stack(
        [
            curves.still,
            curves.plain,
            shapes[2].best,
            curves.moving,
            shapes[4].best,
            shapes[5].best,
            *curves.states,
        ],
        1,
    )
    evidence = loglik - curves.cost[:, None] * PARAMETERS
    weight, total = _shares(evidence)
    price = 0.5 * np.log(np.exp(2 * curves.cost).sum()) + 2
    for column, curve in shapes.items():
        trial = evidence.copy()
        trial[:, column] = np.maximum(evidence[:, column], curve.alike(weight[:, column]) - curves.cost)
        shared = _shares(trial)
        if shared[1] - price > total:
            evidence, (weight, total) = trial, (shared[0], shared[1] - price)
    return evidence, weight, total


def _speed_curves(tracks: TrackSet, imaging: Imaging, sigma2: float, d: Floats, best: Floats) -> Floats:
    """Likelihood of each track over common speeds, its direction integrated out.

    With b = k'C⁻¹dx / D and c = k'C⁻¹k / D, averaging exp(v·b - v² c / 2) over the direction of v gives
    ``I0(v |b|) exp(-v² c / 2)``.
    """
    stat = stats(tracks, (sigma2 / d)[:, None], imaging.blur, weighted=False)[:, 0]
    b, c = np.hypot(stat[:, XK], stat[:, XK + 1]) / d, stat[:, KK] / d
    top = float((b / c).max())
    speed = np.linspace(0.02, 1.2, 60) * max(top, 1e-12)
    arg = b[:, None] * speed
    return np.asarray(best[:, None] - (b**2 / (2 * c))[:, None] + np.log(i0e(arg)) + arg - 0.5 * c[:, None] * speed**2)


def _still(brownian: Family, sigma2: float) -> Floats:
    """No motion: white localisation error, a little of its own in each track."""
    log_q, logdet = brownian.node(0, -1)
    q, u, m = np.exp(log_q), LOG_RHO[-1], brownian.m
    shift = np.linspace(-0.6, 0.6, 13)[:, None]
    own = sigma2 * np.exp(shift)
    value = -0.5 * (q * np.exp(u) / own + m * (np.log(own) - u) + logdet) - shift**2 / (2 * 0.15**2)
    return np.asarray(value.max(0))


def _two_states(states: TwoStates, sigma2: float) -> tuple[Floats, Floats]:
    """What pinning with hops, and two rates of diffusion, gain over Brownian motion."""
    enough = states.gain > TWO_STATE_GAIN
    pinned = (states.leave[:, 1] > 0.35) & (states.d[:, 0] < 0.05 * np.maximum(states.d[:, 1], 1e-300))
    pinned |= (states.leave[:, 1] > 0.35) & (2 * states.d[:, 0] < 0.3 * sigma2) & (states.d[:, 1] > 2 * sigma2)
    return np.where(enough & pinned, states.gain, -1e9), np.where(enough & ~pinned, states.gain, -1e9)


def _shares(evidence: Floats) -> tuple[Floats, float]:
    """Weights (P, C) with the share of each class by expectation-maximisation, and the mixture's log-likelihood."""
    top = evidence.max(1)
    likelihood = np.exp(evidence - top[:, None])
    share, total = PRIOR, -np.inf
    for _ in range(60):
        each = likelihood * share
        norm = each.sum(1)
        share = (each.T @ (1 / norm) + PRIOR_PARTICLES * PRIOR) / (len(evidence) + PRIOR_PARTICLES)
        now = float(np.log(norm).sum())
        if now - total < 1e-3:
            break
        total = now
    return each / norm[:, None], now + float(top.sum())
