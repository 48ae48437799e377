"""The likelihood of a random walk seen with noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lptem_tracker.analysis import walks
from lptem_tracker.analysis.walks import walk_likelihood

RNG = np.random.default_rng(4)


def test_it_is_that_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without stray positions it is the normal density of the steps, whose covariance is known, gaps and all."""
    monkeypatch.setattr(walks, "STRAY", 1e-12)
    frame = np.array([0.0, 1, 2, 5, 6, 7])
    position = RNG.normal(0, 1, (1, 6, 2))
    found = walk_likelihood(position, frame[None], np.array([0.0, 0.3]), np.array([[0.2, 0.9]]))
    for q, mobility in enumerate((0.0, 0.3)):
        for r, noise in enumerate((0.2, 0.9)):
            covariance = np.diag(mobility * np.diff(frame) + 2 * noise)
            covariance -= noise * (np.eye(5, k=1) + np.eye(5, k=-1))
            expected = [multivariate_normal(np.zeros(5), covariance).logpdf(np.diff(position[0, :, k])) for k in (0, 1)]
            assert found[0, :, q, r] == pytest.approx(expected, rel=1e-6)


def test_walks_of_different_length_do_not_touch_each_other() -> None:
    """A short walk beside a long one has the likelihood that it has alone."""
    position, frame = RNG.normal(0, 1, (3, 9, 1)), np.tile(np.arange(9.0), (3, 1))
    position[1, 4:], position[2, 1:] = np.nan, np.nan
    grid, noise = np.array([0.1, 1.0]), np.full((3, 1), 0.3)
    together = walk_likelihood(position, frame, grid, noise)
    alone = walk_likelihood(position[1:2, :4], frame[1:2, :4], grid, noise[:1])
    assert together[1] == pytest.approx(alone[0])
    assert (together[2] == 0).all()


def test_a_single_stray_position_changes_little() -> None:
    """One centre ten standard deviations off does not make a still particle mobile."""
    position = RNG.normal(0, 0.3, (1, 40, 1))
    position[0, 20] += 3.0
    still, moving = walk_likelihood(position, np.arange(40.0)[None], np.array([0.0, 0.3]), np.array([[0.09]]))[
        0, 0, :, 0
    ]
    assert still > moving


def test_a_slip_is_followed() -> None:
    """A place that changes once by ten standard deviations: with slips thought of it is e²⁰ times as likely, at least.

    Without one the chance of slips costs next to nothing.
    """
    position = np.random.default_rng(8).normal(0, 0.3, (2, 40, 1))
    position[1, 20:] += 3.0
    frame, noise = np.tile(np.arange(40.0), (2, 1)), np.full((2, 1), 0.09)
    never, may = (walk_likelihood(position, frame, np.zeros(1), noise, slips=share)[:, 0, 0, 0] for share in (0, 0.05))
    assert abs(may[0] - never[0]) < 0.5
    assert may[1] - never[1] > 20
