"""Trapped motion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lptem_tracker.analysis.confined import exposure_factors, trap_family
from lptem_tracker.analysis.diffusion import Imaging
from lptem_tracker.analysis.family import LOG_RHO
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, trapped_paths


def test_exposure_averages_by_hand() -> None:
    """The variance within one exposure of a relaxation time is 2/e, and short exposures change nothing."""
    later, same = exposure_factors(1.0, 1.0)
    assert same == pytest.approx(2 / math.e)
    assert later == pytest.approx(4 * math.sinh(0.5) ** 2)
    assert exposure_factors(1.0, 0.0) == (1.0, 1.0)


def test_filter_equals_the_dense_likelihood() -> None:
    """The quadratic form of contrasts at a node equals that of the written-out covariance, gaps included."""
    table = as_tracks(trapped_paths(np.random.default_rng(0), 1, 15, 1.0, 0.3, 0.1)).drop(index=[5, 6])
    family = trap_family(build_trackset(table), Imaging(0.0))
    at = int(np.abs(LOG_RHO).argmin())
    rate, rho = float(np.exp(family.shape[9])), float(np.exp(LOG_RHO[at]))
    t = table["frame"].to_numpy()
    cov = np.exp(-rate * np.abs(t[:, None] - t)) / rate + rho * np.eye(len(t))
    inverse, q = np.linalg.inv(cov), 0.0
    for axis in ("x", "y"):
        x = table[axis].to_numpy() - table[axis].mean()
        q += x @ inverse @ x - (x @ inverse.sum(1)) ** 2 / inverse.sum()
    assert family.log_q[0, 9, at] == pytest.approx(np.log(q), abs=2e-3)
