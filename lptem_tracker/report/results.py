"""A run as the page needs it: every table there, empty where the run has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from lptem_tracker.calibration import Calibration
from lptem_tracker.report.listed import MOST_EVENTS, MOST_PARTICLES, read_events, read_particles
from lptem_tracker.report.msd_curves import Curve, curve_columns, ensemble_curve
from lptem_tracker.report.paths import Paths, detections_per_frame, read_paths
from lptem_tracker.run import Run, read_csv_blocks
from lptem_tracker.tables import EVENT_DTYPES, PARTICLE, empty_table

MOST_FRAME_POINTS = 4000
MOST_CURVE_ROWS = 200_000
"""Rows of the MSD table that are held; of a longer one only those of the particles that are listed."""


@dataclass
class Results:
    """The tables and summaries of a run.

    Attributes
    ----------
    paths : Paths
        Where the measured particles were.
    detected : pandas.Series or None
        Detections of each frame that has any.
    particles : pandas.DataFrame
        All that were measured, with what distributions are drawn of; empty where the run has none.
    listed : pandas.DataFrame
        Those that the page lists, with all that was measured of them.
    msd : pandas.DataFrame
        The curves of those; `mean_msd` is the curve of all, None where there is none.
    events : pandas.DataFrame
        Those that the page lists; `n_events` counts all of each kind.
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
    listed: pd.DataFrame
    msd: pd.DataFrame
    mean_msd: Curve | None
    events: pd.DataFrame
    n_events: pd.Series[int]
    summary: dict[str, Any]
    record: dict[str, Any]
    calibration: Calibration
    level: float = 0.95
    missing: list[str] = field(default_factory=list)

    @property
    def tracks(self) -> pd.DataFrame:
        """Positions of the particles that are listed, by particle and frame, with `observed`; thinned where many."""
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
    nobody = pd.DataFrame({PARTICLE: pd.Series(dtype="int64")})
    particles, listed = nobody, nobody
    if have["particles.csv"]:
        particles, listed = read_particles(run.path / "particles.csv", MOST_PARTICLES)
    some = len(particles) > 0
    paths = read_paths(
        run,
        measured=particles[PARTICLE] if some else None,
        listed=listed[PARTICLE] if some else None,
        most_particles=MOST_PARTICLES,
    )
    msd, mean = (nobody, None)
    if have["msd.csv"]:
        msd, mean = read_curves(run, listed[PARTICLE] if some else pd.Series(paths.rows[PARTICLE].unique()))
    events, n_events = empty_table(EVENT_DTYPES), pd.Series(dtype="int64")
    if have["events.csv"]:
        events, n_events = read_events(run.path / "events.csv", MOST_EVENTS)
    return Results(
        paths=paths,
        detected=detections_per_frame(run) if have["detections.parquet"] else None,
        particles=particles,
        listed=listed,
        msd=msd,
        mean_msd=mean,
        events=events,
        n_events=n_events,
        summary=run.summary,
        record=run.record,
        calibration=run.calibration,
        level=run.settings.motion.confidence_level,
        missing=[name for name, there in have.items() if not there],
    )


def read_curves(run: Run, listed: pd.Series[int]) -> tuple[pd.DataFrame, Curve | None]:
    """Return the MSD of the particles that are listed, and the mean curve of all; None where there is nothing.

    Raises
    ------
    InputError
        The table cannot be read.
    """
    path = run.path / "msd.csv"
    kept, n = [], 0
    for block in read_csv_blocks(path):
        n += len(block)
        kept.append(block[block[PARTICLE].isin(listed)] if n > MOST_CURVE_ROWS else block)
    if n > MOST_CURVE_ROWS:
        kept = [block[block[PARTICLE].isin(listed)] for block in kept]
    rows = pd.concat([block for block in kept if len(block)] or kept[:1], ignore_index=True)
    names = curve_columns(rows, run.calibration)
    if names is None or not n:
        return rows, None
    blocks = (lambda: [rows]) if n <= MOST_CURVE_ROWS else (lambda: read_csv_blocks(path))
    return rows, ensemble_curve(blocks, run.calibration)
