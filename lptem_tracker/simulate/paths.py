"""Random walks: how far each particle moves in each part of a frame, for every kind of motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate.scene import Scene

Array = NDArray[np.float64]

N_PARTS = 8
"""Parts into which the exposure is divided; the picture is the mean over them."""


@dataclass
class Walkers:
    """What decides each particle's motion, and what it remembers from frame to frame; lengths in px, times in frames.

    Attributes
    ----------
    d_px2 : numpy.ndarray
        Shape (n,), diffusion coefficient in px²/frame.
    heading : numpy.ndarray
        Shape (n,), direction of directed motion in rad.
    home : numpy.ndarray
        Shape (n, 2), centre of confinement relative to the start in px.
    offset : numpy.ndarray
        Shape (n, 2), position relative to `home`, of confined motion.
    wait : numpy.ndarray
        Shape (n,), frames until the next hop.
    slow : numpy.ndarray
        Shape (n,), bool: in the slow state.
    """

    d_px2: Array
    heading: Array
    offset: Array
    wait: Array
    slow: NDArray[np.bool_]

    def copy(self) -> Walkers:
        """Return an independent copy."""
        return Walkers(self.d_px2.copy(), self.heading.copy(), self.offset.copy(), self.wait.copy(), self.slow.copy())


def start_walkers(scene: Scene, n: int, rng: np.random.Generator) -> Walkers:
    """Draw the initial state of `n` particles."""
    to_px2 = scene.frame_interval_s / scene.pixel_size_nm**2
    d = np.full(n, scene.D_nm2_s * to_px2)
    slow = np.zeros(n, bool)
    if scene.motion == "mixture":
        slow = rng.random(n) < scene.fraction2
        d[slow] = scene.D2_nm2_s * to_px2
    elif scene.motion == "switching":
        slow = rng.random(n) < 0.5
    elif scene.motion == "immobile":
        d[:] = 0
    rms = scene.confinement_rms_nm / scene.pixel_size_nm
    offset = rng.standard_normal((n, 2)) * (rms if scene.motion == "confined" else 0.0)
    shortest = scene.wait_s / scene.frame_interval_s
    wait = rng.random(n) * _pareto(rng, n, shortest, scene.alpha) if scene.motion == "ctrw" else np.zeros(n)
    return Walkers(d, rng.uniform(-np.pi, np.pi, n), offset, wait, slow)


def _pareto(rng: np.random.Generator, n: int, shortest: float, alpha: float) -> Array:
    return np.asarray(shortest * rng.random(n) ** (-1 / alpha))


def frame_steps(
    scene: Scene, walkers: Walkers, rng: np.random.Generator, fbm: Array | None, frame: int
) -> tuple[Array, Array]:
    """Advance every particle by one frame.

    Parameters
    ----------
    scene : Scene
    walkers : Walkers
        Changed in place.
    rng : numpy.random.Generator
    fbm : numpy.ndarray, optional
        Shape (n, 2, T·grid + 1), fractional paths in px.
    frame : int

    Returns
    -------
    parts : numpy.ndarray
        Shape (N_PARTS, n, 2): mean position in each part of the exposure, relative to the frame's start, in px.
    end : numpy.ndarray
        Shape (n, 2): position at the start of the next frame, relative to this one's.
    """
    if scene.motion == "fractional" and fbm is not None:
        return _fractional(scene, fbm, frame)
    if scene.motion == "ctrw":
        return _hops(scene, walkers, rng)
    n = len(walkers.d_px2)
    open_ = (scene.exposure_s or scene.frame_interval_s) / scene.frame_interval_s
    lengths = np.append(np.full(N_PARTS, open_ / N_PARTS), 1 - open_)
    d = walkers.d_px2
    if scene.motion == "switching":
        stay = scene.frame_interval_s / scene.wait_s
        walkers.slow ^= rng.random(n) < -np.expm1(-stay)
        d = np.where(walkers.slow, scene.D2_nm2_s, scene.D_nm2_s) * scene.frame_interval_s / scene.pixel_size_nm**2
    noise = rng.standard_normal((N_PARTS + 1, n, 2))
    bridge = rng.standard_normal((N_PARTS, n, 2))
    if scene.motion == "confined":
        nodes = _spring(scene, walkers, d, lengths, noise)
    else:
        steps = np.sqrt(2 * d[None, :, None] * lengths[:, None, None]) * noise
        if scene.motion == "directed":
            speed = scene.speed_nm_s * scene.frame_interval_s / scene.pixel_size_nm
            steps += (
                lengths[:, None, None] * speed * np.stack([np.cos(walkers.heading), np.sin(walkers.heading)], axis=1)
            )
        nodes = np.concatenate([np.zeros((1, n, 2)), np.cumsum(steps, axis=0)])
    # the mean of a Brownian bridge over its length t scatters by 2Dt/12 about the chord's middle
    middle = 0.5 * (nodes[:N_PARTS] + nodes[1 : N_PARTS + 1])
    parts = middle + np.sqrt(2 * d[None, :, None] * lengths[0] / 12) * bridge
    return parts, nodes[-1]


def _spring(scene: Scene, walkers: Walkers, d: Array, lengths: Array, noise: Array) -> Array:
    """Ornstein-Uhlenbeck steps, exact for any length; returns the nodes relative to the frame's start."""
    variance = (scene.confinement_rms_nm / scene.pixel_size_nm) ** 2
    at = walkers.offset
    nodes = [at]
    for length, z in zip(lengths, noise):
        keep = np.exp(-d * length / variance)[:, None]
        at = at * keep + np.sqrt(variance * (1 - keep**2)) * z
        nodes.append(at)
    out = np.stack(nodes) - walkers.offset
    walkers.offset = at
    return out


