"""Families of Gaussian motion with one shape parameter, all seen through the same localisation error.

A family (fractional Brownian motion with its alpha, confinement with its rate) has the covariance
``K C(shape, sigma²/K)``. Tables of its quadratic form and determinant over shape and log(sigma²/K) are smooth, so a
spline in between gives the likelihood at any shape, scale K and sigma².
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline

from lptem_tracker.analysis.trackset import Floats

LOG_RHO = np.linspace(np.log(1e-3), np.log(1e6), 16)
"""Nodes of log(sigma²/K); below the first the localisation error no longer shows."""
FINE = 0.2
BELOW = 40


@dataclass(frozen=True)
class Family:
    """Tables of one family for P tracks.

    Attributes
    ----------
    shape : (A,) float
        Nodes of the shape parameter.
    log_rho : (G,) float
        Fine grid of log(sigma²/K).
    log_q, logdet : (P, A, G) float
    m : (P,) float
        Numbers each likelihood rests on.
    """

    shape: Floats
    log_rho: Floats
    log_q: Floats
    logdet: Floats
    m: Floats

    @cached_property
    def heavy(self) -> Floats:
        """q e^u, the part of -2 log-likelihood that goes with 1/sigma²."""
        return np.asarray(np.exp(self.log_q + self.log_rho))

    @cached_property
    def light(self) -> Floats:
        """The part of -2 log-likelihood that does not depend on sigma², but for a constant."""
        return np.asarray(self.logdet - self.m[:, None, None] * self.log_rho)


@dataclass(frozen=True)
class Level:
    """Likelihood of P tracks at A shapes with sigma² given.

    Attributes
    ----------
    best : (P, A) float
        Log-likelihood maximised over log K.
    integrated : (P, A) float
        Integrated over log K (Laplace), for what tracks share.
    log_k : (P, A) float
        log of the best K, px² a frame^alpha.
    """

    best: Floats
    integrated: Floats
    log_k: Floats


def build_family(shape: Floats, evaluate: Callable[[float, float], tuple[Floats, Floats, Floats]]) -> Family:
    """Fill the tables.

    Parameters
    ----------
    shape : (A,) float
    evaluate : callable
        Takes one shape and one rho = sigma²/K; returns q (P,), logdet (P,) and m (P,).
    """
    cells = [[evaluate(float(a), float(np.exp(u))) for u in LOG_RHO] for a in shape]
    # a path without any scatter, as made by hand, leaves nothing
    log_q = np.log(np.maximum([[cell[0] for cell in row] for row in cells], 1e-300))
    logdet = np.array([[cell[1] for cell in row] for row in cells])
    fine = np.arange(LOG_RHO[0], LOG_RHO[-1] + 1e-9, FINE)

    def spread(table: Floats) -> Floats:
        smooth = CubicSpline(LOG_RHO, table, axis=1)(fine)
        smooth = np.pad(smooth, ((0, 0), (BELOW, 0), (0, 0)), mode="edge")
        return np.ascontiguousarray(np.moveaxis(smooth, 2, 0))

    below = LOG_RHO[0] - FINE * np.arange(BELOW, 0, -1)
    return Family(np.asarray(shape), np.concatenate([below, fine]), spread(log_q), spread(logdet), cells[0][0][2])


def pool(family: Family, counts: Floats) -> Family:
    """Return B ensembles that share shape and K, each with its `counts` (B, P) of every track."""
    q = np.tensordot(counts, np.exp(family.log_q), 1)
    return Family(
        family.shape,
        family.log_rho,
        np.log(np.maximum(q, 1e-300)),
        np.tensordot(counts, family.logdet, 1),
        counts @ family.m,
    )


def at_sigma2(family: Family, sigma2: float) -> Level:
    """Maximise and integrate over K at one localisation variance (px², above 0)."""
    u, m = family.log_rho, family.m[:, None, None]
    # log K = log sigma² - u, so that -2 ll = q e^u / sigma² + m (log sigma² - u) + logdet
    cost = family.heavy * (1 / sigma2)
    cost += family.light
    at = np.clip(cost.argmin(2), 1, len(u) - 2)[..., None]
    here = [
        np.take_along_axis(table, at + step, 2)[..., 0]
        for table in (family.log_q, family.logdet)
        for step in (-1, 0, 1)
    ]
    q0, q1, q2 = here[1], (here[2] - here[0]) / (2 * FINE), (here[2] - 2 * here[1] + here[0]) / FINE**2
    d0, d1, d2 = here[4], (here[5] - here[3]) / (2 * FINE), (here[5] - 2 * here[4] + here[3]) / FINE**2
    x = np.zeros_like(q0)
    centre = u[at[..., 0]]
    for _ in range(5):
        quad = np.exp(q0 + q1 * x + q2 * x**2 / 2 + centre + x - np.log(sigma2))
        slope = quad * (1 + q1 + q2 * x) - m[..., 0] + d1 + d2 * x
        bend = quad * ((1 + q1 + q2 * x) ** 2 + q2) + d2
        x = np.clip(x - slope / np.maximum(bend, 1e-3), -FINE, FINE)
    quad = np.exp(q0 + q1 * x + q2 * x**2 / 2 + centre + x - np.log(sigma2))
    bend = np.maximum(quad * ((1 + q1 + q2 * x) ** 2 + q2) + d2, 1e-2)
    log_k = np.log(sigma2) - centre - x
    best = -0.5 * (quad + m[..., 0] * log_k + d0 + d1 * x + d2 * x**2 / 2)
    return Level(best, best + 0.5 * np.log(4 * np.pi / bend), log_k)
