"""Interacting multiple models: every track is stuck, diffusing or running, and may change (Blom & Bar-Shalom 1988)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.kalman import Motion, first_state, predict, update

Floats = NDArray[np.float64]


class State(NamedTuple):
    """Mode-matched states of n tracks and M modes.

    Attributes
    ----------
    mean, cov : float64, shapes (n, M, 4) and (n, M, 4, 4)
    weight : float64, shape (n, M)
        Mode probabilities.
    """

    mean: Floats
    cov: Floats
    weight: Floats


@dataclass(frozen=True)
class Mixture:
    """Motion models and how a particle changes between them.

    Attributes
    ----------
    motions : tuple of Motion
    change : float64, shape (M, M)
        Probability per frame of going from the row's mode to the column's.
    share : float64, shape (M,)
        Mode probabilities of a new track.
    velocity_var : float
        Variance of a new track's velocity per axis, (px/frame)².
    """

    motions: tuple[Motion, ...]
    change: Floats
    share: Floats
    velocity_var: float = 0.0
    _known: dict[int, tuple[Floats, Floats, Floats]] = field(default_factory=dict, repr=False, compare=False)

    def start(self, seen: Floats, noise: Floats) -> State:
        """Return the state of tracks first seen at `seen`, shape (n, 2)."""
        mean, cov = first_state(seen, noise, self.velocity_var)
        m = len(self.motions)
        return State(np.repeat(mean[:, None], m, 1), np.repeat(cov[:, None], m, 1), np.tile(self.share, (len(seen), 1)))

    def _over(self, dt: int) -> tuple[Floats, Floats, Floats]:
        """Return mode changes, transitions and noises of all modes over `dt` frames."""
        if dt not in self._known:
            f, q = np.stack([m.transition(dt) for m in self.motions]), np.stack([m.noise(dt) for m in self.motions])
            self._known[dt] = np.linalg.matrix_power(self.change, dt), f, q
        return self._known[dt]

    def predict(self, state: State, dt: int) -> State:
        """Return the state `dt` frames later: modes mixed (Blom & Bar-Shalom 1988, eqs. 4–8), then each predicted."""
        change, f, q = self._over(dt)
        ahead = state.weight @ change
        # share of mode i in what becomes mode j, shape (n, i, j)
        part = state.weight[:, :, None] * change / np.maximum(ahead[:, None, :], 1e-300)
        mean = np.einsum("nij,nid->njd", part, state.mean)
        apart = state.mean[:, :, None] - mean[:, None]
        cov = np.einsum("nij,nide->njde", part, state.cov) + np.einsum("nij,nijd,nije->njde", part, apart, apart)
        return State(*predict(mean, cov, f, q), ahead)

    def update(self, state: State, seen: Floats, noise: Floats) -> State:
        """Return the state after measurements `seen`, shape (n, 2); NaN is a missed one."""
        mean, cov, loglik = update(state.mean, state.cov, seen[:, None].repeat(len(self.motions), 1), noise[:, None])
        top = loglik.max(1, keepdims=True)
        weight = state.weight * np.exp(loglik - top)
        return State(mean, cov, weight / weight.sum(1, keepdims=True))
