"""Whether two particles in contact move as one: a collision keeps them near for a while, a bond holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.coalescence import Merger
from lptem_tracker.analysis.contacts import Bonds, ContactRule
from lptem_tracker.analysis.hold_evidence import FEW_ROLL, PairPath, hold_evidence, pair_path
from lptem_tracker.analysis.meeting import Reach, came_together
from lptem_tracker.analysis.mobility import Mobility, measure_mobility
from lptem_tracker.analysis.noise import Noise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_ROLL = 0.97  # share of bonds that let two particles roll about each other
ROLLS = 0.4  # motion across the line of centres over that of free particles from which a pair rolls
MOST_FOR = 2.0  # logarithm of the odds by which a movie of bonds speaks for one more, at most
MANY = 20  # contacts from which on so many look bound by chance that their share is taken with care
MOST_SLACK = 2.0  # log-likelihood by which the share of bonds may be smaller than the likeliest
SURE = 12.0  # log-likelihood ratio of a contact that outlasts diffusion
OUTLASTING = 18.0  # a contact so many escape times long is a bond
MIN_SURE = 3  # of such contacts, from which it is learnt how many bonds roll
CLAIM = 3.0  # logarithm of the odds from which a bond is claimed: one claim in twenty may be wrong
MOST_MOBILE = 0.9  # share of a pair's odds that lie below the mobility that may have brought it together
PARTS = 8  # places at which a bond is taken to begin, or end, within a contact
NEARLY = 2.0  # logarithm of the likelihood by which a longer part of a contact may fall behind the likeliest
TOGETHER = 200  # contacts whose parts are looked at together
MERGER_FRAMES = 5  # how far a contact may end from the coalescence of its two particles


def _in_contact(bodies: Bodies, bonds: Bonds) -> Bools:
    """Rows of particles while they are bonded, (M,)."""
    held = np.zeros(len(bodies.frame), bool)
    for particle, start, end in zip(np.concatenate([bonds.a, bonds.b]), np.tile(bonds.start, 2), np.tile(bonds.end, 2)):
        rows = bodies.rows(int(particle))
        lo, hi = np.searchsorted(bodies.frame[rows], (start, end))
        held[rows.start + lo : rows.start + hi] = True
    return held


def keep_held(
    bodies: Bodies, bonds: Bonds, noise: Noise, rule: ContactRule, mergers: Sequence[Merger] = ()
) -> tuple[Bonds, int]:
    """Leave out contacts of two particles that may well move freely of each other.

    A contact is claimed as a bond where the way in which the two keep their distance and direction, from some frame
    of it on, is e³ times as likely of a bound pair as of a free one (`hold_evidence`), after the odds of the movie:
    where most contacts are collisions, the next is likely to be one. A ratio of likelihoods exceeds e³ in one of
    twenty free pairs at most (Markov's inequality), so that one in twenty claims is wrong at most, and of twenty movies
    without bonds one claims a bond. Where motion is too slow beside the error to tell in the time, no bond is claimed,
    unless the two came together by more than such motion explains (`came_together`).
    A contact that outlasts diffusion by far is a bond whatever it does; from those it is learnt how often bonds roll.
    Contacts that last through the movie make no event and are let be, and those that end in a coalescence were bonds.
    A bond lasts for the longest part of the contact that is nearly as likely to be bound as the likeliest, and for
    what else of the contact is claimed to be: where surfaces never part, a pair that turned for once is still bound.

    Parameters
    ----------
    bodies : Bodies
    bonds : Bonds
    noise : Noise
    rule : ContactRule
        A contact lasts up to its `off_px`, w, and for `min_contact_frames`.
    mergers : sequence of Merger, optional
        Coalescences.

    Returns
    -------
    bonds : Bonds
    n_doubtful : int
        Contacts left out that may be bonds all the same: with odds of more than one in twenty.
    """
    changing = np.flatnonzero(bonds.formed | bonds.broken)
    if not len(changing):
        return bonds, 0
    mobility = _mobility(bodies, bonds, noise, changing)
    listed = [
        (int(k), contact) for k in changing if (contact := _contact(bodies, bonds, mobility, rule, int(k))) is not None
    ]
    found, odds = _stretches(listed, mobility, rule, _merging([k for k, _ in listed], bonds, mergers))
    keep = np.ones(len(bonds), bool)
    keep[changing] = False
    start, end = bonds.start.copy(), bonds.end.copy()
    for k, contact in listed:
        keep[k] = k in found or _met(bodies, contact, int(bonds.a[k]), int(bonds.b[k]), mobility, rule)
        first, after = found.get(k, (contact.first, contact.after))
        start[k] = max(start[k], first) if bonds.formed[k] else start[k]
        end[k] = min(end[k], after) if bonds.broken[k] else end[k]
    order = np.flatnonzero(keep)[np.argsort(start[keep], kind="stable")]
    trimmed = dataclasses.replace(bonds, start=start, end=end)
    n_doubtful = sum(not keep[k] and shown > -CLAIM for (k, _), shown in zip(listed, odds))
    return Bonds(*(getattr(trimmed, f.name)[order] for f in dataclasses.fields(Bonds))), n_doubtful


def _mobility(bodies: Bodies, bonds: Bonds, noise: Noise, changing: Ints) -> Mobility:
    alone = ~_in_contact(bodies, bonds)
    wanted = np.unique(np.concatenate([bonds.a[changing], bonds.b[changing]]))
    return measure_mobility(bodies, alone if alone.any() else ~alone, noise, wanted)


def _stretches(
    listed: list[tuple[int, _Contact]], mobility: Mobility, rule: ContactRule, merging: Bools
) -> tuple[dict[int, tuple[int, int]], Floats]:
    """First frame, and frame after the last, of the contacts that are bonds; the odds of each contact as logarithms."""
    if not listed:
        return {}, np.empty(0)
    contacts = [contact for _, contact in listed]
    rolling = _rolling(contacts)
    parts = [_parts(contact, rule) for contact in contacts]
    each = _evidence(contacts, parts, mobility, rolling, rule)
    whole = np.array([logsumexp(ratios) - np.log(len(ratios)) for ratios in each])
    sure = np.array([contact.escape_times > OUTLASTING for contact in contacts])
    evidence = np.where(sure, np.maximum(whole, SURE), whole)
    odds = evidence + np.minimum(_log_odds(evidence), MOST_FOR)
    claimed = odds >= CLAIM
    part = {int(k): _longest_of(parts[k], each[k]) for k in np.flatnonzero(claimed | merging)}
    part = _closer(_with_the_rest(part, contacts, mobility, rolling, rule), contacts, mobility, rolling, rule)
    return {listed[k][0]: _frames(contacts[k], part[k]) for k in part}, odds


def _with_the_rest(
    part: dict[int, slice], contacts: list[_Contact], mobility: Mobility, rolling: float, rule: ContactRule
) -> dict[int, slice]:
    """Add what is bound of the rest of each contact, before and after its bound part, until there is no more."""
    part = dict(part)
    some = list(part)
    while some:
        rest = [(k, parts) for k in some for parts in _rest(contacts[k], part[k], rule)]
        if not rest:
            break
        some = []
        each = _evidence([contacts[k] for k, _ in rest], [parts for _, parts in rest], mobility, rolling, rule)
        for (k, parts), ratios in zip(rest, each):
            if logsumexp(ratios) - np.log(len(ratios)) >= CLAIM:
                more = _longest_of(parts, ratios)
                part[k] = slice(min(part[k].start, more.start), max(part[k].stop, more.stop))
                some.append(k)
    return part


def _closer(
    part: dict[int, slice], contacts: list[_Contact], mobility: Mobility, rolling: float, rule: ContactRule
) -> dict[int, slice]:
    """Place the ends of bonds to the frame: each round looks between the places of the last."""
    part = dict(part)
    width = {k: -(-len(contacts[k].path.frame) // (PARTS - 1)) for k in part}
    while some := [k for k in part if width[k] > 1]:
        near = [_nearby(contacts[k], part[k], width[k], rule) for k in some]
        for k, parts, ratios in zip(some, near, _evidence([contacts[k] for k in some], near, mobility, rolling, rule)):
            part[k] = _longest_of(parts, ratios)
            width[k] = -(-width[k] // 4) if width[k] > 2 else 1
    return part


def _nearby(contact: _Contact, part: slice, width: int, rule: ContactRule) -> list[slice]:
    """Parts of a contact that begin, or end, within `width` rows of where the given one does."""
    n, least = len(contact.path.frame), max(rule.min_contact_frames, 2)
    shift = np.unique(np.linspace(-width, width, PARTS + 1).astype(int))
    near = [part]
    if contact.formed:
        near += [slice(int(i), part.stop) for i in np.unique(np.clip(part.start + shift, 0, part.stop - least))]
    if contact.broken:
        near += [slice(part.start, int(j)) for j in np.unique(np.clip(part.stop + shift, part.start + least, n))]
    return near


def _parts(contact: _Contact, rule: ContactRule) -> list[slice]:
    """Rows of a contact in which the pair may be bound: from some row on, where it was free before, up to some row."""
    return _within(0, len(contact.path.frame), contact.formed, contact.broken, rule)


def _rest(contact: _Contact, part: slice, rule: ContactRule) -> list[list[slice]]:
    """Rows before a part of a contact, and rows after it, in which the pair may be bound."""
    n, least = len(contact.path.frame), max(rule.min_contact_frames, 2)
    before = [_within(0, part.start, contact.formed, True, rule)] if part.start >= least else []
    return before + ([_within(part.stop, n, True, contact.broken, rule)] if n - part.stop >= least else [])


def _within(first: int, stop: int, formed: bool, broken: bool, rule: ContactRule) -> list[slice]:
    least = min(max(rule.min_contact_frames, 2), stop - first)
    cuts = np.unique(np.linspace(0, stop - first - least, PARTS).astype(int))
    firsts = first + (cuts if formed else cuts[:1])
    lasts = stop - (cuts if broken else cuts[:1])
    return [slice(int(i), int(j)) for i in firsts for j in lasts if j - i >= least]


def _longest_of(parts: list[slice], ratios: Floats) -> slice:
    """Longest part that is nearly as likely to be bound as the likeliest."""
    likely = np.flatnonzero(ratios >= ratios.max() - NEARLY)
    return max((parts[k] for k in likely), key=lambda part: part.stop - part.start)


def _met(bodies: Bodies, contact: _Contact, a: int, b: int, mobility: Mobility, rule: ContactRule) -> bool:
    """Whether a pair came together where it was seen to, and went apart where it was, by more than free motion."""
    most = float(mobility.grid[np.searchsorted(np.cumsum(contact.odds), MOST_MOBILE)])
    reach = Reach(most, max(rule.gap_std_px, float(np.sqrt(2 * mobility.error2))))
    first, last = int(contact.path.frame[0]), int(contact.path.frame[-1])
    met = not contact.formed or came_together(bodies, a, b, first, last + 1, reach)
    return met and (not contact.broken or came_together(bodies, a, b, last, first - 1, reach))


def _merging(listed: list[int], bonds: Bonds, mergers: Sequence[Merger]) -> Bools:
    """Which contacts end as their two particles become one."""
    when = {frozenset((merger.a, merger.b)): merger.frame for merger in mergers}
    at = [when.get(frozenset((int(bonds.a[k]), int(bonds.b[k])))) for k in listed]
    return np.array([f is not None and abs(f - int(bonds.end[k])) <= MERGER_FRAMES for k, f in zip(listed, at)], bool)


@dataclass(frozen=True)
class _Contact:
    """A pair in contact: where one is of the other, and its odds of mobility.

    `turning` is the mean square of its steps across the line of centres over that of free particles; `first` and
    `after` are the first frame of the contact and the one after its last.
    """

    path: PairPath
    odds: Floats
    turning: float
    escape_rate: float
    first: int
    after: int
    formed: bool
    broken: bool

    @property
    def escape_times(self) -> float:
        """How often a free pair would have left in the time."""
        return self.escape_rate * float(self.path.frame[-1] - self.path.frame[0])


def _contact(bodies: Bodies, bonds: Bonds, mobility: Mobility, rule: ContactRule, k: int) -> _Contact | None:
    """Path of the pair in contact `k`; None where it was seen once only."""
    a, b = int(bonds.a[k]), int(bonds.b[k])
    frames = np.arange(bonds.start[k], bonds.end[k])
    rows_a, rows_b = bodies.row(np.full(len(frames), a), frames), bodies.row(np.full(len(frames), b), frames)
    both = (rows_a >= 0) & (rows_b >= 0)
    frames, rows_a, rows_b = frames[both], rows_a[both], rows_b[both]
    if len(frames) < 2:
        return None
    x, y = bodies.x[rows_b] - bodies.x[rows_a], bodies.y[rows_b] - bodies.y[rows_a]
    odds = mobility.of_pair(a, b)
    free = mobility.mean(odds)
    rate = np.pi**2 * free / (8 * _width(mobility, rule) ** 2)
    across = (np.diff(y) * x[:-1] - np.diff(x) * y[:-1]) / (np.hypot(x, y)[:-1] + 1e-9)
    turning = float(np.mean(across**2 / (free * np.diff(frames) + 4 * mobility.error2)))
    ends = int(bonds.start[k]), int(bonds.end[k]), bool(bonds.formed[k]), bool(bonds.broken[k])
    return _Contact(pair_path(x, y, frames), odds, turning, rate, *ends)


def _width(mobility: Mobility, rule: ContactRule) -> float:
    """How far surfaces may be apart in a contact in px."""
    return rule.off_px + 2 * float(np.sqrt(mobility.error2))


def _rolling(contacts: list[_Contact]) -> float:
    """Share of bonds that let two particles roll about each other, from contacts that last too long for free pairs."""
    sure = [contact.turning > ROLLS for contact in contacts if contact.escape_times > OUTLASTING]
    return float(np.clip(np.mean(sure), FEW_ROLL, MOST_ROLL)) if len(sure) >= MIN_SURE else FEW_ROLL


def _evidence(
    contacts: list[_Contact], parts: list[list[slice]], mobility: Mobility, rolling: float, rule: ContactRule
) -> list[Floats]:
    """Evidence that the parts of contacts are bonds, for each contact."""
    found: list[Floats] = []
    for first in range(0, len(contacts), TOGETHER):
        some = list(zip(contacts[first : first + TOGETHER], parts[first : first + TOGETHER]))
        number = np.array([len(own) for _, own in some])
        paths = [contact.path.rows(part) for contact, own in some for part in own]
        odds = np.repeat([contact.odds for contact, _ in some], number, axis=0)
        ratio = hold_evidence(paths, odds, mobility, rolling, _width(mobility, rule))
        found += np.split(ratio, np.cumsum(number)[:-1])
    return found


def _frames(contact: _Contact, part: slice) -> tuple[int, int]:
    """First frame, and frame after the last, of some rows of a contact; its own ends where nothing is cut off."""
    frame = contact.path.frame[part]
    return (
        contact.first if part.start == 0 else int(frame[0]),
        contact.after if part.stop == len(contact.path.frame) else int(frame[-1]) + 1,
    )


def _log_odds(evidence: Floats) -> Floats:
    """Logarithm of the odds that a contact is a bond, from all others, (B,).

    The smallest share of bonds that the others' evidence allows: of hundreds of free pairs a few look bound, and a
    share that is fitted to them would speak for the next.
    """
    odds = np.linspace(-12.0, 4.0, 161)
    share = 1 / (1 + np.exp(-odds))
    each = np.log1p(share * np.expm1(np.clip(evidence, -30, 30))[:, None])
    total = each.sum(axis=0) + np.log(share * (1 - share)) - each
    slack = float(np.clip(np.log(len(evidence) / MANY), 0.0, MOST_SLACK))
    return np.asarray(odds[(total >= total.max(axis=1, keepdims=True) - slack).argmax(axis=1)])
