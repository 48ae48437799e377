"""Any table of positions that we take in, by the ending of its name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from lptem_tracker.errors import TableError
from lptem_tracker.export.columns import canonical
from lptem_tracker.export.csv_tables import read_csv
from lptem_tracker.export.geff_files import read_geff
from lptem_tracker.export.trackmate_read import read_trackmate
from lptem_tracker.tables import PARTICLE, validate_detections, validate_tracks


def read_tracks(path: str | Path, *, pixel_size_nm: float | None = None) -> pd.DataFrame:
    """Read a table of tracks from CSV, Parquet, TrackMate XML or GEFF.

    Parameters
    ----------
    path : path
        CSV of ours, trackpy's (``particle, frame, x, y``) or TrackMate's (spots or edges); Parquet;
        TrackMate XML; a GEFF folder.
    pixel_size_nm : float, optional
        Used where the file holds positions in nm or µm and does not say how large a pixel is.

    Returns
    -------
    pandas.DataFrame
        The columns of `tables.TRACK_DTYPES` that the file holds, in px and frames, and its own others.
        ``attrs`` has ``notes`` (what was converted) and, where the file tells them, ``pixel_size_nm`` and
        ``frame_interval_s``.

    Raises
    ------
    TableError
        The file is missing, empty or damaged, or a column is missing or not numeric.
    MissingExtraError
        It is a GEFF and the library for it is not installed.
    """
    table = _read(Path(path), pixel_size_nm)
    if PARTICLE in table:
        table = _without_unlinked(table)
    out = validate_tracks(table)
    if out.empty:
        raise TableError(f"{path} holds no tracks; rows with particle, frame, x and y were expected.")
    out.attrs = dict(table.attrs)
    return out


def read_detections(path: str | Path, *, pixel_size_nm: float | None = None) -> pd.DataFrame:
    """Read a table of detections from any file that `read_tracks` takes; particles are not needed.

    Parameters
    ----------
    path : path
    pixel_size_nm : float, optional
        As for `read_tracks`.

    Returns
    -------
    pandas.DataFrame
        The columns of `tables.DETECTION_DTYPES` that the file holds, in px and frames, and its own others,
        without `particle`; positions that were filled into gaps are left out.

    Raises
    ------
    TableError, MissingExtraError
        As `read_tracks`.
    """
    table = _read(Path(path), pixel_size_nm).drop(columns=[PARTICLE], errors="ignore")
    out = validate_detections(table)
    if "observed" in out:
        out = out[out["observed"]].drop(columns=["observed"]).reset_index(drop=True)
    out.attrs = dict(table.attrs)
    return out


def _without_unlinked(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out positions that belong to no track, as TrackMate's tables may have them."""
    loose = table[PARTICLE].isna() | (table[PARTICLE].astype(str) == "None")
    if not loose.any() or loose.all():
        return table
    out = table[~loose].reset_index(drop=True)
    n = int(loose.sum())
    out.attrs["notes"] = [*table.attrs.get("notes", []), f"{n} position{'s' * (n > 1)} in no track left out."]
    return out


def _read(path: Path, pixel_size_nm: float | None) -> pd.DataFrame:
    if not path.exists():
        raise TableError(f"There is no table {path}; check its name.")
    if path.is_dir():
        return read_geff(path, pixel_size_nm)
    if path.stat().st_size == 0:
        raise TableError(f"{path} is empty; a table with the columns frame, x and y was expected.")
    suffix = path.suffix.lower()
    if suffix in {".parquet", ".pq"}:
        return _read_parquet(path)
    if suffix == ".xml":
        return read_trackmate(path)
    if suffix in {".csv", ".tsv", ".txt"}:
        return read_csv(path, pixel_size_nm)
    raise TableError(f"A table is a .csv, .parquet or TrackMate .xml file or a .geff folder; got {path.name!r}.")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        # the schema is taken from Arrow's own types: nothing stored by Python is ever unpickled
        table = pyarrow.parquet.read_table(path).replace_schema_metadata(None).to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(
            f"{path} cannot be read as Parquet ({reason}); it may be damaged or be another kind of file."
        ) from None
    return canonical(table)
