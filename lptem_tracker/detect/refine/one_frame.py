"""Refinement of all detections of one frame, stage after stage."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine.columns import Columns, add_outlines, columns, spread_out
from lptem_tracker.detect.refine.outline import outlines
from lptem_tracker.detect.refine.stages import fit_all_sizes
from lptem_tracker.detect.refine.start import boxes, inside_frame, start_state
from lptem_tracker.detect.refine.verdict import judge, scale_ends, widen


@dataclass(frozen=True)
class Options:
    """What a user can choose of a refinement."""

    outline: bool = False


def refine_frame(
    pixels: NDArray[Any], table: Mapping[str, NDArray[Any]], options: Options, pool: ThreadPoolExecutor | None
) -> Columns:
    """Return the refined columns of one frame's detections, in their order.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X).
    table : mapping of str to numpy.ndarray
        Columns `x, y` and `width, height` or `radius` of valid detections of this frame; `angle` where known.
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
    fit_all_sizes(state, box[usable], quantum, pool)
    verdict = judge(state, box[usable], scale_ends(raw))
    widen(state)
    bent = outlines(state) if options.outline else None
    found = columns(state, verdict, box[usable])
    if bent is not None:
        add_outlines(found, bent)
    return spread_out(found, usable, box)
