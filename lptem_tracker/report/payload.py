"""What the page's script works on: tracks, tables, plots and pictures as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.report import figures, plots, steps
from lptem_tracker.report.msd_curves import particle_curves
from lptem_tracker.report.results import Results

MOST_POINTS = 350_000
PER_PX = 20  # positions are kept to a 20th of a pixel


def tracks_data(results: Results) -> dict[str, Any]:
    """Return the path of every particle that is listed as differences of whole numbers, which are short in JSON.

    Very long tables are thinned evenly so that the page stays small; ``stride`` says by how much.
    """
    tracks = results.tracks
    stride = max(1, -(-len(tracks) // MOST_POINTS))
    paths = []
    for particle, rows in tracks.groupby("particle"):
        frame = rows["frame"].to_numpy()
        keep = np.unique(np.concatenate([np.arange(0, len(rows), stride), [len(rows) - 1]]))
        x, y = (_differences(rows[a].to_numpy(float)[keep] * PER_PX) for a in ("x", "y"))
        path: dict[str, Any] = {"id": int(str(particle)), "f0": int(frame[0]), "x": x, "y": y}
        steps = np.diff(frame[keep])
        if (steps != 1).any():
            path["df"] = steps.tolist()
        gaps = np.flatnonzero(~rows["observed"].to_numpy(dtype=bool)[keep])
        if gaps.size:
            path["gaps"] = gaps.tolist()
        paths.append(path)
    return {"per_px": PER_PX, "stride": stride * results.paths.stride, "paths": paths}


def _differences(values: NDArray[np.float64]) -> list[int]:
    whole = np.round(values).astype(np.int64)
    steps: list[int] = np.diff(whole, prepend=0).tolist()
    return steps


def table_data(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table as its column names and one list a column; numbers with five digits."""
    columns: list[list[Any]] = []
    for name in table:
        column = table[name]
        if pd.api.types.is_bool_dtype(column.dtype):
            columns.append([bool(v) for v in column])
        elif pd.api.types.is_integer_dtype(column.dtype):
            columns.append([None if pd.isna(v) else int(v) for v in column])
        elif pd.api.types.is_numeric_dtype(column.dtype):
            columns.append(plots.numbers(column.to_numpy(dtype=float), 5))
        else:
            columns.append([None if pd.isna(v) else str(v) for v in column])
    return {"names": [str(name) for name in table], "columns": columns}


def msd_data(results: Results) -> dict[str, Any]:
    """Return each particle's MSD curve for the panel of the chosen particle."""
    curves = particle_curves(results.msd, results.calibration)
    return {str(c.particle): [plots.numbers(c.lag, 4), plots.numbers(c.value, 4)] for c in curves}


def plots_data(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the page's plots by section; a section without plots is an empty list."""
    return {
        "motion": [*figures.motion_plots(results), *steps.step_plots(results)],
        "size": figures.size_plots(results),
        "events": figures.event_plots(results),
        "structure": figures.structure_plots(results),
        "quality": figures.quality_plots(results),
    }


def video_data(path: Path) -> dict[str, Any] | None:
    """Return which frame an overlay shows when, read from the file itself; None where there is no overlay.

    Returns
    -------
    dict or None
        ``src``, ``first`` and ``step`` (frames of the pictures) and ``times`` (start of each picture in s;
        or ``fps`` where the pictures are evenly spaced).
    """
    if not path.exists():
        return None
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            note = json.loads(container.metadata.get("comment", "{}"))
            base = float(stream.time_base or 1)
            times = np.sort([packet.pts * base for packet in container.demux(stream) if packet.pts is not None])
    except (av.error.FFmpegError, ValueError, IndexError):
        return None
    if not len(times):
        return None
    out: dict[str, Any] = {
        "src": path.name,
        "first": int(note.get("frame_first", 0)),
        "step": int(note.get("frame_step", 1)),
    }
    out["n"] = len(times)
    steps = np.diff(times)
    if len(steps) and np.ptp(steps) < 0.2 * np.median(steps):
        out["fps"] = float(f"{1 / np.mean(steps):.6g}")
    else:
        out["times"] = plots.numbers(times, 6)
    return out
