"""`link_stream`: chunks of detections in, chunks of finished tracks out, in memory that the length does not change."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.link.blocks import Chunks, ChunkSource
from lptem_tracker.link.finish import Finisher
from lptem_tracker.link.flow import follow
from lptem_tracker.link.ledger import Ledger
from lptem_tracker.link.options import LinkOptions
from lptem_tracker.link.survey import Survey, survey
from lptem_tracker.link.tally import Tally
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE


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
    options: LinkOptions | None = None,
    *,
    sure_confidence: float | None = None,
) -> TrackStream:
    """Give every detection of a long movie the identity of its particle: `link` without the whole table in memory.

    The tracks are those of `link` on all chunks together, however they are cut. The detections are read
    several times, to estimate drift and parameters before anything is handed out. Memory holds a block of
    about 16,000 detections, the window, some 150 bytes a frame and one byte a track.

    Parameters
    ----------
    chunks : callable
        Called without argument it returns an iterable of detections tables that is read from its beginning:
        the same columns in all, in order of frames, with any number of rows (a frame may be cut, an empty
        chunk is allowed). A generator function, or ``lambda: (pd.read_parquet(path) for path in paths)``.
    options : LinkOptions, optional
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

    Examples
    --------
    >>> import pandas as pd
    >>> parts = [pd.DataFrame({"frame": [f], "x": [5.0 + f / 2], "y": [3.0]}) for f in range(4)]
    >>> stream = link_stream(lambda: parts, LinkOptions(max_displacement_px=2.0))
    >>> [int(p) for part in stream for p in part["particle"]]
    [0, 0, 0, 0]
    """
    source = ChunkSource(chunks)
    known = survey(source, options or LinkOptions())
    tally = Tally(source, known, sure_confidence)
    for _ in tally.follow():
        pass  # decisions are made again below: keeping them would take memory with the length of the movie
    common, ledger = tally.drift(), tally.ledger
    names = count(ledger.n_tracks)
    finisher = Finisher(
        source.template, known, common, lambda n: np.array([*islice(names, n)]), partial(_supported, ledger)
    )
    return TrackStream(known.report(common), ledger.n_tracks + source.n_lost, _parts(source, known, finisher))


def _parts(source: ChunkSource, known: Survey, finisher: Finisher) -> Iterator[pd.DataFrame]:
    """Link once more and yield finished rows, the last time even if there are none."""
    for block, rows, _ in follow(source, known):
        table = finisher.push(block, rows)
        if block is None or len(table):
            yield table


def _supported(ledger: Ledger, table: pd.DataFrame) -> NDArray[np.bool_]:
    confidence = np.full(len(table), np.nan)
    if "confidence" in table.columns:
        confidence = table["confidence"].to_numpy(float, na_value=np.nan)
    frame, name, observed = (table[column].to_numpy() for column in (FRAME, PARTICLE, OBSERVED))
    return ledger.supported(frame, name, observed.astype(bool), confidence)
