"""The three tables: their column names, dtypes and validators, written once.

Positions are in px with the centre of a pixel at an integer; frames count from 0; angles are in
rad from +x towards +y, in [-pi/2, pi/2). One row is one particle in one frame, or one event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lptem_tracker.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

PARTICLE, FRAME, X, Y, OBSERVED = "particle", "frame", "x", "y", "observed"

DETECTION_DTYPES: dict[str, str] = {
    "frame": "int64",
    "x": "float64",
    "y": "float64",
    "x_std": "float64",
    "y_std": "float64",
    "width": "float64",
    "height": "float64",
    "angle": "float64",
    "area": "float64",
    "radius": "float64",
    "confidence": "float64",
    "class_id": "int64",
}
"""Columns of a detections table. `x_std`, `y_std` are localisation standard errors in px; `width`
and `height` are the extents along and across `angle` in px; `radius` is that of the disk of equal
`area`. Further columns (shape descriptors, flags) may follow."""

TRACK_DTYPES: dict[str, str] = {"particle": "int64", **DETECTION_DTYPES, "observed": "bool"}
"""Columns of a tracks table: a detection's, the particle's id, and whether it was seen."""

FURTHER_DTYPES: dict[str, str] = {
    **dict.fromkeys(
        (
            "width_std", "height_std", "area_std", "radius_std", "angle_std", "aspect_ratio", "aspect_ratio_std",
            "circularity", "circularity_std", "solidity", "contrast", "snr", "edge_blur", "profile_std",
            "profile_share", "profile_probability", "link_confidence", "drift_x", "drift_y",
        ),
        "float64",
    ),
    "merged_into": "Int64",
}  # fmt: skip
"""Columns that detections and tracks may have beyond those, whose numbers are used where they are there."""

_PARTICLE_NUMBERS = (
    "frame_", "n_observed", "D_", "localization_", "alpha", "v_", "Dr_", "radius_", "aspect_ratio", "circularity",
    "length_", "width_", "growth_", "confinement_", "motion_weight", "non_gaussian", "step_correlation",
)  # fmt: skip
"""How the names of the columns of ``particles.csv`` begin that hold numbers."""

MOST_PX = 1e9
"""Beyond this squares and their sums overflow, and no detector reaches so far."""
_LENGTHS = (X, Y, "x_std", "y_std", "width", "height", "radius")

EVENT_KINDS = ("attach", "detach", "coalesce", "nucleate", "dissolve", "enter", "leave")

EVENT_DTYPES: dict[str, str] = {
    "kind": "object",
    "frame": "int64",
    "frame_last": "int64",
    "particle_a": "Int64",
    "particle_b": "Int64",
    "cluster": "Int64",
    "x": "float64",
    "y": "float64",
    "score": "float64",
}
"""Columns of an events table; `frame` is the first frame of the new state."""


def empty_table(dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Return a table of no rows with the given columns and dtypes."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})


def validate_detections(table: pd.DataFrame, *, require: Iterable[str] = (FRAME, X, Y)) -> pd.DataFrame:
    """Return a copy with known columns in their dtypes, or say what is wrong.

    Parameters
    ----------
    table : pandas.DataFrame
        At least the columns `require`; others are kept as they are.
    require : iterable of str
        Names that must be there.

    Raises
    ------
    TableError
        A column is missing, not numeric, or `frame` is not a whole number of at least 0.
    """
    return _typed(table, {**TRACK_DTYPES, **FURTHER_DTYPES}, tuple(require), "detections")


def validate_tracks(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with known columns in their dtypes and `observed` filled in (True).

    Raises
    ------
    TableError
        `particle`, `frame`, `x` or `y` is missing or no number, or one particle has two rows in
        one frame.
    """
    out = _typed(table, {**TRACK_DTYPES, **FURTHER_DTYPES}, (PARTICLE, FRAME, X, Y), "tracks")
    if OBSERVED not in out:
        out[OBSERVED] = True
    if rises(out[PARTICLE].to_numpy(), out[FRAME].to_numpy()):
        return out
    twice = out.duplicated([PARTICLE, FRAME])
    if twice.any():
        row = out[twice].iloc[0]
        raise TableError(
            f"A particle can be in a frame once; particle {row[PARTICLE]} is in frame {row[FRAME]} more than once "
            f"({int(twice.sum())} surplus rows in all). Remove the duplicates or link again."
        )
    return out


def validate_part(table: pd.DataFrame, asked: Iterable[str], what: str) -> pd.DataFrame:
    """Return a copy of some rows and columns of a detections or tracks table, as the whole would be returned.

    Parameters
    ----------
    table : pandas.DataFrame
        Those of the columns `asked` that there are.
    asked : iterable of str
    what : str
        ``detections`` or ``tracks``.

    Raises
    ------
    TableError
        A column that every such table has was asked for and is missing, or one is malformed.
    """
    needed = (PARTICLE, FRAME, X, Y) if what == "tracks" else (FRAME, X, Y)
    wanted = set(asked)
    out = _typed(table, {**TRACK_DTYPES, **FURTHER_DTYPES}, tuple(name for name in needed if name in wanted), what)
    if what == "tracks" and OBSERVED in wanted and OBSERVED not in out:
        out[OBSERVED] = True
    return out


