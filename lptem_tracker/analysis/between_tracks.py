"""Intervals of an ensemble's value from how it changes when tracks are left out: particles may differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.quantiles import chi2_quantile, normal_quantile, student_quantile
from lptem_tracker.analysis.trackset import Floats

SURE = 0.999
"""Probability with which equal particles are not taken for different ones by the scatter of their value."""
DOUBT = 0.2
"""Probability with which the interval of few equal particles is widened: if they differ they show it too seldom to wait
for proof."""
MOST_GROUPS = 40
WIDEST = 300.0


@dataclass(frozen=True)
class Between:
    """How far the logarithm of an ensemble's value depends on which tracks are in it.

    Attributes
    ----------
    std : float
        Standard error of the logarithm over tracks (jackknife; Tukey 1958).
    skewness : float
        Of single tracks' influence on it.
    n : int
        Tracks, or groups of tracks that were left out in turn.
    expected : float
        Standard error if all tracks have one value.
    """

    std: float
    skewness: float
    n: int
    expected: float

    @property
    def overdispersion(self) -> float:
        """Variance over tracks relative to what one common value would give."""
        return (self.std / self.expected) ** 2 if self.expected > 0 else math.nan

    @property
    def doubtful(self) -> bool:
        """Whether one common value is in doubt: equal particles scatter as much in one of five cases at most."""
        return bool(self.overdispersion > chi2_quantile(1 - DOUBT, self.n - 1) / (self.n - 1))

    @property
    def differ(self) -> bool:
        """Whether particles differ more than their errors let them."""
        return bool(self.overdispersion > 1.2 * chi2_quantile(SURE, self.n - 1) / (self.n - 1))

    def ends(self, level: float, *, least: float = 0.0) -> tuple[float, float]:
        """Return how far the interval's ends lie from the logarithm, (below, above), both at least 0.

        Parameters
        ----------
        level : float
        least : float
            Smallest standard error to use.

        Notes
        -----
        Student's t, or where that is farther t after a cubic transformation that takes out skewness (Hall 1992,
        J. R. Stat. Soc. B 54, 221, section 2): a few fast particles pull the value up, and missing ones leave it low.
        """
        reach, std = student_quantile(0.5 + level / 2, self.n - 1), max(self.std, least)
        b = self.skewness / math.sqrt(self.n)

        def untwisted(x: float) -> float:
            return x if abs(b) < 1e-6 else 3 / b * (float(np.cbrt(1 + b * (x - b / 6))) - 1)

        below, above = max(reach, untwisted(reach)), max(reach, -untwisted(-reach))
        return min(below * std, WIDEST), min(above * std, WIDEST)


def between(logs: Floats, expected: float) -> Between:
    """Judge the logarithms (n,) of a value (or alpha itself), each without one of n tracks or equal groups of tracks.

    Parameters
    ----------
    logs : (n,) float
        At least 3.
    expected : float
        Standard error of the logarithm if all tracks have one value.
    """
    n = len(logs)
    influence = logs.mean() - logs
    spread = float(np.sqrt((influence**2).mean()))
    skewness = float(((influence / spread) ** 3).mean()) if spread > 0 else 0.0
    return Between(math.sqrt(n - 1) * spread, skewness, n, expected)


def without_each(n: int) -> Floats:
    """Return counts (groups, n) of tracks that leave out each of at most `MOST_GROUPS` groups of n tracks in turn."""
    group = np.arange(n) % min(n, MOST_GROUPS)
    return np.asarray(group != np.arange(group.max() + 1)[:, None], dtype=np.float64)


def resampled(n: int, times: int, seed: int) -> npt.NDArray[np.uint16]:
    """Return how often each of n tracks counts (times, n) when n of them are drawn with replacement (bootstrap)."""
    rng, share = np.random.default_rng(seed), np.full(n, 1 / n)
    out = np.empty((times, n), dtype=np.uint16)
    for row in out:
        row[:] = rng.multinomial(n, share)
    return out


def log_std(low: float, high: float, level: float) -> float:
    """Return the standard error of the logarithm that an interval stands for; of an open one that of a factor 1000."""
    return math.log(high / max(low, 1e-3 * high)) / (2 * normal_quantile(0.5 + level / 2))
