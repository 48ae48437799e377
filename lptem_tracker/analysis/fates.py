"""How tracks begin and end: born, dissolved, in or out of the field, or two become one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies, median_filter
from lptem_tracker.analysis.coalescence import Merger, Split, find_mergers
from lptem_tracker.analysis.contacts import ContactRule
from lptem_tracker.analysis.fading import measure_fading
from lptem_tracker.analysis.noise import Noise
from lptem_tracker.settings import EventSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RESTART_FRAMES = 5
NUCLEUS_SHARE = 0.7  # first radius over its later maximum
REMNANT_SHARE = 0.55  # last radius over its maximum
FAINT_NUCLEUS_SHARE, FAINT_REMNANT_SHARE = 0.85, 0.85  # the same of particles that cross the detection limit
MIN_NUCLEUS_FRAMES = 10
BORDER_PX = 15.0


@dataclass(frozen=True)
class Fate:
    """A particle that begins or ends: kind, particle index, frame of the new state, score."""

    kind: str
    particle: int
    frame: int
    score: float


@dataclass(frozen=True)
class Fates:
    """All that begins, ends, merges, or comes back out of a shared blob."""

    single: list[Fate] = field(default_factory=list)
    mergers: list[Merger] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    lost: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Ends:
    """First and last rows of each particle and what surrounds them; all (P,)."""

    first_radius: Floats
    last_radius: Floats
    largest: Floats
    start_at_border: Bools
    end_at_border: Bools
    restarts: Bools
    continued: Bools


def find_fates(bodies: Bodies, rule: ContactRule, noise: Noise, settings: EventSettings) -> Fates:
    """Tell what each start and end of a track means.

    Parameters
    ----------
    bodies : Bodies
    rule : ContactRule
        The contact thresholds.
    noise : Noise
    settings : EventSettings

    Returns
    -------
    Fates
        Nucleation, dissolution, entering and leaving as `single`; `lost` are the indices of particles
        whose track ends inside the field for none of these reasons.
    """
    if len(bodies.ids) == 0:
        return Fates()
    mergers, splits = find_mergers(bodies, rule, noise)
    ends = _ends(bodies, noise, settings, mergers)
    first_frame, last_frame = bodies.frames
    alive = bodies.last - bodies.first + 1
    real = bodies.is_real
    begun = real & (bodies.first > first_frame) & ~ends.restarts
    begun[[m.survivor for m in mergers if m.fresh]] = False
    begun[[s.fresh for s in splits]] = False
    ended = real & (bodies.last < last_frame) & ~ends.continued
    ended[[k for m in mergers for k in m.gone]] = False
    growth = ends.first_radius / ends.largest
    # a particle missed in the first frames of the movie has no past to tell it from a nucleus
    growth[(bodies.first - first_frame < 3) & (growth > NUCLEUS_SHARE / 2)] = 1.0
    remnant = ends.last_radius / ends.largest
    fade = measure_fading(bodies)
    faint_start, faint_end = np.isfinite(fade.before), np.isfinite(fade.after)
    small = growth < np.where(faint_start, FAINT_NUCLEUS_SHARE, NUCLEUS_SHARE)
    born = begun & ~ends.start_at_border & small & (alive >= MIN_NUCLEUS_FRAMES)
    small = remnant < np.where(faint_end, FAINT_REMNANT_SHARE, REMNANT_SHARE)
    gone = ended & ~ends.end_at_border & small & (bodies.n_rows >= RESTART_FRAMES)
    birth = np.maximum(bodies.first - np.nan_to_num(np.round(fade.before)).astype(np.int64), first_frame + 1)
    death = np.minimum(bodies.last + 1 + np.nan_to_num(np.round(fade.after)).astype(np.int64), last_frame)
    single = [
        Fate("nucleate", int(k), int(birth[k]), _score(growth[k], FAINT_NUCLEUS_SHARE)) for k in np.flatnonzero(born)
    ]
    single += [
        Fate("dissolve", int(k), int(death[k]), _score(remnant[k], FAINT_REMNANT_SHARE)) for k in np.flatnonzero(gone)
    ]
    lasting = np.minimum(bodies.n_rows / MIN_NUCLEUS_FRAMES, 1.0) * bodies.n_rows / alive
    steady = bodies.n_rows >= RESTART_FRAMES
    enter, leave = begun & ends.start_at_border & steady, ended & ends.end_at_border & steady
    single += [Fate("enter", int(k), int(bodies.first[k]), float(lasting[k])) for k in np.flatnonzero(enter)]
    single += [Fate("leave", int(k), int(bodies.last[k]) + 1, float(lasting[k])) for k in np.flatnonzero(leave)]
    lost = np.flatnonzero(ended & ~gone & ~leave)
    return Fates(single, mergers, splits, lost)


def _score(share: float, limit: float) -> float:
    """1 for a nucleus or remnant of no size, 0.5 for one at the limit of the definition."""
    return float(np.clip(1 - 0.5 * share / limit, 0, 1))


def _ends(bodies: Bodies, noise: Noise, settings: EventSettings, mergers: list[Merger]) -> Ends:
    head, tail = bodies.offset[:-1], bodies.offset[1:] - 1
    start_radius, end_radius = bodies.radius[head], bodies.radius[tail]
    margin_in = _margin(start_radius, settings)
    margin_out = _margin(end_radius, settings)
    restarts, continued = _restarts(bodies, noise)
    return Ends(
        _extrapolated(bodies, start=True), _extrapolated(bodies, start=False), _largest(bodies, mergers),
        bodies.border_distance(head) < margin_in, bodies.border_distance(tail) < margin_out, restarts, continued,
    )  # fmt: skip


def _margin(radius: Floats, settings: EventSettings) -> Floats:
    if settings.border_px is not None:
        return np.full(len(radius), settings.border_px)
    return np.maximum(BORDER_PX, np.where(np.isfinite(radius), 2 * radius, 0.0))


def _largest(bodies: Bodies, mergers: list[Merger]) -> Floats:
    """Largest lasting radius of each particle before it takes in another."""
    smooth = median_filter(bodies.raw_radius, bodies.particle, 9)
    for merger in mergers:
        rows = bodies.rows(merger.survivor)
        if not merger.fresh:
            smooth[rows][bodies.frame[rows] >= merger.frame - 1] = np.nan
    filled = np.where(np.isfinite(smooth), smooth, 0.0)
    largest = np.maximum.reduceat(filled, bodies.offset[:-1])
    return np.where(largest > 0, largest, np.nan)


def _extrapolated(bodies: Bodies, *, start: bool) -> Floats:
    """Radius at a track's first or last row: median of 3 rows, or the line through 8 where that is smaller and sure."""
    out = np.full(len(bodies.ids), np.nan)
    for k in range(len(bodies.ids)):
        rows = bodies.rows(k)
        rows = (
            slice(rows.start, min(rows.stop, rows.start + 8))
            if start
            else slice(max(rows.start, rows.stop - 8), rows.stop)
        )
        radius, frame = bodies.raw_radius[rows], bodies.frame[rows]
        near = radius[:3] if start else radius[-3:]
        if not np.isfinite(near).any():
            continue
        out[k] = np.median(near)
        if len(radius) >= 5:
            at = frame[0] if start else frame[-1]
            t = frame - frame.mean()
            slope = (t @ radius) / (t @ t)
            rest = radius - radius.mean() - slope * t
            if abs(slope) * np.sqrt(t @ t) > 4 * np.sqrt(rest @ rest / (len(t) - 2)):
                out[k] = max(min(out[k], radius.mean() + slope * (at - frame.mean())), 0.0)
    return out


def _restarts(bodies: Bodies, noise: Noise) -> tuple[Bools, Bools]:
    """Which starts follow the end of another track nearby within 5 frames, and which ends are so continued."""
    restarts = np.zeros(len(bodies.ids), bool)
    continued = np.zeros(len(bodies.ids), bool)
    real = np.flatnonzero(bodies.is_real)
    starts = real[np.argsort(bodies.first[real], kind="stable")]
    when = bodies.first[starts]
    for k in real:
        end = int(bodies.last[k])
        candidates = starts[
            np.searchsorted(when, end, "right") : np.searchsorted(when, end + RESTART_FRAMES + 1, "right")
        ]
        if len(candidates) == 0:
            continue
        row = bodies.offset[k + 1] - 1
        head = bodies.offset[candidates]
        distance = np.hypot(bodies.x[head] - bodies.x[row], bodies.y[head] - bodies.y[row])
        size = np.nanmax([bodies.radius[row], 3.0])
        near = distance <= size + 4.5 * noise.step_px * np.sqrt(bodies.first[candidates] - end)
        continued[k] = near.any()
        restarts[candidates[near]] = True
    return restarts, continued
