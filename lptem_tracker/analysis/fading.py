"""Particles that fade in or out: growth or shrinkage through the detection limit, and when it began or ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_ROWS = 15  # at an end of a track that are looked at: over more, a line is too far from laws of shrinkage
LEAST_ROWS = 8  # that show a trend
MIN_ROWS = 6
FAINT_ROWS = 4
FAINT = 1.35  # position error at the end over the particle's usual one, from which it was near the detection limit
SURE = 3.0  # standard errors from which radii have a trend
CLEARLY_FAINT, LIKELY = 1.6, 2.0  # where the position error has grown by so much, so many are enough
MOST_FRAMES = 15.0
NUCLEUS_POWER, REMNANT_POWER = 3.0, 2.0


@dataclass(frozen=True)
class Fade:
    """How far in frames a particle existed before its first row, or after its last; (P,), NaN where it did not fade."""

    before: Floats
    after: Floats


def measure_fading(bodies: Bodies) -> Fade:
    """Extrapolate the size of particles that cross the detection limit.

    A particle is lost at the size at which its signal sinks into the noise, which its position error shows: it grows as
    the signal falls. From there R^p, a straight line in time, is followed to 0 in R/(p |dR/dt|) frames: p = 2 for
    dissolution limited by diffusion (Epstein & Plesset 1950, eq. 16), and p = 3, a steady gain of volume, for nuclei,
    which are not born at size 0. The slope is that of a straight line through the last radii, which lies between
    laws that slow down and speed up. These are the radii of the trend alone: up to the knee of two lines, of which the
    other runs level.
    """
    n = len(bodies.ids)
    before, after = np.full(n, np.nan), np.full(n, np.nan)
    for k in range(n):
        rows = bodies.rows(k)
        error = bodies.position_std[rows]
        usual = float(np.nanmedian(error)) if np.isfinite(error).any() else 0.0
        if rows.stop - rows.start < MIN_ROWS or usual == 0:
            continue
        start, end = (float(np.nanmedian(part)) / usual for part in (error[:FAINT_ROWS], error[-FAINT_ROWS:]))
        if start > FAINT:
            inwards = np.arange(rows.start, rows.stop)[:MOST_ROWS]
            head = slice(rows.start, rows.start + _knee(bodies, inwards))
            before[k] = _frames_to_zero(bodies, head, NUCLEUS_POWER, LIKELY if start > CLEARLY_FAINT else SURE)
        if end > FAINT:
            inwards = np.arange(rows.start, rows.stop)[: -MOST_ROWS - 1 : -1]
            tail = slice(rows.stop - _knee(bodies, inwards), rows.stop)
            after[k] = _frames_to_zero(bodies, tail, -REMNANT_POWER, LIKELY if end > CLEARLY_FAINT else SURE)
    return Fade(before, after)


def _knee(bodies: Bodies, rows: Ints) -> int:
    """Return how many of `rows`, (K,) from an end of a track inwards, the trend at that end lasts.

    A line with a slope up to the knee and a level one from there on, joined, are fitted to the radii for each knee; the
    best leaves least squares (Hudson 1966, J. Am. Stat. Assoc. 61, 1097).
    """
    radius, frame, weight = bodies.raw_radius[rows], bodies.frame[rows].astype(float), bodies.position_std[rows] ** -2.0
    known = np.isfinite(radius) & np.isfinite(weight)
    knees = np.flatnonzero(np.cumsum(known) >= LEAST_ROWS)
    if len(knees) < 2:
        return len(rows)
    radius, weight = np.where(known, radius, 0.0), np.where(known, weight, 0.0) / weight[known].sum()
    short = np.abs(frame[knees] - frame[0])[:, None] - np.abs(frame - frame[0])
    line = np.maximum(short, 0.0)
    line -= (line @ weight)[:, None]
    level = radius - radius @ weight
    slope = line @ (weight * level) / (line**2 @ weight)
    left = (level - slope[:, None] * line) ** 2 @ weight
    return int(knees[left.argmin()]) + 1


def _frames_to_zero(bodies: Bodies, rows: slice, power: float, sure: float) -> float:
    """Frames from the faint end of `rows` to size 0; NaN where the trend is below `sure` standard errors.

    A negative power asks for shrinkage. Radii count by the inverse square of their rows' position errors: the faintest
    rows know next to nothing of the size.
    """
    radius, frame = bodies.raw_radius[rows], bodies.frame[rows].astype(float)
    known = np.isfinite(radius) & np.isfinite(bodies.position_std[rows])
    radius, frame, weight = radius[known], frame[known], bodies.position_std[rows][known] ** -2.0
    if len(radius) < MIN_ROWS:
        return float("nan")
    i, j = np.triu_indices(len(radius), 1)
    weight /= weight.mean()
    pair = weight[i] * weight[j] / (weight[i] + weight[j])
    slope = _middle((radius[j] - radius[i]) / (frame[j] - frame[i]), pair)  # Theil 1950, Sen 1968
    level = radius - slope * (frame - (frame[0] if power > 0 else frame[-1]))
    at_end = _middle(level, weight)
    spread = 1.4826 * _middle(np.abs(level - at_end), weight)
    centre = np.average(frame, weights=weight)
    error = spread / np.sqrt((weight * (frame - centre) ** 2).sum())
    if slope * power <= 0 or abs(slope) < sure * error or at_end <= 0:
        return float("nan")
    return float(min(at_end / abs(power * slope), MOST_FRAMES))


def _middle(value: Floats, weight: Floats) -> float:
    """Weighted median, between two values where these are few: half of the weight lies on either side."""
    order = np.argsort(value, kind="stable")
    passed = np.cumsum(weight[order]) - 0.5 * weight[order]
    return float(np.interp(0.5 * weight.sum(), passed, value[order]))
