"""Evidence that two particles near each other move as one, from all their positions together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lptem_tracker.analysis.mobility import Mobility
from lptem_tracker.analysis.walks import walk_likelihood

Floats = npt.NDArray[np.float64]

LONGEST = 400  # frames of a contact that are looked at; of a longer one every so many-th
TOGETHER = 1000  # paths that are looked at together
FEW_ROLL = 0.03  # share of bonds that let two particles roll about each other, where nothing else is known
HINDERED = {1.0: 0.45, 0.5: 0.35, 0.25: 0.2}  # mobility near another surface over that of free particles, and its odds
CREEP = {0.0: 0.5, 0.03: 0.25, 0.12: 0.25}  # the same of a bound pair
ERRORS = {0.7: 0.2, 1.0: 0.5, 1.5: 0.2, 2.2: 0.1}  # variance of a position in a pair over that of a lone particle
SLIPS = 0.05  # share of stray positions after which a pair stays where it has gone: one frame in 2,000
SWAY = {0.06: 0.2, 0.25: 0.1}  # variance of a bound pair about its place over that of a free step, and its odds


@dataclass(frozen=True)
class PairPath:
    """Distance and angle of one particle from another; (T,) each, px, rad and frames."""

    frame: Floats
    distance: Floats
    angle: Floats

    def rows(self, part: slice) -> PairPath:
        """Return some of its rows."""
        return PairPath(self.frame[part], self.distance[part], self.angle[part])


def pair_path(x: Floats, y: Floats, frame: Floats) -> PairPath:
    """Put the position of one particle relative to another, (T,) px, into polar coordinates; the angle has no jumps."""
    return PairPath(np.asarray(frame, float), np.hypot(x, y), np.unwrap(np.arctan2(y, x)))


def hold_evidence(
    paths: Sequence[PairPath], odds: Floats, mobility: Mobility, rolling: float, width_px: float
) -> Floats:
    """Log-likelihood ratio of moving as one to moving freely, for each pair, (B,).

    Along the line of centres and across it the position of one relative to the other is a random walk of the two
    mobilities' sum if they are free, slower where surfaces are near; it stays in place but for some creep and sway if
    they are bound. Either may slip, one frame in 2,000: a bound pair turns when a third particle joins it. Both are
    averaged over what is not known: the mobilities, how much slower, the error of positions in a pair. Where motion is
    too small beside that error the ratio is near 1. Where it is large, a free pair that was chosen for staying near
    goes to and fro between a surface and the width w within which it was to stay: it is then anywhere in between, with
    a variance of w²/12, and has stayed for n frames with a probability of exp(−n π² v / 8w²), v the variance of a step
    (diffusion between a wall and a sink; half of v, as surfaces are near).

    Parameters
    ----------
    paths : sequence of PairPath
    odds : (B, Q) float
        Of each pair's mobility on `mobility.grid` if it is free.
    mobility : Mobility
    rolling : float
        Share of bonds that let two particles roll about each other.
    width_px : float
        How far surfaces may be apart in what counts as a contact.
    """
    blocks = [slice(first, first + TOGETHER) for first in range(0, max(len(paths), 1), TOGETHER)]
    return np.concatenate([_evidence_of(paths[some], odds[some], mobility, rolling, width_px) for some in blocks])


def _evidence_of(
    paths: Sequence[PairPath], odds: Floats, mobility: Mobility, rolling: float, width_px: float
) -> Floats:
    """Do what `hold_evidence` does, for so few pairs that a row of places for each takes little memory."""
    paths = [_thinned(path) for path in paths]
    longest = max(len(path.frame) for path in paths)
    position, frame = np.full((len(paths), longest, 2), np.nan), np.full((len(paths), longest), np.nan)
    for k, path in enumerate(paths):
        n = len(path.frame)
        position[k, :n, 0] = path.distance
        position[k, :n, 1] = path.angle * path.distance.mean()
        frame[k, :n] = path.frame
    error2 = 2 * mobility.error2
    free_step2 = odds @ mobility.grid
    noise = np.column_stack(
        [np.full(len(paths), share * error2) for share in ERRORS]
        + [error2 + share * free_step2 for share in SWAY]
        + [np.full(len(paths), error2 + width_px**2 / 12)]
    )
    likely = walk_likelihood(position, frame, mobility.grid, noise, slips=SLIPS)
    free, bound = (_spread_over(mobility, odds, shares) for shares in (HINDERED, CREEP))
    plain, swaying = np.log(list(ERRORS.values())), np.log(list(SWAY.values()))
    as_bound = np.concatenate([plain + np.log1p(-np.exp(swaying).sum()), swaying])
    n = len(plain)
    lasted = np.array([path.frame[-1] - path.frame[0] for path in paths])
    left = np.pi**2 / 8 * free_step2 * lasted / width_px**2
    between = likely[:, 0, 0, -1] - left / 2 + logsumexp(_over(likely[:, 1, :, :n], free) + plain, axis=1)
    likely = likely[..., :-1]
    both = likely.sum(axis=1)
    walking = logsumexp(_over(both[..., :n], free) + plain, axis=1)
    mixed = -np.expm1(-left) / 2
    loose = np.logaddexp(walking + np.log1p(-mixed), between + np.log(mixed + 1e-12))
    stiff = _over(both, bound) + np.log1p(-rolling)
    rolls = _over(likely[:, 0], bound) + _over(likely[:, 1], free) + np.log(rolling)
    return np.asarray(logsumexp(np.logaddexp(stiff, rolls) + as_bound, axis=1) - loose)


def _thinned(path: PairPath) -> PairPath:
    step = -(-len(path.frame) // LONGEST)
    return PairPath(path.frame[::step], path.distance[::step], path.angle[::step])


def _spread_over(mobility: Mobility, odds: Floats, shares: dict[float, float]) -> Floats:
    """Odds of mobilities that are some share of the given ones, (B, Q)."""
    factor, weight = np.array(list(shares)), np.array(list(shares.values()))
    moved = np.stack([mobility.on_grid(np.outer(factor, [value]), weight[:, None]) for value in mobility.grid])
    return odds @ moved


def _over(likely: Floats, odds: Floats) -> Floats:
    """Logarithm of likelihoods (B, Q, R) averaged over Q."""
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(likely + np.log(odds)[..., None], axis=1))
