"""Intervals that know that particles may differ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from lptem_tracker.analysis.between_tracks import (
    MOST_GROUPS,
    Between,
    between,
    log_std,
    resampled,
    without_each,
)


def test_leaving_out_one_of_a_mean_gives_its_standard_error() -> None:
    """For a plain mean the jackknife is the textbook's standard error, s/sqrt(n)."""
    values = np.random.default_rng(0).normal(size=15)
    found = between(without_each(15) @ values / 14, 1.0)
    assert found.n == 15
    assert found.std == pytest.approx(values.std(ddof=1) / math.sqrt(15))
    assert found.skewness == pytest.approx(((values - values.mean()) ** 3).mean() / values.std() ** 3)


def test_many_tracks_are_left_out_in_groups() -> None:
    """A thousand tracks make forty groups; each track is left out once."""
    counts = without_each(1000)
    assert counts.shape == (MOST_GROUPS, 1000)
    np.testing.assert_array_equal((counts == 0).sum(0), 1)


def test_without_skewness_the_ends_are_those_of_student() -> None:
    """Symmetric scatter gives t times the standard error on both sides, and `least` is a floor."""
    reach = t.ppf(0.975, 9)
    assert Between(0.2, 0.0, 10, 0.1).ends(0.95) == pytest.approx((0.2 * reach, 0.2 * reach))
    assert Between(0.2, 0.0, 10, 0.1).ends(0.95, least=0.3) == pytest.approx((0.3 * reach, 0.3 * reach))


def test_skewness_only_widens_to_its_side() -> None:
    """Influences with a long upper tail move the upper end up and leave the lower one, as Hall's cubic turned over."""
    below, above = Between(0.2, 1.5, 10, 0.1).ends(0.95)
    assert below == pytest.approx(0.2 * t.ppf(0.975, 9))
    w, b = -above / 0.2, 1.5 / math.sqrt(10)
    assert w + b * w**2 / 3 + b**2 * w**3 / 27 + b / 6 == pytest.approx(-t.ppf(0.975, 9))


def test_the_mean_of_skewed_numbers_is_covered() -> None:
    """The mean of ten log-normal numbers (sigma = 1): t of the logarithm holds it in 89 %, with skewness 93 to 97 %."""
    rng, held, plain = np.random.default_rng(1), 0, 0
    for _ in range(1500):
        values = np.exp(rng.normal(size=10))
        found, centre = between(np.log(without_each(10) @ values / 9), 1e-9), math.log(values.mean())
        below, above = found.ends(0.95)
        held += centre - below <= 0.5 <= centre + above
        plain += abs(centre - 0.5) <= t.ppf(0.975, 9) * found.std
    error = 3 * math.sqrt(0.05 * 0.95 / 1500)
    assert 0.93 - error < held / 1500 < 0.97 + error
    assert plain / 1500 < 0.93 - error


def test_open_intervals_have_a_width() -> None:
    """A factor of e² each way is a standard error of 2/1.96; an end at 0 counts as a thousandth of the other."""
    assert log_std(math.exp(-2), math.exp(2), 0.95) == pytest.approx(2 / 1.959964, rel=1e-6)
    assert log_std(0.0, 1.0, 0.95) == pytest.approx(math.log(1000) / (2 * 1.959964), rel=1e-6)


def test_draws_with_replacement_are_those_of_one_multinomial() -> None:
    """Each draw holds as many tracks as there are, and the seed gives the draws that it always gave."""
    counts = resampled(30, 50, seed=4)
    assert (counts.sum(1) == 30).all()
    expected = np.random.default_rng(4).multinomial(30, np.full(30, 1 / 30), 50)
    np.testing.assert_array_equal(counts, expected)
