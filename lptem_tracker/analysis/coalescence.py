"""Two particles become one, or are only seen as one for a while: size, place and what follows decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.contacts import ContactRule
from lptem_tracker.analysis.gaps import surface_gap
from lptem_tracker.analysis.merging import (
    AREA_RANGE,
    LOOK_FRAMES,
    MIN_PARTNER,
    SIDE_ROWS,
    Jump,
    is_centred,
    is_dumbbell,
    is_sized,
    is_taken_in,
    measure_jump,
    measure_move,
    merger_score,
    tail_frame,
)
from lptem_tracker.analysis.noise import Noise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REACH = 2.2  # largest last distance of the centres in sums of radii; measured up to 1.89 at the 90 % mark


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


class _ByFrame:
    """Rows of each frame, and particles in the order of their first frame."""

    def __init__(self, bodies: Bodies) -> None:
        self.order = np.argsort(bodies.frame, kind="stable")
        self.sorted = bodies.frame[self.order]
        real = np.flatnonzero(bodies.is_real)
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
    ends = np.flatnonzero(bodies.is_real & (bodies.last < bodies.frames[1]))
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
    rows = rows[bodies.is_real[bodies.particle[rows]] & (bodies.first[bodies.particle[rows]] <= end)]
    distance = np.hypot(bodies.x[rows] - bodies.x[last_row], bodies.y[rows] - bodies.y[last_row])
    sum_of_sizes = bodies.size[rows] + bodies.size[last_row]
    rows = rows[distance <= REACH * sum_of_sizes + rule.off_px]
    out = []
    for partner in np.unique(bodies.particle[rows]):
        a, b = _last_together(bodies, gone, int(partner), end)
        out.append((int(partner), float(surface_gap(bodies, np.array([a]), np.array([b]))[0])))
    reach = [bodies.size[last_row] + bodies.size[bodies.offset[p]] for p, _ in out]
    return [entry for entry, most in zip(out, reach) if entry[1] <= max((REACH - 1) * most, rule.off_px)]


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
    if jump is None:
        return None
    told = bodies.merged_into.get(int(bodies.ids[gone])) is not None
    if not is_sized(jump, size, gap <= rule.off_px, told):
        moved = measure_move(bodies, noise, gone, partner, size)
        if moved is None or not _inside(bodies, gone):
            return None
        lasting = min(int(bodies.n_rows[gone]), int((bodies.frame[near] >= moved.frame).sum()))
        touching = gap <= rule.off_px and lasting >= SIDE_ROWS
        if not is_centred(moved, size) and not (touching and is_taken_in(moved, size)):
            return None
        if _replaced(bodies, index, noise, gone, partner, moved.frame):
            return None
        jump = moved
    back = _came_back(bodies, index, rule, noise, gone, partner, jump, size)
    if back is not None:
        return back
    if is_dumbbell(bodies, partner, jump, size):
        return None
    pair = (partner, gone) if jump.before >= size else (gone, partner)
    return Merger(*pair, partner, (gone,), jump.frame, merger_score(jump, size, gap, jump.before), False)


def _inside(bodies: Bodies, gone: int) -> bool:
    """Whether a track ends well inside the field: at the border it may just have left."""
    row = np.array([bodies.offset[gone + 1] - 1])
    return bool(bodies.border_distance(row)[0] >= max(15.0, 2 * bodies.size[row[0]]))


def _replaced(bodies: Bodies, index: _ByFrame, noise: Noise, gone: int, partner: int, frame: int) -> bool:
    """Whether another track begins where one of the two was: then a link was lost, not a particle."""
    starts = index.started(frame - 1, frame + 2 * LOOK_FRAMES)
    heads = bodies.offset[starts]
    for k in (gone, partner):
        rows = bodies.rows(k)
        at = rows.start + int(np.searchsorted(bodies.frame[rows], frame)) - 1
        distance = np.hypot(bodies.x[heads] - bodies.x[at], bodies.y[heads] - bodies.y[at])
        if (distance <= bodies.size[at] + 4.5 * noise.step_px).any():
            return True
    return False


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
    apart = float(np.hypot(bodies.x[ra] - bodies.x[rb], bodies.y[ra] - bodies.y[rb]))
    best: Merger | None = None
    tail = min(tail_frame(bodies, one), tail_frame(bodies, other))
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
        off_centre = float(np.hypot(bodies.x[head] - x, bodies.y[head] - y))
        area = after**2 / (small**2 + large**2)
        centred = off_centre < 0.25 * apart and small > MIN_PARTNER * large and AREA_RANGE[0] <= area <= AREA_RANGE[1]
        if not (centred and _inside(bodies, one) and _inside(bodies, other)) and not is_sized(
            jump, small, gap <= rule.off_px, False
        ):
            continue
        pair = (one, other) if typical[one] >= typical[other] else (other, one)
        merger = Merger(*pair, int(fresh), (one, other), jump.frame, merger_score(jump, small, gap, large), True)
        if best is None or merger.score > best.score:
            best = merger
    return best


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
