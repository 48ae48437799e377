"""How likely a row of noisy positions is if it is a random walk, for many walks and many mobilities at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STRAY = 0.01  # share of positions that lie farther off than the noise has it: wrong links, wrong centres
STRAY_WIDTH = 25.0  # variance of those over that of the others
_LANES = 100_000  # values followed at once


def walk_likelihood(position: Floats, frame: Floats, mobility: Floats, noise: Floats, *, slips: float = 0.0) -> Floats:
    """Log-likelihood of positions under a random walk that is seen with noise.

    The exact one-step predictions of a Kalman filter with a flat prior on the first position (Durbin & Koopman 2012,
    Time Series Analysis by State Space Methods, section 2.9); one position in a hundred may lie far off, and what
    follows is as before or, after a slip, goes on from there. What is known of the place after each position is
    again made one normal density, with the mean and variance of the two or three (Harrison & Stevens 1976, J. R.
    Stat. Soc. B 38, 205).

    Parameters
    ----------
    position : (B, T, A) float
        Positions along A axes in px; NaN where there is none. Rows are filled from the front.
    frame : (B, T) float
        Their frames.
    mobility : (Q,) float
        Variance of the walk's step per axis and frame in px².
    noise : (B, R) float
        Variance of a position in px².
    slips : float, optional
        Share of the positions far off after which the walk goes on from there.

    Returns
    -------
    (B, A, Q, R) float
    """
    out = np.zeros((len(position), position.shape[2], len(mobility), noise.shape[1]))
    filled = np.isfinite(position[..., 0]).sum(axis=1)
    order = np.argsort(-filled, kind="stable")
    size = max(1, _LANES // out[:1].size) if len(out) else 1
    for first in range(0, len(order), size):
        part = order[first : first + size]
        longest = int(filled[part[0]])
        out[part] = _follow(position[part, :longest], frame[part, :longest], filled[part], mobility, noise[part], slips)
    return out


def _follow(
    position: Floats, frame: Floats, filled: npt.NDArray[np.int64], mobility: Floats, noise: Floats, slips: float
) -> Floats:
    """Do what `walk_likelihood` does, for walks in order of falling length."""
    error = noise[:, None, None, :]
    total = np.zeros((len(position), position.shape[2], len(mobility), noise.shape[1]))
    mean = np.broadcast_to(position[:, 0, :, None, None], total.shape).copy() if position.shape[1] else total
    spread = np.broadcast_to(error, total.shape).copy()
    for t in range(1, position.shape[1]):
        n = int(np.searchsorted(-filled, -t, "left"))
        ahead = spread[:n] + mobility[:, None] * (frame[:n, t] - frame[:n, t - 1])[:, None, None, None]
        variance = ahead + error[:n]
        miss = position[:n, t, :, None, None] - mean[:n]
        square = miss**2 / variance
        near = (1 - STRAY) * np.exp(-0.5 * square)
        far = STRAY / np.sqrt(STRAY_WIDTH) * np.exp(-0.5 * square / STRAY_WIDTH)
        total[:n] += np.log(near + far + 1e-300) - 0.5 * np.log(2 * np.pi * variance)
        stray = far / (near + far + 1e-300)
        gain = ahead / variance
        moved = (1 - stray) * gain + stray * slips
        between = (1 - stray) * (gain - moved) ** 2 + stray * ((1 - slips) * moved**2 + slips * (1 - moved) ** 2)
        mean[:n] += moved * miss
        spread[:n] = ahead * (1 - stray * slips - (1 - stray) * gain) + error[:n] * stray * slips + between * miss**2
    return total
