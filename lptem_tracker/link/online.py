"""`Linker`: frames in as they come, finished tracks out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.errors import SettingsError, TableError
from lptem_tracker.link import table as tab
from lptem_tracker.link.blocks import Block, TableSource, warn_of_lost
from lptem_tracker.link.finish import Finisher
from lptem_tracker.link.flow import Flow
from lptem_tracker.link.live_drift import LiveDrift
from lptem_tracker.link.options import LinkOptions
from lptem_tracker.link.stream import link_stream
from lptem_tracker.link.survey import survey

ENOUGH_DETECTIONS, ENOUGH_FRAMES, LONG_ENOUGH = 3000, 50, 500
"""The beginning from which parameters and drift are taken: this many detections and frames, or `LONG_ENOUGH` frames."""


class Linker:
    """Link detections while the movie is recorded.

    The first rows come out when the beginning of the movie has told its parameters and its drift. The parameters are
    kept, the drift is followed. A movie that is over by then is linked exactly as `link` does; a longer one as far
    as its beginning tells the same as the whole. Memory holds the beginning, the window, and 32 bytes a frame.

    Parameters
    ----------
    options : LinkOptions, optional
        Without `image_drift`.

    Attributes
    ----------
    report : dict or None
        Parameters with unit and source, and the drift so far; None until the first rows come out.

    Raises
    ------
    SettingsError
        Drift of images is given.

    Examples
    --------
    >>> import pandas as pd
    >>> linker = Linker(LinkOptions(max_displacement_px=2.0))
    >>> a = linker.push(pd.DataFrame({"frame": [0, 1], "x": [5.0, 5.5], "y": [3.0, 3.0]}))
    >>> pd.concat([a, linker.finish()])["particle"].tolist()
    [0, 0]
    """

    def __init__(self, options: LinkOptions | None = None) -> None:
        self._options = options or LinkOptions()
        if self._options.image_drift is not None:
            raise SettingsError(
                "The drift of images is known when the movie is over; give it to link or link_stream, not to Linker."
            )
        self._waiting: list[pd.DataFrame] = []
        self._frames = 0
        self._engine: _Engine | None = None
        self._last_frame = -1
        self._report: dict[str, Any] | None = None

    @property
    def report(self) -> dict[str, Any] | None:
        """Parameters and drift."""
        return self._engine.report if self._engine is not None else self._report

    def push(self, detections: pd.DataFrame) -> pd.DataFrame:
        """Take in the detections of further whole frames and return the rows that became final.

        Parameters
        ----------
        detections : pandas.DataFrame
            All detections of one or more frames, all later than those before.

        Returns
        -------
        pandas.DataFrame
            A chunk of what `link_stream` yields: whole frames, in order.

        Raises
        ------
        TableError
            A frame is not later than one given before, or the table is not valid.
        """
        frame, (x, y) = tab.read_columns(detections)
        if len(frame):
            if frame.min() <= self._last_frame:
                raise TableError(f"Frames must come in order; frame {frame.min()} came after frame {self._last_frame}.")
            self._last_frame = int(frame.max())
        if self._engine is not None:
            warn_of_lost(int((~np.isfinite(x + y)).sum()), len(x))
            return self._engine.push(detections)
        self._waiting.append(detections)
        self._frames += len(np.unique(frame))
        enough = sum(map(len, self._waiting)) >= ENOUGH_DETECTIONS or self._frames >= LONG_ENOUGH
        if self._frames < ENOUGH_FRAMES or not enough:
            return tab.no_tracks(detections.iloc[:0])
        begin, self._waiting = pd.concat(self._waiting, ignore_index=True), []
        self._engine = _Engine(begin, self._options)
        return self._engine.push(begin)

    def finish(self) -> pd.DataFrame:
        """Return the rows that are left; the linker takes no more."""
        if self._engine is not None:
            return self._engine.finish()
        stream = link_stream(lambda: self._waiting, self._options)
        self._report = stream.report
        return pd.concat([*stream])


class _Engine:
    """The linker once the beginning of the movie is known; that table has to be pushed first."""

    def __init__(self, begin: pd.DataFrame, options: LinkOptions) -> None:
        source = TableSource(begin)
        self._known = survey(source, options)
        self._drift = LiveDrift(source, self._known)
        looks = tab.look_columns(begin.iloc[:0], np.empty(0, np.int64)).shape[1]
        self._flow = Flow(self._known, looks, self._drift)
        self._finisher = Finisher(begin.iloc[:0], self._known, self._drift, self._flow.fresh_names)

    @property
    def report(self) -> dict[str, Any]:
        return self._known.report(self._drift.drift)

    def push(self, table: pd.DataFrame) -> pd.DataFrame:
        frame, _ = tab.read_columns(table)
        points, rows = tab.ordered_points(table, frame, np.arange(len(table)))
        self._drift.push(points)
        return self._finisher.push(Block(points, table, rows), self._flow.push(points))

    def finish(self) -> pd.DataFrame:
        return self._finisher.push(None, self._flow.finish())
