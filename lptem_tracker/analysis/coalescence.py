"""Two particles become one, or are only seen as one for a while: size, place and what follows decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.contacts import MIN_ROWS, ContactRule
from lptem_tracker.analysis.gaps import surface_gap
from lptem_tracker.analysis.noise import Noise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOOK_FRAMES = 5  # how far apart in time the pieces of one coalescence may lie
SIDE_ROWS = 8  # rows on each side of a jump that are averaged
MIN_JUMP = 1.06  # radius after over before
MIN_EVIDENCE = 3.0  # natural log of the odds that a step as expected was there
MAX_VOLUME_MISFIT = 0.35
AREA_RANGE = (0.5, 1.2)  # measured on real coalescences: 0.60 to 1.07 between the 10 and 90 % marks


@dataclass(frozen=True)
class Merger:
    """Two particles become one.

    Attributes
    ----------
    a, b : int
        Particle indices, the larger first.
    survivor : int
        Index of the track that carries on; `fresh` where it is neither `a` nor `b`.
    gone : tuple of int
        Those of `a`, `b` whose tracks end.
    frame : int
        First frame as one.
    score : float
    """

    a: int
    b: int
    survivor: int
    gone: tuple[int, ...]
    frame: int
    score: float
    fresh: bool = False


@dataclass(frozen=True)
class Split:
    """`gone` vanished into one blob with `partner` and came back as `fresh` at `frame`."""

    gone: int
    partner: int
    fresh: int
    frame: int


@dataclass(frozen=True)
class Jump:
    """Change of a survivor's radius near the end of another track."""

    frame: int
    before: float
    after: float
    z: float
    shift: float  # how far it moved towards the vanished one, as a share of what merging would do


class _ByFrame:
    """Rows of each frame, and particles in the order of their first frame."""

    def __init__(self, bodies: Bodies) -> None:
        self.order = np.argsort(bodies.frame, kind="stable")
        self.sorted = bodies.frame[self.order]
        real = np.flatnonzero(bodies.n_rows >= MIN_ROWS)
        self.starts = real[np.argsort(bodies.first[real], kind="stable")]
        self.when = bodies.first[self.starts]

    def rows(self, first: int, last: int) -> Ints:
        lo, hi = np.searchsorted(self.sorted, (first, last + 1))
        return self.order[lo:hi]

    def started(self, first: int, last: int) -> Ints:
        lo, hi = np.searchsorted(self.when, (first, last + 1))
        return self.starts[lo:hi]


def find_mergers(bodies: Bodies, rule: ContactRule, noise: Noise) -> tuple[list[Merger], list[Split]]:
    """Find where two tracks become one, and where they only seem to.

    A track ends near another whose radius jumps, |R³/(R_i³+R_j³) − 1| < 0.35 or, for flat deposits,
    R²/(R_i²+R_j²) between 0.5 and 1.2, with R > 1.06 R_i; or both end and a new track of that size
    begins between them. If the partner later shrinks back where a new track begins, the two were one
    blob: no merger.
    """
    index = _ByFrame(bodies)
    found: list[tuple[float, Merger]] = []
    splits: list[Split] = []
    ends = np.flatnonzero((bodies.n_rows >= MIN_ROWS) & (bodies.last < bodies.frames[1]))
    typical = _recent_radius(bodies)
    for gone in ends[np.isfinite(typical[ends])]:
        for candidate in _candidates(bodies, index, rule, int(gone)):
            partner, gap = candidate
            if bodies.last[partner] > bodies.last[gone] + 1:
                outcome = _into_partner(bodies, index, rule, noise, int(gone), partner, gap, typical)
                if isinstance(outcome, Split):
                    splits.append(outcome)
                elif outcome is not None:
                    found.append((outcome.score, outcome))
            if abs(int(bodies.last[partner]) - int(bodies.last[gone])) <= LOOK_FRAMES:
                fresh = _into_fresh(bodies, index, rule, noise, int(gone), partner, gap, typical)
                if fresh is not None:
                    found.append((fresh.score, fresh))
    splits = _once(splits)
    seen_again = {split.gone for split in splits}
    return _best_of([item for item in found if not seen_again & set(item[1].gone)]), splits


def _recent_radius(bodies: Bodies) -> Floats:
    """Radius of each particle over its last rows, (P,)."""
    out = np.full(len(bodies.ids), np.nan)
    for k in range(len(bodies.ids)):
        rows = bodies.rows(k)
        values = bodies.raw_radius[max(rows.start, rows.stop - LOOK_FRAMES) : rows.stop]
        if np.isfinite(values).all():
            out[k] = np.median(values)
    return out