def _hops(scene: Scene, walkers: Walkers, rng: np.random.Generator) -> tuple[Array, Array]:
    """Continuous-time random walk: rest for a waiting time of power-law tail, then hop at once."""
    n = len(walkers.wait)
    hop = scene.hop_nm / scene.pixel_size_nm
    shortest = scene.wait_s / scene.frame_interval_s
    open_ = (scene.exposure_s or scene.frame_interval_s) / scene.frame_interval_s
    centres = (np.arange(N_PARTS) + 0.5) / N_PARTS * open_
    parts, end = np.zeros((N_PARTS, n, 2)), np.zeros((n, 2))
    left = walkers.wait.copy()
    while (due := left < 1).any():
        jump = hop * rng.standard_normal((n, 2)) * due[:, None]
        parts += jump * (centres[:, None] > left)[:, :, None]
        end += jump
        left = np.where(due, left + np.maximum(_pareto(rng, n, shortest, scene.alpha), 1e-3), left)
    walkers.wait = left - 1
    return parts, end


FBM_GRID = 16
"""Steps of a fractional path in one frame interval."""


def _fractional(scene: Scene, fbm: Array, frame: int) -> tuple[Array, Array]:
    open_ = (scene.exposure_s or scene.frame_interval_s) / scene.frame_interval_s
    first = frame * FBM_GRID
    window = fbm[:, :, first : first + FBM_GRID + 1] - fbm[:, :, first : first + 1]
    edges = np.linspace(0, open_ * FBM_GRID, N_PARTS + 1)
    nodes = np.arange(FBM_GRID + 1)
    # the exact mean of the path's polygon over each part, from its running integral
    integral = np.concatenate(
        [np.zeros((*window.shape[:2], 1)), np.cumsum(0.5 * (window[:, :, 1:] + window[:, :, :-1]), axis=2)], axis=2
    )
    low = np.minimum(edges.astype(int), FBM_GRID - 1)
    share = edges - nodes[low]
    height = window[:, :, low] + (window[:, :, low + 1] - window[:, :, low]) * share
    area = integral[:, :, low] + 0.5 * share * (window[:, :, low] + height)
    parts = np.diff(area, axis=2) / np.diff(edges)
    return np.moveaxis(parts, 2, 0), window[:, :, -1]


def fractional_paths(scene: Scene, n: int, rng: np.random.Generator) -> Array:
    """Draw fractional Brownian paths for a whole movie.

    Davies & Harte 1987: the circulant embedding of the increments' covariance is diagonal in Fourier space.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2, n_frames · FBM_GRID + 1), in px, starting at 0; MSD per axis 2 K t^alpha.
    """
    steps = scene.n_frames * FBM_GRID
    k = np.arange(steps + 1, dtype=float)
    covariance = 0.5 * ((k + 1) ** scene.alpha + np.abs(k - 1) ** scene.alpha - 2 * k**scene.alpha)
    row = np.concatenate([covariance, covariance[-2:0:-1]])
    eigen = np.maximum(np.fft.fft(row).real, 0)
    m = len(row)
    out = np.zeros((n, 2, steps + 1))
    scale = np.sqrt(2 * scene.D_nm2_s) * (scene.frame_interval_s / FBM_GRID) ** (scene.alpha / 2) / scene.pixel_size_nm
    for i in range(n):
        z = rng.standard_normal(m) + 1j * rng.standard_normal(m)
        increments = np.fft.fft(np.sqrt(eigen / m) * z)[:steps]
        out[i, 0, 1:], out[i, 1, 1:] = np.cumsum(increments.real) * scale, np.cumsum(increments.imag) * scale
    return out
