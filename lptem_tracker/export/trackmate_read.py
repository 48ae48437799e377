"""TrackMate's session files, read as a stream without expanding entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import pandas as pd

from lptem_tracker.errors import TableError
from lptem_tracker.export.branches import split_branches
from lptem_tracker.export.columns import LENGTHS, NM_PER_UNIT, PIXEL_UNITS, S_PER_UNIT
from lptem_tracker.export.csv_tables import branch_note

PARTICLE_FEATURE, OBSERVED_FEATURE = "LPTEM_PARTICLE", "LPTEM_OBSERVED"
FEATURES: dict[str, str] = {
    "FRAME": "frame",
    "POSITION_X": "x",
    "POSITION_Y": "y",
    "RADIUS": "radius",
    "QUALITY": "confidence",
    "LPTEM_X_STD": "x_std",
    "LPTEM_Y_STD": "y_std",
    "LPTEM_WIDTH": "width",
    "LPTEM_HEIGHT": "height",
    "LPTEM_ANGLE": "angle",
    "LPTEM_AREA": "area",
    "LPTEM_CLASS": "class_id",
    OBSERVED_FEATURE: "observed",
    PARTICLE_FEATURE: "particle",
}
"""TrackMate's name of each of our columns; the features of our own begin with LPTEM."""


class _Session:
    """What a session file holds, gathered element by element."""

    def __init__(self) -> None:
        self.root = ""
        self.units: dict[str, str] = {}
        self.image: dict[str, str] = {}
        self.spots: list[dict[str, str]] = []
        self.edges: list[tuple[str, str]] = []
        self.edge_tracks: list[int] = []
        self.kept: set[int] | None = None
        self._track = -1
        self._filtered = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take in the beginning of an element."""
        if not self.root:
            self.root = name
        if name == "Model":
            self.units = attributes
        elif name == "ImageData":
            self.image = attributes
        elif name == "Spot" and attributes.get("VISIBILITY") != "0":
            self.spots.append(attributes)
        elif name == "Track":
            self._track = int(attributes["TRACK_ID"])
        elif name == "Edge":
            self.edges.append((attributes["SPOT_SOURCE_ID"], attributes["SPOT_TARGET_ID"]))
            self.edge_tracks.append(self._track)
        elif name == "FilteredTracks":
            self._filtered, self.kept = True, set()
        elif name == "TrackID" and self._filtered and self.kept is not None:
            self.kept.add(int(attributes["TRACK_ID"]))

    @staticmethod
    def refuse_doctype(*_: object) -> None:
        raise TableError("The XML file declares a document type, which TrackMate never does; it is not read.")


def read_trackmate(path: Path) -> pd.DataFrame:
    """Read the spots and tracks of a TrackMate session.

    Tracks that its user filtered out are left out; where tracks merge or split, the nearest continuation
    keeps the particle.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    pandas.DataFrame
        `particle` (missing for spots in no track), `frame`, `x`, `y` in px and what else the file holds.

    Raises
    ------
    TableError
        It is no TrackMate file, or is damaged.
    """
    session = _parse(path)
    try:
        table, cut = _table(session, path)
    except (KeyError, ValueError) as error:
        raise TableError(f"{path} is a damaged TrackMate file ({error}); save it again from TrackMate.") from None
    return _in_px(table, session, path, cut)


def _parse(path: Path) -> _Session:
    session = _Session()
    parser = expat.ParserCreate()
    parser.StartElementHandler = session.start
    parser.StartDoctypeDeclHandler = session.refuse_doctype
    parser.EntityDeclHandler = session.refuse_doctype
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except OSError as error:
        raise TableError(f"The table {path} cannot be read ({error.strerror}); check its name.") from None
    except (expat.ExpatError, KeyError, ValueError) as error:
        raise TableError(f"{path} is no well-formed TrackMate XML ({error}); save it again from TrackMate.") from None
    if session.root != "TrackMate":
        raise TableError(
            f"{path} is XML, but no TrackMate session: its first element is {session.root!r}, not 'TrackMate'."
        )
    return session


def _table(session: _Session, path: Path) -> tuple[pd.DataFrame, int]:
    if not session.spots:
        raise TableError(f"{path} holds no visible spots.")
    spots = pd.DataFrame(session.spots)
    ids = {spot: n for n, spot in enumerate(spots["ID"])}
    table = pd.DataFrame({ours: pd.to_numeric(spots[theirs]) for theirs, ours in FEATURES.items() if theirs in spots})
    if "observed" in table:
        table["observed"] = table["observed"] != 0
    used = [
        (ids[a], ids[b])
        for (a, b), track in zip(session.edges, session.edge_tracks)
        if (session.kept is None or track in session.kept) and a in ids and b in ids
    ]
    links = np.array(used, dtype=np.int64).reshape(-1, 2)
    branch, cut = split_branches(links, table[["frame", "x", "y"]].to_numpy(dtype=float))
    linked = np.zeros(len(table), dtype=bool)
    linked[links.ravel()] = True
    ours = "particle" in table
    stored = table["particle"].to_numpy(dtype=float) if ours else np.full(len(table), np.nan)
    table["particle"] = _numbers(branch, linked, stored)
    order = ["particle", *[name for name in table if name != "particle"]]
    return table[order].sort_values(["frame", "particle"], kind="stable", ignore_index=True), cut


def _numbers(branch: np.ndarray[Any, Any], linked: np.ndarray[Any, Any], stored: np.ndarray[Any, Any]) -> pd.Series:
    """Return each spot's particle: the number stored by us while a track still is what it was, else a new one."""
    frame = pd.DataFrame({"branch": branch, "stored": stored})
    whole = frame.groupby("branch")["stored"].agg(["nunique", "first", "count", "size"])
    intact = (whole["nunique"] == 1) & (whole["count"] == whole["size"])
    intact &= ~whole["first"].where(intact).duplicated(keep=False)
    if intact.all():
        return pd.Series(stored)
    used = linked | np.isfinite(stored)
    numbered = pd.Series(np.nan, index=range(len(branch)))
    numbered[used] = pd.factorize(branch[used])[0]
    return numbered


def _in_px(table: pd.DataFrame, session: _Session, path: Path, cut: int) -> pd.DataFrame:
    unit = session.units.get("spatialunits", "pixel")
    size = float(session.image.get("pixelwidth", 1.0)) or 1.0
    notes = branch_note(cut)
    out = table
    if size != 1.0:
        out = table.copy()
        for name in LENGTHS:
            if name in out:
                out[name] = out[name] / size
        if "area" in out:
            out["area"] = out["area"] / size**2
        notes.append(f"Positions of {path.name} converted to px with its own pixel size, {size:g} {unit}.")
    out.attrs["notes"] = notes
    if unit.strip().lower() not in PIXEL_UNITS and unit.strip().lower() in NM_PER_UNIT:
        out.attrs["pixel_size_nm"] = size * NM_PER_UNIT[unit.strip().lower()]
    interval = float(session.image.get("timeinterval", 0) or 0)
    seconds = S_PER_UNIT.get(session.units.get("timeunits", "frame").strip().lower())
    # an uncalibrated stack is saved as 1 px and 1 s: that is no time
    if seconds is not None and interval > 0 and not (interval == 1.0 and unit.strip().lower() in PIXEL_UNITS):
        out.attrs["frame_interval_s"] = interval * seconds
    return out
