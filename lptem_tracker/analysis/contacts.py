"""Which particles touch, from when to when: gaps, hysteresis, dwell times, bonds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.gaps import surface_gap
from lptem_tracker.analysis.joint_motion import GapOffset
from lptem_tracker.analysis.noise import Noise
from lptem_tracker.settings import EventSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PAD_FRAMES = 30  # how far around a touch it is looked whether the two were seen apart
FILTER_FRAMES = 5
_CHUNK = 2_000_000


@dataclass(frozen=True)
class ContactRule:
    """When a contact begins and ends: gaps in px, dwell times in frames.

    `offset_px` is the gap that the radii leave between surfaces in contact, measured on `offset_pairs` pairs; `on_px`
    and `off_px` count from there and hold it.
    """

    on_px: float
    off_px: float
    min_contact_frames: int
    min_separation_frames: int
    gap_std_px: float
    offset_px: float = 0.0
    offset_pairs: int = 0


@dataclass(frozen=True)
class NearPairs:
    """Pairs of particles within `reach_px` of each other, sorted by pair and frame; K rows."""

    a: Ints
    b: Ints
    frame: Ints
    gap: Floats
    reach_px: float = float("inf")

    def within(self, reach_px: float) -> NearPairs:
        """Return those that are nearer."""
        near = self.gap <= reach_px
        return NearPairs(self.a[near], self.b[near], self.frame[near], self.gap[near], reach_px)


@dataclass(frozen=True)
class Bonds:
    """Contacts that lasted; B rows, sorted by start.

    Attributes
    ----------
    a, b : (B,) int
        Particle indices, a < b.
    start, end : (B,) int
        First frame in contact, and first frame apart (or first after the last one known).
    formed : (B,) bool
        The two were seen apart before.
    broken : (B,) bool
        The two were seen apart after.
    score_on, score_off : (B,) float
        How clearly contact follows separation (and the reverse) in the frames around, 0 to 1.
    """

    a: Ints
    b: Ints
    start: Ints
    end: Ints
    formed: Bools
    broken: Bools
    score_on: Floats
    score_off: Floats

    def __len__(self) -> int:
        return len(self.a)


def contact_rule(bodies: Bodies, settings: EventSettings, noise: Noise, offset: GapOffset | None = None) -> ContactRule:
    """Thresholds from the settings, the rest from the noise: on = max(2 px, 3 σ_g), off = 2 on.

    The gap of two disks has the variance σ_g² = 2 σ_x² + 2 σ_R². Motion in a trap looks like noise, so
    on is at most half a radius. Both count from `offset` where they come from the data. In a movie shorter than the
    shortest contact, a contact is one that lasts throughout.
    """
    offset = offset or GapOffset()
    gap_std = float(np.sqrt(2 * noise.position_px**2 + 2 * noise.radius_px**2))
    known = bodies.half_width[np.isfinite(bodies.half_width)]
    most = max(2.0, 0.5 * float(np.median(known))) if len(known) else 2.0
    base = min(max(2.0, 3 * gap_std), most)
    on = settings.contact_on_px if settings.contact_on_px is not None else base + offset.px
    given = settings.contact_on_px is not None
    off = settings.contact_off_px if settings.contact_off_px is not None else (2 * on if given else on + base)
    return ContactRule(
        on, max(on, off), min(settings.min_contact_frames, bodies.n_frames), settings.min_separation_frames, gap_std,
        0.0 if given else offset.px, 0 if given else offset.n_pairs,
    )  # fmt: skip


def near_pairs(bodies: Bodies, within_px: float) -> NearPairs:
    """Find every pair whose outlines are within `within_px`, frame by frame with a k-d tree."""
    use = np.isfinite(bodies.half_length) & bodies.is_real[bodies.particle]
    rows = np.flatnonzero(use)
    rows = rows[np.argsort(bodies.frame[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(bodies.frame[rows], prepend=-1))
    size = bodies.size
    found: list[NearPairs] = []
    hold_a: list[Ints] = []
    hold_b: list[Ints] = []
    held = 0
    for first, stop in zip(cuts, np.append(cuts[1:], len(rows))):
        part = rows[first:stop]
        if len(part) < 2:
            continue
        xy = np.column_stack([bodies.x[part], bodies.y[part]])
        pairs = cKDTree(xy).query_pairs(2 * size[part].max() + within_px, output_type="ndarray")
        hold_a.append(part[pairs[:, 0]])
        hold_b.append(part[pairs[:, 1]])
        held += len(pairs)
        if held > _CHUNK // 10:
            found.append(_keep_near(bodies, hold_a, hold_b, within_px))
            hold_a, hold_b, held = [], [], 0
    found.append(_keep_near(bodies, hold_a, hold_b, within_px))
    a, b, frame = (np.concatenate([getattr(f, name) for f in found]) for name in ("a", "b", "frame"))
    gap = np.concatenate([f.gap for f in found])
    order = np.lexsort((frame, b, a))
    return NearPairs(a[order], b[order], frame[order], gap[order], within_px)


def _keep_near(bodies: Bodies, hold_a: list[Ints], hold_b: list[Ints], within_px: float) -> NearPairs:
    none = np.empty(0, np.int64)
    a, b = np.concatenate([none, *hold_a]), np.concatenate([none, *hold_b])
    near = np.hypot(bodies.x[a] - bodies.x[b], bodies.y[a] - bodies.y[b]) <= bodies.size[a] + bodies.size[b] + within_px
    a, b = a[near], b[near]
    gap = surface_gap(bodies, a, b)
    a, b, gap = a[gap <= within_px], b[gap <= within_px], gap[gap <= within_px]
    swap = bodies.particle[a] > bodies.particle[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    return NearPairs(bodies.particle[a], bodies.particle[b], bodies.frame[a], gap)


def find_bonds(bodies: Bodies, near: NearPairs, rule: ContactRule) -> Bonds:
    """Turn gaps into bonds.

    A bond runs from the first of at least `min_contact_frames` frames in contact to the first of at
    least `min_separation_frames` apart. Between `on_px` and `off_px` the state stays what it was; frames
    in which either particle was missed leave it unchanged; the state is median-filtered over 5 frames.
    """
    parts = [_bonds_of(bodies, near, rule, lo, hi) for lo, hi in _touches(near, rule)]
    if not parts:
        none = np.empty(0, np.int64)
        return Bonds(none, none, none, none, none > 0, none > 0, none / 1.0, none / 1.0)
    columns = [np.concatenate([part[k] for part in parts]) for k in range(8)]
    order = np.lexsort((columns[1], columns[0], columns[2]))
    return Bonds(*(column[order] for column in columns))


def _touches(near: NearPairs, rule: ContactRule) -> Iterator[tuple[Ints, Ints]]:
    """Yield chunks of (first row, row after the last) of stretches of `near` that may hold a bond."""
    if len(near.a) == 0:
        return
    fresh = (np.diff(near.a) != 0) | (np.diff(near.b) != 0) | (np.diff(near.frame) > 2 * PAD_FRAMES)
    lo = np.concatenate([[0], np.flatnonzero(fresh) + 1])
    hi = np.concatenate([lo[1:], [len(near.a)]])
    touching = np.add.reduceat((near.gap <= rule.on_px).astype(np.int64), lo)
    may = (touching > 0) & (hi - lo >= max(1, rule.min_contact_frames - FILTER_FRAMES // 2))
    lo, hi = lo[may], hi[may]
    length = near.frame[hi - 1] - near.frame[lo] + 1 + 2 * PAD_FRAMES
    chunk = np.cumsum(length) // _CHUNK
    for number in np.unique(chunk):
        yield lo[chunk == number], hi[chunk == number]


def _bonds_of(
    bodies: Bodies, near: NearPairs, rule: ContactRule, lo: Ints, hi: Ints
) -> tuple[npt.NDArray[np.generic], ...]:
    a, b = near.a[lo], near.b[lo]
    begin = np.maximum(near.frame[lo] - PAD_FRAMES, np.maximum(bodies.first[a], bodies.first[b]))
    stop = np.minimum(near.frame[hi - 1] + PAD_FRAMES, np.minimum(bodies.last[a], bodies.last[b])) + 1
    offset = np.concatenate([[0], np.cumsum(stop - begin)])
    group = np.repeat(np.arange(len(lo)), stop - begin)
    frame = np.arange(offset[-1]) - offset[group] + begin[group]
    gap = np.full(len(frame), np.nan)
    row = _expand(lo, hi)
    segment = np.repeat(np.arange(len(lo)), hi - lo)
    gap[offset[segment] + near.frame[row] - begin[segment]] = near.gap[row]
    unknown = np.flatnonzero(np.isnan(gap))
    seen = np.ones(len(frame), bool)
    seen[unknown] = (bodies.row(a[group[unknown]], frame[unknown]) >= 0) & (
        bodies.row(b[group[unknown]], frame[unknown]) >= 0
    )
    code = np.where(~seen, 0, np.where(np.isnan(gap), -1, np.where(gap <= rule.on_px, 1, 0)))
    state = median_state(hysteresis(code, group), group)
    start, end = runs_of_bonds(state, group, rule.min_contact_frames, rule.min_separation_frames)
    # a slow pass lingers between the two thresholds: it is the frames within the first that make a bond
    touching = np.concatenate([[0], np.cumsum(code > 0)])
    held = np.concatenate([[0], np.cumsum(~seen)])
    close = touching[end] - touching[start] + held[end] - held[start] >= rule.min_contact_frames
    start, end = start[close], end[close]
    return _describe(a, b, group, frame, offset, seen, state, code, start, end, rule)


def _expand(lo: Ints, hi: Ints) -> Ints:
    length = hi - lo
    return np.asarray(np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + np.repeat(lo, length))


def hysteresis(code: Ints, group: Ints) -> Bools:
    """State after each entry: on after +1, off after -1, unchanged after 0; off at a group's start."""
    at = np.where(code != 0, np.arange(len(code)), -1)
    last = np.maximum.accumulate(at)
    known = (last >= 0) & (group[np.maximum(last, 0)] == group)
    return np.asarray(known & (code[np.maximum(last, 0)] > 0))


