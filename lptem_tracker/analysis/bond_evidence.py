"""Whether two particles in contact move as one: a collision keeps them near for a while, a bond holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.coalescence import Merger
from lptem_tracker.analysis.contacts import Bonds, ContactRule
from lptem_tracker.analysis.joint_motion import common_motion
from lptem_tracker.analysis.noise import Noise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_WOBBLE, MOST_WOBBLE = 0.12, 0.5  # of the relative motion of free particles; bonds are no steel rods
FEW_ROLL = 0.03  # share of bonds that let two particles roll about each other, where nothing else is known
ROLLS = 0.4  # motion across the line of centres over that of free particles from which a pair rolls
CHI2_MEDIAN = 0.455  # of one degree of freedom
SURE = 6.0  # log-likelihood ratio that is always enough
WORST_STEP = -4.0  # one wrong link counts no more than this
WORST_OF_STRETCH = -2.5  # the same where a contact is searched for its bound part
LAGS = (1, 3, 9)  # frames: a pair that wobbles fast is seen to stay together over several
OUTLASTING = 18.0  # a contact so many escape times long is a bond
MIN_SURE = 3  # of such contacts, from which it is learnt how bonds move
MIN_STEPS = 15  # free steps of a particle from which it has a mobility of its own
BEFORE_BOUND = 5.0  # log-likelihood ratio for free motion of an end of a contact that is not yet, or no longer, bound
MERGER_FRAMES = 5  # how far a contact may end from the coalescence of its two particles


@dataclass(frozen=True)
class FreeMotion:
    """Variance of a step per axis and frame in px², without the common motion and the localisation error; (P,)."""

    variance: Floats


def free_motion(bodies: Bodies, bonds: Bonds, noise: Noise) -> FreeMotion:
    """Measure how each particle moves on its own: over its steps outside of contacts, else as all do.

    The median step of all particles is taken off each frame where there are at least four.
    """
    follows = np.flatnonzero((np.diff(bodies.particle) == 0) & (np.diff(bodies.frame) == 1))
    steps = np.column_stack([bodies.x[follows + 1] - bodies.x[follows], bodies.y[follows + 1] - bodies.y[follows]])
    frame = bodies.frame[follows] - bodies.frames[0]
    drift = common_motion(bodies)
    steps = steps - (drift[frame + 1] - drift[frame])
    square = (steps**2).mean(axis=1)
    alone = ~_in_contact(bodies, bonds)[follows]
    n = len(bodies.ids)
    error = 2 * noise.jitter_px**2
    usual = float(np.median(square[alone])) / 0.693 if alone.any() else 0.0  # two axes: median of chi-square over 2
    count = np.bincount(bodies.particle[follows][alone], minlength=n)
    own = np.bincount(bodies.particle[follows][alone], np.minimum(square[alone], 12 * usual), minlength=n)
    variance = np.where(count >= MIN_STEPS, own / np.maximum(count, 1), usual) - error
    return FreeMotion(np.maximum(variance, 0.0))


def _in_contact(bodies: Bodies, bonds: Bonds) -> Bools:
    """Rows of particles while they are bonded, (M,)."""
    held = np.zeros(len(bodies.frame), bool)
    for particle, start, end in zip(np.concatenate([bonds.a, bonds.b]), np.tile(bonds.start, 2), np.tile(bonds.end, 2)):
        rows = bodies.rows(int(particle))
        lo, hi = np.searchsorted(bodies.frame[rows], (start, end))
        held[rows.start + lo : rows.start + hi] = True
    return held


def keep_held(bodies: Bodies, bonds: Bonds, noise: Noise, rule: ContactRule, mergers: Sequence[Merger] = ()) -> Bonds:
    """Leave out contacts whose two particles move freely of each other.

    Each step of the one relative to the other has the variance 4σ² per axis if they are bound, with some wobble, and
    2s² + 4σ² if they are free; the log-likelihood ratios over a contact are summed, along the line of centres and
    across it, where a few bonds let particles roll. Contacts are chosen for having lasted, which a free pair does
    with a probability of exp(−n π² 2s² / 8w²) (diffusion between a wall and a sink at w): that much is asked for in
    addition, and one that outlasts it by far is a bond whatever it does; from those it is learnt how far bonds wobble
    and roll. The odds to outweigh are those of the movie: where most contacts are collisions, the next is likely to
    be one. A contact is left out where a bound pair would have more evidence in 98 of 100 cases; where the motion is
    too small beside the error to tell, that is none. Contacts that last through the movie make no event and are
    let be, and those that end in a coalescence were bonds. An end of a bond in which the two still, or again, move
    freely is cut off where that is e⁵ times as likely as a bound pair, to which it happens once in 150 (Wald 1945).

    Parameters
    ----------
    bodies : Bodies
    bonds : Bonds
    noise : Noise
    rule : ContactRule
        A contact lasts up to its `off_px`, w, and for `min_contact_frames`, n.
    mergers : sequence of Merger, optional
        Coalescences.
    """
    motion = free_motion(bodies, bonds, noise)
    listed = [
        (int(k), contact)
        for k in np.flatnonzero(bonds.formed | bonds.broken)
        if (contact := _contact(bodies, bonds, motion, noise.jitter_px, rule, int(k))) is not None
    ]
    if not listed:
        return bonds
    slack = _learn([contact for _, contact in listed])
    evidence, demand = (np.array(column) for column in zip(*(_weigh(contact, slack, rule) for _, contact in listed)))
    against = max(0.0, -_log_odds(evidence))
    keep = np.ones(len(bonds), bool)
    start, end = bonds.start.copy(), bonds.end.copy()
    held = (evidence >= demand + against) | _merging([k for k, _ in listed], bonds, mergers)
    for (k, contact), sure in zip(listed, held):
        stretch = _trimmed(contact, slack, rule) if sure else _bound_stretch(contact, slack, rule, against)
        keep[k] = sure or stretch is not None
        if stretch is not None:
            start[k] = max(start[k], stretch[0]) if bonds.formed[k] else start[k]
            end[k] = min(end[k], stretch[1]) if bonds.broken[k] else end[k]
    order = np.flatnonzero(keep)[np.argsort(start[keep], kind="stable")]
    trimmed = dataclasses.replace(bonds, start=start, end=end)
    return Bonds(*(getattr(trimmed, f.name)[order] for f in dataclasses.fields(Bonds)))


def _merging(listed: list[int], bonds: Bonds, mergers: Sequence[Merger]) -> Bools:
    """Which contacts end as their two particles become one."""
    when = {frozenset((merger.a, merger.b)): merger.frame for merger in mergers}
    at = [when.get(frozenset((int(bonds.a[k]), int(bonds.b[k])))) for k in listed]
    return np.array([f is not None and abs(f - int(bonds.end[k])) <= MERGER_FRAMES for k, f in zip(listed, at)], bool)


@dataclass(frozen=True)
class _Steps:
    """Steps along the line of centres and across it in px, their variance if free, and the frame each ends in."""

    radial: Floats
    tangential: Floats
    loose: Floats
    frame: Ints


@dataclass(frozen=True)
class _Contact:
    """Relative steps of a pair in contact by how many frames they span, and their variance if it is rigid.

    `first` and `after` are the first frame of the contact and the one after its last.
    """

    steps: list[_Steps]
    rigid: float
    escape_rate: float
    escape_times: float
    first: int
    after: int


@dataclass(frozen=True)
class _Slack:
    """How bonds move: variance along the line of centres over that of free pairs, and log-share of those that roll."""

    wobble: float = LEAST_WOBBLE
    rolling: float = float(np.log(FEW_ROLL))


def _contact(
    bodies: Bodies, bonds: Bonds, motion: FreeMotion, position_px: float, rule: ContactRule, k: int
) -> _Contact | None:
    """Steps of contact `k`; None where nothing moves."""
    a, b = int(bonds.a[k]), int(bonds.b[k])
    free = float(motion.variance[a] + motion.variance[b])
    frames = np.arange(bonds.start[k], bonds.end[k])
    rows_a, rows_b = bodies.row(np.full(len(frames), a), frames), bodies.row(np.full(len(frames), b), frames)
    both = (rows_a >= 0) & (rows_b >= 0)
    frames, rows_a, rows_b = frames[both], rows_a[both], rows_b[both]
    if free <= 0 or len(frames) < 2:
        return None
    x, y = bodies.x[rows_b] - bodies.x[rows_a], bodies.y[rows_b] - bodies.y[rows_a]
    rigid = 4 * position_px**2
    steps = [_steps(x[::lag], y[::lag], frames[::lag], free, rigid) for lag in LAGS if lag == 1 or len(x) > 4 * lag]
    rate = np.pi**2 * free / (8 * (rule.off_px + 2 * position_px) ** 2)
    span = int(bonds.start[k]), int(bonds.end[k])
    return _Contact(steps, rigid, rate, rate * float(frames[-1] - frames[0]), *span)


def _steps(x: Floats, y: Floats, frames: Ints, free: float, rigid: float) -> _Steps:
    way = np.hypot(x, y)[:-1] + 1e-9
    radial = (np.diff(x) * x[:-1] + np.diff(y) * y[:-1]) / way
    tangential = (np.diff(y) * x[:-1] - np.diff(x) * y[:-1]) / way
    return _Steps(radial, tangential, free * np.diff(frames) + rigid, frames[1:])


def _learn(contacts: list[_Contact]) -> _Slack:
    """Wobble and rolling of contacts that last too long for free pairs."""
    sure = [c for c in contacts if c.escape_times > OUTLASTING]
    if len(sure) < MIN_SURE:
        return _Slack()
    wobble = float(np.median([np.mean(c.steps[0].radial ** 2 / c.steps[0].loose) for c in sure]))
    rolls = float(np.mean([np.mean(c.steps[0].tangential ** 2 / c.steps[0].loose) > ROLLS for c in sure]))
    return _Slack(float(np.clip(1.5 * wobble, LEAST_WOBBLE, MOST_WOBBLE)), float(np.log(max(rolls, FEW_ROLL))))


def _weigh(contact: _Contact, slack: _Slack, rule: ContactRule) -> tuple[float, float]:
    """Evidence that a contact is a bond, and how much of it is asked for."""
    if contact.escape_times > OUTLASTING:
        return SURE, 0.0
    weighed = [_at_lag(steps, contact.rigid, slack) for steps in contact.steps]
    evidence, demand = max(weighed)[0], weighed[0][1]
    chosen = contact.escape_rate * min(rule.min_contact_frames, len(contact.steps[0].loose) + 1)
    return evidence - chosen - float(np.log(len(contact.steps))), demand


def _trimmed(contact: _Contact, slack: _Slack, rule: ContactRule) -> tuple[int, int] | None:
    """First frame, and frame after the last, of a bond without ends in which the pair moves freely; None as it is.

    Where the pair rolls through most of the contact, steps along the line of centres alone count.
    """
    steps = contact.steps[0]
    tight = np.maximum(contact.rigid, slack.wobble * steps.loose)
    ratio = _log_ratio(steps.radial, tight, steps.loose)
    if np.median(steps.tangential**2 / steps.loose) <= ROLLS * CHI2_MEDIAN:
        ratio = ratio + _log_ratio(steps.tangential, tight, steps.loose)
    ratio = np.maximum(ratio, WORST_OF_STRETCH)
    before = np.concatenate([[0.0], np.cumsum(ratio)])
    after = np.concatenate([np.cumsum(ratio[::-1])[::-1], [0.0]])
    first = int(before.argmin()) if before.min() < -BEFORE_BOUND else 0
    last = int(after.argmin()) if after.min() < -BEFORE_BOUND else len(ratio)
    if (first, last) == (0, len(ratio)) or last - first + 1 < max(rule.min_contact_frames, 2):
        return None
    return contact.first if first == 0 else int(steps.frame[first - 1]), (
        contact.after if last == len(ratio) else int(steps.frame[last - 1]) + 1
    )


def _bound_stretch(contact: _Contact, slack: _Slack, rule: ContactRule, against: float) -> tuple[int, int] | None:
    """First frame, and frame after the last, of the part of a contact in which the pair is bound, if there is one.

    The stretch of the largest evidence (Kadane's), which has to outweigh that it is chosen among as many as there
    are frames.
    """
    steps = contact.steps[0]
    tight = np.maximum(contact.rigid, slack.wobble * steps.loose)
    ratio = _log_ratio(steps.radial, tight, steps.loose) + _log_ratio(steps.tangential, tight, steps.loose)
    ratio = np.maximum(ratio, WORST_OF_STRETCH)
    total = np.concatenate([[0.0], np.cumsum(ratio)])
    last = int((total - np.minimum.accumulate(total)).argmax())
    first = int(total[: last + 1].argmin())
    part = slice(first, last)
    if last - first + 1 < max(rule.min_contact_frames, 2):
        return None
    inside = _Steps(steps.radial[part], steps.tangential[part], steps.loose[part], steps.frame[part])
    evidence, demand = _at_lag(inside, contact.rigid, slack)
    if evidence - contact.escape_rate * rule.min_contact_frames < demand + against + float(np.log(len(ratio))):
        return None
    return int(inside.frame[0]) - 1, int(inside.frame[-1]) + 1


def _at_lag(steps: _Steps, rigid: float, slack: _Slack) -> tuple[float, float]:
    loose = steps.loose
    tight = np.maximum(rigid, slack.wobble * loose)
    along, across = (float(_log_ratio(step, tight, loose).sum()) for step in (steps.radial, steps.tangential))
    axes = 2.0 if slack.rolling < np.log(0.5) else 1.0
    share = tight / loose
    expected = axes / 2 * float((-np.log(share) - (1 - share)).sum())
    spread = float(np.sqrt(axes / 2 * ((1 - share) ** 2).sum()))
    return along + max(across, slack.rolling), min(SURE, expected - 2 * spread)


def _log_ratio(step: Floats, tight: Floats, loose: Floats) -> Floats:
    """Log-likelihood ratio of bound to free of steps along one axis."""
    ratio = 0.5 * np.log(loose / tight) - step**2 / 2 * (1 / tight - 1 / loose)
    return np.asarray(np.maximum(ratio, WORST_STEP))


def _log_odds(evidence: Floats) -> float:
    """Logarithm of the odds that a contact is a bond, from all of them (expectation maximisation)."""
    ratio = np.exp(np.clip(evidence, -30, 30))
    share = 0.5
    for _ in range(50):
        share = (1 + float((share * ratio / (share * ratio + 1 - share)).sum())) / (2 + len(evidence))
    return float(np.log(share / (1 - share)))
