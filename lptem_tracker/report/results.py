"""A run as the page needs it: every table there, empty where the run has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from lptem_tracker.calibration import Calibration
from lptem_tracker.report.paths import Paths, detections_per_frame, read_paths
from lptem_tracker.run import Run
from lptem_tracker.tables import EVENT_DTYPES, empty_table

MOST_FRAME_POINTS = 4000


@dataclass
class Results:
    """The tables and summaries of a run.

    Attributes
    ----------
    paths : Paths
        Where the measured particles were.
    detected : pandas.Series or None
        Detections of each frame that has any.
    particles, msd, events : pandas.DataFrame
        Empty where the run has none.
    summary, record : dict
    calibration : Calibration
    level : float
        Level of the intervals.
    missing : list of str
        Files of a full run that this one has not.
    """

    paths: Paths
    detected: pd.Series[int] | None
    particles: pd.DataFrame
    msd: pd.DataFrame
    events: pd.DataFrame
    summary: dict[str, Any]
    record: dict[str, Any]
    calibration: Calibration
    level: float = 0.95
    missing: list[str] = field(default_factory=list)

    @property
    def tracks(self) -> pd.DataFrame:
        """Linked positions, sorted by particle and frame, with `observed`; thinned where there are very many."""
        return self.paths.rows

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
        """One more than the last frame analysed, or than the last one with a particle."""
        movie = self.record.get("movie") or {}
        if movie.get("frames") or movie.get("shape"):
            return int(movie["frames"][1] if movie.get("frames") else movie["shape"][0])
        return int(self.paths.counts.index.max()) + 1 if len(self.paths.counts) else 1

    @property
    def first_frame(self) -> int:
        """First frame that was analysed."""
        frames = (self.record.get("movie") or {}).get("frames")
        return int(frames[0]) if frames else 0

    @property
    def shown_frames(self) -> range:
        """Frames that have a point in plots against time."""
        return range(self.first_frame, self.n_frames, shown_every(self.n_frames - self.first_frame))


def shown_every(n_frames: int) -> int:
    """Return the step by which so many frames are thinned to `MOST_FRAME_POINTS`."""
    return max(1, -(-n_frames // MOST_FRAME_POINTS))


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
    return Results(
        paths=read_paths(run),
        detected=detections_per_frame(run) if have["detections.parquet"] else None,
        particles=run.particles if have["particles.csv"] else pd.DataFrame({"particle": pd.Series(dtype="int64")}),
        msd=run.msd if have["msd.csv"] else pd.DataFrame({"particle": pd.Series(dtype="int64")}),
        events=run.events.reset_index(drop=True) if have["events.csv"] else empty_table(EVENT_DTYPES),
        summary=run.summary,
        record=run.record,
        calibration=run.calibration,
        level=run.settings.motion.confidence_level,
        missing=[name for name, there in have.items() if not there],
    )