def median_state(state: Bools, group: Ints) -> Bools:
    """Majority of the 5 entries around each within its group; a tie leaves the state as it is."""
    total = np.zeros(len(state), np.int64)
    count = np.zeros(len(state), np.int64)
    for shift in range(-(FILTER_FRAMES // 2), FILTER_FRAMES // 2 + 1):
        lo, hi = max(0, -shift), len(state) - max(0, shift)
        if lo < hi:
            same = group[lo:hi] == group[lo + shift : hi + shift]
            total[lo:hi] += state[lo + shift : hi + shift] & same
            count[lo:hi] += same
    return np.where(2 * total == count, state, 2 * total > count)


def runs_of_bonds(state: Bools, group: Ints, min_on: int, min_off: int) -> tuple[Ints, Ints]:
    """First entry, and entry after the last, of each bond.

    A bond begins with a run of at least `min_on` entries on and ends before the first run of at least
    `min_off` entries off, or with its group.
    """
    if len(state) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    edge = np.flatnonzero((np.diff(state.astype(np.int8)) != 0) | (np.diff(group) != 0)) + 1
    first = np.concatenate([[0], edge])
    length = np.diff(np.concatenate([first, [len(state)]]))
    on, of = state[first], group[first]
    mark = np.where(on & (length >= min_on), 1, np.where(~on & (length >= min_off), -1, 0))
    bonded = hysteresis(mark, of)
    change = np.concatenate([[True], (bonded[1:] != bonded[:-1]) | (of[1:] != of[:-1])])
    head = np.flatnonzero(change)
    tail = np.concatenate([head[1:], [len(first)]])
    keep = bonded[head]
    bounds = np.concatenate([first, [len(state)]])
    start, end = bounds[head[keep]], bounds[tail[keep]]
    # a short run apart just before its group ends is no part of the bond
    final = tail[keep] - 1
    return start, np.where(on[final], end, first[final])


def _describe(
    a: Ints,
    b: Ints,
    group: Ints,
    frame: Ints,
    offset: Ints,
    seen: Bools,
    state: Bools,
    code: Ints,
    start: Ints,
    end: Ints,
    rule: ContactRule,
) -> tuple[npt.NDArray[np.generic], ...]:
    of = group[start]
    seen_sum = np.concatenate([[0], np.cumsum(seen)])
    apart = np.concatenate([[0], np.cumsum(code < 0)])
    on_sum = np.concatenate([[0], np.cumsum(seen & state)])
    lo, hi = offset[of], offset[of + 1]

    def share(first: Ints, last: Ints) -> tuple[Ints, Floats]:
        n = seen_sum[last] - seen_sum[first]
        return n, (on_sum[last] - on_sum[first]) / np.maximum(n, 1)

    before, on_before = share(np.maximum(lo, start - 2 * rule.min_separation_frames), start)
    _, on_inside = share(start, np.minimum(end, start + 2 * rule.min_contact_frames))
    _, on_until = share(np.maximum(start, end - 2 * rule.min_contact_frames), end)
    after, on_after = share(end, np.minimum(hi, end + 2 * rule.min_separation_frames))
    broken = after >= rule.min_separation_frames
    # one frame well apart is enough; lingering between the thresholds is not
    formed = (before >= min(3, rule.min_separation_frames)) | (apart[start] > apart[np.maximum(lo, start - 3)])
    last = np.minimum(end, len(frame) - 1)
    end_frame = np.where(end < hi, frame[last], frame[np.maximum(end - 1, 0)] + 1)
    return (
        a[of], b[of], frame[start], end_frame, formed, broken,
        np.where(formed, on_inside * (1 - on_before), 0.0), np.where(broken, on_until * (1 - on_after), 0.0),
    )  # fmt: skip