def _candidates(bodies: Bodies, index: _ByFrame, rule: ContactRule, gone: int) -> list[tuple[int, float]]:
    """Particles whose outline was within a sum of radii of the vanishing one, with the gap when last seen."""
    end = int(bodies.last[gone])
    last_row = int(bodies.offset[gone + 1]) - 1
    rows = index.rows(end - LOOK_FRAMES, end + LOOK_FRAMES)
    rows = rows[(bodies.particle[rows] != gone) & np.isfinite(bodies.radius[rows])]
    rows = rows[(bodies.n_rows[bodies.particle[rows]] >= MIN_ROWS) & (bodies.first[bodies.particle[rows]] <= end)]
    distance = np.hypot(bodies.x[rows] - bodies.x[last_row], bodies.y[rows] - bodies.y[last_row])
    sum_of_sizes = bodies.size[rows] + bodies.size[last_row]
    rows = rows[distance <= 2 * sum_of_sizes + rule.off_px]
    out = []
    for partner in np.unique(bodies.particle[rows]):
        a, b = _last_together(bodies, gone, int(partner), end)
        out.append((int(partner), float(surface_gap(bodies, np.array([a]), np.array([b]))[0])))
    reach = [bodies.size[last_row] + bodies.size[bodies.offset[p]] for p, _ in out]
    return [entry for entry, most in zip(out, reach) if entry[1] <= max(most, rule.off_px)]


def _last_together(bodies: Bodies, a: int, b: int, end: int) -> tuple[int, int]:
    """Rows of the last frame with both, else the rows nearest in time to `end`."""
    frames = np.arange(end, end - LOOK_FRAMES - 1, -1)
    at_a, at_b = bodies.row(np.full(len(frames), a), frames), bodies.row(np.full(len(frames), b), frames)
    both = np.flatnonzero((at_a >= 0) & (at_b >= 0))
    if len(both):
        return int(at_a[both[0]]), int(at_b[both[0]])
    rows = bodies.rows(b)
    nearest = rows.start + int(np.abs(bodies.frame[rows] - end).argmin())
    return int(bodies.offset[a + 1]) - 1, nearest


def measure_jump(bodies: Bodies, noise: Noise, gone: int, partner: int, share: float) -> Jump | None:
    """Largest step of the partner's radius around the end of the vanished track, with its evidence.

    A line with a step is fitted where both sides have 5 rows, so that growth is no jump; medians otherwise.
    `share` is the vanished one's part of the joint area: merging moves the centre by that share of the way.
    """
    end = int(bodies.last[gone])
    rows = np.arange(bodies.offset[partner], bodies.offset[partner + 1])
    rows = rows[(bodies.frame[rows] >= end - 12) & (bodies.frame[rows] <= end + 20)]
    frame, radius = bodies.frame[rows], bodies.raw_radius[rows]
    first = int(np.searchsorted(frame, _tail(bodies, gone) - 1))
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


def _tail(bodies: Bodies, particle: int) -> int:
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


def _into_partner(
    bodies: Bodies,
    index: _ByFrame,
    rule: ContactRule,
    noise: Noise,
    gone: int,
    partner: int,
    gap: float,
    typical: Floats,
) -> Merger | Split | None:
    size = float(typical[gone])
    near = bodies.rows(partner)
    other = float(np.median(bodies.radius[near]))
    jump = measure_jump(bodies, noise, gone, partner, size**2 / (size**2 + other**2))
    if jump is None or not _sized(
        jump, size, gap <= rule.off_px, bodies.merged_into.get(int(bodies.ids[gone])) is not None
    ):
        return None
    back = _came_back(bodies, index, rule, noise, gone, partner, jump, size)
    if back is not None:
        return back
    if _dumbbell(bodies, partner, jump, size):
        return None
    pair = (partner, gone) if jump.before >= size else (gone, partner)
    return Merger(*pair, partner, (gone,), jump.frame, _score(jump, size, gap, jump.before), False)


def _sized(jump: Jump, size: float, touching: bool, told: bool) -> bool:
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


