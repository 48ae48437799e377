"""`link`: a table of detections in, the same table with identities out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.link import table as tab
from lptem_tracker.link.blocks import Source, TableSource
from lptem_tracker.link.drift import Drift
from lptem_tracker.link.fill import Filler
from lptem_tracker.link.gaps import Filled
from lptem_tracker.link.options import WINDOW_FRAMES, ImageDrift, LinkOptions, Motion
from lptem_tracker.link.rows import Rows
from lptem_tracker.link.survey import Survey, survey
from lptem_tracker.link.tally import Tally

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def link(
    detections: pd.DataFrame,
    *,
    max_displacement_px: float | None = None,
    max_gap_frames: int | None = None,
    window_frames: int = WINDOW_FRAMES,
    drift: bool = True,
    motion: Motion = "auto",
    parameters: Mapping[str, float] | None = None,
    fill: bool = True,
    image_drift: ImageDrift | None = None,
) -> pd.DataFrame:
    """Give every detection the identity of its particle.

    The most probable set of tracks over a sliding window of frames: an exact assignment of each
    detection to its next sight, with log-likelihoods of motion, likeness, confidence, misses, births,
    deaths and false detections as weights. What is not given is estimated from the data.

    Parameters
    ----------
    detections : pandas.DataFrame
        Columns `frame, x, y` (px); `x_std, y_std, radius, area, width, height, confidence` are used where
        they are. Rows may come in any order; it does not change the result.
    max_displacement_px : float, optional
        No two successive sights of a particle are farther apart, missed frames between them or not. A step within
        it is taken, however unlikely, where its two ends would otherwise be left without a partner.
    max_gap_frames : int, optional
        Frames that a particle may be missing; 5 if not given.
    window_frames : int
        Frames decided together; 1 is the frame-by-frame assignment.
    drift : bool
        Estimate the common motion and take it out before linking.
    motion : {'auto', 'brownian', 'velocity', 'mixed'}
        What particles do between frames; ``auto`` chooses from the data.
    parameters : mapping of str to float, optional
        Values of `Parameters` in px and frames that replace those estimated.
    fill : bool
        Append a row with `observed` False for each frame missed within a track.
    image_drift : pandas.DataFrame or callable that returns one, optional
        Displacement of the image content, as `movie_drift` returns it: `frame, dx, dy` in px. Used (a callable:
        called) where there are too few particles to show the drift themselves, and only if they move less without it.

    Returns
    -------
    pandas.DataFrame
        Every input row, column and index label, in the input's order, then the filled rows; and the columns
        `particle`; `observed`; `link_confidence`, the posterior of the link into the row (NaN at starts);
        `merged_into`, the particle that a track ended in; `drift_x, drift_y` (px), which subtracted from
        `x, y` give positions without drift. `x, y` stay as seen. ``attrs["link"]`` holds the parameters with
        unit and source, and the drift. A row without finite position is a track of its own.

    Raises
    ------
    TableError
        A column is missing or not numeric, or a frame is negative or no whole number.
    SettingsError
        An option is out of its range.
    """
    options = LinkOptions(
        max_displacement_px, max_gap_frames, window_frames, drift, motion, parameters or {}, fill, image_drift
    )
    return link_with(detections, options)


def link_with(detections: pd.DataFrame, options: LinkOptions) -> pd.DataFrame:
    """Call `link` with all its options in one object.

    Parameters
    ----------
    detections : pandas.DataFrame
    options : LinkOptions

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    TableError
    """
    source = TableSource(detections)
    known = survey(source, options)
    linked, common = _link_all(source, known, len(detections))
    moved = _moved(source, common, len(detections))
    out = tab.with_columns(
        detections, tab.linker_columns(linked.particle, linked.belief, linked.merged, linked.unmerged, moved)
    )
    if options.fill:
        out = tab.append_rows(out, _filled(out, source, Filler(known, common), linked.pred))
    out.attrs = {**detections.attrs, "link": known.report(common)}
    return out


class Linked(NamedTuple):
    """Decisions, one entry a row of the table, except `pred`: numbers of detections in canonical order."""

    particle: Ints
    belief: Floats
    merged: Ints
    unmerged: NDArray[np.bool_]
    pred: Ints


def _link_all(source: TableSource, known: Survey, n: int) -> tuple[Linked, Drift]:
    """Link all blocks; return the decisions and the drift they show."""
    # zeros that are never written take no memory
    linked = Linked(
        np.full(n, -1), np.full(n, np.nan), np.zeros(n, np.int64), np.ones(n, bool), np.empty(source.n_points, np.int64)
    )
    tally = Tally(source, known)
    places, done = np.empty(0, np.int64), 0
    for block, rows in tally.follow():
        if block is not None:
            places = np.concatenate([places, block.rows])
        here, places = places[: len(rows.frame)], places[len(rows.frame) :]
        linked.particle[here], linked.belief[here] = rows.particle, rows.belief
        ended = np.flatnonzero(rows.merged >= 0)
        linked.merged[here[ended]], linked.unmerged[here[ended]] = rows.merged[ended], False
        linked.pred[done : done + len(here)] = rows.pred
        done += len(here)
    lost = source.lost()
    linked.particle[lost] = tally.ledger.n_tracks + np.arange(len(lost))
    return linked, tally.drift()


def _moved(source: Source, drift: Drift, n: int) -> Floats:
    """Return how far the drift has moved each row of the table, shape (n, 2), px."""
    out = np.zeros((n, 2), order="F")
    if drift.kind != "none":
        for block in source.blocks():
            out[block.rows] = drift.moved_by(block.points.frame, block.points.xy)
    return out


def _filled(table: pd.DataFrame, source: Source, filler: Filler, pred: Ints) -> pd.DataFrame:
    """Return the rows to append to the table for frames missed within tracks."""
    parts = []
    places, first, done = np.empty(0, np.int64), 0, 0
    for block in source.blocks():
        points, n = block.points, len(block.rows)
        places, first = np.concatenate([places[filler.first - first :], block.rows]), filler.first
        blank = np.full(n, -1)
        rows = Rows(
            points.frame,
            points.xy,
            points.xy,
            points.noise,
            points.radius,
            points.confidence,
            blank,
            pred[done : done + n],
            points.radius,
            blank,
        )
        done += n
        filled = filler.push(rows, last=done == len(pred))
        parts.append(filled._replace(before=places[filled.before - first]))
    if not parts:
        return table.iloc[:0]
    together = Filled._make(np.concatenate(field) for field in zip(*parts))
    return filler.frame(together, table, together.before)
