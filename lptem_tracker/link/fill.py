"""Gaps closed while rows stream by: every filled row comes out as soon as its context is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.link import table as tab
from lptem_tracker.link.drift import Removal
from lptem_tracker.link.gaps import CONTEXT, Filled, fill_gaps
from lptem_tracker.link.rows import Rows, joined_rows, no_rows
from lptem_tracker.link.survey import Survey
from lptem_tracker.tables import FRAME, OBSERVED, X, Y

Ints = NDArray[np.int64]


class Filler:
    """Fill the gaps of final rows.

    Parameters
    ----------
    survey : Survey
    drift : Removal
        The one finally taken out.
    """

    def __init__(self, survey: Survey, drift: Removal) -> None:
        self._drift = drift
        self._motion, self._velocity_var = survey.plan.smoothing()
        self._reach = survey.options.max_lag + CONTEXT
        self._rows, self._first, self._done = no_rows(), 0, 0

    @property
    def first(self) -> int:
        """Number of the oldest row that a filled one may still follow."""
        return self._first

    def frame(self, filled: Filled, table: pd.DataFrame, before: Ints) -> pd.DataFrame:
        """Return filled rows as a table: position and error smoothed, what is no measurement carried on, the rest NaN.

        Parameters
        ----------
        filled : Filled
        table : pandas.DataFrame
            Linked rows.
        before : int64, shape (n,)
            Place in it of the row that each filled one follows.
        """
        xy = self._drift.moved(filled.frame, filled.xy)
        moved = xy - filled.xy
        new = {
            FRAME: filled.frame,
            X: xy[:, 0],
            Y: xy[:, 1],
            "x_std": filled.std[:, 0],
            "y_std": filled.std[:, 1],
            OBSERVED: np.zeros(len(before), bool),
            tab.DRIFT_X: moved[:, 0],
            tab.DRIFT_Y: moved[:, 1],
        }
        columns = {name: _filled_column(table[name], before, new.get(name)) for name in table.columns}
        return pd.DataFrame(columns, copy=False)

    def push(self, rows: Rows, *, last: bool = False) -> Filled:
        """Take in final rows of whole frames; return filled ones, whose `before` counts over the whole movie.

        All gaps that end `CONTEXT` frames before the newest row are filled, with `last` the others too.
        """
        still = rows._replace(still=self._drift.still(rows.frame, rows.seen))
        self._rows = joined_rows([self._rows, still])
        mine = self._rows
        if len(mine.frame) == 0:
            return fill_gaps(mine.frame, mine.still, mine.noise, mine.pred, self._motion, self._velocity_var)
        end = len(mine.frame) if last else int(np.searchsorted(mine.frame, mine.frame[-1] - CONTEXT))
        pred = np.maximum(mine.pred - self._first, -1)
        filled = fill_gaps(
            mine.frame,
            mine.still,
            mine.noise,
            pred,
            self._motion,
            self._velocity_var,
            slice(self._done, max(end, self._done)),
        )
        self._done = max(end, self._done)
        filled = filled._replace(before=filled.before + self._first)
        if self._done < len(mine.frame):
            keep = int(np.searchsorted(mine.frame, mine.frame[self._done] - self._reach))
            self._rows, self._first, self._done = (
                mine.part(keep, len(mine.frame)),
                self._first + keep,
                self._done - keep,
            )
        return filled


def _filled_column(column: pd.Series, before: Ints, value: NDArray[Any] | None) -> Any:
    """Return `value` in the dtype of a column; without one, nothing for a measurement and for a merger, else the old.

    The dtype is kept here, because converting whole tables later takes longer than linking a short movie.
    """
    dtype = column.dtype
    if value is not None:
        return value.astype(dtype, copy=False) if isinstance(dtype, np.dtype) else pd.array(value, dtype=dtype)
    if column.name == tab.MERGED or (dtype.kind == "f" and not isinstance(dtype, np.dtype)):
        return pd.array([pd.NA] * len(before), dtype=dtype)
    return np.full(len(before), np.nan, dtype) if dtype.kind == "f" else column.array.take(before)
