"""Kalman filter and smoother over many tracks at once.

Every function works on arrays whose first axes are tracks (and modes): means (..., d), covariances
(..., d, d), measurements (..., 2) with a diagonal noise (..., 2). A NaN measurement is a missed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """One linear motion model in the plane, state (x, vx, y, vy).

    Attributes
    ----------
    kind : {'stuck', 'brownian', 'velocity'}
        Whether the position takes the velocity along.
    step_var : float
        Variance of the random part of a step per axis and frame, px².
    velocity_var : float
        Variance of the change of the velocity per axis and frame, (px/frame)².
    """

    kind: Literal["stuck", "brownian", "velocity"]
    step_var: float
    velocity_var: float = 0.0

    def transition(self, dt: float) -> Floats:
        """Return F for `dt` frames, shape (4, 4)."""
        block = np.array([[1.0, dt if self.kind == "velocity" else 0.0], [0.0, 1.0]])
        return np.asarray(np.kron(np.eye(2), block), np.float64)

    def noise(self, dt: float) -> Floats:
        """Return Q for `dt` frames, shape (4, 4): white acceleration plus a random walk of the position.

        Bar-Shalom, Li & Kirubarajan 2001, eq. 6.2.2-12.
        """
        q = self.velocity_var
        if self.kind == "velocity":
            block = q * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        else:
            block = np.array([[0.0, 0.0], [0.0, q * dt]])
        block[0, 0] += self.step_var * dt
        return np.asarray(np.kron(np.eye(2), block), np.float64)


MEASURED = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0]])
"""H: the position is seen."""


def predict(mean: Floats, cov: Floats, transition: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return the state before the next measurement: F m and F P Fᵀ + Q."""
    return (transition @ mean[..., None])[..., 0], transition @ cov @ np.swapaxes(transition, -1, -2) + noise


def update(mean: Floats, cov: Floats, seen: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Return state and log-likelihood after a measurement; unchanged and 0 where it is NaN.

    Parameters
    ----------
    mean, cov : float64, shapes (..., 4) and (..., 4, 4)
    seen, noise : float64, shape (..., 2)
        Position (px) and the variance of its measurement (px²).
    """
    missing = np.asarray(~np.isfinite(seen).all(-1))
    left = np.where(missing[..., None], 0.0, seen - mean[..., ::2])
    s = cov[..., ::2, ::2] + noise[..., None] * np.eye(2)
    inverse = _inverse_2x2(s)
    gain = cov[..., :, ::2] @ inverse
    keep = np.eye(4) - gain @ MEASURED
    # the Joseph form stays symmetric and positive
    new_cov = keep @ cov @ np.swapaxes(keep, -1, -2) + (gain * noise[..., None, :]) @ np.swapaxes(gain, -1, -2)
    new_mean = mean + (gain @ left[..., None])[..., 0]
    det = s[..., 0, 0] * s[..., 1, 1] - s[..., 0, 1] * s[..., 1, 0]
    square = (left[..., None, :] @ inverse @ left[..., None])[..., 0, 0]
    loglik = np.where(missing, 0.0, -0.5 * (square + np.log(det)) - np.log(2 * np.pi))
    hold = missing[..., None]
    return np.where(hold, mean, new_mean), np.where(hold[..., None], cov, new_cov), loglik


def _inverse_2x2(s: Floats) -> Floats:
    det = s[..., 0, 0] * s[..., 1, 1] - s[..., 0, 1] * s[..., 1, 0]
    out = np.empty_like(s)
    out[..., 0, 0], out[..., 1, 1] = s[..., 1, 1] / det, s[..., 0, 0] / det
    out[..., 0, 1], out[..., 1, 0] = -s[..., 0, 1] / det, -s[..., 1, 0] / det
    return out


def first_state(seen: Floats, noise: Floats, velocity_var: float) -> tuple[Floats, Floats]:
    """Return the state after a first measurement, with the velocity unknown to `velocity_var`."""
    mean = np.zeros((*seen.shape[:-1], 4))
    mean[..., ::2] = seen
    cov = np.zeros((*seen.shape[:-1], 4, 4))
    cov[..., 0, 0], cov[..., 2, 2] = noise[..., 0], noise[..., 1]
    cov[..., 1, 1] = cov[..., 3, 3] = velocity_var
    return mean, cov


@dataclass(frozen=True)
class Smoothed:
    """States of all tracks at all frames: filtered and smoothed means (n, T, 4) and covariances (n, T, 4, 4)."""

    mean: Floats
    cov: Floats
    smooth_mean: Floats
    smooth_cov: Floats
    loglik: Floats


def smooth(seen: Floats, noise: Floats, motion: Motion, velocity_var: float = 0.0) -> Smoothed:
    """Filter forwards and smooth backwards (Rauch, Tung & Striebel 1965) tracks on consecutive frames.

    Parameters
    ----------
    seen, noise : float64, shape (n, T, 2)
        Positions (px), NaN where missed, and measurement variances (px²). The first is never missed.
    motion : Motion
    velocity_var : float
        Variance of the velocity before anything is known, (px/frame)².
    """
    n, frames = seen.shape[:2]
    f, q = motion.transition(1.0), motion.noise(1.0)
    mean, cov = np.empty((n, frames, 4)), np.empty((n, frames, 4, 4))
    ahead_mean, ahead_cov = np.empty_like(mean), np.empty_like(cov)
    loglik = np.zeros(n)
    noise = np.where(np.isfinite(noise), noise, 1.0)
    mean[:, 0], cov[:, 0] = first_state(seen[:, 0], noise[:, 0], velocity_var)
    for t in range(1, frames):
        ahead_mean[:, t], ahead_cov[:, t] = predict(mean[:, t - 1], cov[:, t - 1], f, q)
        mean[:, t], cov[:, t], gain = update(ahead_mean[:, t], ahead_cov[:, t], seen[:, t], noise[:, t])
        loglik += gain
    smooth_mean, smooth_cov = mean.copy(), cov.copy()
    for t in range(frames - 2, -1, -1):
        back = cov[:, t] @ f.T @ np.linalg.pinv(ahead_cov[:, t + 1], hermitian=True)
        smooth_mean[:, t] += (back @ (smooth_mean[:, t + 1] - ahead_mean[:, t + 1])[..., None])[..., 0]
        smooth_cov[:, t] += back @ (smooth_cov[:, t + 1] - ahead_cov[:, t + 1]) @ np.swapaxes(back, -1, -2)
    return Smoothed(mean, cov, smooth_mean, smooth_cov, loglik)
