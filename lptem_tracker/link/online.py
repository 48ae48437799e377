"""`Linker`: frames in as they come, finished tracks out, in bounded memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from lptem_tracker.errors import LptemWarning, TableError
from lptem_tracker.link import table as tab
from lptem_tracker.link.blocks import TableSource
from lptem_tracker.link.core import SlidingWindow
from lptem_tracker.link.survey import WINDOW_FRAMES, Motion, Options, Plan, survey
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE

BURN_IN = 3000
"""Detections that are collected before parameters are estimated and the first rows come out."""


class Linker:
    """Link a stream of detections.

    Without drift the identities equal those of `link` on the whole table with the same parameters; here they
    are estimated from the first `BURN_IN` detections only. Memory holds the window and the burn-in.

    Parameters
    ----------
    max_displacement_px, max_gap_frames, window_frames, motion, parameters
        As of `link`.

    Examples
    --------
    >>> import pandas as pd
    >>> linker = Linker(max_displacement_px=2.0)
    >>> a = linker.push(pd.DataFrame({"frame": [0, 1], "x": [5.0, 5.5], "y": [3.0, 3.0]}))
    >>> pd.concat([a, linker.finish()])["particle"].tolist()
    [0, 0]
    """

    def __init__(
        self,
        *,
        max_displacement_px: float | None = None,
        max_gap_frames: int | None = None,
        window_frames: int = WINDOW_FRAMES,
        motion: Motion = "auto",
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        self._options = Options(
            max_displacement_px, max_gap_frames, window_frames, False, motion, parameters or {}, False
        )
        self._waiting: list[pd.DataFrame] = []
        self._tables: list[pd.DataFrame] = []
        self._window: SlidingWindow | None = None
        self._last_frame = -1
        self.plan: Plan | None = None

    def push(self, detections: pd.DataFrame) -> pd.DataFrame:
        """Take in the detections of further whole frames and return the rows that became final.

        Parameters
        ----------
        detections : pandas.DataFrame
            All detections of one or more frames, all later than those before.

        Returns
        -------
        pandas.DataFrame
            Rows with their columns and index labels, plus `particle`, `observed` and `link_confidence`,
            sorted by frame.

        Raises
        ------
        TableError
            A frame is not later than one given before, or the table is not valid.
        """
        frame, _ = tab.read_columns(detections)
        if len(frame) == 0:
            return self._hand_out(0)
        if frame.min() <= self._last_frame:
            raise TableError(f"Frames must come in order; frame {frame.min()} came after frame {self._last_frame}.")
        self._last_frame = int(frame.max())
        if self._window is None:
            self._waiting.append(detections)
            if sum(map(len, self._waiting)) < BURN_IN:
                return self._hand_out(0)
            return self._start()
        return self._take(detections)

    def finish(self) -> pd.DataFrame:
        """Return the rows that are left; the linker takes no more."""
        parts = [] if self._window is not None else [self._start()]
        if self._window is not None:
            decided = self._window.finish()
            parts.append(self._hand_out(len(decided.track), decided.track, decided.belief))
        return pd.concat(parts)

    def _start(self) -> pd.DataFrame:
        if not self._waiting:
            return self._hand_out(0)
        table = pd.concat(self._waiting)
        self._waiting = []
        self.plan = survey(TableSource(table), self._options).plan
        self._window = SlidingWindow(
            self.plan.costs,
            self._options.window_frames,
            adopt=math.isfinite(self.plan.costs.max_step),
            looks=len(tab.look_columns(table.iloc[:0], np.empty(0, np.int64)).T),
            mixture=self.plan.mixture,
            caution=self.plan.caution,
        )
        return self._take(table)

    def _take(self, table: pd.DataFrame) -> pd.DataFrame:
        assert self._window is not None
        frame, _ = tab.read_columns(table)
        points, rows = tab.ordered_points(table, frame, np.arange(len(table)))
        if len(rows) < len(table):
            warnings.warn(
                f"{len(table) - len(rows)} of {len(table)} detections have no finite x, y and are left out.",
                LptemWarning,
                stacklevel=4,
            )
        self._tables.append(table.iloc[rows])
        decided = self._window.push(points)
        return self._hand_out(len(decided.track), decided.track, decided.belief)

    def _hand_out(self, n: int, track: np.ndarray | None = None, belief: np.ndarray | None = None) -> pd.DataFrame:
        waiting = pd.concat(self._tables) if self._tables else pd.DataFrame({FRAME: pd.Series(dtype="int64")})
        done, left = waiting.iloc[:n], waiting.iloc[n:]
        self._tables = [left] if len(left) else []
        return done.assign(
            **{
                PARTICLE: np.empty(0, np.int64) if track is None else track,
                OBSERVED: True,
                tab.CONFIDENCE: np.empty(0) if belief is None else belief,
            }
        )
