"""Front door of assembly: events, structure, kinetics and population from one tracks table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lptem_tracker.tables import EVENT_DTYPES, empty_table, validate_tracks

if TYPE_CHECKING:
    import pandas as pd

    from lptem_tracker.calibration import Calibration
    from lptem_tracker.settings import EventSettings


@dataclass(frozen=True)
class AssemblyResult:
    """What `measure_assembly` returns.

    Attributes
    ----------
    events : pandas.DataFrame
        The events table, in px and frames; further columns: `angle` (rad between two rods at
        attachment, NaN for round particles), `survivor` (who carries on after a coalescence).
    particles : pandas.DataFrame
        One row a particle: `particle`, size, shape, growth and fate.
    structure, kinetics, population : dict
        Ready for JSON.
    warnings : list of str
        Reservations, each with its reason.
    """

    events: pd.DataFrame
    particles: pd.DataFrame
    structure: dict[str, Any] = field(default_factory=dict)
    kinetics: dict[str, Any] = field(default_factory=dict)
    population: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def measure_assembly(
    tracks: pd.DataFrame,
    calibration: Calibration,
    settings: EventSettings,
    *,
    field_px: tuple[float, float] | None = None,
    n_frames: int | None = None,
    rejected: pd.DataFrame | None = None,
) -> AssemblyResult:
    """Measure contacts, events, kinetics, structure and population of one movie."""
    table = validate_tracks(tracks)
    particles = table[["particle"]].drop_duplicates().reset_index(drop=True)
    return AssemblyResult(empty_table(EVENT_DTYPES), particles)
