"""Refinement of all detections of one frame, stage after stage."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.refine import describe, shapes as sh
from lptem_tracker.detect.refine.fit import SEEN
from lptem_tracker.detect.refine.frame import State, run
from lptem_tracker.detect.refine.noise import estimate_noise
from lptem_tracker.detect.refine.render import owners, render


@dataclass(frozen=True)
class Options:
    """What a user can choose of a refinement."""

    outline: bool = False


def refine_frame(pixels: NDArray[Any], table: pd.DataFrame, options: Options, pool: Executor | None) -> pd.DataFrame:
    """Return the refined columns of one frame's detections, in their order.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X).
    table : pandas.DataFrame
        Valid detections of this frame.
    options : Options
    pool : Executor, optional
        Threads over which particles are spread.
    """
    image = np.ascontiguousarray(pixels, dtype=np.float32)
    quantum = 1.0 if np.issubdtype(np.asarray(pixels).dtype, np.integer) else 0.0
    state = _start(image, table, quantum)
    _fit(state, pool)
    return _columns(state)


def _start(image: NDArray[np.float32], table: pd.DataFrame, quantum: float) -> State:
    n = len(table)
    p = np.zeros((n, sh.N_PARAMS))
    p[:, sh.X], p[:, sh.Y] = table["x"], table["y"]
    if {"width", "height"} <= set(table.columns):
        w, h = table["width"].to_numpy(), table["height"].to_numpy()
    else:
        w = h = 2 * table["radius"].to_numpy()
    p[:, sh.A] = p[:, sh.B] = np.clip(np.sqrt(np.maximum(w * h, 0)) / 2, 0.7, None)
    kinds = np.full(n, sh.DISK, dtype=np.int64)
    busy = owners(image.shape, kinds, p, 4.0) >= 0
    noise = estimate_noise(image, busy, quantum=quantum)
    p[:, sh.LEVEL] = noise.level
    p[:, sh.CONTRAST] = 0.3 * noise.level
    state = State(image, noise, kinds, p)
    size = p[:, sh.A]
    state.precisions[:, sh.X] = state.precisions[:, sh.Y] = 1 / (0.5 * size + 1) ** 2
    state.precisions[:, sh.A] = state.precisions[:, sh.B] = 1 / (0.5 * size) ** 2
    state.priors[:, sh.LOG_S], state.precisions[:, sh.LOG_S] = 0.0, 4.0
    return state


def _fit(state: State, pool: Executor | None) -> None:
    everyone, shape = np.arange(len(state.kinds)), state.image.shape
    size = state.params[:, sh.A].copy()
    margin = float(np.clip(np.median(size) + 8, 8, 40)) if len(size) else 8.0
    rigid = sh.FREE.copy()
    rigid[:, [sh.LOG_S, sh.Q]] = False
    flat = sh.FREE.copy()
    flat[:, sh.Q] = False
    state.params[:, sh.LOG_S] = 0.5
    nothing = np.zeros(shape)
    run(state, everyone, free=rigid, margin=margin, slack=3.0, max_iter=4, tol=0.1, covariance=False,
        total=nothing, owner=owners(shape, state.kinds, state.params, 3.0), pool=pool)  # fmt: skip
    nobody = np.full(shape, -1, np.int32)
    state.params[:, sh.LOG_S] = 0.2
    for _ in range(2):
        total = render(shape, state.kinds, state.params, np.ones(len(everyone), dtype=bool))
        run(state, everyone, free=flat, margin=margin, slack=1.5, max_iter=10, total=total, owner=nobody, pool=pool)


def _columns(state: State) -> pd.DataFrame:
    describe.canonical(state.kinds, state.params, state.covs)
    p, cov, kind = state.params, state.covs, state.kinds
    std = np.sqrt(np.maximum(np.diagonal(cov, axis1=1, axis2=2), 0))
    out: dict[str, Any] = {"x": p[:, sh.X], "y": p[:, sh.Y], "x_std": std[:, sh.X], "y_std": std[:, sh.Y]}
    value, error = describe.sizes(kind, p), describe.sizes_std(kind, p, cov)
    for k, name in enumerate(describe.SIZES):
        out[name], out[f"{name}_std"] = value[:, k], error[:, k]
    out["angle"] = p[:, sh.THETA]
    out["angle_std"] = np.where(
        kind == sh.DISK, describe.UNKNOWN_ANGLE_STD, np.minimum(std[:, sh.THETA], describe.UNKNOWN_ANGLE_STD)
    )
    out["solidity"] = np.ones(len(p))
    level = p[:, sh.LEVEL]
    with np.errstate(divide="ignore", invalid="ignore"):
        out["contrast"] = np.where(level > 0, p[:, sh.CONTRAST] / level, np.nan)
    out["snr"] = np.abs(p[:, sh.CONTRAST]) / np.sqrt(state.noise.variance(level))
    out["edge_blur"] = np.exp(p[:, sh.LOG_S])
    out["shape"] = np.array(sh.SHAPE_NAMES, dtype=object)[kind]
    out["fit_ok"] = state.significance() > 3
    out["edge"] = state.stats[:, SEEN] < 0.98
    return pd.DataFrame(out)
