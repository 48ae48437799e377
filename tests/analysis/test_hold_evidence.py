"""Pairs that move as one against pairs that stay near each other by chance."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis import hold_evidence as module
from lptem_tracker.analysis.hold_evidence import FEW_ROLL, hold_evidence, pair_path
from lptem_tracker.analysis.mobility import Mobility

GRID = np.concatenate([[0.0], np.geomspace(1e-3, 10, 15)])


def evidence(n: int, *, step2: float, error: float, frames: int, bound: bool, rolls: bool = False) -> np.ndarray:
    """Evidence of pairs 8 px apart whose relative steps have the variance `step2`."""
    rng = np.random.default_rng(7)
    odds = np.zeros(len(GRID))
    odds[np.abs(np.log(GRID[1:] / step2)).argmin() + 1] = 1
    paths = []
    for _ in range(n):
        apart = np.cumsum(rng.normal(0, np.sqrt(step2), (frames, 2)), axis=0) * (0 if bound else 1)
        angle = np.cumsum(rng.normal(0, np.sqrt(step2) / 8, frames)) * (1 if rolls else 0)
        where = apart + 8 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(0, error, apart.shape)
        paths.append(pair_path(where[:, 0], where[:, 1], np.arange(float(frames))))
    mobility = Mobility(GRID, odds, {}, error**2 / 2)
    return hold_evidence(paths, np.tile(odds, (n, 1)), mobility, FEW_ROLL, 5.0)


@pytest.mark.parametrize("step2", [0.02, 0.2, 1.0])
def test_free_pairs_are_rarely_taken_for_bound_ones(step2: float) -> None:
    """The mean ratio of likelihoods of free pairs is 1 at most, so that e³ comes up in one of twenty at most."""
    found = evidence(400, step2=step2, error=0.5, frames=20, bound=False)
    # one of twenty of 400 is 20, with a standard deviation of 4.4
    assert (found > 3).sum() <= 20 + 3 * 4.4
    assert np.exp(np.minimum(found, 10)).mean() <= 1.5


def test_bound_pairs_show_where_motion_is_large() -> None:
    """Free steps twice as large as the error: every pair of 20 frames is seen to be bound."""
    assert evidence(50, step2=1.0, error=0.5, frames=20, bound=True).min() > 3


def test_a_pair_that_rolls_is_bound() -> None:
    """One that keeps its distance but not its direction is bound all the same, if it is watched for longer."""
    assert np.median(evidence(50, step2=1.0, error=0.3, frames=60, bound=True, rolls=True)) > 3


def test_too_slow_motion_says_nothing() -> None:
    """Where a free pair would move by less than the error, the ratio is near 1 for bound and free alike."""
    for bound in (True, False):
        assert np.abs(evidence(50, step2=1e-3, error=0.5, frames=20, bound=bound)).max() < 1


def test_few_free_pairs_pass_though_the_error_was_taken_too_small() -> None:
    """Errors in a pair twice those of lone particles are allowed for: bound pairs are still seen."""
    rng, n = np.random.default_rng(9), 40
    odds = np.eye(len(GRID))[12]
    paths = [pair_path(8 + rng.normal(0, 0.7, 60), rng.normal(0, 0.7, 60), np.arange(60.0)) for _ in range(n)]
    found = hold_evidence(paths, np.tile(odds, (n, 1)), Mobility(GRID, odds, {}, 0.12), FEW_ROLL, 5.0)
    assert np.median(found) > 3


def test_pairs_in_blocks_say_what_they_say_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes from one pair to the next: looked at seven at a time, each has the same evidence."""
    whole = evidence(30, step2=0.2, error=0.5, frames=20, bound=True)
    monkeypatch.setattr(module, "TOGETHER", 7)
    np.testing.assert_allclose(evidence(30, step2=0.2, error=0.5, frames=20, bound=True), whole, rtol=1e-12)
