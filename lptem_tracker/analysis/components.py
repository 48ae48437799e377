"""Mixtures: particles of a few kinds, each kind with one D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from lptem_tracker.analysis.family import FINE, GRID, Family, at_sigma2, pool
from lptem_tracker.analysis.trackset import Floats

MOST = 4
APART = 2.0
"""Components whose D differ by less than this are one kind with some spread."""


@dataclass(frozen=True)
class Components:
    """Kinds of particles by D.

    Attributes
    ----------
    d : (K,) float
        px² a frame, rising.
    fraction, fraction_std : (K,) float
    member : (P, K) float
        Probability that a particle is of each kind.
    """

    d: Floats
    fraction: Floats
    fraction_std: Floats
    member: Floats


def loglik_at(family: Family, sigma2: float, d: Floats) -> Floats:
    """Log-likelihood (P, K) of each track of a one-shape family at each D."""
    place = np.clip((np.log(sigma2 / d) - GRID[0]) / FINE, 1, len(GRID) - 2)
    at = np.rint(place).astype(int)
    x = place - at

    def parabola(table: Floats) -> Floats:
        a, b, c = table[:, 0, at - 1], table[:, 0, at], table[:, 0, at + 1]
        return np.asarray(b + 0.5 * (c - a) * x + 0.5 * (a - 2 * b + c) * x**2)

    return np.concatenate(
        [
            -0.5 * (np.exp(parabola(part.log_q)) / d + part.m[:, None] * np.log(d) + parabola(part.logdet))
            for _, part in family.blocks()
        ]
    )


def find_components(family: Family, sigma2: float, scale: Floats) -> Components:
    """Fit one to four kinds by expectation-maximisation; Schwarz's criterion chooses how many.

    Parameters
    ----------
    family : Family
        Brownian, of P tracks.
    sigma2 : float
        Localisation variance in px².
    scale : (P,) float
        D of each track alone, for the first guess.
    """
    best = _em(family, sigma2, np.array([np.median(scale)]))
    score = best[1]
    floor = sigma2 * np.exp(-GRID[-2])
    for k in range(2, min(MOST, len(family.m) // 4) + 1):
        start = np.quantile(np.maximum(scale, floor), (np.arange(k) + 0.5) / k)
        trial = _em(family, sigma2, start * np.linspace(0.97, 1.03, k))
        value = trial[1] - 0.5 * 2 * (k - 1) * np.log(len(family.m))
        if value <= score + 1 or not _distinct(trial[0]):
            break
        best, score = trial, value
    return best[0]


def _distinct(found: Components) -> bool:
    apart = found.d[1:] / np.maximum(found.d[:-1], 1e-300)
    enough = found.fraction * len(found.member) >= 1.5
    return bool((apart >= APART).all() and enough.all())


def _em(family: Family, sigma2: float, d: Floats) -> tuple[Components, float]:
    share = np.full(len(d), 1 / len(d))
    total = -np.inf
    for _ in range(40):
        each = loglik_at(family, sigma2, d) + np.log(np.maximum(share, 1e-12))
        norm = logsumexp(each, 1)
        member = np.exp(each - norm[:, None])
        share = member.mean(0)
        d = np.exp(at_sigma2(pool(family, np.maximum(member.T, 1e-9)), np.array([sigma2])).log_k[:, 0, 0])
        if float(norm.sum()) - total < 1e-3:
            break
        total = float(norm.sum())
    order = np.argsort(d)
    n = len(member)
    return Components(d[order], share[order], np.sqrt(share * (1 - share) / n)[order], member[:, order]), total
