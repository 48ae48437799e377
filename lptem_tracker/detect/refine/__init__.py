"""Sub-pixel refinement: position, size and shape by fits to the raw pixels, with errors that are true."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.refine.columns import Columns
from lptem_tracker.detect.refine.describe import unwrap_angles
from lptem_tracker.detect.refine.one_frame import Options, refine_frame
from lptem_tracker.detect.refine.profile import Evidence, pooled_evidence, settle_profile
from lptem_tracker.errors import TableError
from lptem_tracker.movie.base import Frame
from lptem_tracker.tables import FRAME, validate_detections

__all__ = ["Columns", "Evidence", "pooled_evidence", "refine", "refine_rows", "settle_profile", "unwrap_angles"]

_NEEDED = ("x", "y", "width", "height", "radius", "angle")


def refine(
    frames: Sequence[Frame],
    detections: pd.DataFrame,
    *,
    outline: bool = False,
    workers: int | None = None,
) -> pd.DataFrame:
    """Fit a blurred shape on a local background to every detection.

    Every frame is refined by itself, so that the result does not depend on how frames are batched.

    Parameters
    ----------
    frames : sequence of Frame
        Raw pixels of shape (Y, X), any real dtype; not-finite pixels are no data. Only their `index` is
        used beside them.
    detections : pandas.DataFrame
        `frame, x, y` and `width, height` or `radius` in px; `angle` in rad where known. Boxes may err by a
        third of the particle's size.
    outline : bool
        Also fit a free outline and add the columns `outline`, 32 radii in px at equal angles from +x
        towards +y around (x, y), and `solidity_std`.
    workers : int, optional
        Threads; None: one a core.

    Returns
    -------
    pandas.DataFrame
        The same rows in the same order and index. `x, y, width, height, angle, area, radius` are of the
        fit, `*_std` their standard errors (under the noise the image shows, correlation included). Added:
        `aspect_ratio`, `circularity` (4π area/perimeter²), `solidity` (area over that of the convex hull),
        `contrast` (share of the local background that the particle takes away, negative where brighter),
        `snr` (the same over the noise of one pixel), `edge_blur` (px), `shape` (`disk`, `ellipse`, `rod`,
        `rectangle`, or `outline`), `fit_ok` (False: no shape fits, the row is a centroid with its larger
        error, or the box itself where nothing is seen), `edge` (cut by the frame's border or by pixels
        without data), `saturated` (the particle or its surroundings reach the end of the grey scale),
        `profile` (`plate`: equally thick, its radius where the contrast falls to half; `dome`: thins out to
        its rim as a sphere does, its radius the sphere's; `between`, as facetted crystals), `profile_share` (of
        the way from plate to dome), `profile_probability` (of that, from all particles of the frame;
        `settle_profile` pools a movie's), `profile_std` (what other profiles add to the error of the outline,
        px; part of the sizes' errors; not those of bodies whose inclined facets end in thin rims, whose
        silhouettes reach 4 to 30 % further), `dome_growth` (by how many px a dome's outline lies outside of a
        plate's), `dome_score, dome_weight` (of the log-likelihood q score - q² weight/2 of a share q).

    Raises
    ------
    TableError
        A column is missing, no size is given, or a detection's frame is not among `frames`.
    """
    table = validate_detections(detections)
    if "radius" not in table and not {"width", "height"} <= set(table.columns):
        raise TableError(
            f"Refinement needs the size of each detection: columns width and height, or radius; it has: "
            f"{', '.join(map(str, table.columns))}."
        )
    by_index = {frame.index: frame for frame in frames}
    wanted = table[FRAME].unique()
    missing = [int(i) for i in wanted if int(i) not in by_index]
    if missing:
        raise TableError(
            f"Frame {missing[0]} has detections, but its pixels were not given; pass every frame that the table names."
        )
    options = Options(outline=outline)
    known = {name: table[name].to_numpy() for name in _NEEDED if name in table}
    groups = [(int(index), np.flatnonzero(table[FRAME].to_numpy() == index)) for index in wanted]
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        alone = len(groups) < 2 * count

        def one(group: tuple[int, np.ndarray]) -> Columns:
            index, rows = group
            here = {name: value[rows] for name, value in known.items()}
            return refine_frame(by_index[index].pixels, here, options, pool if alone and count > 1 else None)

        parts = [one(g) for g in groups] if alone else list(pool.map(one, groups))
    if not parts:
        parts = [refine_frame(np.zeros((16, 16)), known, options, None)]
    order = np.argsort(np.concatenate([rows for _, rows in groups])) if groups else np.arange(0)
    found = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    return pd.DataFrame({**{name: table[name].array for name in table.columns}, **found}, index=table.index)


def refine_rows(frame: Frame, rows: Mapping[str, NDArray[Any]]) -> Columns:
    """Do as `refine` does with one frame's detections on this thread alone, and without the weight of tables.

    Parameters
    ----------
    frame : Frame
    rows : mapping of str to numpy.ndarray
        Columns of valid detections of this frame, each of shape (n,).

    Returns
    -------
    dict of str to numpy.ndarray
        The columns that `refine` returns.
    """
    return {**rows, **refine_frame(frame.pixels, rows, Options(), None)}
