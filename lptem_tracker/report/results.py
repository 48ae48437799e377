"""A run as the page needs it: every table there, empty where the run has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from lptem_tracker.calibration import Calibration
from lptem_tracker.run import Run
from lptem_tracker.tables import EVENT_DTYPES, TRACK_DTYPES, empty_table

MOST_FRAME_POINTS = 4000


@dataclass
class Results:
    """The tables and summaries of a run.

    Attributes
    ----------
    tracks : pandas.DataFrame
        Linked positions, sorted by particle and frame, with `observed`.
    detections : pandas.DataFrame or None
    particles, msd, events : pandas.DataFrame
        Empty where the run has none.
    summary, record : dict
    calibration : Calibration
    level : float
        Level of the intervals.
    missing : list of str
        Files of a full run that this one has not.
    """

    tracks: pd.DataFrame
    detections: pd.DataFrame | None
    particles: pd.DataFrame
    msd: pd.DataFrame
    events: pd.DataFrame
    summary: dict[str, Any]
    record: dict[str, Any]
    calibration: Calibration
    level: float = 0.95
    missing: list[str] = field(default_factory=list)

    @property
    def ensemble(self) -> dict[str, Any]:
        """Pooled results."""
        return self.summary.get("ensemble") or {}

    @property
    def d_column(self) -> str:
        """Name of the column of D, with its unit."""
        return f"D_{self.calibration.units.diffusion}"

    @property
    def msd_unit(self) -> str:
        """Unit of the MSD as text."""
        return f"{self.calibration.units.length}²"

    @cached_property
    def n_frames(self) -> int:
        """Frames of the movie, or up to the last one with a particle."""
        shape = self.record.get("movie", {}).get("shape")
        if shape:
            return int(shape[0])
        return int(self.tracks["frame"].max()) + 1 if len(self.tracks) else 1

    @property
    def stride(self) -> int:
        """Frames for one point of a plot against time."""
        return max(1, self.n_frames // MOST_FRAME_POINTS)


def gather(run: Run) -> Results:
    """Read what a run folder holds.

    Raises
    ------
    InputError
        A file is there and cannot be read.
    """
    have = {
        name: (run.path / name).exists()
        for name in ("tracks.parquet", "particles.csv", "msd.csv", "events.csv", "detections.parquet")
    }
    tracks = run.tracks if have["tracks.parquet"] else empty_table(TRACK_DTYPES)
    if "observed" not in tracks:
        tracks = tracks.assign(observed=True)
    tracks = tracks[tracks["particle"] >= 0].sort_values(["particle", "frame"], kind="stable", ignore_index=True)
    return Results(
        tracks=tracks,
        detections=run.detections if have["detections.parquet"] else None,
        particles=run.particles if have["particles.csv"] else pd.DataFrame({"particle": pd.Series(dtype="int64")}),
        msd=run.msd if have["msd.csv"] else pd.DataFrame({"particle": pd.Series(dtype="int64")}),
        events=run.events.reset_index(drop=True) if have["events.csv"] else empty_table(EVENT_DTYPES),
        summary=run.summary,
        record=run.record,
        calibration=run.calibration,
        level=run.settings.motion.confidence_level,
        missing=[name for name, there in have.items() if not there],
    )
