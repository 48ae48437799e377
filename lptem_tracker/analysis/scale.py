"""Scale K (or D) of a family of motions with its shape fitted: estimate and profile interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from lptem_tracker.analysis.family import GRID, Family, Fine
from lptem_tracker.analysis.quantiles import chi2_quantile, normal_quantile
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
    log_k = (np.log(noise.best) - GRID)[::-1]
    grid = np.linspace(log_k[0], log_k[-1], 6 * len(log_k))
    drop = chi2_quantile(level, 1) / 2
    found = [_profile(part, family.shape, candidates, grid, drop) for _, part in family.blocks()]
    k, low, high, shape = np.concatenate(found, 1)
    return ScaleFit(k, low, high, (high - low) / (2 * normal_quantile(0.5 + level / 2)), shape)


def _profile(part: Fine, shape: Floats, candidates: Floats, grid: Floats, drop: float) -> Floats:
    """K, low, high and shape (4, P) of a few rows, K in `grid` (log)."""
    nodes = np.arange(len(shape))
    fine = np.linspace(0, nodes[-1], FINER * nodes[-1] + 1)
    curve = np.full((len(part.m), len(grid)), -np.inf)
    smooth = np.empty((len(part.m), len(fine), len(GRID)))
    sigma2 = np.empty(len(part.m))
    for s in candidates:
        here, table = _curve(part, float(s), fine, grid)
        rises = here.max(1) > curve.max(1)
        smooth[rises], sigma2[rises] = table[rises], s
        curve = np.maximum(curve, here)
    best = curve.argmax(1)
    row = np.arange(len(best))
    inside = curve >= curve[row, best, None] - drop
    first, last = inside.argmax(1), len(grid) - 1 - inside[:, ::-1].argmax(1)
    column = np.abs(np.log(sigma2)[:, None] - GRID - grid[best][:, None]).argmin(1)
    place = fine[smooth[row, :, column].argmax(1)]
    low = np.where(first == 0, 0.0, np.exp(grid[first]))
    return np.stack([np.exp(grid[best]), low, np.exp(grid[last]), np.interp(place, nodes, shape)])


def _curve(part: Fine, sigma2: float, fine: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood (P, K) over log K in `grid`, maximised over shape, and (P, F, G) over shape and the nodes."""
    m = part.m[:, None, None]
    cost = np.exp(part.log_q + GRID - np.log(sigma2)) + m * (np.log(sigma2) - GRID) + part.logdet
    smooth = CubicSpline(np.arange(cost.shape[1]), -0.5 * cost, axis=1)(fine)
    nodes = np.log(sigma2) - GRID
    curve = CubicSpline(nodes[::-1], smooth.max(1)[:, ::-1], axis=1)(grid)
    return np.where((grid >= nodes[-1]) & (grid <= nodes[0]), curve, -np.inf), smooth
