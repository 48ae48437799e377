"""The batched filter, smoother and mixture against filterpy, one object per track."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import IMMEstimator, KalmanFilter

from lptem_tracker.link.imm import Mixture
from lptem_tracker.link.kalman import MEASURED, Motion, first_state, smooth, update

MOTIONS = {
    "brownian": Motion("brownian", 1.3),
    "velocity": Motion("velocity", 0.2, 0.05),
    "stuck": Motion("stuck", 1e-3),
}


def scene(n: int = 6, frames: int = 25) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    seen = np.cumsum(rng.normal(0, 1, (n, frames, 2)), 1) + 50
    noise = rng.uniform(0.05, 0.5, (n, frames, 2))
    missed = rng.random((n, frames)) < 0.2
    missed[:, 0] = False
    seen[missed] = np.nan
    return seen, noise


def reference(motion: Motion, seen: np.ndarray, noise: np.ndarray, velocity_var: float) -> KalmanFilter:
    one = KalmanFilter(4, 2)
    one.F, one.Q, one.H = motion.transition(1.0), motion.noise(1.0), MEASURED.copy()
    one.x, one.P = (v.copy() for v in first_state(seen, noise, velocity_var))
    return one


@pytest.mark.parametrize("name", MOTIONS)
def test_filter_equals_filterpy(name: str) -> None:
    """Filtered means and covariances of all tracks equal filterpy's to 1e-12."""
    motion, (seen, noise) = MOTIONS[name], scene()
    ours = smooth(seen, noise, motion, velocity_var=0.4)
    for k in range(len(seen)):
        one = reference(motion, seen[k, 0], noise[k, 0], 0.4)
        for t in range(1, seen.shape[1]):
            one.predict()
            if np.isfinite(seen[k, t]).all():
                one.update(seen[k, t], R=np.diag(noise[k, t]))
            np.testing.assert_allclose(ours.mean[k, t], one.x, rtol=0, atol=1e-12)
            np.testing.assert_allclose(ours.cov[k, t], one.P, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["brownian", "velocity"])
def test_smoother_equals_filterpy(name: str) -> None:
    """RTS-smoothed means and covariances equal filterpy's, gaps included."""
    motion, (seen, noise) = MOTIONS[name], scene()
    ours = smooth(seen, noise, motion, velocity_var=0.4)
    one = reference(motion, seen[0, 0], noise[0, 0], 0.4)
    mean, cov, _, _ = one.rts_smoother(ours.mean[0], ours.cov[0])
    np.testing.assert_allclose(ours.smooth_mean[0], mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.smooth_cov[0], cov, rtol=0, atol=1e-10)


def test_log_likelihood_is_that_of_the_normal_distribution() -> None:
    """The log-likelihood of a measurement equals the density written out by hand."""
    mean, cov = first_state(np.zeros((1, 2)), np.full((1, 2), 3.0), 0.0)
    loglik = update(mean, cov, np.array([[2.0, 0.0]]), np.full((1, 2), 1.0))[2]
    # variance 3 + 1 on either axis, distance 2
    assert loglik[0] == pytest.approx(-0.5 * (2.0**2 / 4 + np.log(4.0**2)) - np.log(2 * np.pi), abs=1e-12)


def test_mixture_equals_filterpy() -> None:
    """Mode probabilities, means and covariances of the interacting mixture equal filterpy's to 1e-12."""
    seen, noise = scene(n=4)
    seen = np.where(np.isfinite(seen), seen, 50.0)
    change = np.array([[0.9, 0.07, 0.03], [0.05, 0.9, 0.05], [0.02, 0.08, 0.9]])
    share = np.array([0.2, 0.5, 0.3])
    mixture = Mixture(tuple(MOTIONS[k] for k in ("stuck", "brownian", "velocity")), change, share, 0.4)
    state = mixture.start(seen[:, 0], noise[:, 0])
    singles = [[reference(m, seen[k, 0], noise[k, 0], 0.4) for m in mixture.motions] for k in range(4)]
    judges = [IMMEstimator(filters, share.copy(), change) for filters in singles]
    for t in range(1, 12):
        state = mixture.update(mixture.predict(state, 1), seen[:, t], noise[:, t])
        for k, judge in enumerate(judges):
            for one in judge.filters:
                one.R = np.diag(noise[k, t])
            judge.predict()
            judge.update(seen[k, t])
            np.testing.assert_allclose(state.weight[k], judge.mu, rtol=0, atol=1e-12)
            for m, one in enumerate(judge.filters):
                np.testing.assert_allclose(state.mean[k, m], one.x, rtol=0, atol=1e-11)
                np.testing.assert_allclose(state.cov[k, m], one.P, rtol=0, atol=1e-11)


def test_missed_measurement_changes_nothing_but_the_prediction() -> None:
    """A mixture updated with NaN keeps its predicted state."""
    mixture = Mixture((MOTIONS["stuck"], MOTIONS["brownian"]), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.5, 0.5]))
    state = mixture.predict(mixture.start(np.zeros((2, 2)), np.ones((2, 2))), 2)
    after = mixture.update(state, np.full((2, 2), np.nan), np.ones((2, 2)))
    np.testing.assert_array_equal(after.mean, state.mean)
    np.testing.assert_allclose(after.weight, state.weight, atol=1e-15)
