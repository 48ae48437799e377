"""Refinement of all detections of one frame, stage after stage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.choose import choose_elongated, choose_rectangles
from lptem_tracker.detect.refine.columns import columns, spread_out
from lptem_tracker.detect.refine.frame import State, masked, run, subtracted
from lptem_tracker.detect.refine.pooling import is_domed, lend, reliable
from lptem_tracker.detect.refine.start import BLUR_MEAN, BLUR_SPREAD, boxes, inside_frame, start_state
from lptem_tracker.detect.refine.verdict import judge, scale_ends, widen

_CLIP = 6.0


@dataclass(frozen=True)
class Options:
    """What a user can choose of a refinement."""

    outline: bool = False


def refine_frame(
    pixels: NDArray[Any], table: pd.DataFrame, options: Options, pool: ThreadPoolExecutor | None
) -> pd.DataFrame:
    """Return the refined columns of one frame's detections, in their order.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X).
    table : pandas.DataFrame
        Valid detections of this frame.
    options : Options
    pool : ThreadPoolExecutor, optional
        Threads over which particles are spread.
    """
    raw = np.asarray(pixels)
    image = np.ascontiguousarray(raw, dtype=np.float32)
    quantum = 1.0 if np.issubdtype(raw.dtype, np.integer) else 0.0
    box = boxes(table)
    usable = np.flatnonzero(inside_frame(box, image))
    state = start_state(image, box[usable], quantum)
    fit_frame(state, box[usable], pool)
    verdict = judge(state, box[usable], scale_ends(raw))
    widen(state)
    found = columns(state, verdict, box[usable])
    return spread_out(found, usable, box)


def fit_frame(state: State, box: NDArray[np.float64], pool: ThreadPoolExecutor | None) -> None:
    """Fit all particles of a frame: coarsely, freely, in the likeliest shape, then with what they share."""
    everyone = np.arange(len(state.kinds))
    if not len(everyone):
        return
    rigid, flat, full = sh.FREE.copy(), sh.FREE.copy(), sh.FREE.copy()
    rigid[:, [sh.LOG_S, sh.Q]] = False
    flat[:, sh.Q] = False
    size = state.params[:, sh.A]
    state.params[:, sh.LOG_S] = np.log(np.maximum(1.5, 0.2 * size))
    around = masked(state, state.params, state.kinds, 2.0)
    run(state, everyone, around, free=rigid, slack=2.0, max_iter=5, tol=0.3, covariance=False, pool=pool)
    state.params[:, sh.LOG_S] = BLUR_MEAN
    run(state, everyone, subtracted(state), free=flat, slack=1.5, max_iter=8, tol=0.1,
        scores=True, pool=pool)  # fmt: skip
    choose_elongated(state, box, flat, pool)
    domed = is_domed(state, full, pool)
    free = full if domed else flat
    if domed:
        state.params[:, sh.Q], state.priors[:, sh.Q], state.precisions[:, sh.Q] = 0.5, 0.5, 1.0
        run(state, everyone, subtracted(state), free=free, slack=2.0, max_iter=10, pool=pool)
    choose_rectangles(state, free, pool)
    rows = reliable(state)
    lend(state, sh.LOG_S, rows, BLUR_MEAN, BLUR_SPREAD**-2)
    if domed:
        lend(state, sh.Q, rows, 0.5, 1.0)
    run(state, everyone, subtracted(state), free=free, slack=1.5, clip=_CLIP, max_iter=8, tol=0.01, pool=pool)
