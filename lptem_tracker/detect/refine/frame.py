"""The stages of one frame's refinement, each a batch over its particles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.fit import N_STATS, fit_particles
from lptem_tracker.detect.refine.noise import NoiseModel
from lptem_tracker.detect.refine.render import owners, render

N = sh.N_PARAMS


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
    covs, stats : numpy.ndarray
        Of the last fit, shape (n, 12, 12) and (n, N_STATS).
    """

    image: NDArray[np.float32]
    noise: NoiseModel
    kinds: NDArray[np.int64]
    params: NDArray[np.float64]
    priors: NDArray[np.float64] = field(init=False)
    precisions: NDArray[np.float64] = field(init=False)
    covs: NDArray[np.float64] = field(init=False)
    stats: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.kinds)
        self.priors, self.precisions = self.params.copy(), np.zeros((n, N))
        self.covs, self.stats = np.full((n, N, N), np.nan), np.zeros((n, N_STATS))

    def significance(self) -> NDArray[np.float64]:
        """Return contrast over its standard error, shape (n,)."""
        std = np.sqrt(self.covs[:, sh.CONTRAST, sh.CONTRAST])
        z = np.abs(self.params[:, sh.CONTRAST]) / np.maximum(std, 1e-300)
        return np.where(np.isfinite(z), z, 0.0)


def run(
    state: State,
    chosen: NDArray[np.int64],
    *,
    free: NDArray[np.bool_],
    margin: float,
    slack: float,
    clip: float = 0.0,
    max_iter: int = 8,
    tol: float = 1e-3,
    covariance: bool = True,
    total: NDArray[np.float64] | None = None,
    owner: NDArray[np.int32] | None = None,
    pool: Any = None,
) -> None:
    """Fit the chosen rows of a state in place; see `fit.fit_particles` for the options."""
    total = np.zeros((1, 1)) if total is None else total
    owner = np.full((1, 1), -1, np.int32) if owner is None else owner
    options = np.array([margin, slack, clip, max_iter, tol, float(covariance)])

    def part(rows: NDArray[np.int64]) -> None:
        fit_particles(
            state.image, total, owner, rows, state.kinds, state.params, state.priors, state.precisions, free,
            state.noise.packed(), state.noise.lags, options, sh.TABLE, state.covs, state.stats,
        )  # fmt: skip

    if pool is None or len(chosen) < 32:
        part(chosen)
    else:
        list(pool.map(part, np.array_split(chosen, pool._max_workers * 2)))
