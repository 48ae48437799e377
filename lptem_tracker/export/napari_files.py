"""Tables for napari: points that it opens itself, and the columns of a tracks layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lptem_tracker.run import write_csv


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
