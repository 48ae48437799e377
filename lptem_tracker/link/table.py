"""Between DataFrames and the arrays of the linker: order, likeness features, and the columns that are added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import TableError
from lptem_tracker.link.core import Points
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, X, Y

CONFIDENCE, MERGED, DRIFT_X, DRIFT_Y = "link_confidence", "merged_into", "drift_x", "drift_y"

USED = frozenset((FRAME, X, Y, "x_std", "y_std", "radius", "area", "width", "height", "confidence"))


def read_columns(
    table: pd.DataFrame,
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return `frame` and the pair `x, y` of a detections table, each of shape (n,).

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
    if "z" in table.columns and table["z"].dropna().nunique() > 1:
        raise TableError(
            "Particles are linked by x and y only, and z differs here; drop the column z to link projections."
        )
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
    return frames, (_numbers(table, X), _numbers(table, Y))


def _numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    column = table[name]
    if column.dtype.kind in "fiu" and isinstance(column.dtype, np.dtype):
        return np.asarray(column.to_numpy(), np.float64)
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        raise TableError(f"The column {name} of the detections table must be numeric; found {column[bad].iloc[0]!r}.")
    return np.asarray(numbers.to_numpy(np.float64, na_value=np.nan), np.float64)


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


def used(table: pd.DataFrame) -> list[str]:
    """Return the columns that linking reads."""
    return [name for name in table.columns if name in USED]


def ordered_points(
    table: pd.DataFrame, frame: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[Points, NDArray[np.int64]]:
    """Return the detections `rows` of a table as arrays in canonical order.

    Parameters
    ----------
    table : pandas.DataFrame
    frame, rows : int64, shape (n,)
        Frames of the rows, and their places in the table.

    Returns
    -------
    points : Points
        Rows without finite position are left out.
    order : int64
        Which of `rows` each point is.
    """
    x, y = _numbers(table, X)[rows], _numbers(table, Y)[rows]
    order = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    xy = np.column_stack([x[order], y[order]])
    sort = canonical_order(frame[order], xy)
    order, xy = order[sort], xy[sort]
    rows = rows[order]
    noise = np.zeros((len(rows), 2))
    for axis, name in enumerate(("x_std", "y_std")):
        if name in table.columns:
            std = _numbers(table, name)[rows]
            noise[:, axis] = np.where(np.isfinite(std) & (std > 0), std, 0.0) ** 2
    radius, confidence = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    if "radius" in table.columns:
        radius = _numbers(table, "radius")[rows]
        radius[~(np.isfinite(radius) & (radius > 0))] = np.nan
    if "confidence" in table.columns:
        confidence = _numbers(table, "confidence")[rows]
    return Points(frame[order], xy, noise, look_columns(table, rows), radius, confidence), order


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


def linker_columns(
    particle: NDArray[np.int64],
    belief: NDArray[np.float64],
    merged: NDArray[np.int64],
    unmerged: NDArray[np.bool_],
    moved: NDArray[np.float64],
) -> dict[str, Any]:
    """Return the columns of observed rows that the linker adds; `moved`, shape (n, 2), is the drift in px."""
    return {
        PARTICLE: particle,
        OBSERVED: np.ones(len(particle), bool),
        CONFIDENCE: belief,
        MERGED: pd.arrays.IntegerArray(merged, unmerged),
        DRIFT_X: moved[:, 0],
        DRIFT_Y: moved[:, 1],
    }


def with_columns(table: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    """Return the table with `columns` added or replaced; the rest is shared, not copied."""
    keep = [name for name in table.columns if name not in columns]
    added = pd.DataFrame(columns, index=table.index, copy=False)
    out = pd.concat([table if len(keep) == len(table.columns) else table[keep], added], axis=1)
    if PARTICLE in table.columns or OBSERVED in table.columns:
        out = out[[*table.columns, *(name for name in columns if name not in table.columns)]]
    return out


def no_tracks(template: pd.DataFrame) -> pd.DataFrame:
    """Return a tracks table without rows, with the columns of a detections table without rows."""
    nothing = np.empty(0, np.int64)
    return with_columns(template, linker_columns(nothing, np.empty(0), nothing, np.empty(0, bool), np.empty((0, 2))))


def append_rows(table: pd.DataFrame, filled: pd.DataFrame) -> pd.DataFrame:
    """Return the table with filled rows, of the same columns and dtypes, at its end, under new index labels."""
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
    out = pd.concat([table, filled], ignore_index=True)
    out.index = label
    if table.index.name is not None:
        out.index.name = table.index.name
    return out
