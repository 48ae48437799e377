"""Tables of positions as CSV: our own, trackpy's, TrackMate's spots and edge tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.errors import TableError
from lptem_tracker.export.branches import split_branches
from lptem_tracker.export.columns import IN_NM, PIXEL_UNITS, canonical, need_pixel_size, to_px, unit_nm

# before 3.1 pandas read the last digit of a number wrongly unless asked not to
_OLD_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _OLD_PANDAS else {}
_TRACKMATE = frozenset({"TRACK_ID", "POSITION_X", "POSITION_Y", "FRAME"})


def read_csv(path: Path, pixel_size_nm: float | None = None) -> pd.DataFrame:
    """Read a table of positions with the columns of `tables`, in px.

    Parameters
    ----------
    path : pathlib.Path
        Separated by commas, semicolons or tabs, UTF-8.
    pixel_size_nm : float, optional
        Needed where the file holds nm or µm.

    Returns
    -------
    pandas.DataFrame
        ``attrs["notes"]`` says what was converted.

    Raises
    ------
    TableError
        The file is empty, is no table, or holds units that cannot be converted.
    """
    table = _parse(path)
    if set(table.columns) >= _TRACKMATE:
        return _trackmate_spots(table, path, pixel_size_nm)
    if {"source_frame", "target_frame", "source_position_x", "target_position_x"} <= {
        str(c).lower() for c in table.columns
    }:
        return _edges(table, path)
    table = canonical(table)
    if "x" not in table and IN_NM["x"] in table and IN_NM["y"] in table:
        named = table.drop(columns=["radius"], errors="ignore").rename(columns={v: k for k, v in IN_NM.items()})
        size = need_pixel_size(pixel_size_nm, "nm", path.name)
        table = to_px(named, 1.0, size)
        table.attrs["notes"] = [f"Positions of {path.name} converted from nm with {size:g} nm/px."]
    return table


def _parse(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = next((line for line in file if line.strip()), "")
        if not header:
            raise TableError(f"{path} is empty; a table with the columns frame, x and y was expected.")
        separator = max(",;\t", key=header.count)
        return pd.read_csv(path, sep=separator, encoding="utf-8-sig", low_memory=False, **_EXACT)
    except OSError as error:
        raise TableError(f"The table {path} cannot be read ({error.strerror}); check its name.") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).splitlines()[0]
        raise TableError(
            f"{path} is no CSV table with one row a position ({reason}); save it as CSV in UTF-8."
        ) from None


def _trackmate_spots(table: pd.DataFrame, path: Path, pixel_size_nm: float | None) -> pd.DataFrame:
    """Read TrackMate's table of spots, whose first rows may be names and units instead of numbers."""
    numbers = pd.to_numeric(table["FRAME"], errors="coerce")
    heading = table[: int(numbers.first_valid_index() or 0)] if numbers.notna().any() else table
    units = {str(row["POSITION_X"]).strip("() ").lower() for _, row in heading.iterrows()}
    body = table[len(heading) :].reset_index(drop=True)
    for name in body.columns:
        converted = pd.to_numeric(body[name], errors="coerce")
        if converted.notna().any() and not (converted.isna() & body[name].notna() & (body[name] != "None")).any():
            body[name] = converted
    out = canonical(body)
    unit = next((u for u in units if u not in {"x", "position_x"}), "")
    if unit in PIXEL_UNITS:
        out.attrs["notes"] = [f"Positions of {path.name} (TrackMate) taken as px."]
        return out
    size = need_pixel_size(pixel_size_nm, unit, path.name)
    out = to_px(out, unit_nm(unit, path.name), size)
    out.attrs["notes"] = [f"Positions of {path.name} (TrackMate) converted from {unit} with {size:g} nm/px."]
    return out


def _edges(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Read a table of links: each row joins a position to its next one."""
    table = table.rename(columns={name: str(name).lower() for name in table.columns})
    ends = []
    for end in ("source", "target"):
        names = {f"{end}_frame": "frame", f"{end}_position_x": "x", f"{end}_position_y": "y", f"spot_{end}_id": "spot"}
        missing = [name for name in names if name not in table]
        if missing:
            raise TableError(
                f"{path} is an edge table without {', '.join(missing)}; it has: {', '.join(table.columns)}."
            )
        ends.append(table[list(names)].rename(columns=names))
    spots = pd.concat(ends).drop_duplicates("spot").sort_values(["frame", "spot"], ignore_index=True)
    index = pd.Series(np.arange(len(spots)), index=spots["spot"])
    links = np.stack([index[table["spot_source_id"]], index[table["spot_target_id"]]], axis=1)
    particle, cut = split_branches(links, spots[["frame", "x", "y"]].to_numpy(dtype=float))
    spots.insert(0, "particle", particle)
    spots.attrs["notes"] = [f"Positions of {path.name} (edge table) taken as px.", *branch_note(cut)]
    return spots


def branch_note(cut: int) -> list[str]:
    """Return the sentence that says how merging and splitting tracks were read."""
    if not cut:
        return []
    return [
        f"{cut} link{'s' * (cut > 1)} of merging or splitting tracks cut: a particle keeps its nearest continuation."
    ]
