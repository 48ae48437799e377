"""Tracks as a TrackMate session, in physical units where they are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration
from lptem_tracker.export.columns import LENGTHS
from lptem_tracker.export.trackmate_read import FEATURES

_DIMENSIONS = {"radius": "LENGTH", "x_std": "LENGTH", "y_std": "LENGTH", "width": "LENGTH", "height": "LENGTH",
               "area": "AREA", "angle": "ANGLE", "confidence": "QUALITY", "x": "POSITION", "y": "POSITION"}  # fmt: skip
_WHOLE = frozenset({"frame", "class_id", "observed", "particle"})


def write_trackmate(
    path: Path, tracks: pd.DataFrame, calibration: Calibration, *, shape: tuple[int, int, int], source: str = ""
) -> Path:
    """Write tracks as TrackMate's XML.

    Rows filled into gaps are spots with the feature LPTEM_OBSERVED of 0, so that nothing is lost.

    Parameters
    ----------
    path : pathlib.Path
    tracks : pandas.DataFrame
        Columns of `tables.TRACK_DTYPES`, in px.
    calibration : Calibration
        Positions are written in nm and s where these are known, else in pixel and frame.
    shape : (T, Y, X)
        Of the movie.
    source : str
        Name of the movie's file.

    Returns
    -------
    pathlib.Path
    """
    tracks = tracks.sort_values(["frame", "particle"], kind="stable", ignore_index=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in _lines(tracks, calibration, shape, source):
            file.write(line + "\n")
    return path


def _element(name: str, attributes: dict[str, Any], *, depth: int, open_: bool = False) -> str:
    """Return a start tag (`open_`) or an empty element with its attributes quoted."""
    pieces = [f"{key}={quoteattr(_text(value))}" for key, value in attributes.items()]
    return "  " * depth + f"<{' '.join([name, *pieces])}{'>' if open_ else ' />'}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def _lines(tracks: pd.DataFrame, calibration: Calibration, shape: tuple[int, int, int], source: str) -> Iterator[str]:
    units = {
        "spatialunits": "pixel" if calibration.pixel_size_nm is None else "nanometer",
        "timeunits": "frame" if calibration.frame_interval_s is None else "second",
    }
    columns = {theirs: ours for theirs, ours in FEATURES.items() if ours in tracks}
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield _element("TrackMate", {"version": "7.11.1"}, depth=0, open_=True)
    yield _element("Model", units, depth=1, open_=True)
    yield from _declarations(columns)
    yield from _spots(tracks, columns, calibration)
    yield from _tracks(tracks, calibration)
    yield "  </Model>"
    yield from _settings(calibration, shape, source)
    yield "</TrackMate>"


def _declarations(columns: dict[str, str]) -> Iterator[str]:
    spots = {
        name: (_DIMENSIONS.get(ours, "NONE"), ours in _WHOLE)
        for name, ours in ({"RADIUS": "radius", "QUALITY": "confidence"} | columns).items()
    }
    spots |= {"POSITION_Z": ("POSITION", False), "POSITION_T": ("TIME", False), "VISIBILITY": ("NONE", True)}
    edges = {"SPOT_SOURCE_ID": ("NONE", True), "SPOT_TARGET_ID": ("NONE", True)}
    edges |= {"LINK_COST": ("COST", False), "DISPLACEMENT": ("LENGTH", False)}
    tracks = dict.fromkeys(("TRACK_INDEX", "TRACK_ID", "NUMBER_SPOTS", "NUMBER_GAPS"), ("NONE", True))
    tracks |= dict.fromkeys(("TRACK_DURATION", "TRACK_START", "TRACK_STOP"), ("TIME", False))
    yield "    <FeatureDeclarations>"
    for kind, features in (("SpotFeatures", spots), ("EdgeFeatures", edges), ("TrackFeatures", tracks)):
        yield f"      <{kind}>"
        for name, (dimension, whole) in features.items():
            text = name.removeprefix("LPTEM_").replace("_", " ").capitalize()
            feature = {"feature": name, "name": text, "shortname": text, "dimension": dimension, "isint": whole}
            yield _element("Feature", feature, depth=4)
        yield f"      </{kind}>"
    yield "    </FeatureDeclarations>"


def _scaled(tracks: pd.DataFrame, ours: str, size: float) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tracks[ours].to_numpy(dtype=float)
    return values * (size if ours in LENGTHS else size**2 if ours == "area" else 1.0)


def _spots(tracks: pd.DataFrame, columns: dict[str, str], calibration: Calibration) -> Iterator[str]:
    units = calibration.units
    values = {theirs: _scaled(tracks, ours, units.nm_per_px) for theirs, ours in columns.items()}
    # TrackMate cannot draw a spot without radius, nor filter one without quality
    for name, fallback in (("RADIUS", units.nm_per_px), ("QUALITY", 1.0)):
        found = values.get(name, np.full(len(tracks), np.nan))
        values[name] = np.where(np.isfinite(found), found, fallback)
    frames = tracks["frame"].to_numpy()
    yield _element("AllSpots", {"nspots": len(tracks)}, depth=2, open_=True)
    for frame in np.unique(frames):
        yield _element("SpotsInFrame", {"frame": frame}, depth=3, open_=True)
        for row in range(*np.searchsorted(frames, [frame, frame + 1])):
            spot: dict[str, Any] = {"ID": row, "name": f"ID{row}", "VISIBILITY": 1, "POSITION_Z": 0.0}
            spot["POSITION_T"] = float(frame * units.s_per_frame)
            for name, column in values.items():
                if np.isfinite(column[row]):
                    spot[name] = int(column[row]) if FEATURES[name] in _WHOLE else column[row]
            yield _element("Spot", spot, depth=4)
        yield "      </SpotsInFrame>"
    yield "    </AllSpots>"


def _tracks(tracks: pd.DataFrame, calibration: Calibration) -> Iterator[str]:
    units = calibration.units
    ids: list[int] = []
    xy = tracks[["x", "y"]].to_numpy(dtype=float) * units.nm_per_px
    frame = tracks["frame"].to_numpy()
    yield "    <AllTracks>"
    for particle, rows in tracks.groupby("particle", sort=True).indices.items():
        if len(rows) < 2:
            continue  # a TrackMate track has at least one link; the spot keeps its number in LPTEM_PARTICLE
        start, stop = float(frame[rows[0]] * units.s_per_frame), float(frame[rows[-1]] * units.s_per_frame)
        track = {"name": f"Track_{particle}", "TRACK_INDEX": len(ids), "TRACK_ID": particle, "NUMBER_SPOTS": len(rows)}
        track |= {"NUMBER_GAPS": int((np.diff(frame[rows]) > 1).sum())}
        track |= {"TRACK_DURATION": stop - start, "TRACK_START": start, "TRACK_STOP": stop}
        yield _element("Track", track, depth=3, open_=True)
        for a, b in zip(rows[:-1], rows[1:]):
            step = float(np.linalg.norm(xy[b] - xy[a]))
            edge = {"SPOT_SOURCE_ID": a, "SPOT_TARGET_ID": b, "LINK_COST": step**2, "DISPLACEMENT": step}
            yield _element("Edge", edge, depth=4)
        yield "      </Track>"
        ids.append(int(str(particle)))
    yield "    </AllTracks>"
    yield "    <FilteredTracks>"
    yield from (_element("TrackID", {"TRACK_ID": particle}, depth=3) for particle in ids)
    yield "    </FilteredTracks>"


def _settings(calibration: Calibration, shape: tuple[int, int, int], source: str) -> Iterator[str]:
    n_frames, height, width = shape
    size, interval = calibration.units.nm_per_px, calibration.units.s_per_frame
    image: dict[str, Any] = {"filename": Path(source).name, "folder": str(Path(source).parent) if source else ""}
    image |= {"width": width, "height": height, "nslices": 1, "nframes": n_frames}
    image |= {"pixelwidth": float(size), "pixelheight": float(size), "voxeldepth": 1.0, "timeinterval": float(interval)}
    area = {"xstart": 0, "xend": width - 1, "ystart": 0, "yend": height - 1, "zstart": 0, "zend": 0, "tstart": 0}
    yield "  <Settings>"
    yield _element("ImageData", image, depth=2)
    yield _element("BasicSettings", area | {"tend": n_frames - 1}, depth=2)
    detector = {"DETECTOR_NAME": "MANUAL_DETECTOR", "RADIUS": 5.0 * size, "TARGET_CHANNEL": 1}
    yield _element("DetectorSettings", detector, depth=2)
    yield _element("InitialSpotFilter", {"feature": "QUALITY", "value": -1.0, "isabove": True}, depth=2)
    yield _element("SpotFilterCollection", {}, depth=2)
    yield _element("TrackerSettings", {"TRACKER_NAME": "MANUAL_TRACKER"}, depth=2)
    yield _element("TrackFilterCollection", {}, depth=2)
    yield "  </Settings>"
