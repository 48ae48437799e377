"""The localisation error that all tracks share, whatever way each particle moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp

from lptem_tracker.analysis.family import Family, at_sigma2, over_sigma2
from lptem_tracker.analysis.quantiles import chi2_quantile
from lptem_tracker.analysis.trackset import BLOCK, Floats

REACH = 8.0  # log-likelihood below the maximum that is still looked at
FEW = 200  # tracks up to which each is left out in turn; of more, one hardly changes what all say


@dataclass(frozen=True)
class SharedNoise:
    """What the tracks say about the localisation variance.

    Attributes
    ----------
    sigma2 : (J,) float
        Candidates in px², rising, around the most probable one.
    total : (J,) float
        Log-likelihood of all tracks.
    others : (P, J) float
        For each track, that of all others.
    """

    sigma2: Floats
    total: Floats
    others: Floats

    @property
    def best(self) -> float:
        """Most probable localisation variance in px²."""
        step = np.arange(len(self.sigma2))
        fine = np.linspace(0, len(step) - 1, 20 * len(step))
        at = fine[CubicSpline(step, self.total)(fine).argmax()]
        return float(np.exp(CubicSpline(step, np.log(self.sigma2))(at)))

    def ends(self, level: float) -> tuple[float, float]:
        """Ends of its profile interval in px²; 0 where nothing speaks against the smallest candidate."""
        step = np.arange(len(self.sigma2))
        fine = np.linspace(0, len(step) - 1, 20 * len(step))
        curve = CubicSpline(step, self.total)(fine)
        inside = np.flatnonzero(curve >= curve.max() - chi2_quantile(level, 1) / 2)
        low, high = (float(np.exp(np.interp(fine[k], step, np.log(self.sigma2)))) for k in inside[[0, -1]])
        return (0.0 if inside[0] == 0 else low), high


def shared_noise(families: list[Family], step2: float, directed: Family | None = None) -> SharedNoise:
    """Find the localisation variance that all tracks share.

    Either all tracks have one shape of one family, or each has its own; the evidence of both ideas is added, each
    track's scale K integrated out.

    Parameters
    ----------
    families : list of Family
        Of the same P tracks.
    step2 : float
        Mean square of one-frame steps per axis in px².
    directed : Family, optional
        Of the same tracks, with a fitted velocity each; without it, steady motion would pass for a persistent walk
        seen through a large localisation error.
    """
    grid = np.geomspace(3e-5 * step2, 0.8 * step2, 16)
    total, others = _evidence(families, directed, grid)
    for points in (15, 15):
        near = np.flatnonzero(total >= total.max() - REACH)
        if len(grid) == points and len(near) >= 7:
            break
        grid = np.geomspace(grid[max(near[0] - 1, 0)], grid[min(near[-1] + 1, len(grid) - 1)], points)
        total, others = _evidence(families, directed, grid)
    return SharedNoise(grid, total, others - others.max(1, keepdims=True))


def _evidence(families: list[Family], directed: Family | None, grid: Floats) -> tuple[Floats, Floats]:
    """Log evidence of each sigma² from all tracks (J,) and from all but one (P, J)."""
    ideas: list[tuple[Floats, Floats]] = []
    own: list[Floats] = []
    for family in families:
        mine, each, total = [], [], np.zeros((len(family.shape), len(grid)))
        for _, level in over_sigma2(family, grid):
            mine.append(logsumexp(level.integrated, 1) - np.log(len(family.shape)))
            total += level.integrated.sum(0)
            each += list(level.integrated) if len(family) <= FEW else []
        own.append(np.concatenate(mine))
        fine = np.linspace(0, len(family.shape) - 1, 40 * len(family.shape))
        summed = CubicSpline(np.arange(len(family.shape)), total, axis=0)(fine)
        common = logsumexp(summed, 0)
        ideas.append((common - np.log(len(fine)), _without_each(summed, each) - np.log(len(fine))))
    if directed is not None:
        table = at_sigma2(directed, grid).integrated[:, 0]
        own.append(table - np.log(directed.m)[:, None])  # half log m for each component of the velocity, Schwarz 1978
        ideas.append((own[-1].sum(0), own[-1].sum(0) - own[-1]))
    mixed = _mixed(own) - np.log(len(own))
    everyone = mixed.sum(0)
    ideas.append((everyone, everyone - mixed))
    others = [np.broadcast_to(rest, mixed.shape) for _, rest in ideas]
    return np.asarray(logsumexp(np.stack([total for total, _ in ideas]), 0)), _mixed(others)


def _mixed(tables: list[Floats]) -> Floats:
    """Logarithm of the sum of likelihoods, each (P, J), some tracks at a time."""
    out = np.empty(tables[0].shape)
    for first in range(0, len(out), BLOCK):
        rows = slice(first, first + BLOCK)
        out[rows] = logsumexp(np.stack([table[rows] for table in tables]), 0)
    return out


def _without_each(summed: Floats, each: list[Floats]) -> Floats:
    """Evidence (P, J) of one shape for all but one track, at the fine shapes (F, J) that the whole favours.

    `each` has the tracks' own likelihoods (A, J) at the nodes, which stand for the fine shapes around them; with none
    given that of all tracks (J,) is returned.
    """
    if not each:
        return np.asarray(logsumexp(summed, 0))
    nodes = len(each[0])
    nearest = np.rint(np.linspace(0, nodes - 1, len(summed))).astype(int)
    around = np.stack([logsumexp(summed[nearest == node], 0) for node in range(nodes)])
    return np.asarray(logsumexp(around - np.stack(each), 1))
