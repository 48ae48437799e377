"""Tracks as a graph in GEFF (the Graph Exchange File Format), read and written with its own library."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import MissingExtraError, OutputError, TableError
from lptem_tracker.export.branches import split_branches
from lptem_tracker.export.columns import PIXEL_UNITS, S_PER_UNIT, canonical, need_pixel_size, to_px, unit_nm
from lptem_tracker.export.csv_tables import branch_note

_MARKS = ("zarr.json", ".zgroup", ".zattrs")
"""One of these lies in every folder of this format."""


def _library(module: str = "geff") -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError(
            "GEFF needs an optional library; install it in the source folder of lptem-tracker with: "
            'python -m pip install ".[geff]"'
        ) from None


def write_geff(path: Path, tracks: pd.DataFrame, calibration: Calibration) -> Path:
    """Write tracks as a GEFF: a node a row, a link from each position to the particle's next.

    Parameters
    ----------
    path : pathlib.Path
        Folder to write; one that is there is replaced.
    tracks : pandas.DataFrame
        In px and frames; these stay the nodes' values, and the axes hold the scale to nm and s.
    calibration : Calibration

    Returns
    -------
    pathlib.Path

    Raises
    ------
    MissingExtraError
        The library is not installed.
    OutputError
        There is a folder that is no GEFF.
    """
    if path.is_dir() and any(path.iterdir()) and not any((path / name).exists() for name in _MARKS):
        raise OutputError(f"{path} holds other things than a GEFF, and is not replaced; give another -o (output).")
    geff, write_arrays, axis = _library(), _library("geff.core_io").write_arrays, _library("geff_spec").Axis

    tracks = tracks.sort_values(["particle", "frame"], kind="stable", ignore_index=True)
    nm, s = calibration.pixel_size_nm, calibration.frame_interval_s
    axes = [axis(name="frame", type="time", unit="frame", scale=s, scaled_unit=s and "second")]
    axes += [
        axis(name=name, type="space", unit="pixel", scale=nm, scaled_unit=nm and "nanometer") for name in ("y", "x")
    ]
    same = tracks["particle"].to_numpy()[1:] == tracks["particle"].to_numpy()[:-1]
    sources = np.flatnonzero(same).astype(np.uint64)
    properties = {str(name): _property(tracks[name]) for name in tracks}
    metadata = geff.GeffMetadata(
        directed=True,
        axes=axes,
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "particle"},
    )
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    write_arrays(
        part,
        np.arange(len(tracks), dtype=np.uint64),
        properties,
        np.stack([sources, sources + np.uint64(1)], axis=1),
        {},
        metadata,
    )
    shutil.rmtree(path, ignore_errors=True)
    part.replace(path)
    return path


def _property(column: pd.Series) -> dict[str, Any]:
    missing = column.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_extension_array_dtype(column.dtype):
        return {"values": column.to_numpy(), "missing": None}
    if pd.api.types.is_numeric_dtype(column.dtype):
        return {"values": column.to_numpy(dtype=float, na_value=np.nan), "missing": missing if missing.any() else None}
    return {"values": column.astype(str).to_numpy(dtype=np.str_), "missing": missing if missing.any() else None}


def read_geff(path: Path, pixel_size_nm: float | None = None) -> pd.DataFrame:
    """Read the nodes of a GEFF as a tracks table, in px where the axes tell how.

    Parameters
    ----------
    path : pathlib.Path
    pixel_size_nm : float, optional
        Needed where positions are in a physical unit.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    TableError
        The folder holds no GEFF, or no axes for time and two for space.
    MissingExtraError
        The library is not installed.
    """
    read_to_memory = _library("geff.core_io").read_to_memory
    try:
        graph = read_to_memory(path)
    except (ValueError, KeyError, OSError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TableError(f"{path} is a folder that holds no GEFF ({reason}); give a tracks table.") from None
    columns = {name: _values(prop) for name, prop in graph["node_props"].items() if np.ndim(prop["values"]) == 1}
    table = pd.DataFrame(columns)
    time, x, y = _axes(graph["metadata"], path)
    if not any(str(name).lower() == "frame" for name in table):
        table = table.rename(columns={time.name: "frame"})
    table = canonical(table.rename(columns={x.name: "x", y.name: "y"}))
    cut = 0
    if "particle" not in table:
        order = pd.Series(np.arange(len(table)), index=graph["node_ids"])
        links = np.stack([order[graph["edge_ids"][:, 0]], order[graph["edge_ids"][:, 1]]], axis=1)
        table["particle"], cut = split_branches(links, table[["frame", "x", "y"]].to_numpy(dtype=float))
    unit = (x.unit or "pixel").lower()
    notes = branch_note(cut)
    if unit not in PIXEL_UNITS:
        size = need_pixel_size(pixel_size_nm, unit, path.name)
        table = to_px(table, unit_nm(unit, path.name), size)
        notes.append(f"Positions of {path.name} converted from {unit} with {size:g} nm/px.")
    table.attrs["notes"] = notes
    if x.scale and x.scaled_unit:
        table.attrs["pixel_size_nm"] = x.scale * unit_nm(x.scaled_unit, path.name)
    if time.scale and time.scaled_unit in S_PER_UNIT:
        table.attrs["frame_interval_s"] = time.scale * S_PER_UNIT[time.scaled_unit]
    return table


def _values(prop: Any) -> Any:
    values, missing = np.asarray(prop["values"]), prop["missing"]
    if missing is None:
        return values
    return np.where(missing, np.nan, values) if values.dtype.kind == "f" else pd.Series(values).mask(missing)


def _axes(metadata: Any, path: Path) -> tuple[Any, Any, Any]:
    """Return the axes of time, x and y: by their names, else the last two of space as y and x."""
    axes = metadata.axes or []
    time = [axis for axis in axes if axis.type == "time"]
    space = [axis for axis in axes if axis.type == "space"]
    if len(time) != 1 or len(space) < 2:
        raise TableError(f"{path} needs one axis of time and two of space; it has {len(time)} and {len(space)}.")
    named = {axis.name.lower().removeprefix("position_"): axis for axis in space}
    return time[0], named.get("x", space[-1]), named.get("y", space[-2])