def rises(particle: NDArray[np.int64], frame: NDArray[np.int64]) -> bool:
    """Return whether no row comes before, or at, the one above it, by particle and then frame; both of shape (n,)."""
    later = (particle[1:] == particle[:-1]) & (frame[1:] > frame[:-1])
    return bool((later | (particle[1:] > particle[:-1])).all())


def validate_events(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of an events table in its dtypes.

    Raises
    ------
    TableError
        A column is missing or a kind is unknown.
    """
    out = _typed(table, EVENT_DTYPES, tuple(EVENT_DTYPES), "events")
    unknown = out.loc[~out["kind"].isin(EVENT_KINDS), "kind"]
    if len(unknown):
        raise TableError(f"Unknown event kind {_first(unknown)}; expected one of {', '.join(EVENT_KINDS)}.")
    return out


def validate_particles(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table of particles, as ``particles.csv`` holds it, whose numbers are numbers.

    Raises
    ------
    TableError
        There is no `particle`, or a column that should hold numbers holds something else.
    """
    return _with_numbers(
        table, [name for name in map(str, table.columns) if name.startswith(_PARTICLE_NUMBERS)], "particles"
    )


def validate_msd(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table of mean-square displacements, as ``msd.csv`` holds it, all of whose columns are numbers.

    Rows of all particles together have a blank `particle`.

    Raises
    ------
    TableError
        There is no `particle`, or a column holds something else than numbers.
    """
    return _with_numbers(table, [str(name) for name in table.columns], "msd", particle="float64")


def _with_numbers(table: pd.DataFrame, names: list[str], what: str, *, particle: str = "int64") -> pd.DataFrame:
    """Return a copy in which the columns `names` are numbers, whole ones as they are."""
    dtypes = dict.fromkeys(names, "float64") | {PARTICLE: particle}
    whole = [name for name in names if name in table and str(getattr(table[name], "dtype", "")) == "int64"]
    return _typed(table, {name: dtype for name, dtype in dtypes.items() if name not in whole}, (PARTICLE,), what)


def _typed(table: pd.DataFrame, dtypes: Mapping[str, str], require: tuple[str, ...], what: str) -> pd.DataFrame:
    missing = [name for name in require if name not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        raise TableError(
            f"A {what} table needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has: {have}."
        )
    double = table.columns[table.columns.duplicated()]
    if len(double):
        raise TableError(f"The {what} table has the column {double[0]} twice; remove or rename one.")
    out = table.assign()  # a copy, which shares what is not changed where pandas can
    for name, dtype in dtypes.items():
        if name in out.columns and str(out[name].dtype) != dtype:
            out[name] = _cast(out[name], name, dtype, what)
    for name in _LENGTHS:
        if name in dtypes and name in out and len(out):
            size = np.abs(out[name].to_numpy())
            far = np.isfinite(size) & (size > MOST_PX)
            if far.any():
                raise TableError(
                    f"Positions and sizes are in px and at most {MOST_PX:g}; the column {name} of the {what} table "
                    f"has {_first(out.loc[far, name])}."
                )
    if FRAME in out and len(out) and int(out[FRAME].min()) < 0:
        raise TableError(f"Frames count from 0; the {what} table has frame {int(out[FRAME].min())}.")
    return out


def _cast(column: pd.Series, name: str, dtype: str, what: str) -> pd.Series:
    if dtype == "object":
        return column.astype(dtype)
    if dtype == "bool":
        words = column.map(
            lambda v: {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(
                str(v).strip().lower()
            )
        )
        if words.isna().any():
            raise TableError(
                f"The column {name} of the {what} table must be True or False; found {_first(column[words.isna()])}."
            )
        return words.astype(bool)
    numbers = _numbers(column, name, what)
    if dtype in {"int64", "Int64"}:
        whole = np.isfinite(numbers) & (numbers == np.round(numbers)) & (numbers.abs() < 2**62)
        fine = whole | numbers.isna() if dtype == "Int64" else whole & numbers.notna()
        if not fine.all():
            raise TableError(
                f"The column {name} of the {what} table must hold whole numbers; found {_first(column[~fine])}."
            )
    return numbers.astype(dtype)


def _numbers(column: pd.Series, name: str, what: str) -> pd.Series:
    """Return a column as numbers, NaN where it is blank."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        raise TableError(f"The column {name} of the {what} table must be numeric; found {str(column.iloc[0])!r}.")
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        bad &= column.astype(str).str.strip() != ""
    if bad.any():
        raise TableError(f"The column {name} of the {what} table must be numeric; found {_first(column[bad])}.")
    return numbers


def _first(values: pd.Series) -> str:
    """Return the first value as it would be typed."""
    value = values.iloc[0]
    return repr(value.item() if isinstance(value, np.generic) else value)
