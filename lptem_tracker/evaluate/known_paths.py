"""Paths of known motion, drawn exactly without sub-steps, to hold estimates against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.linalg import toeplitz

from lptem_tracker.analysis.fbm import step_covariance
from lptem_tracker.tables import FRAME, PARTICLE, X, Y

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator


def brownian_paths(rng: Rng, p: int, n: int, d: float, sigma2: float, exposure: float = 1.0) -> Floats:
    """Free diffusion, each position averaged over its exposure.

    Parameters
    ----------
    rng : numpy.random.Generator
    p, n : int
        Particles and frames.
    d, sigma2 : float
        D in px² a frame and localisation variance in px² per axis.
    exposure : float
        Exposure over frame interval, 0 to 1.

    Returns
    -------
    (p, n, 2) float
        px. The mean of a Brownian bridge over the exposure f has the variance 2Df/12 (Berglund 2010, eq. 5).
    """
    seen = rng.normal(0, np.sqrt(2 * d * exposure), (p, n, 2))
    unseen = rng.normal(0, np.sqrt(2 * d * (1 - exposure)), (p, n, 2))
    start = np.concatenate([np.zeros((p, 1, 2)), np.cumsum(seen + unseen, 1)[:, :-1]], 1)
    bridge = rng.normal(0, np.sqrt(2 * d * exposure / 12), (p, n, 2))
    return np.asarray(start + seen / 2 + bridge + _error(rng, (p, n, 2), sigma2))


def fractional_paths(rng: Rng, p: int, n: int, alpha: float, k: float, sigma2: float, exposure: float = 1.0) -> Floats:
    """Fractional Brownian motion with MSD = 4 K t^alpha.

    Parameters
    ----------
    rng : numpy.random.Generator
    p, n : int
        Particles and frames.
    alpha : float
        0 to 2.
    k, sigma2 : float
        K in px² a frame^alpha and localisation variance in px².
    exposure : float
        Exposure over frame interval.

    Returns
    -------
    (p, n, 2) float
    """
    factor = np.linalg.cholesky(k * toeplitz(step_covariance(alpha, sigma2 / k, n - 1, exposure)))
    steps = np.einsum("ij,pjd->pid", factor, rng.normal(size=(p, n - 1, 2)))
    return np.concatenate([np.zeros((p, 1, 2)), np.cumsum(steps, 1)], 1)


def trapped_paths(rng: Rng, p: int, n: int, d: float, rate: float, sigma2: float) -> Floats:
    """Ornstein–Uhlenbeck motion at single instants; variance d/rate per axis, `rate` per frame.

    Returns
    -------
    (p, n, 2) float
    """
    keep, width = np.exp(-rate), np.sqrt(d / rate)
    x = rng.normal(0, width, (p, 2))
    out = []
    for _ in range(n):
        out.append(x)
        x = keep * x + rng.normal(0, width * np.sqrt(1 - keep**2), (p, 2))
    return np.stack(out, 1) + _error(rng, (p, n, 2), sigma2)


def directed_paths(rng: Rng, p: int, n: int, d: float, speed: float, sigma2: float) -> Floats:
    """Diffusion with a steady velocity of `speed` px a frame, each particle in a direction of its own.

    Returns
    -------
    (p, n, 2) float
    """
    way = rng.uniform(0, 2 * np.pi, p)
    push = speed * np.stack([np.cos(way), np.sin(way)], 1)[:, None] * np.arange(n)[None, :, None]
    return brownian_paths(rng, p, n, d, sigma2, 0.0) + push


def switching_paths(rng: Rng, p: int, n: int, d: tuple[float, float], leave: float, sigma2: float) -> Floats:
    """Diffusion that changes between two D, with the chance `leave` in each frame.

    Returns
    -------
    (p, n, 2) float
    """
    state = (rng.integers(0, 2, (p, 1)) + np.cumsum(rng.random((p, n)) < leave, 1)) % 2
    step = rng.normal(size=(p, n, 2)) * np.sqrt(2 * np.where(state == 0, *d))[..., None]
    return np.asarray(np.cumsum(step, 1) + _error(rng, (p, n, 2), sigma2))


def pinned_paths(rng: Rng, p: int, n: int, hop: float, sigma2: float, *, shortest: float = 3.0) -> Floats:
    """Continuous-time random walk: Pareto waits of exponent 0.9 from `shortest` frames on, normal hops.

    Parameters
    ----------
    rng : numpy.random.Generator
    p, n : int
        Particles and frames.
    hop : float
        Standard deviation of a hop per axis in px.
    sigma2 : float
        Localisation variance in px².
    shortest : float
        Frames.

    Returns
    -------
    (p, n, 2) float
    """
    out = np.zeros((p, n, 2))
    for i in range(p):
        wait = shortest * (1 - rng.random(4 * n)) ** (-1 / 0.9)
        count = np.searchsorted(np.cumsum(wait) - wait[0] * rng.random(), np.arange(n))
        out[i] = np.concatenate([[[0, 0]], np.cumsum(rng.normal(0, hop, (4 * n, 2)), 0)])[count]
    return out + _error(rng, out.shape, sigma2)


def as_tracks(paths: Floats, *, apart: float = 1000.0) -> pd.DataFrame:
    """Return paths (p, n, 2) as a tracks table, the particles `apart` px from each other on a square lattice."""
    import pandas as pd

    p, n, _ = paths.shape
    side = int(np.ceil(np.sqrt(p)))
    home = apart * np.stack([np.arange(p) % side, np.arange(p) // side], 1)[:, None]
    x, y = np.moveaxis(paths + home, 2, 0)
    return pd.DataFrame(
        {
            PARTICLE: np.repeat(np.arange(p), n),
            FRAME: np.tile(np.arange(n), p),
            X: x.ravel(),
            Y: y.ravel(),
        }
    )


def _error(rng: Rng, shape: tuple[int, ...], sigma2: float) -> Floats:
    return rng.normal(0, np.sqrt(sigma2), shape)
