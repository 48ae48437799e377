"""The order of the fits of a frame: coarse, free, in the likeliest shape, and with what all share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.choose import choose_elongated, choose_rectangles
from lptem_tracker.detect.refine.fit import ASK_DOME, ASK_ELLIPSE
from lptem_tracker.detect.refine.frame import State, masked, run, subtracted
from lptem_tracker.detect.refine.neighbours import settle_touching
from lptem_tracker.detect.refine.noise import FEW_BLOCKS, noise_between
from lptem_tracker.detect.refine.pooling import fit_domes, lend_blur, prefer_domes
from lptem_tracker.detect.refine.profile import growth
from lptem_tracker.detect.refine.start import BLUR_MEAN, start_state

CLIP = 6.0
_LARGE = 60.0  # px of half size beyond which the first fits are done on a binned frame
_BINNED_SIZE = 40.0


def fit_all_sizes(state: State, box: NDArray[np.float64], quantum: float, pool: ThreadPoolExecutor | None) -> None:
    """Fit all particles of a frame in place, the large ones first and on fewer pixels.

    Parameters
    ----------
    state : State
        From `start.start_state`.
    box : numpy.ndarray
        Shape (n, 5).
    quantum : float
        Step between grey values, 0 for floats.
    pool : ThreadPoolExecutor, optional
    """
    large = np.sqrt(box[:, 2] * box[:, 3]) / 2 > _LARGE
    if not large.any():
        fit_frame(state, box, pool)
        return
    rows, rest = np.flatnonzero(large), np.flatnonzero(~large)
    factor = int(np.ceil(np.sqrt(box[rows, 2] * box[rows, 3]).max() / 2 / _BINNED_SIZE))
    _fit_binned(state, box, rows, factor, quantum, pool)
    if len(rest):
        without = (state.image + subtracted(state, large).total).astype(np.float32)
        small = state.part(rest, without)
        fit_frame(small, box[rest], pool)
        state.adopt_part(small, rest)
    free = sh.FREE.copy()
    free[:, sh.Q] = bool((state.params[rows, sh.Q] != 0).any())
    for slack in (2.0 * factor, 2.0, 1.5):
        run(state, rows, subtracted(state), free=free, slack=slack, clip=CLIP, max_iter=10, tol=0.01, pool=pool)


def _fit_binned(
    state: State,
    box: NDArray[np.float64],
    rows: NDArray[np.int64],
    k: int,
    quantum: float,
    pool: ThreadPoolExecutor | None,
) -> None:
    shift = np.array([(k - 1) / 2, (k - 1) / 2, 0.0, 0.0, 0.0])
    small = (box[rows] - shift) / np.array([k, k, k, k, 1.0])
    coarse = start_state(_binned(state.image, k), small, quantum / k)
    fit_frame(coarse, small, pool)
    p = coarse.params.copy()
    lengths = [sh.X, sh.Y, sh.A, sh.B, sh.CORNER]
    p[:, lengths] *= k
    p[:, [sh.X, sh.Y]] += (k - 1) / 2
    p[:, [sh.SLOPE_X, sh.SLOPE_Y]] /= k
    p[:, sh.LOG_S] = BLUR_MEAN
    state.params[rows], state.kinds[rows] = p, coarse.kinds
    for entry in (sh.A, sh.B, sh.CORNER, sh.X, sh.Y):
        state.priors[rows, entry] = p[:, entry]
    state.priors[rows, sh.Q], state.precisions[rows, sh.Q] = coarse.priors[:, sh.Q], coarse.precisions[:, sh.Q]
    state.evidence[rows], state.growth[rows] = coarse.evidence, k * coarse.growth


def _binned(image: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return means of k x k pixels, NaN where half of them or more are no data."""
    height, width = image.shape[0] // k, image.shape[1] // k
    tiles = image[: height * k, : width * k].reshape(height, k, width, k)
    good = np.isfinite(tiles)
    count = good.sum(axis=(1, 3))
    total = np.where(good, tiles, 0).sum(axis=(1, 3), dtype=np.float64)
    return np.where(count > k * k / 2, total / np.maximum(count, 1), np.nan).astype(np.float32)


def fit_frame(state: State, box: NDArray[np.float64], pool: ThreadPoolExecutor | None) -> None:
    """Fit all particles of a frame: coarsely, freely, in the likeliest shape, then with what they share."""
    everyone = np.arange(len(state.kinds))
    if not len(everyone):
        return
    rigid, flat, full = sh.FREE.copy(), sh.FREE.copy(), sh.FREE.copy()
    rigid[:, [sh.LOG_S, sh.Q]] = False
    flat[:, sh.Q] = False
    state.params[:, sh.LOG_S] = np.log(np.maximum(1.5, 0.2 * state.params[:, sh.A]))
    around = masked(state)
    run(state, everyone, around, free=rigid, slack=2.0, max_iter=5, tol=0.5, covariance=False, coarse=True, pool=pool)
    state.params[:, sh.LOG_S] = BLUR_MEAN
    run(state, everyone, subtracted(state), free=flat, slack=1.5, max_iter=8, tol=0.2, score=ASK_ELLIPSE, pool=pool)
    if state.noise.n_blocks < FEW_BLOCKS:
        state.noise = noise_between(state.image, subtracted(state).total, state.noise)
    choose_elongated(state, box, flat, pool)
    lend_blur(state, flat, pool)

    def last(free: NDArray[np.bool_], score: int) -> None:
        run(
            state, everyone, subtracted(state), free=free, slack=1.5, clip=CLIP, max_iter=8, tol=0.03, score=score,
            pool=pool,
        )  # fmt: skip

    last(flat, ASK_DOME)
    domed = prefer_domes(state) and fit_domes(state, flat, full, pool)
    free = full if domed else flat
    if choose_rectangles(state, free, pool) or domed:
        last(free, 0)
    settle_touching(state, free, CLIP, pool)
    plates = state.params[:, sh.Q] == 0.0
    state.growth[plates] = growth(state.kinds, state.params)[plates]
