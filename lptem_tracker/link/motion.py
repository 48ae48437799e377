"""Which motion model the data ask for: memoryless steps, lasting velocities, or particles that stick and hop."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.core import Decided, Points
from lptem_tracker.link.imm import Mixture
from lptem_tracker.link.kalman import Motion
from lptem_tracker.link.parameters import Parameters

Kind = Literal["auto", "brownian", "velocity", "mixed"]

LASTING = 0.25
"""Correlation of successive steps from which a velocity is worth following."""

ENOUGH_TURNS, ENOUGH_STICKING = 9, 30
"""Pairs of successive steps from which lasting velocities (their correlation has to be near 1 then), and particles
that stick, can be told."""

STICKY = 0.8
"""Probability of staying stuck from which a memory of the mode is worth its price."""

RARE_TURN = 0.005
"""Share of sudden turns below which they are none."""


def successive_steps(
    points: Points, decided: Decided
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return three successive one-frame steps of sure links, each of shape (n, 2); the third is NaN at ends."""
    pred = decided.pred
    step = np.full((len(pred), 2), np.nan)
    one = np.flatnonzero((pred >= 0) & (decided.belief > 0.8))
    one = one[points.frame[one] - points.frame[pred[one]] == 1]
    step[one] = points.xy[one] - points.xy[pred[one]]
    before = np.full_like(step, np.nan)
    before[one] = step[pred[one]]
    earlier = np.full_like(step, np.nan)
    earlier[one] = before[pred[one]]
    ok = np.isfinite(step).all(1) & np.isfinite(before).all(1)
    return step[ok], before[ok], earlier[ok]


def choose_motion(kind: Kind, points: Points, decided: Decided, found: Parameters) -> Mixture | None:
    """Return the mixture to link with, or None for memoryless steps.

    Parameters
    ----------
    kind : {'auto', 'brownian', 'velocity', 'mixed'}
        What the user asks for.
    points, decided : Points, Decided
        A sample and its first linking.
    found : Parameters
    """
    if kind == "brownian":
        return None
    step, before, earlier = successive_steps(points, decided)
    if len(step) < ENOUGH_TURNS:
        return None
    total = float((step**2).mean())
    if total == 0.0:
        return None
    lasting = float((step * before).mean())
    moves = lasting / total > LASTING + 3 / math.sqrt(2 * len(step))
    stay = stuck_memory(step, before, found)
    sticks = stay is not None and stay > STICKY and len(step) >= ENOUGH_STICKING
    if kind == "auto" and not (moves or sticks):
        return None
    velocity_var = max(lasting, 0.02 * total)
    later = np.isfinite(earlier).all(1)
    kept = float((step[later] * earlier[later]).mean()) / velocity_var if later.any() else 0.9
    change = velocity_var * (1 - min(max(kept, 0.5), 0.98) ** 2)
    run = Motion("velocity", max(total - velocity_var, 0.05 * total), change)
    if kind == "velocity" or (kind == "auto" and not sticks):
        return _run_and_turn(run, step - before, velocity_var)
    return _stick_and_hop(found, stay, run if moves or kind == "mixed" else None, velocity_var)


def _run_and_turn(run: Motion, change: NDArray[np.float64], velocity_var: float) -> Mixture:
    """Return lasting velocities, with sudden turns where changes of the step, shape (n, 2), ask for them."""
    square = (change**2).sum(1)
    # half of a Gaussian's squares in the plane lie below 1.386 variances of an axis, one in 1,000 above 13.8
    var = float(np.median(square)) / 1.386
    # a turn within a frame changes two steps
    turns = float(np.mean(square > 13.8 * var)) / 2
    if turns < RARE_TURN:
        return Mixture((run,), np.ones((1, 1)), np.ones(1), velocity_var)
    turns = min(turns, 0.2)
    # steps of independent random parts differ by twice their variance, beside what the velocity changes
    step_var = min(run.step_var, max(var / 2, 0.01 * velocity_var))
    calm = Motion("velocity", step_var, min(max(var - 2 * step_var, 0.01 * velocity_var), run.velocity_var))
    turn = Motion("velocity", step_var, 3 * velocity_var)
    share = np.array([1 - turns, turns])
    return Mixture((calm, turn), np.array([share, share]), share, velocity_var)


def stuck_memory(step: NDArray[np.float64], before: NDArray[np.float64], found: Parameters) -> float | None:
    """Return the probability that a stuck particle is stuck in the next frame; None with one mode."""
    if len(found.step_sigma_px) < 2:
        return None
    stuck, last = (_stuck(s, found) for s in (step, before))
    return float((stuck * last).sum() / max(last.sum(), 1e-12))


def _stuck(step: NDArray[np.float64], found: Parameters) -> NDArray[np.float64]:
    square = (step**2).sum(1)
    big, small = (
        share / s**2 * np.exp(-square / (2 * s**2)) for share, s in zip(found.mode_share, found.step_sigma_px)
    )
    return np.asarray(small / np.maximum(big + small, 1e-300), float)


def _stick_and_hop(found: Parameters, stay: float | None, run: Motion | None, velocity_var: float) -> Mixture:
    sigma, share = found.step_sigma_px, found.mode_share
    if stay is None or len(sigma) < 2:
        sigma, share, stay = (sigma[0], 0.1 * sigma[0]), (0.9, 0.1), 0.9
    stay = min(max(stay, 0.5), 0.995)
    # in balance as many stick as come loose
    stick = min(share[1] / max(share[0], 1e-3) * (1 - stay), 0.5)
    motions = [Motion("brownian", (1.1 * sigma[0]) ** 2), Motion("stuck", (1.1 * sigma[1]) ** 2)]
    change = np.array([[1 - stick, stick], [1 - stay, stay]])
    start = np.array(share)
    if run is not None:
        motions.append(run)
        change = np.array(
            [
                [0.9 * (1 - stick), stick, 0.1 * (1 - stick)],
                [0.5 * (1 - stay), stay, 0.5 * (1 - stay)],
                [0.1 * (1 - stick), stick, 0.9 * (1 - stick)],
            ]
        )
        start = np.array([share[0] / 2, share[1], share[0] / 2])
    return Mixture(tuple(motions), change, start / start.sum(), velocity_var)
