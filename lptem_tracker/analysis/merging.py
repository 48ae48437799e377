"""Evidence that two particles became one: the step in size, and the move to their common centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.noise import Noise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOOK_FRAMES = 5  # how far apart in time the pieces of one coalescence may lie
SIDE_ROWS = 8  # rows on each side of a jump that are averaged
MIN_JUMP = 1.06  # radius after over before
MIN_EVIDENCE = 3.0  # natural log of the odds that a step as expected was there
MAX_VOLUME_MISFIT = 0.35
AREA_RANGE = (0.45, 1.35)  # measured on real coalescences: 0.60 to 1.07 between the 10 and 90 % marks
CENTRED = (0.5, 1.4)  # movement towards the common centre, as a share of the way
TAKEN_IN = (0.3, 1.7)  # the same where the steps are too large beside it to be sure
MIN_PARTNER = 0.4  # of the other's radius: a smaller one does not move the centre by enough to tell


@dataclass(frozen=True)
class Jump:
    """Change of a survivor's radius near the end of another track."""

    frame: int
    before: float
    after: float
    z: float
    shift: float  # how far it moved towards the vanished one, as a share of what merging would do
    shift_z: float = 0.0  # the same in standard steps


def measure_jump(bodies: Bodies, noise: Noise, gone: int, partner: int, share: float) -> Jump | None:
    """Largest step of the partner's radius around the end of the vanished track, with its evidence.

    A line with a step is fitted where both sides have 5 rows, so that growth is no jump; medians otherwise.
    `share` is the vanished one's part of the joint area: merging moves the centre by that share of the way.
    """
    end = int(bodies.last[gone])
    rows = np.arange(bodies.offset[partner], bodies.offset[partner + 1])
    rows = rows[(bodies.frame[rows] >= end - 12) & (bodies.frame[rows] <= end + 20)]
    frame, radius = bodies.frame[rows], bodies.raw_radius[rows]
    first = int(np.searchsorted(frame, tail_frame(bodies, gone) - 1))
    last = int(np.searchsorted(frame, end + LOOK_FRAMES + 2))
    best: Jump | None = None
    for at in range(max(first, 2), min(last, len(rows) - 1)):
        before, after = slice(max(0, at - SIDE_ROWS), at), slice(at, at + SIDE_ROWS)
        low, high, spread = _step(frame, radius, before, after, at)
        n = 1 / (at - before.start) + 1 / (min(len(rows), at + SIDE_ROWS) - at)
        z = (high - low) / (max(spread, noise.radius_px, 0.005 * low) * np.sqrt(n))
        if best is None or z > best.z:
            shift = _shift(bodies, gone, rows[before], rows[after], share)
            best = Jump(int(max(frame[at], end)), low, high, float(z), shift)
    return best


def measure_move(bodies: Bodies, noise: Noise, gone: int, partner: int, size: float) -> Jump | None:
    """The partner before and after the end of the vanished track, whatever its radius does."""
    end = int(bodies.last[gone])
    rows = np.arange(bodies.offset[partner], bodies.offset[partner + 1])
    at = int(np.searchsorted(bodies.frame[rows], end + 1))
    before, after = rows[max(0, at - SIDE_ROWS) : at], rows[at : at + SIDE_ROWS]
    if len(before) < 2 or len(after) < 3 or bodies.frame[after[0]] - bodies.frame[before[-1]] > LOOK_FRAMES + 1:
        return None
    low, high = float(np.median(bodies.raw_radius[before])), float(np.median(bodies.raw_radius[after]))
    share = size**2 / (size**2 + low**2)
    shift = _shift(bodies, gone, before, after, share)
    row = int(bodies.offset[gone + 1]) - 1
    way = float(np.hypot(bodies.x[row] - bodies.x[before[-1]], bodies.y[row] - bodies.y[before[-1]]))
    wait = int(bodies.frame[after[0]] - bodies.frame[before[-1]])
    shift_z = shift * share * way / (noise.step_px * np.sqrt(wait))
    return Jump(int(bodies.frame[after[0]]), low, high, 0.0, shift, float(shift_z))


def tail_frame(bodies: Bodies, particle: int) -> int:
    """Last frame before a few stray rows that follow a gap: a vanished track may pick up a false detection."""
    rows = bodies.rows(particle)
    frame = bodies.frame[max(rows.start, rows.stop - 4) : rows.stop]
    gaps = np.flatnonzero(np.diff(frame) > 1)
    return int(frame[gaps[0]]) if len(gaps) else int(frame[-1])


