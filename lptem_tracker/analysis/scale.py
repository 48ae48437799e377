"""Scale K (or D) of a family of motions with its shape fitted: estimate and profile interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.stats import chi2, norm

from lptem_tracker.analysis.family import Family
from lptem_tracker.analysis.shared_noise import SharedNoise
from lptem_tracker.analysis.trackset import Floats

FINER = 4


@dataclass(frozen=True)
class ScaleFit:
    """K of P tracks under one family.

    Attributes
    ----------
    k, low, high, std : (P,) float
        px² a frame (a frame^alpha for fractional motion).
    shape : (P,) float
        Best shape.
    """

    k: Floats
    low: Floats
    high: Floats
    std: Floats
    shape: Floats


def profile_scale(family: Family, noise: SharedNoise, level: float, *, free: bool = False) -> ScaleFit:
    """Maximise over shape, and find where the likelihood of K stays within the interval's drop.

    Parameters
    ----------
    family : Family
    noise : SharedNoise
    level : float
    free : bool
        Fit sigma² to each row too, as for an ensemble; else it is held at the value that all tracks share.
    """
    candidates = noise.sigma2 if free else np.array([noise.best])
    nodes = np.arange(len(family.shape))
    fine = np.linspace(0, nodes[-1], FINER * nodes[-1] + 1)
    log_k = (np.log(noise.best) - family.log_rho)[::-1]
    grid = np.linspace(log_k[0], log_k[-1], 6 * len(log_k))
    rows = []
    for i in range(len(family.m)):
        each = [_curve(family, i, float(s), fine, grid) for s in candidates]
        curve = np.max([one for one, _ in each], axis=0)
        best = int(curve.argmax())
        inside = np.flatnonzero(curve >= curve[best] - chi2.ppf(level, 1) / 2)
        low = 0.0 if inside[0] == 0 else np.exp(grid[inside[0]])
        at = int(np.argmax([one[best] for one, _ in each]))
        smooth = each[at][1]
        column = int(np.abs(np.log(candidates[at]) - family.log_rho - grid[best]).argmin())
        shape = np.interp(fine[smooth[:, column].argmax()], nodes, family.shape)
        rows.append((np.exp(grid[best]), low, np.exp(grid[inside[-1]]), shape))
    k, low, high, shape = np.array(rows).T
    return ScaleFit(k, low, high, (high - low) / (2 * norm.ppf(0.5 + level / 2)), shape)


def _curve(family: Family, i: int, sigma2: float, fine: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood of row i over log K in `grid`, maximised over shape, and over shape and the family's nodes."""
    u = family.log_rho
    cost = np.exp(family.log_q[i] + u - np.log(sigma2)) + family.m[i] * (np.log(sigma2) - u) + family.logdet[i]
    smooth = CubicSpline(np.arange(len(family.shape)), -0.5 * cost, axis=0)(fine)
    nodes = np.log(sigma2) - u
    curve = CubicSpline(nodes[::-1], smooth.max(0)[::-1])(grid)
    return np.where((grid >= nodes[-1]) & (grid <= nodes[0]), curve, -np.inf), smooth
