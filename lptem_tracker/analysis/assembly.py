"""Front door of assembly: events, structure, kinetics and population from one tracks table."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lptem_tracker.analysis.bodies import Bodies, bodies_from_tracks
from lptem_tracker.analysis.bond_evidence import keep_held
from lptem_tracker.analysis.clusters import History, follow_clusters
from lptem_tracker.analysis.contacts import (
    Bonds,
    ContactRule,
    NearPairs,
    contact_rule,
    find_bonds,
    near_pairs,
)
from lptem_tracker.analysis.events import build_events, is_rejected
from lptem_tracker.analysis.fates import Fates, find_fates
from lptem_tracker.analysis.growth import growth_table, ripening
from lptem_tracker.analysis.joint_motion import measure_offset
from lptem_tracker.analysis.kinetics import cluster_table, frame_step, measure_kinetics
from lptem_tracker.analysis.lifetimes import bond_lifetimes
from lptem_tracker.analysis.noise import Noise, estimate_noise, noise_of, stated_error
from lptem_tracker.analysis.population import particle_sizes, summarise
from lptem_tracker.analysis.structure import measure_structure
from lptem_tracker.tables import validate_tracks

if TYPE_CHECKING:
    from lptem_tracker.calibration import Calibration
    from lptem_tracker.settings import EventSettings

OFFSET_SHARE = 0.5  # of the median radius: how far surfaces that touch may seem to be apart


@dataclass(frozen=True)
class AssemblyResult:
    """What `measure_assembly` returns.

    Attributes
    ----------
    events : pandas.DataFrame
        The events table, in px and frames; further columns: `angle` (rad between two rods or
        facets at attachment, NaN for round particles), `survivor` (who carries on after a coalescence).
    particles : pandas.DataFrame
        One row a particle: `particle`, size, shape, growth and fate.
    structure, kinetics, population : dict
        Ready for JSON.
    warnings : list of str
        Reservations, each with its reason.
    clusters : pandas.DataFrame or None
        Clusters in every frame where `kinetics` has them of every so many-th only.
    """

    events: pd.DataFrame
    particles: pd.DataFrame
    structure: dict[str, Any] = field(default_factory=dict)
    kinetics: dict[str, Any] = field(default_factory=dict)
    population: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    clusters: pd.DataFrame | None = None


@dataclass(frozen=True)
class Assembly:
    """All that later figures are made from, in px and frames; `n_doubtful` contacts are claimed as no bonds."""

    bodies: Bodies
    noise: Noise
    rule: ContactRule
    bonds: Bonds
    fates: Fates
    history: History
    n_doubtful: int = 0

    def events(self) -> pd.DataFrame:
        """Return the events table."""
        return build_events(self.bodies, self.bonds, self.fates, self.history)


def assemble(
    table: pd.DataFrame,
    settings: EventSettings,
    *,
    field_px: tuple[float, float] | None = None,
    n_frames: int | None = None,
    first_frame: int | None = None,
) -> Assembly:
    """Find contacts, fates and clusters of a validated tracks table; parameters as in `measure_assembly`."""
    bodies = bodies_from_tracks(table, field_px=field_px, n_frames=n_frames, first_frame=first_frame)
    return assemble_bodies(bodies, estimate_noise(bodies, table), settings)


def assemble_bodies(bodies: Bodies, noise: Noise, settings: EventSettings) -> Assembly:
    """Find contacts, fates and clusters of rows that were read already."""
    rule, near = _rule(bodies, settings, noise)
    fates = find_fates(bodies, rule, noise, settings)
    bonds, n_doubtful = keep_held(bodies, find_bonds(bodies, near, rule), noise, rule, fates.mergers)
    history = follow_clusters(bodies, bonds, fates, rule.min_contact_frames, rule.min_separation_frames)
    return Assembly(bodies, noise, rule, bonds, fates, history, n_doubtful)


def _rule(bodies: Bodies, settings: EventSettings, noise: Noise) -> tuple[ContactRule, NearPairs]:
    """Thresholds, counted from the gap that pairs in contact seem to keep, and the pairs within them."""
    known = bodies.half_width[np.isfinite(bodies.half_width)]
    rule = contact_rule(bodies, settings, noise)
    if settings.contact_on_px is not None or len(known) == 0:
        return rule, near_pairs(bodies, rule.off_px)
    near = near_pairs(bodies, max(rule.off_px, OFFSET_SHARE * float(np.median(known))))
    rule = contact_rule(bodies, settings, noise, measure_offset(bodies, noise, near))
    return rule, near.within(rule.off_px) if rule.off_px <= near.reach_px else near_pairs(bodies, rule.off_px)


def measure_assembly(
    tracks: pd.DataFrame,
    calibration: Calibration,
    settings: EventSettings,
    *,
    field_px: tuple[float, float] | None = None,
    n_frames: int | None = None,
    first_frame: int | None = None,
    rejected: pd.DataFrame | None = None,
) -> AssemblyResult:
    """Measure contacts, events, kinetics, structure and population of one movie.

    Parameters
    ----------
    tracks : pandas.DataFrame
        `particle, frame, x, y` in px and, where known, `observed, radius, width, height, angle, area,
        outline, x_std, y_std, drift_x, drift_y, merged_into`. Without radii the events that need none
        still come, and the warnings name the others.
    calibration : Calibration
        Scale and timing; without it figures are in px and frames, as their names say.
    settings : EventSettings
    field_px : tuple of float, optional
        (width, height) of the field of view; by default estimated from the positions, with a warning.
    n_frames : int, optional
        Frames in the movie; by default up to the last one with a particle.
    first_frame : int, optional
        First frame that was looked at; by default that of the table, unless one particle alone begins there.
    rejected : pandas.DataFrame, optional
        Events (`kind, frame, particle_a, particle_b`) that a person has rejected; clusters, kinetics and fates are
        then those without them.

    Returns
    -------
    AssemblyResult

    Raises
    ------
    TableError
        A column is missing or malformed.
    """
    table = validate_tracks(tracks)
    bodies = bodies_from_tracks(table, field_px=field_px, n_frames=n_frames, first_frame=first_frame)
    sizes, stated = particle_sizes(bodies, table, calibration), stated_error(table)
    del tracks, table  # a long movie's would stay beside all that follows
    found = assemble_bodies(bodies, noise_of(bodies, stated), settings)
    events = found.events()
    out = is_rejected(events, rejected)
    if out.any():
        found = _without(found, events, out)
        events = found.events()
    growth = growth_table(bodies, found.fates, calibration)
    structure, warnings = measure_structure(bodies, found.history, calibration)
    return AssemblyResult(
        events,
        sizes.merge(growth, on="particle"),
        structure,
        _kinetics(found, growth, calibration),
        summarise(sizes[bodies.is_real]),
        [*_warnings(found), *warnings],
        cluster_table(found.history) if frame_step(found.history) > 1 and _has_sizes(found) else None,
    )


def _has_sizes(found: Assembly) -> bool:
    return bool(np.isfinite(found.bodies.radius).any())


def _without(found: Assembly, events: pd.DataFrame, rejected: npt.NDArray[np.bool_]) -> Assembly:
    """Take rejected events back, with the bonds, coalescences and fates behind them, and follow the clusters anew.

    A bond whose beginning is rejected and whose end is not was there before; with both rejected there was none.
    """
    ids, bonds, fates = found.bodies.ids, found.bonds, found.fates
    listed = [
        (kind, int(frame), frozenset(int(k) for k in pair if not pd.isna(k)))
        for kind, frame, *pair in events[["kind", "frame", "particle_a", "particle_b"]].itertuples(index=False)
    ]
    gone = {key for key, out in zip(listed, rejected) if out}
    standing = set(listed) - gone

    def is_in(keys: set[tuple[str, int, frozenset[int]]], kind: str, frame: int, *particles: int) -> bool:
        return (kind, int(frame), frozenset(int(ids[k]) for k in particles)) in keys

    pairs = list(zip(bonds.a, bonds.b))
    unformed = np.array([is_in(gone, "attach", f, *pair) for f, pair in zip(bonds.start, pairs)], bool)
    parted = np.array([is_in(standing, "detach", f, *pair) for f, pair in zip(bonds.end, pairs)], bool)
    bonds = replace(bonds, formed=bonds.formed & ~unformed)
    bonds = Bonds(*(getattr(bonds, part.name)[~unformed | parted] for part in fields(Bonds)))
    fates = replace(
        fates,
        single=[f for f in fates.single if not is_in(gone, f.kind, f.frame, f.particle)],
        mergers=[m for m in fates.mergers if not is_in(gone, "coalesce", m.frame, m.a, m.b)],
    )
    rule = found.rule
    history = follow_clusters(found.bodies, bonds, fates, rule.min_contact_frames, rule.min_separation_frames)
    joinings = [event for event in history.joinings if not is_in(gone, event.kind, event.frame, event.a, event.b)]
    return replace(found, bonds=bonds, fates=fates, history=replace(history, joinings=joinings))


def _kinetics(found: Assembly, growth: pd.DataFrame, calibration: Calibration) -> dict[str, Any]:
    rule, scale = found.rule, calibration.units.nm_per_px
    unit = calibration.units.length
    out: dict[str, Any] = {
        "contact": {
            f"on_{unit}": rule.on_px * scale, f"off_{unit}": rule.off_px * scale,
            f"gap_std_{unit}": rule.gap_std_px * scale, f"gap_offset_{unit}": rule.offset_px * scale,
            "gap_offset_pairs": rule.offset_pairs,
            "min_contact_frames": rule.min_contact_frames, "min_separation_frames": rule.min_separation_frames,
        }
    }  # fmt: skip
    if not _has_sizes(found):
        return out
    out.update(measure_kinetics(found.history, calibration, found.bodies.field))
    out["bond_lifetimes"] = bond_lifetimes(found.bonds, calibration, rule.min_contact_frames)
    out.update(ripening(found.bodies, found.fates, growth, calibration))
    out["fates"] = {str(k): int(v) for k, v in growth["fate"][found.bodies.is_real].value_counts().items()}
    return out


def _warnings(found: Assembly) -> list[str]:
    bodies = found.bodies
    out = []
    unknown = ~np.isfinite(bodies.radius)
    if unknown.all():
        out.append(
            "No radii: attach, detach, coalesce, nucleate and dissolve events, clusters, growth and sizes are not "
            "possible; enter and leave still are. Give a column radius (px)."
        )
    elif unknown.any():
        n = len(np.unique(bodies.particle[unknown]))
        out.append(f"{n} of {len(bodies.ids)} particles have no radius: contacts, size and growth leave them out.")
    if found.rule.offset_px:
        what = "small" if found.rule.offset_px > 0 else "large"
        out.append(
            f"Pairs that move as one ({found.rule.offset_pairs}) keep surfaces {found.rule.offset_px:.1f} px apart by "
            f"their radii, which therefore look too {what}; contacts count from that gap."
        )
    if found.n_doubtful:
        out.append(
            f"{found.n_doubtful} contacts may be bonds or particles that only stay beside one another: they move too "
            "little, or too briefly, for the difference to show, and are claimed neither as attached nor as detached."
        )
    if (step := frame_step(found.history)) > 1 and _has_sizes(found):
        out.append(
            f"The movie is long: the summary tells the clusters of one frame in {step} (kinetics, frame_step); "
            "clusters.csv of a run folder has all frames."
        )
    if not bodies.field_known:
        out.append(
            f"The field of view is not known; {bodies.field[0]:.0f} × {bodies.field[1]:.0f} px from "
            f"({bodies.origin[0]:.0f}, {bodies.origin[1]:.0f}) up to the farthest positions stand for it in g(r) and "
            "in what enters and leaves. Give --field-px."
        )
    return out