def _step(frame: Ints, radius: Floats, before: slice, after: slice, at: int) -> tuple[float, float, float]:
    low, high = radius[before], radius[after]
    if len(low) >= 5 and len(high) >= 5:
        t = np.concatenate([frame[before], frame[after]]) - (frame[at] + frame[at - 1]) / 2
        later = np.concatenate([np.zeros(len(low)), np.ones(len(high))])
        design = np.column_stack([1 - later, later, t])
        values = np.concatenate([low, high])
        solution = np.linalg.lstsq(design, values, rcond=None)[0]
        spread = float(np.std(values - design @ solution)) * np.sqrt(len(values) / (len(values) - 3))
        if 0.8 < solution[0] / np.median(low) < 1.25 and 0.8 < solution[1] / np.median(high) < 1.25:
            return float(solution[0]), float(solution[1]), spread
    return float(np.median(low)), float(np.median(high)), 0.0


def _shift(bodies: Bodies, gone: int, before: Ints, after: Ints, share: float) -> float:
    row = int(bodies.offset[gone + 1]) - 1
    x0, y0 = bodies.x[before[-1]], bodies.y[before[-1]]
    way = np.array([bodies.x[row] - x0, bodies.y[row] - y0])
    moved = np.array([np.median(bodies.x[after[:3]]) - x0, np.median(bodies.y[after[:3]]) - y0])
    expected = share * float(way @ way)
    return float(moved @ way / expected) if expected > 0 else 0.0


def is_sized(jump: Jump, size: float, touching: bool, told: bool) -> bool:
    """Whether the step in radius is that of two becoming one."""
    volume = jump.after**3 / (jump.before**3 + size**3)
    area = jump.after**2 / (jump.before**2 + size**2)
    fits = abs(volume - 1) < MAX_VOLUME_MISFIT or AREA_RANGE[0] <= area <= AREA_RANGE[1]
    expected = (1 + (size / jump.before) ** 3) ** (1 / 3)
    rise = jump.after / jump.before
    if not fits:
        return False
    if told and touching:
        return True
    if not touching:
        return rise > MIN_JUMP and jump.z >= 4 and jump.shift > 0.15
    # a small partner raises the radius by less than 6 %: then the log-likelihood ratio of that step to none decides
    z_expected = jump.z * (expected - 1) / (rise - 1) if rise > 1 else 0.0
    sure = jump.z * z_expected - z_expected**2 / 2 > MIN_EVIDENCE
    return (rise > MIN_JUMP and jump.z >= 3) or (expected < 1.1 and sure)


def is_centred(jump: Jump, size: float) -> bool:
    """Whether the survivor moved to where the two together have their centre.

    Real coalescences also round up, so that the projected radius may not grow at all; a swap of the two moves the
    survivor all the way instead.
    """
    area = jump.after**2 / (jump.before**2 + size**2)
    moved = CENTRED[0] < jump.shift < CENTRED[1] and jump.shift_z > 4
    return moved and AREA_RANGE[0] <= area <= AREA_RANGE[1] and size > MIN_PARTNER * jump.before


def is_taken_in(jump: Jump, size: float) -> bool:
    """Whether nothing speaks against a merger where a particle in contact vanishes for good at its full size.

    The survivor moves the right way, by no more than a merger would make it, as far as its steps tell.
    """
    area = jump.after**2 / (jump.before**2 + size**2)
    moved = TAKEN_IN[0] < jump.shift < TAKEN_IN[1] and size > MIN_PARTNER * jump.before
    return moved and AREA_RANGE[0] <= area <= AREA_RANGE[1]


def is_dumbbell(bodies: Bodies, partner: int, jump: Jump, size: float) -> bool:
    """Whether the outline after is still that of two particles side by side."""
    rows = bodies.rows(partner)
    late = slice(rows.start + int(np.searchsorted(bodies.frame[rows], jump.frame)), rows.stop)
    early = slice(rows.start, late.start)
    if late.stop - late.start < 3 or early.stop - early.start < 3:
        return False
    after = np.median(bodies.half_length[late] / bodies.half_width[late])
    before = np.median(bodies.half_length[early] / bodies.half_width[early])
    side_by_side = (jump.before + size) / max(jump.before, size)
    return bool(before < 1.25 and side_by_side > 1.4 and after > 1 + 0.75 * (side_by_side - 1))


def merger_score(jump: Jump, size: float, gap: float, other: float) -> float:
    """Agreement in size × evidence of the step × nearness, 0 to 1."""
    volume = jump.after**3 / (jump.before**3 + size**3)
    area = jump.after**2 / (jump.before**2 + size**2)
    misfit = min(abs(np.log(volume)), abs(np.log(area))) / MAX_VOLUME_MISFIT
    near = np.exp(-max(gap, 0.0) / (size + other))
    return float(np.exp(-0.5 * misfit**2) * (1 - np.exp(-max(jump.z, 0.0) / 3)) * near)
