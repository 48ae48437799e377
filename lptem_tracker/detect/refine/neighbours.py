"""Particles that touch: fitted in turn on each other's remainders, with the errors that this leaves."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import compiled, inlined
from lptem_tracker.detect.refine.frame import State, reaching, run, subtracted
from lptem_tracker.detect.refine.model import evaluate
from lptem_tracker.detect.refine.pixels import DX, DY, N_ROWS, WEIGHT

_ROUNDS = 3
_SHARED = np.array([sh.X, sh.Y, sh.A, sh.B, sh.THETA, sh.CORNER, sh.LOG_S, sh.Q, sh.CONTRAST])


def touching(state: State) -> NDArray[np.int64]:
    """Return the pairs of rows whose blurred outlines overlap, shape (k, 2)."""
    p = state.params
    size = np.maximum(p[:, sh.A], np.where(state.kinds == sh.DISK, p[:, sh.A], p[:, sh.B]))
    size = np.where(state.kinds == sh.BOX, 1.4 * size, size) + 2.5 * np.exp(p[:, sh.LOG_S])
    good = np.flatnonzero(np.isfinite(p).all(axis=1))
    if len(good) < 2:
        return np.empty((0, 2), dtype=np.int64)
    pairs = cKDTree(p[good, :2]).query_pairs(2 * float(size[good].max()), output_type="ndarray")
    pairs = good[pairs].reshape(-1, 2)
    gap = np.hypot(*(p[pairs[:, 0], :2] - p[pairs[:, 1], :2]).T) - size[pairs[:, 0]] - size[pairs[:, 1]]
    near: NDArray[np.int64] = pairs[gap < 0]
    return near[np.lexsort((near[:, 1], near[:, 0]))]


def settle_touching(state: State, free: NDArray[np.bool_], clip: float, pool: ThreadPoolExecutor | None) -> None:
    """Repeat the fits of particles that touch until they agree, and add their neighbours' share to the errors.

    Fits on each other's remainders go to the joint fit (block Gauss-Seidel). One particle's covariance for
    known neighbours, C, grows to C + C K N Kᵀ C, with K the cross term of the joint normal matrix and N the
    neighbour's covariance: the first term of the Schur complement's series.
    """
    pairs = touching(state)
    if not len(pairs):
        return
    rows = np.unique(pairs)
    for _ in range(_ROUNDS):
        run(
            state,
            rows,
            subtracted(state, reaching(state, rows)),
            free=free,
            slack=1.5,
            clip=clip,
            max_iter=6,
            tol=0.01,
            pool=pool,
        )
    both = np.concatenate([pairs, pairs[:, ::-1]])
    extra = np.zeros_like(state.covs)
    total = subtracted(state, reaching(state, rows)).total
    _cross(
        state.image, total, both, state.kinds, state.params, state.covs, state.noise.packed(), _SHARED, sh.TABLE, extra
    )
    good = np.isfinite(extra).all(axis=(1, 2))
    state.covs[good] += extra[good]


@inlined
def _columns(image, total, i, kinds, params, x0, y0, x1, y1, noise, table, px, scratch, jac, res):  # type: ignore[no-untyped-def]
    """Write the weighted derivatives by one particle's parameters over a rectangle of pixels; return how many."""
    p, n = params[i], 0
    for iy in range(y0, y1 + 1):
        for ix in range(x0, x1 + 1):
            if n < px.shape[1]:
                mean = p[sh.LEVEL] - total[iy, ix]
                weight = 1 / math.sqrt(max(noise[2], noise[1] + noise[0] * mean))
                px[WEIGHT, n] = weight if math.isfinite(image[iy, ix]) else 0.0
                px[DX, n], px[DY, n] = ix - p[sh.X], iy - p[sh.Y]
                n += 1
    evaluate(kinds[i], p, p, px, n, table, scratch, jac, res, 1)
    return n


@inlined
def _overlap(p, q, image):  # type: ignore[no-untyped-def]
    """Return the first and last column and line of the rectangle in which both of two particles are seen."""
    low, high = np.zeros(2), np.zeros(2)
    for axis in range(2):
        reach_p = max(p[sh.A], p[sh.B]) + 3.5 * math.exp(p[sh.LOG_S])
        reach_q = max(q[sh.A], q[sh.B]) + 3.5 * math.exp(q[sh.LOG_S])
        low[axis] = max(p[axis] - reach_p, q[axis] - reach_q, 0.0)
        high[axis] = min(p[axis] + reach_p, q[axis] + reach_q, image.shape[1 - axis] - 1.0)
    x0, y0 = math.ceil(low[0]), math.ceil(low[1])
    return x0, y0, max(math.floor(high[0]), x0 - 1), max(math.floor(high[1]), y0 - 1)


@compiled
def _cross(image, total, pairs, kinds, params, covs, noise, shared, table, extra):  # type: ignore[no-untyped-def]
    """Add to `extra`, for each ordered pair, what the second one's errors do to the first."""
    capacity, m = 0, shared.shape[0]
    for row in range(pairs.shape[0]):
        x0, y0, x1, y1 = _overlap(params[pairs[row, 0]], params[pairs[row, 1]], image)
        capacity = max(capacity, min((x1 - x0 + 1) * (y1 - y0 + 1), 4096))
    px, scratch, res = np.zeros((N_ROWS, capacity)), np.zeros((7, capacity)), np.zeros(capacity)
    mine, other = np.zeros((sh.N_PARAMS, capacity)), np.zeros((sh.N_PARAMS, capacity))
    cross, shift = np.zeros((m, m)), np.zeros((m, m))
    for row in range(pairs.shape[0]):
        i, j = pairs[row, 0], pairs[row, 1]
        x0, y0, x1, y1 = _overlap(params[i], params[j], image)
        _columns(image, total, i, kinds, params, x0, y0, x1, y1, noise, table, px, scratch, mine, res)
        n = _columns(image, total, j, kinds, params, x0, y0, x1, y1, noise, table, px, scratch, other, res)
        for a in range(m):
            for b in range(m):
                value = 0.0
                for k in range(n):
                    value += mine[shared[a], k] * other[shared[b], k]
                cross[a, b] = value
        for a in range(m):
            for b in range(m):
                value = 0.0
                for k in range(m):
                    value += covs[i, shared[a], shared[k]] * cross[k, b]
                shift[a, b] = value
        for a in range(m):
            for b in range(m):
                value = 0.0
                for k in range(m):
                    for t in range(m):
                        value += shift[a, k] * covs[j, shared[k], shared[t]] * shift[b, t]
                extra[i, shared[a], shared[b]] += value
