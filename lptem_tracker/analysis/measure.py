"""Tracks → everything measured of them: motion, size and shape, events, structure, kinetics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.analysis.motion import motion_of
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import TableError
from lptem_tracker.settings import Settings
from lptem_tracker.tables import EVENT_DTYPES, FRAME, OBSERVED, PARTICLE, empty_table, rises, validate_tracks

MOTION_COLUMNS = (
    "particle", "frame", "observed", "x", "y", "x_std", "y_std", "angle", "link_confidence", "drift_x", "drift_y",
)  # fmt: skip
"""The columns of a tracks table that motion is measured from."""

ASSEMBLY_COLUMNS = (
    "particle", "frame", "observed", "x", "y", "x_std", "y_std", "width", "height", "angle", "area", "radius",
    "circularity", "merged_into", "outline",
)  # fmt: skip
"""Those that size, contacts and events are."""

Reader = Callable[[Sequence[str]], pd.DataFrame]
"""Returns those of some columns that the tracks have, of all rows that count."""

MOST_STEP, MOST_FRAMES = 20, 100_000_000


@dataclass(frozen=True)
class Measurement:
    """What was measured of a set of tracks.

    Attributes
    ----------
    particles : pandas.DataFrame
        One row a particle; units are in the column names, blank where it cannot be estimated.
    msd : pandas.DataFrame
        Mean-square displacement against lag, per particle and for the ensemble.
    events : pandas.DataFrame
        The events table; positions in px.
    summary : dict
        Pooled results (`ensemble`), `structure`, `kinetics`, `population` and `quality`.
    clusters : pandas.DataFrame or None
        Clusters in every frame, of a movie too long for the summary to tell them all.
    """

    particles: pd.DataFrame
    msd: pd.DataFrame
    events: pd.DataFrame
    summary: dict[str, Any] = field(default_factory=dict)
    clusters: pd.DataFrame | None = None


def measure(
    tracks: pd.DataFrame,
    calibration: Calibration | None = None,
    *,
    settings: Settings | None = None,
    field_px: tuple[int, int] | None = None,
    n_frames: int | None = None,
    first_frame: int | None = None,
    rejected_events: pd.DataFrame | None = None,
) -> Measurement:
    """Measure motion, size, events and structure of any table of tracks.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Columns `particle, frame, x, y`, positions in px; where present also `observed, x_std, y_std,
        radius, width, height, angle, drift_x, drift_y, link_confidence`. Rows with `observed` False
        are never used.
    calibration : Calibration, optional
        Without it results are in px and frames, and the column names say so.
    settings : Settings, optional
    field_px : tuple of int, optional
        (width, height) of the field of view in px; a table does not know it.
    n_frames : int, optional
        Frames in the movie; by default up to the last one with a particle.
    first_frame : int, optional
        First frame that was looked at: particles there began before. By default the first of the table, or 0 where one
        particle alone begins there.
    rejected_events : pandas.DataFrame, optional
        Events that a person has rejected (`kind, frame, particle_a, particle_b`); they are left out.

    Returns
    -------
    Measurement

    Raises
    ------
    TableError
        A column is missing or malformed, there is no row, or the frames are no frame numbers.
    """
    table = validate_tracks(tracks)
    if (table[PARTICLE] < 0).any():
        table = table[table[PARTICLE] >= 0]
    if table.empty or not table[OBSERVED].any():
        raise TableError("The tracks table holds no observed position; there is nothing to measure.")
    return measure_columns(
        lambda names: table[[name for name in names if name in table.columns]],
        calibration,
        settings=settings,
        field_px=field_px,
        n_frames=n_frames,
        first_frame=first_frame,
        rejected_events=rejected_events,
    )


def measure_columns(
    read: Reader,
    calibration: Calibration | None = None,
    *,
    settings: Settings | None = None,
    field_px: tuple[int, int] | None = None,
    n_frames: int | None = None,
    first_frame: int | None = None,
    rejected_events: pd.DataFrame | None = None,
) -> Measurement:
    """Do what `measure` does, with the columns read when they are needed and let go of afterwards.

    Parameters
    ----------
    read : callable
        Given names of columns it returns those that the tracks have, as `validate_tracks` leaves them, with at least
        one observed row.
    calibration : Calibration, optional
    settings : Settings, optional
    field_px, n_frames, first_frame, rejected_events
        As of `measure`.

    Returns
    -------
    Measurement

    Raises
    ------
    TableError
        The frames are no frame numbers.
    """
    settings = settings or Settings()
    calibration = calibration or Calibration()
    table = read(MOTION_COLUMNS)
    _check_frames(table)
    n_particles = int(table[PARTICLE].nunique())
    every = build_trackset(table)
    del table  # a long movie's would stay beside all that is made of it
    motion = motion_of(every, calibration, settings.motion)
    del every
    assembly = measure_assembly(
        read(ASSEMBLY_COLUMNS),
        calibration,
        settings.events,
        field_px=field_px,
        n_frames=n_frames,
        first_frame=first_frame,
        rejected=rejected_events,
    )
    extra = [name for name in assembly.particles if name == PARTICLE or name not in motion.particles]
    particles = motion.particles.merge(assembly.particles[extra], on=PARTICLE, how="left")
    summary = {
        "units": {"length": calibration.units.length, "time": calibration.units.time},
        "n_particles": n_particles,
        "ensemble": motion.ensemble,
        "structure": assembly.structure,
        "kinetics": assembly.kinetics,
        "population": assembly.population,
        "quality": {"warnings": [*motion.warnings, *assembly.warnings]},
        "methods": motion.methods,
    }
    return Measurement(particles, motion.msd, assembly.events, summary, assembly.clusters)


def _check_frames(table: pd.DataFrame) -> None:
    """Refuse times in place of frame numbers: every frame between would be looked at as one that was missed."""
    ids, frame = table[PARTICLE].to_numpy(), table[FRAME].to_numpy()
    if not table[OBSERVED].all():
        seen = table[OBSERVED].to_numpy()
        ids, frame = ids[seen], frame[seen]
    if not rises(ids, frame):
        order = np.lexsort((frame, ids))
        ids, frame = ids[order], frame[order]
    steps = np.diff(frame)[np.diff(ids) == 0]
    step = float(np.median(steps)) if len(steps) else 0.0
    if step > MOST_STEP:
        raise TableError(
            f"The frames of a particle usually follow each other; here they go up by {step:g}. Divide the column frame "
            f"by {step:g} so that it counts frames, and let --frame-interval-s be the time from one to the next."
        )
    if frame.max() >= MOST_FRAMES:
        raise TableError(
            f"The column frame counts frames, at most {MOST_FRAMES:g}; frame {frame.max()} was found. "
            "Remove the row, or number the frames from 0."
        )


def nothing_measured(calibration: Calibration, reason: str) -> Measurement:
    """Return tables of no rows, with the columns that results with this calibration have.

    Parameters
    ----------
    calibration : Calibration
    reason : str
        The sentence that stands in the quality warnings.

    Returns
    -------
    Measurement
    """
    units = calibration.units
    length, diffusion = units.length, units.diffusion
    numbers = (
        f"D_{diffusion} D_ci_low D_ci_high localization_{length} alpha alpha_ci_low alpha_ci_high "
        f"v_{units.speed} Dr_rad2_{units.time} radius_{length} aspect_ratio circularity"
    )
    particles = {"particle": "int64", "frame_first": "int64", "frame_last": "int64", "n_observed": "int64"}
    particles |= {"motion": "object", "change_points": "object"} | dict.fromkeys(numbers.split(), "float64")
    msd = {"particle": "Int64", "lag_frames": "int64", f"lag_{units.time}": "float64", f"msd_{length}2": "float64"}
    msd |= {f"msd_std_{length}2": "float64", "n_pairs": "int64"}
    summary: dict[str, Any] = {
        "units": {"length": length, "time": units.time},
        "n_particles": 0,
        **{name: {} for name in ("ensemble", "structure", "kinetics", "population")},
        "quality": {"warnings": [reason]},
    }
    return Measurement(empty_table(particles), empty_table(msd), empty_table(EVENT_DTYPES), summary)
