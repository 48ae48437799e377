"""Tables for napari: points that it opens itself, tracks that our reader opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.run import Run, open_run, write_csv

LayerData = tuple[Any, dict[str, Any], str]


def write_napari(folder: Path, tracks: pd.DataFrame) -> list[Path]:
    """Write ``points.csv`` (napari's own form) and ``tracks.csv`` (columns of a Tracks layer).

    Parameters
    ----------
    folder : pathlib.Path
    tracks : pandas.DataFrame
        In px and frames.

    Returns
    -------
    list of pathlib.Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    axes = {"axis-0": tracks["frame"].astype(float), "axis-1": tracks["y"], "axis-2": tracks["x"]}
    points = pd.DataFrame({"index": np.arange(len(tracks), dtype=float), **axes})
    rest = tracks.sort_values(["particle", "frame"], kind="stable")
    write_csv(folder / "points.csv", points)
    write_csv(
        folder / "tracks.csv",
        rest[["particle", "frame", "y", "x", *rest.columns.difference(["particle", "frame", "y", "x"])]],
    )
    return [folder / "points.csv", folder / "tracks.csv"]


def layers(run: Run) -> list[LayerData]:
    """Return a run as napari's layers: the movie where it is at hand, the tracks, and the events.

    Parameters
    ----------
    run : Run

    Returns
    -------
    list of (data, options, kind)
        As napari's reader plugins give them.
    """
    scale = [1.0, run.calibration.units.nm_per_px, run.calibration.units.nm_per_px]
    tracks = run.tracks.sort_values(["particle", "frame"], kind="stable")
    features = tracks[["confidence", "radius"]] if {"confidence", "radius"} <= set(tracks) else None
    options: dict[str, Any] = {"name": "tracks", "scale": scale}
    if features is not None:
        options["features"] = features.reset_index(drop=True)
    out: list[LayerData] = [(tracks[["particle", "frame", "y", "x"]].to_numpy(dtype=float), options, "tracks")]
    if (run.path / "events.csv").exists() and len(run.events):
        places = run.events[["frame", "y", "x"]].to_numpy(dtype=float)
        kinds = {"kind": run.events["kind"].to_numpy()}
        out.append(
            (
                places,
                {"name": "events", "scale": scale, "features": kinds, "size": 20, "face_color": "transparent"},
                "points",
            )
        )
    return out


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return napari's reader for a run folder, or None for anything else."""
    folder = Path(path if isinstance(path, str) else path[0])
    if not (folder.is_dir() and (folder / "tracks.parquet").exists()):
        return None
    return lambda chosen: layers(open_run(chosen if isinstance(chosen, str) else chosen[0]))
