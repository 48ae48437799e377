"""Between DataFrames and the arrays of the linker: order, likeness features, and the columns that are added."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import LptemWarning, TableError
from lptem_tracker.link.core import Points
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, X, Y

CONFIDENCE, MERGED, DRIFT_X, DRIFT_Y = "link_confidence", "merged_into", "drift_x", "drift_y"


def read_columns(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return `frame`, shape (n,), and `x, y`, shape (n, 2), of a detections table.

    Raises
    ------
    TableError
        A column is missing, not numeric, or `frame` is not a whole number of at least 0.
    """
    missing = [name for name in (FRAME, X, Y) if name not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        raise TableError(
            f"A detections table needs the columns frame, x, y; {', '.join(missing)} is missing (it has: {have})."
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise TableError(f"The detections table has the column {twice!r} twice; rename one of them.")
    frame = _numbers(table, FRAME)
    whole = np.isfinite(frame) & (frame == np.round(frame)) & (np.abs(frame) < 2.0**62)
    if not whole.all():
        raise TableError(
            f"Frames are whole numbers; the detections table has frame {table[FRAME].to_numpy()[~whole][0]!r}."
        )
    if len(frame) and frame.min() < 0:
        raise TableError(f"Frames count from 0; the detections table has frame {int(frame.min())}.")
    exact = table[FRAME].to_numpy()
    frames = exact.astype(np.int64) if exact.dtype.kind in "iu" else frame.astype(np.int64)
    return frames, np.column_stack([_numbers(table, X), _numbers(table, Y)])


def _numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    column = table[name]
    if column.dtype.kind in "fiu" and isinstance(column.dtype, np.dtype):
        return np.asarray(column.to_numpy(), np.float64)
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        raise TableError(f"The column {name} of the detections table must be numeric; found {column[bad].iloc[0]!r}.")
    return np.asarray(numbers.to_numpy(np.float64, na_value=np.nan), np.float64)


def positive_column(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a numeric column with everything but positive finite numbers as NaN."""
    values = _numbers(table, name)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def canonical_order(frame: NDArray[np.int64], xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order by frame, x and y, which does not depend on the order of the rows."""
    n = len(frame)
    if n == 0:
        return np.empty(0, np.int64)
    span = frame.max() - frame.min()
    low, high = xy[:, 0].min(), xy[:, 0].max()
    if span < 1e6 and high > low:
        # one sort instead of three; frames stay apart because the second term is below 1
        key = (frame - frame.min()) + (xy[:, 0] - low) * (0.999999 / (high - low))
        order = np.argsort(key, kind="stable")
        key = key[order]
        if not (np.diff(key) <= 1e-9).any():
            return order
    return np.lexsort((xy[:, 1], xy[:, 0], frame))


def usable_rows(table: pd.DataFrame, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows have a position, and warn when some have none."""
    usable = np.asarray(np.isfinite(xy).all(1), np.bool_)
    if not usable.all():
        warnings.warn(
            f"{int((~usable).sum())} of {len(xy)} detections have no finite x, y; each is kept as a track of its own.",
            LptemWarning,
            stacklevel=4,
        )
    return usable


def to_points(
    table: pd.DataFrame, frame: NDArray[np.int64], xy: NDArray[np.float64], rows: NDArray[np.int64]
) -> Points:
    """Return the detections `rows` of a table as arrays."""
    noise = np.zeros((len(rows), 2))
    for axis, name in enumerate(("x_std", "y_std")):
        if name in table.columns:
            std = _numbers(table, name)[rows]
            noise[:, axis] = np.where(np.isfinite(std) & (std > 0), std, 0.0) ** 2
    return Points(frame[rows], xy[rows], noise, look_columns(table, rows), np.zeros(len(rows)))


def look_columns(table: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return log size and log aspect of the detections, shape (n, F); NaN where unknown."""
    have = set(table.columns)
    looks = []
    with np.errstate(divide="ignore", invalid="ignore"):
        if "radius" in have:
            looks.append(np.log(_numbers(table, "radius")[rows]))
        elif "area" in have:
            looks.append(np.log(_numbers(table, "area")[rows]) / 2)
        elif {"width", "height"} <= have:
            looks.append(np.log(_numbers(table, "width")[rows] * _numbers(table, "height")[rows]) / 2)
        if {"width", "height"} <= have:
            looks.append(np.abs(np.log(_numbers(table, "width")[rows] / _numbers(table, "height")[rows])))
    out = np.column_stack(looks) if looks else np.empty((len(rows), 0))
    out[~np.isfinite(out)] = np.nan
    return out


def with_columns(table: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    """Return the table with `columns` added or replaced; the rest is shared, not copied."""
    keep = [name for name in table.columns if name not in columns]
    added = pd.DataFrame(columns, index=table.index)
    out = pd.concat([table if len(keep) == len(table.columns) else table[keep], added], axis=1)
    if PARTICLE in table.columns or OBSERVED in table.columns:
        out = out[[*table.columns, *(name for name in columns if name not in table.columns)]]
    return out


def append_rows(table: pd.DataFrame, filled: pd.DataFrame) -> pd.DataFrame:
    """Return the table with filled rows at its end, under new index labels, in the table's dtypes."""
    if filled.empty:
        return table
    if isinstance(table.index, pd.MultiIndex) or table.index.dtype.kind not in "iu":
        label: Any = pd.Index([*table.index, *range(len(filled))], dtype=object, tupleize_cols=False)
    else:
        first = int(table.index.max()) + 1
        label = (
            pd.RangeIndex(len(table) + len(filled))
            if isinstance(table.index, pd.RangeIndex) and table.index.start == 0 and table.index.step == 1
            else table.index.append(pd.RangeIndex(first, first + len(filled)))
        )
    out = pd.concat([table.reset_index(drop=True), filled.astype(table.dtypes.to_dict())], ignore_index=True)
    out.index = label
    if table.index.name is not None:
        out.index.name = table.index.name
    return out
