"""The stages of one frame's refinement, each a batch over its particles."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.fit import fit_particles
from lptem_tracker.detect.refine.noise import NoiseModel
from lptem_tracker.detect.refine.pixels import PIXEL_CAP, PLANE_CAP
from lptem_tracker.detect.refine.render import render
from lptem_tracker.detect.refine.scores import CHI2, CHI2_OUT, LOG_V, N_STATS

N = sh.N_PARAMS
_KEPT = threading.local()
_COARSE = (500, 700)  # pixels near and beyond an outline that are enough to come near


@dataclass(frozen=True)
class Buffers:
    """Arrays of a frame's size that all stages of a thread write in turn: new ones would cost more than what goes in.

    Attributes
    ----------
    total : numpy.ndarray
        Shape (Y, X), float32: what particles take away.
    nobody : numpy.ndarray
        Shape (Y, X), int32: -1 throughout.
    """

    total: NDArray[np.float32]
    nobody: NDArray[np.int32]

    @staticmethod
    def of(shape: tuple[int, ...]) -> Buffers:
        """Return buffers for pictures of a shape, on the same thread the same as long as the shape is."""
        kept = _KEPT.__dict__
        if "buffers" not in kept or kept["buffers"].total.shape != shape:
            kept["buffers"] = Buffers(np.empty(shape, np.float32), np.full(shape, -1, np.int32))
        found: Buffers = kept["buffers"]
        return found


@dataclass
class State:
    """What is known of the particles of one frame.

    Attributes
    ----------
    image : numpy.ndarray
        Shape (Y, X), float32; not-finite pixels are no data.
    noise : NoiseModel
    kinds : numpy.ndarray
        Shape (n,), `shapes.DISK` and so on.
    params, priors, precisions : numpy.ndarray
        Shape (n, 12), see `fit.fit_particles`.
    windows : numpy.ndarray
        Shape (n, 3): centre x, y and radius of the pixels used, in px.
    owner : numpy.ndarray
        Shape (Y, X), int32: row of the box that each pixel is in or near, the deepest of several; -1 for none.
    buffers : Buffers
    covs, stats : numpy.ndarray
        Of the last fit, shape (n, 12, 12) and (n, N_STATS).
    evidence, growth : numpy.ndarray
        Shape (n, 2): score and weight of the way from plate to dome, see `profile.evidence`; shape (n,): by how
        many px the half width is larger as a dome.
    """

    image: NDArray[np.float32]
    noise: NoiseModel
    kinds: NDArray[np.int64]
    params: NDArray[np.float64]
    windows: NDArray[np.float64]
    owner: NDArray[np.int32]
    buffers: Buffers
    priors: NDArray[np.float64] = field(init=False)
    precisions: NDArray[np.float64] = field(init=False)
    covs: NDArray[np.float64] = field(init=False)
    stats: NDArray[np.float64] = field(init=False)
    evidence: NDArray[np.float64] = field(init=False)
    growth: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.kinds)
        self.priors, self.precisions = self.params.copy(), np.zeros((n, N))
        self.covs, self.stats = np.full((n, N, N), np.nan), np.zeros((n, N_STATS))
        self.evidence, self.growth = np.zeros((n, 2)), np.zeros(n)

    def copy(self) -> State:
        """Return a state that can be changed without changing this one."""
        twin = State(
            self.image, self.noise, self.kinds.copy(), self.params.copy(), self.windows, self.owner, self.buffers
        )
        twin.priors, twin.precisions = self.priors.copy(), self.precisions.copy()
        twin.covs, twin.stats = self.covs.copy(), self.stats.copy()
        twin.evidence, twin.growth = self.evidence.copy(), self.growth.copy()
        return twin

    def adopt(self, other: State, rows: NDArray[np.int64]) -> None:
        """Take over some rows of another state of the same frame."""
        for mine, theirs in zip(self._rows(), other._rows()):
            mine[rows] = theirs[rows]

    def part(self, rows: NDArray[np.int64], image: NDArray[np.float32]) -> State:
        """Return a state of some rows on another picture of the same frame."""
        renumbered = np.full(len(self.kinds) + 1, -1, dtype=np.int32)
        renumbered[rows] = np.arange(len(rows))
        owner = renumbered[self.owner]
        out = State(image, self.noise, self.kinds[rows], self.params[rows], self.windows[rows], owner, self.buffers)
        for mine, theirs in zip(out._rows(), self._rows()):
            mine[:] = theirs[rows]
        return out

    def adopt_part(self, other: State, rows: NDArray[np.int64]) -> None:
        """Put back a state from `part`."""
        for mine, theirs in zip(self._rows(), other._rows()):
            mine[rows] = theirs

    def _rows(self) -> tuple[NDArray[np.generic], ...]:
        return self.kinds, self.params, self.priors, self.precisions, self.covs, self.stats, self.evidence, self.growth

    def log_likelihood(self) -> NDArray[np.float64]:
        """Return the Gaussian log-likelihood of each last fit up to a constant, shape (n,)."""
        st = self.stats
        return -0.5 * (st[:, CHI2] + st[:, CHI2_OUT] + st[:, LOG_V])

    def significance(self) -> NDArray[np.float64]:
        """Return contrast over its standard error, shape (n,)."""
        std = np.sqrt(self.covs[:, sh.CONTRAST, sh.CONTRAST])
        z = np.abs(self.params[:, sh.CONTRAST]) / np.maximum(std, 1e-300)
        return np.where(np.isfinite(z), z, 0.0)


@dataclass(frozen=True)
class Surroundings:
    """How the other particles are kept out of a particle's fit.

    Attributes
    ----------
    total : numpy.ndarray
        Shape (Y, X): what fitted particles take away.
    counted : numpy.ndarray
        Shape (n,), True for the particles of which `total` holds the share.
    owner : numpy.ndarray
        Shape (Y, X), int32: the row whose pixel it is, -1 for everybody's.
    """

    total: NDArray[np.float32]
    counted: NDArray[np.bool_]
    owner: NDArray[np.int32]


def masked(state: State) -> Surroundings:
    """Leave each pixel near a box to the particle whose box it is deepest in."""
    nobody = np.zeros(len(state.kinds), dtype=np.bool_)
    state.buffers.total.fill(0.0)
    return Surroundings(state.buffers.total, nobody, state.owner)


def subtracted(state: State, rows: NDArray[np.bool_] | None = None) -> Surroundings:
    """Take away what the fits of all (or some) particles say of their pixels, until the next call of this frame."""
    good: NDArray[np.bool_] = np.asarray(np.isfinite(state.params).all(axis=1))
    counted = good if rows is None else rows & good
    render(state.buffers.total, state.kinds, state.params, counted)
    return Surroundings(state.buffers.total, counted, state.buffers.nobody)


def reaching(state: State, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which particles may be seen in the windows of some rows, shape (n,)."""
    p = state.params
    size = 1.5 * np.maximum(p[:, sh.A], p[:, sh.B]) + 6.0 * np.exp(p[:, sh.LOG_S]) + 2.0
    off = np.abs(p[:, None, :2] - state.windows[None, rows, :2]).max(axis=2)
    out: NDArray[np.bool_] = (off < size[:, None] + state.windows[rows, 2]).any(axis=1)
    return out


def run(
    state: State,
    chosen: NDArray[np.int64],
    around: Surroundings,
    *,
    free: NDArray[np.bool_],
    slack: float,
    clip: float = 0.0,
    max_iter: int = 8,
    tol: float = 1e-3,
    covariance: bool = True,
    score: int = 0,
    coarse: bool = False,
    pool: ThreadPoolExecutor | None = None,
) -> None:
    """Fit the chosen rows of a state in place; see `fit.fit_particles` for the options."""
    caps = _COARSE if coarse else (PIXEL_CAP, PLANE_CAP)
    options = np.array([slack, clip, max_iter, tol, float(score or covariance), *caps])

    def part(rows: NDArray[np.int64]) -> None:
        fit_particles(
            state.image, around.total, around.counted, around.owner, rows, state.kinds, state.params, state.windows,
            state.priors, state.precisions, free, state.noise.packed(), state.noise.lags, options, sh.TABLE,
            state.covs, state.stats,
        )  # fmt: skip

    if pool is None or len(chosen) < 32:
        part(chosen)
    else:
        list(pool.map(part, np.array_split(chosen, 8)))
