"""Quantiles from which intervals are read; `scipy.stats`, which has them too, takes as long to import as all else."""

from __future__ import annotations

import math

from scipy.special import bdtr, bdtrik, gammaincinv, ndtri, stdtrit


def normal_quantile(share: float) -> float:
    """Return the value below which a standard normal variable lies with this probability."""
    return float(ndtri(share))


def chi2_quantile(share: float, n: float) -> float:
    """Return the value below which a sum of n squared standard normal variables lies with this probability.

    NaN where n is not above 0.
    """
    return 2.0 * float(gammaincinv(0.5 * n, share))


def student_quantile(share: float, n: float) -> float:
    """Return the value below which Student's t of n degrees of freedom lies with this probability.

    NaN where n is not above 0.
    """
    return float(stdtrit(n, share))


def fair_quantile(share: float, n: int) -> int:
    """Return the least number of heads in n tosses of a fair coin that is not passed with this probability."""
    most = max(math.ceil(float(bdtrik(share, n, 0.5))), 0)
    return most - 1 if most > 0 and bdtr(most - 1, n, 0.5) >= share else most


def fair_doubt(heads: int, n: int) -> float:
    """Return the probability that n tosses of a fair coin are as uneven as this or more (two-sided, exact)."""
    return min(1.0, 2.0 * float(bdtr(min(heads, n - heads), n, 0.5)))
