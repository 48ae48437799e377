"""The tridiagonal likelihood against the dense covariance."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.brownian import KK, LOGDET, XK, XX, crlb, stats
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths


@pytest.mark.parametrize("rho", [0.0, 0.7, 30.0])
def test_factors_equal_the_dense_matrix(rho: float) -> None:
    """Determinant and quadratic forms with gaps equal those of the written-out covariance (Relich 2016, eq. 12)."""
    tracks = as_tracks(brownian_paths(np.random.default_rng(0), 1, 20, 1.0, 0.2)).drop(index=[4, 5, 11])
    found = stats(build_trackset(tracks), np.array([rho]), 0.1)[0, 0]
    span = np.diff(tracks["frame"])
    cov = np.diag(2 * span - 0.4 + 2 * rho) + (0.2 - rho) * (np.eye(len(span), k=1) + np.eye(len(span), k=-1))
    dx, inverse = np.diff(tracks["x"]), np.linalg.inv(cov)
    assert found[LOGDET] == pytest.approx(np.linalg.slogdet(cov)[1])
    assert found[XX] == pytest.approx(dx @ inverse @ dx)
    assert found[XK] == pytest.approx(dx @ inverse @ span)
    assert found[KK] == pytest.approx(span @ inverse @ span)


def test_bound_without_localisation_error_is_that_of_independent_steps() -> None:
    """With blur and noise known to be absent var D = D²/(n d/2); with noise free the bound is higher."""
    n = 200
    assert crlb(1.0, 0.0, n, 0.0) > np.sqrt(1 / n)
    assert crlb(2.0, 0.4, n, 0.1) == pytest.approx(2 * crlb(1.0, 0.2, n, 0.1))
