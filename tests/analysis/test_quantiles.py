"""Quantiles of the distributions that intervals are read from."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from scipy import stats

from lptem_tracker.analysis.quantiles import (
    chi2_quantile,
    fair_doubt,
    fair_quantile,
    normal_quantile,
    student_quantile,
)


@pytest.mark.parametrize("share", [0.025, 0.3, 0.975, 0.9999])
def test_quantiles_agree_with_scipy_stats(share):
    """Normal, chi-square and Student quantiles are those of `scipy.stats`."""
    assert normal_quantile(share) == pytest.approx(stats.norm.ppf(share), rel=1e-12)
    for n in (1, 2.5, 7, 400):
        assert chi2_quantile(share, n) == pytest.approx(stats.chi2.ppf(share, n), rel=1e-12)
        assert student_quantile(share, n) == pytest.approx(stats.t.ppf(share, n), rel=1e-12)


def test_no_degrees_of_freedom_give_no_quantile():
    """Without a degree of freedom both are not a number, so that no comparison with them holds."""
    assert math.isnan(chi2_quantile(0.9, 0))
    assert math.isnan(student_quantile(0.9, 0))


def test_fair_coin_quantiles_count_heads():
    """Of six tosses none has no head with 1/64 < 0.025, one at most with 7/64; longer rows as `scipy.stats` has it."""
    assert fair_quantile(0.025, 6) == 1
    assert fair_quantile(0.01, 6) == 0
    assert [fair_quantile(0.025, n) for n in range(6, 300)] == [
        int(stats.binom.ppf(0.025, n, 0.5)) for n in range(6, 300)
    ]


def test_uneven_tosses_of_a_fair_coin():
    """One head in six has both tails' 2 * 7/64; three in six nothing to doubt."""
    assert fair_doubt(1, 6) == pytest.approx(14 / 64)
    assert fair_doubt(5, 6) == pytest.approx(14 / 64)
    assert fair_doubt(3, 6) == 1.0
    assert fair_doubt(70, 111) == pytest.approx(stats.binomtest(70, 111).pvalue, rel=1e-9)


def test_analysis_starts_without_scipy_stats():
    """Importing the analysis leaves `scipy.stats` alone, which takes as long to import as the rest."""
    code = "import sys, lptem_tracker.analysis; raise SystemExit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
