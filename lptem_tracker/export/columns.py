"""Other tools' names and units for the columns of a tracks table, written once."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lptem_tracker.errors import TableError
from lptem_tracker.tables import FRAME, PARTICLE, X, Y

ALIASES: dict[str, tuple[str, ...]] = {
    PARTICLE: ("particle", "track_id", "trackid", "track", "particle_id", "trajectory"),
    FRAME: ("frame", "frame_number", "frame_index", "position_frame"),
    X: ("x", "x_px", "position_x"),
    Y: ("y", "y_px", "position_y"),
    "radius": ("radius", "radius_px"),
    "confidence": ("confidence", "quality"),
}
"""Spellings taken for each column, in lower case; the first one found is used."""

IN_NM = {X: "x_nm", Y: "y_nm", "radius": "radius_nm"}

LENGTHS = (X, Y, "x_std", "y_std", "width", "height", "radius")
"""Columns in px that scale with the pixel size; `area` scales with its square."""

NM_PER_UNIT: dict[str, float] = {
    "nm": 1.0, "nanometer": 1.0, "nanometre": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometre": 1e3,
    "mm": 1e6, "millimeter": 1e6, "m": 1e9, "meter": 1e9,
    "å": 0.1, "a": 0.1, "angstrom": 0.1, "pm": 1e-3, "picometer": 1e-3,
}  # fmt: skip

S_PER_UNIT: dict[str, float] = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "us": 1e-6, "µs": 1e-6, "microsecond": 1e-6, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0,
}  # fmt: skip

PIXEL_UNITS = frozenset({"", "px", "pixel", "pixels"})


def canonical(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy whose columns have the names of `tables`; unknown columns keep theirs.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns in any of the spellings of `ALIASES`, upper or lower case.
    """
    lower = {str(name).strip().lower(): name for name in reversed(list(table.columns))}
    rename: dict[Any, str] = {}
    for wanted, spellings in ALIASES.items():
        if wanted in table.columns:
            continue
        found = next((lower[s] for s in spellings if s in lower), None)
        if found is not None:
            rename[found] = wanted
    out = table.rename(columns=rename)
    return out.loc[:, [not str(name).startswith("Unnamed: ") for name in out.columns]]


def to_px(table: pd.DataFrame, nm_per_unit: float, pixel_size_nm: float) -> pd.DataFrame:
    """Return a copy with lengths and areas converted from a unit of `nm_per_unit` nm to px."""
    out = table.copy()
    factor = nm_per_unit / pixel_size_nm
    for name in LENGTHS:
        if name in out:
            out[name] = out[name].astype(float) * factor
    if "area" in out:
        out["area"] = out["area"].astype(float) * factor**2
    return out


def need_pixel_size(pixel_size_nm: float | None, unit: str, what: str) -> float:
    """Return the pixel size, or say that positions in `unit` need it.

    Raises
    ------
    TableError
        It is not given.
    """
    if pixel_size_nm is None:
        raise TableError(
            f"{what} holds positions in {unit} and tables are in px; give --pixel-size-nm to convert them."
        )
    return pixel_size_nm


def unit_nm(unit: str, what: str) -> float:
    """Return the length of a unit in nm.

    Raises
    ------
    TableError
        The unit is not known.
    """
    known = NM_PER_UNIT.get(unit.strip().lower())
    if known is None:
        raise TableError(f"{what} holds positions in {unit!r}, a unit that is not known; expected px, nm, µm or Å.")
    return known
