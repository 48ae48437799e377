"""Whether two particles came together, or went apart, by more than their free motion and the errors explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.gaps import surface_gap

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AROUND_FRAMES = 30  # how far from the beginning of a contact it is looked
WINDOW_FRAMES = 10  # gaps are averaged over so many
FEWEST = 3  # of them
INDEPENDENT = 3  # neighbouring errors are alike: of ten gaps so many tell something of their own
UNEXPLAINED = 5.0  # standard deviations: once in some 10⁶ pairs by chance
LEAST_STD_PX = 0.01


@dataclass(frozen=True)
class Reach:
    """How far a pair's gap may go by itself: variance of a free step in px² a frame, error of a gap in px."""

    step2: float
    gap_std_px: float


def came_together(bodies: Bodies, a: int, b: int, frame: int, until: int, reach: Reach) -> bool:
    """Tell whether the gap fell, around the first frame of a contact, by more than `reach` explains.

    Two that never move but grow, or one that jumps to the other, have met, though no motion could show that they
    hold each other. The gap before and the gap in contact differ by chance with the variance v m + 2 σ²/n, v the
    mobility of the pair, m the frames between, σ the error of a gap and n how many tell something of their own.

    Parameters
    ----------
    bodies : Bodies
    a, b : int
        Particle indices.
    frame, until : int
        First frame of the contact, and first frame after it; to ask for a parting give them in reverse: the last
        frame of the contact, and the one before its first.
    reach : Reach
    """
    way = 1 if until > frame else -1
    before = frame - way * np.arange(AROUND_FRAMES, 0, -1)
    inside = np.arange(frame, until, way)[:AROUND_FRAMES]
    (early, at), (late, then) = _gaps(bodies, a, b, before), _gaps(bodies, a, b, inside)
    early, at, late, then = early[:WINDOW_FRAMES], at[:WINDOW_FRAMES], late[-WINDOW_FRAMES:], then[-WINDOW_FRAMES:]
    if min(len(early), len(late)) < FEWEST:
        return False
    apart = float(np.median(early) - np.median(late))
    known = 1 / min(len(early), INDEPENDENT) + 1 / min(len(late), INDEPENDENT)
    variance = reach.step2 * abs(float(then.mean() - at.mean())) + max(reach.gap_std_px, LEAST_STD_PX) ** 2 * known
    return bool(apart > UNEXPLAINED * np.sqrt(variance))


def _gaps(bodies: Bodies, a: int, b: int, frames: Ints) -> tuple[Floats, Ints]:
    rows_a, rows_b = bodies.row(np.full(len(frames), a), frames), bodies.row(np.full(len(frames), b), frames)
    both = (rows_a >= 0) & (rows_b >= 0)
    gap = surface_gap(bodies, rows_a[both], rows_b[both])
    known = np.isfinite(gap)
    return gap[known], frames[both][known]
