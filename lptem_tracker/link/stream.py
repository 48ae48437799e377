"""`link_stream`: chunks of detections in, chunks of finished tracks out, in memory that the length does not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.link.blocks import Block, Chunks, ChunkSource
from lptem_tracker.link.drift import Drift
from lptem_tracker.link.fill import Filler
from lptem_tracker.link.flow import follow
from lptem_tracker.link.gaps import CONTEXT
from lptem_tracker.link.ledger import Ledger
from lptem_tracker.link.rows import Rows, no_rows
from lptem_tracker.link.survey import WINDOW_FRAMES, Motion, Options, Survey, survey
from lptem_tracker.link.table import CONFIDENCE, DRIFT_X, DRIFT_Y, MERGED, with_columns
from lptem_tracker.link.tally import Tally
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE

if TYPE_CHECKING:
    from lptem_tracker.settings import LinkSettings


class TrackStream:
    """Finished tracks, chunk by chunk.

    Iterate over it once. The rows come sorted by `frame`, then `particle`; the index counts on over all chunks.

    Attributes
    ----------
    report : dict
        Parameters with unit and source, and the drift: what `link` leaves in ``attrs["link"]``.
        Complete before the first chunk is handed out.
    n_tracks : int
        Number of identities given, rows without position included; names are below it.
    """

    def __init__(self, report: dict[str, Any], n_tracks: int, parts: Iterator[pd.DataFrame]) -> None:
        self.report, self.n_tracks, self._parts = report, n_tracks, parts

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return self._parts


def link_stream(
    chunks: Chunks,
    *,
    max_displacement_px: float | None = None,
    max_gap_frames: int | None = None,
    window_frames: int = WINDOW_FRAMES,
    drift: bool = True,
    motion: Motion = "auto",
    parameters: Mapping[str, float] | None = None,
    fill: bool = True,
    image_drift: pd.DataFrame | None = None,
    sure_confidence: float | None = None,
) -> TrackStream:
    """Give every detection of a long movie the identity of its particle: `link` without the whole table in memory.

    The tracks are those of `link` on all chunks together, however they are cut. The detections are read
    several times, to estimate drift and parameters before anything is handed out. Memory holds a block of
    about 65,000 detections, the window, some 150 bytes a frame and one byte a track.

    Parameters
    ----------
    chunks : callable
        Called without argument it returns an iterable of detections tables that is read from its beginning:
        the same columns in all, in order of frames, with any number of rows (a frame may be cut, an empty
        chunk is allowed). A generator function, or ``lambda: (pd.read_parquet(path) for path in paths)``.
    max_displacement_px, max_gap_frames, window_frames, drift, motion, parameters, fill
        As of `link`.
    image_drift : pandas.DataFrame, optional
        As of `link`.
    sure_confidence : float, optional
        Hand out only rows that count: those that `supported` marks for this threshold.

    Returns
    -------
    TrackStream
        Iterated over it yields the tracks table of `link`, a run of whole frames at a time, each row final:
        the detections' columns, `particle`, `observed`, `link_confidence`, `merged_into`, `drift_x`,
        `drift_y`, with filled rows in their place. At least one chunk comes, if need be without rows.

    Raises
    ------
    TableError
        As of `link`; or frames do not come in order, or the second reading differs from the first.
    SettingsError
        An option is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> parts = [pd.DataFrame({"frame": [f], "x": [5.0 + f / 2], "y": [3.0]}) for f in range(4)]
    >>> stream = link_stream(lambda: parts, max_displacement_px=2.0)
    >>> [int(p) for part in stream for p in part["particle"]]
    [0, 0, 0, 0]
    """
    options = Options(
        max_displacement_px, max_gap_frames, window_frames, drift, motion, parameters or {}, fill, image_drift
    )
    source = ChunkSource(chunks)
    known = survey(source, options)
    tally = Tally(source, known, sure_confidence)
    for _ in tally.follow():
        pass  # decisions are made again below: keeping them would take memory with the length of the movie
    common = tally.drift()
    parts = _Parts(source, known, common, tally.ledger).run()
    return TrackStream(known.report(common), tally.ledger.n_tracks + source.n_lost, parts)


class _Parts:
    """Puts rows, filled rows and rows without position together, and hands them out by whole frames."""

    def __init__(self, source: ChunkSource, known: Survey, common: Drift, ledger: Ledger) -> None:
        self._source, self._known, self._common, self._ledger = source, known, common, ledger
        self._filler = Filler(known, common)
        self._delay = known.options.max_lag + CONTEXT
        self._undecided = source.template
        self._lost = 0
        self._out = 0

    def run(self) -> Iterator[pd.DataFrame]:
        """Link once more and yield finished rows."""
        recent, first = self._blank(), 0
        ready: list[pd.DataFrame] = []
        for block, rows, _ in follow(self._source, self._known):
            if block is not None:
                self._undecided = pd.concat([self._undecided, block.table.iloc[block.rows]], ignore_index=True)
                ready.append(self._without_position(block))
            done = self._tracks(rows)
            recent = pd.concat([recent.iloc[self._filler.first - first :], done], ignore_index=True)
            first = self._filler.first
            ready.append(done)
            if self._known.options.fill:
                filled = self._filler.push(rows, last=block is None)
                ready.append(self._filler.frame(filled, recent.iloc[filled.before - first]))
            table = pd.concat([part for part in ready if len(part)] or [self._blank()], ignore_index=True)
            if block is not None and len(rows.frame):
                early = (table[FRAME] < rows.frame[-1] - self._delay).to_numpy()
                ready, table = [table[~early]], table[early]
            if block is None or len(table):
                yield self._numbered(table)

    def _blank(self) -> pd.DataFrame:
        return with_columns(self._source.template, _columns(no_rows(), np.empty((0, 2))))

    def _tracks(self, rows: Rows) -> pd.DataFrame:
        n = len(rows.frame)
        done, self._undecided = self._undecided.iloc[:n], self._undecided.iloc[n:]
        return with_columns(done, _columns(rows, self._common.moved_by(rows.frame, rows.seen)))

    def _without_position(self, block: Block) -> pd.DataFrame:
        lost = np.setdiff1d(np.arange(len(block.table)), block.rows)
        if len(lost) == 0:
            return self._blank()
        table = block.table.iloc[lost].sort_values(FRAME, kind="stable", ignore_index=True)
        blank = np.full(len(lost), -1)
        rows = Rows(
            table[FRAME].to_numpy(),
            *(np.full((len(lost), 2), np.nan),) * 3,
            *(np.full(len(lost), np.nan),) * 2,
            self._ledger.n_tracks + self._lost + np.arange(len(lost)),
            blank,
            np.full(len(lost), np.nan),
            blank,
        )
        self._lost += len(lost)
        return with_columns(table, _columns(rows, np.zeros((len(lost), 2))))

    def _numbered(self, table: pd.DataFrame) -> pd.DataFrame:
        table = table.sort_values([FRAME, PARTICLE], kind="stable")
        confidence = np.full(len(table), np.nan)
        if "confidence" in table.columns:
            confidence = table["confidence"].to_numpy(float, na_value=np.nan)
        frame, name, observed = (table[column].to_numpy() for column in (FRAME, PARTICLE, OBSERVED))
        table = table[self._ledger.supported(frame, name, observed.astype(bool), confidence)]
        table.index = pd.RangeIndex(self._out, self._out + len(table))
        self._out += len(table)
        return table


def _columns(rows: Rows, moved: NDArray[np.float64]) -> dict[str, Any]:
    return {
        PARTICLE: rows.particle,
        OBSERVED: np.ones(len(rows.frame), bool),
        CONFIDENCE: rows.belief,
        MERGED: pd.arrays.IntegerArray(np.maximum(rows.merged, 0), rows.merged < 0),
        DRIFT_X: moved[:, 0],
        DRIFT_Y: moved[:, 1],
    }


def link_stream_from_settings(
    chunks: Chunks,
    settings: LinkSettings,
    *,
    image_drift: pd.DataFrame | None = None,
    sure_confidence: float | None = None,
) -> TrackStream:
    """Call `link_stream` with the values of the settings' link section."""
    return link_stream(
        chunks,
        max_displacement_px=settings.max_displacement_px,
        max_gap_frames=settings.max_gap_frames,
        window_frames=settings.window_frames,
        drift=settings.drift,
        motion=settings.motion,
        image_drift=image_drift,
        sure_confidence=sure_confidence,
    )
