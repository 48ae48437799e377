"""Small symmetric systems inside compiled loops."""

import numpy as np
import pytest

from lptem_tracker.detect.refine.solver import cholesky, fill, has_variances, invert


def test_the_inverse_is_that_of_numpy():
    """A positive definite matrix in a larger array is inverted as numpy inverts it."""
    half = np.random.default_rng(3).normal(size=(4, 4))
    matrix, factor, out = np.zeros((6, 6)), np.zeros((6, 6)), np.zeros((6, 6))
    matrix[:4, :4] = half @ half.T + np.eye(4)
    assert cholesky(matrix, 4, factor)
    invert(factor, 4, out, np.zeros(6))
    np.testing.assert_allclose(out[:4, :4], np.linalg.inv(matrix[:4, :4]), rtol=1e-10)


@pytest.mark.parametrize("spoilt", [-1e17, 0.0, np.nan])
def test_a_covariance_without_variances_is_none(spoilt):
    """What rounding leaves of a nearly singular system, a variance that is not positive, is told."""
    cov = np.diag([1.0, 2.0, 3.0, -1.0])
    assert has_variances(cov, 3)
    cov[1, 1] = spoilt
    assert not has_variances(cov, 3)


def test_fill_reaches_every_entry():
    """A matrix is filled with one value, NaN too."""
    matrix = np.arange(6.0).reshape(2, 3)
    fill(matrix, np.nan)
    assert np.isnan(matrix).all()