def _came_back(
    bodies: Bodies, index: _ByFrame, rule: ContactRule, noise: Noise, gone: int, partner: int, jump: Jump, size: float
) -> Split | None:
    """A new track that begins beside the partner while the partner's radius falls back."""
    rows = bodies.rows(partner)
    starts = index.started(jump.frame + 1, int(bodies.last[partner]) + 1)
    heads = bodies.offset[starts]
    places = rows.start + np.searchsorted(bodies.frame[rows], bodies.first[starts])
    beside = np.minimum(places, rows.stop - 1)
    distance = np.hypot(bodies.x[heads] - bodies.x[beside], bodies.y[heads] - bodies.y[beside])
    near = (distance <= jump.after + size + rule.off_px + 4.5 * noise.step_px) & (starts != partner)
    for fresh, head, at in zip(starts[near], heads[near], places[near]):
        start = int(bodies.first[fresh])
        if not 0.6 < np.median(bodies.raw_radius[head : head + 5]) / size < 1.6:
            continue
        later = bodies.raw_radius[max(at, rows.start) : min(at + SIDE_ROWS, rows.stop)]
        earlier = bodies.raw_radius[max(at - SIDE_ROWS, rows.start) : at]
        if len(later) and len(earlier) and np.median(later) < np.median(earlier) - 0.5 * (jump.after - jump.before):
            return Split(gone, partner, int(fresh), start)
    return None


def _dumbbell(bodies: Bodies, partner: int, jump: Jump, size: float) -> bool:
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


def _into_fresh(
    bodies: Bodies, index: _ByFrame, rule: ContactRule, noise: Noise, one: int, other: int, gap: float, typical: Floats
) -> Merger | None:
    """Both tracks end and a new one of their joint size begins between them."""
    if one > other and abs(int(bodies.last[one]) - int(bodies.last[other])) <= LOOK_FRAMES:
        return None  # the pair is looked at from the other side as well
    small, large = sorted((float(typical[one]), float(typical[other])))
    end = int(max(bodies.last[one], bodies.last[other]))
    ra, rb = int(bodies.offset[one + 1]) - 1, int(bodies.offset[other + 1]) - 1
    weight = typical[one] ** 2 / (typical[one] ** 2 + typical[other] ** 2)
    x = weight * bodies.x[ra] + (1 - weight) * bodies.x[rb]
    y = weight * bodies.y[ra] + (1 - weight) * bodies.y[rb]
    best: Merger | None = None
    tail = min(_tail(bodies, one), _tail(bodies, other))
    starts = index.started(tail, end + LOOK_FRAMES + 1)
    heads = bodies.offset[starts]
    wait = np.maximum(1, bodies.first[starts] - end)
    reach = 0.6 * (small + large) + 4.5 * noise.step_px * np.sqrt(wait)
    near = np.hypot(bodies.x[heads] - x, bodies.y[heads] - y) <= reach
    for fresh, head in zip(starts[near], heads[near]):
        after = float(np.median(bodies.raw_radius[head : min(head + SIDE_ROWS, int(bodies.offset[fresh + 1]))]))
        n = min(SIDE_ROWS, int(bodies.n_rows[fresh]))
        z = (after - large) / (max(noise.radius_px, 0.005 * large) * np.sqrt(2 / n))
        jump = Jump(int(bodies.first[fresh]), large, after, float(z), 1.0)
        if not _sized(jump, small, gap <= rule.off_px, False):
            continue
        pair = (one, other) if typical[one] >= typical[other] else (other, one)
        merger = Merger(*pair, int(fresh), (one, other), jump.frame, _score(jump, small, gap, large), True)
        if best is None or merger.score > best.score:
            best = merger
    return best


def _score(jump: Jump, size: float, gap: float, other: float) -> float:
    """Agreement in size × evidence of the step × nearness, 0 to 1."""
    volume = jump.after**3 / (jump.before**3 + size**3)
    area = jump.after**2 / (jump.before**2 + size**2)
    misfit = min(abs(np.log(volume)), abs(np.log(area))) / MAX_VOLUME_MISFIT
    near = np.exp(-max(gap, 0.0) / (size + other))
    return float(np.exp(-0.5 * misfit**2) * (1 - np.exp(-max(jump.z, 0.0) / 3)) * near)


def _best_of(found: list[tuple[float, Merger]]) -> list[Merger]:
    """Each track vanishes once, and a new one is born of one pair: the best evidence wins."""
    taken: set[tuple[str, int]] = set()
    kept = []
    for _, merger in sorted(found, key=lambda item: -item[0]):
        claims = {("gone", k) for k in merger.gone} | ({("fresh", merger.survivor)} if merger.fresh else set())
        if not claims & taken:
            taken |= claims
            kept.append(merger)
    return sorted(kept, key=lambda m: m.frame)


def _once(splits: list[Split]) -> list[Split]:
    seen: set[int] = set()
    out = []
    for split in sorted(splits, key=lambda s: s.frame):
        if split.gone not in seen and split.fresh not in seen:
            seen |= {split.gone, split.fresh}
            out.append(split)
    return out
