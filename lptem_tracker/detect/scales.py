"""Whether the particles of a movie are so large that a part of its resolution shows them all, at a part of the cost.

Frames are compared at all scales and at the lower ones alone. A detection that full resolution alone gives counts when
the next frame has it too at about the same place: noise does not repeat itself, a small particle does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
"""Frame, left, top, right, bottom and probability of each detection of one frame, shape (N, 6)."""

SMALLEST_PX = 5.0
"""Radius below which particles, but for a few, are not left to less than the whole resolution."""
SURE = 0.5
LEAST = 0.05
"""Probability from which an answer at the lower scales stands for one at full resolution."""
_FAINT = 0.2
"""Detections of full resolution below this probability are not looked at."""
_SHARED = 0.4
"""Intersection over union from which two boxes are the same particle."""
_INSIDE = 0.6
"""Share of a box inside another one from which it is a part of it, no particle of its own."""
_TWICE = 0.8
"""Sum of the probabilities in two neighbouring frames from which full resolution alone sees a particle."""
_REACH_PX = 3.0
_BORDER_PX = 1.0
_ALIKE = 2.5
_LOSS = 0.03


@dataclass(frozen=True)
class Rule:
    """What is asked of the detections at one part of the resolution.

    Attributes
    ----------
    smallest_px : float
        Radius of the smallest particle that is certain.
    certain : float
        Probability from which a small particle counts though it was seen in one frame only.
    counted : float
        Probability from which a detection that these scales alone give counts.
    surplus : float
        Share of all probability that such detections may have.
    repeats : bool
        Whether one of them may be in both frames, as structure that is no particle is.
    """

    smallest_px: float
    certain: float
    counted: float
    surplus: float
    repeats: bool


RULES = {0.5: Rule(SMALLEST_PX, 0.8, _FAINT, 0.01, repeats=True), 0.6875: Rule(4.0, 0.9, SURE, 0.006, repeats=False)}
"""By scale. Faint detections of chance are as many at eleven sixteenths as at full resolution, and others."""


def holds_small(rows: Rows, scale: float, shape: tuple[int, ...]) -> bool:
    """Tell whether a frame holds a particle that is certain, and too small for this part of the resolution.

    Parameters
    ----------
    rows : numpy.ndarray
        Detections of the frame.
    scale : float
        Of `RULES`.
    shape : tuple of int
        (Y, X) of the frame; what its border cuts is not small for that.
    """
    inside = (rows[:, 1:3] > _BORDER_PX).all(1) & (rows[:, 3:5] < np.array(shape[::-1]) - _BORDER_PX).all(1)
    rule = RULES[scale]
    return bool((_radius(rows[inside & (rows[:, 5] >= rule.certain)]) < rule.smallest_px).any())


def suffices(whole: Sequence[Rows], lower: Sequence[Rows], scale: float, shape: tuple[int, ...]) -> bool:
    """Tell whether the lower scales alone find in two neighbouring frames what all scales find.

    Parameters
    ----------
    whole, lower : sequence of numpy.ndarray
        Of each frame the detections at all scales and those up to `scale`, both down to `LEAST`.
    scale : float
        Of `RULES`.
    shape : tuple of int
        (Y, X) of the frames.

    Returns
    -------
    bool
        True where there are sure particles, next to none of them small; no detection that full resolution alone gives
        is in both frames; the probabilities of the others hardly fall; and the lower scales add less of
        their own than full resolution does, half of what it adds by chance.
    """
    rule = RULES[scale]
    sure = np.concatenate([_radius(rows[rows[:, 5] >= SURE]) for rows in whole])
    if (
        len(sure) == 0
        or np.quantile(sure, 0.05) < SMALLEST_PX
        or any(holds_small(rows, scale, shape) for rows in lower)
    ):
        return False
    seen = [rows[rows[:, 5] >= _FAINT] for rows in whole]
    partner = [_partner(a, b) for a, b in zip(seen, lower)]
    faint = [b[b[:, 5] >= _FAINT] for b in lower]
    inside = [_covered(a, b) >= _INSIDE for a, b in zip(seen, faint)]
    alone = [a[(p < 0.5 * a[:, 5]) & ~((p == 0) & i)] for a, p, i in zip(seen, partner, inside)]
    if any(_persist(a, b) for a, b in zip(alone, alone[1:])):
        return False
    known = sum(float(a[p > 0, 5].sum()) for a, p in zip(seen, partner))
    kept = sum(float(p.sum()) for p in partner)
    chance = sum(_counted(a[(p == 0) & ~i], rule.counted) for a, p, i in zip(seen, partner, inside))
    total = sum(_counted(a, rule.counted) for a in seen)
    own = [b[_partner(b, a) == 0] for a, b in zip(whole, faint)]
    if not rule.repeats and any(_persist(a, b) for a, b in zip(own, own[1:])):
        return False
    surplus = sum(_counted(b, rule.counted) for b in own)
    return kept >= (1 - _LOSS) * known and surplus <= 0.5 * chance + rule.surplus * total


def _counted(rows: Rows, least: float) -> float:
    """Return the sum of the probabilities from `least` on."""
    return float(rows[rows[:, 5] >= least, 5].sum())


def _radius(rows: Rows) -> Rows:
    return np.asarray(np.sqrt(np.prod(rows[:, 3:5] - rows[:, 1:3], 1)) / 2, np.float64)


def _shared(a: Rows, b: Rows) -> tuple[Rows, Rows, Rows]:
    """Return the area that boxes (N,) and (M,) share, (N, M), and the areas of both."""
    size = np.minimum(a[:, None, 3:5], b[None, :, 3:5]) - np.maximum(a[:, None, 1:3], b[None, :, 1:3])
    areas = [np.prod(rows[:, 3:5] - rows[:, 1:3], 1) for rows in (a, b)]
    return np.prod(np.clip(size, 0.0, None), 2), areas[0], areas[1]


def _partner(rows: Rows, others: Rows) -> Rows:
    """Return the probability of the box among `others` that is the same particle, 0 without one; shape (N,)."""
    others = others[others[:, 5] >= LEAST]
    if len(rows) == 0 or len(others) == 0:
        return np.zeros(len(rows))
    shared, mine, theirs = _shared(rows, others)
    ratio = shared / (mine[:, None] + theirs[None] - shared)
    best = ratio.argmax(1)
    return np.where(ratio[np.arange(len(rows)), best] > _SHARED, others[best, 5], 0.0)


def _covered(rows: Rows, others: Rows) -> Rows:
    """Return the largest share of each box inside one of `others`, shape (N,)."""
    if len(rows) == 0 or len(others) == 0:
        return np.zeros(len(rows))
    shared, mine, _ = _shared(rows, others)
    return np.asarray((shared / mine[:, None]).max(1), np.float64)


def _persist(rows: Rows, others: Rows) -> bool:
    """Tell whether a particle of one frame is in the other one too."""
    if len(rows) == 0 or len(others) == 0:
        return False
    middle = [(part[:, 1:3] + part[:, 3:5]) / 2 for part in (rows, others)]
    apart = np.linalg.norm(middle[0][:, None] - middle[1][None], axis=2)
    one, two = _radius(rows)[:, None], _radius(others)[None]
    alike = np.maximum(one, two) < _ALIKE * np.minimum(one, two)
    twice = rows[:, None, 5] + others[None, :, 5] >= _TWICE
    return bool(((apart <= np.maximum(one, two) + _REACH_PX) & alike & twice).any())
