"""How each particle moves while it touches no other, as odds over mobilities, and the error of positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.noise import Noise
from lptem_tracker.analysis.walks import walk_likelihood

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

N_MOBILITIES = 26
FAST = 0.99  # share of steps that are shorter than those of the most mobile particles
LONGEST = 200  # rows of a particle that are looked at
SAMPLE = 400  # particles that stand for all others
TOGETHER = 500  # particles that are looked at together
ERROR_SHARES = (0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25)  # of the variance of a position, as neighbouring steps show it
ROUNDS = 60


@dataclass(frozen=True)
class Mobility:
    """Odds over how far particles move.

    Attributes
    ----------
    grid : (Q,) float
        Variance of a step per axis and frame in px², rising from 0.
    usual : (Q,) float
        Share of particles with each.
    own : dict of int to (Q,) float
        The odds of single particles, where they were asked for and seen on their own.
    error2 : float
        Variance of a position per axis in px².
    """

    grid: Floats
    usual: Floats
    own: dict[int, Floats]
    error2: float

    def of(self, particle: int) -> Floats:
        """Return the odds of one particle, (Q,)."""
        return self.own.get(particle, self.usual)

    def of_pair(self, a: int, b: int) -> Floats:
        """Return the odds of the motion of one relative to the other if they move independently, (Q,)."""
        return self.on_grid(self.grid[:, None] + self.grid, self.of(a)[:, None] * self.of(b))

    def mean(self, odds: Floats) -> float:
        """Return the mean variance of a step in px²."""
        return float(odds @ self.grid)

    def on_grid(self, values: Floats, odds: Floats) -> Floats:
        """Put odds of other mobilities on the grid, each on its nearest by ratio, (Q,)."""
        with np.errstate(divide="ignore"):
            between = np.log(self.grid[2:] * self.grid[1:-1]) / 2
            low = between[0] - (between[1] - between[0])
            at = np.searchsorted(np.concatenate([[low], between]), np.log(values))
        summed = np.bincount(at.ravel(), np.broadcast_to(odds, values.shape).ravel(), len(self.grid))
        return np.asarray(summed, float)


def common_motion(bodies: Bodies) -> Floats:
    """Position of what all particles share in px, (frames, 2): the sum of the median steps, of four or more."""
    follows = np.flatnonzero((np.diff(bodies.particle) == 0) & (np.diff(bodies.frame) == 1))
    frame = bodies.frame[follows + 1] - bodies.frames[0]
    order = np.argsort(frame, kind="stable")
    step = np.zeros((bodies.frames[1] - bodies.frames[0] + 1, 2))
    begin = np.flatnonzero(np.diff(frame[order], prepend=-1))
    for first, stop in zip(begin, np.append(begin[1:], len(order))):
        if stop - first >= 4:
            at = follows[order[first:stop]]
            step[frame[order[first]]] = (
                np.median(bodies.x[at + 1] - bodies.x[at]),
                np.median(bodies.y[at + 1] - bodies.y[at]),
            )
    return np.asarray(np.cumsum(step, axis=0))


def measure_mobility(bodies: Bodies, alone: Bools, noise: Noise, wanted: Ints) -> Mobility:
    """Measure mobilities on the rows of particles that are alone.

    The error of positions and the shares of mobilities are those that make the tracks of a sample of particles most
    likely (mixture over a grid: Laird 1978, J. Am. Stat. Assoc. 73, 805); each particle's odds are its own
    likelihood times the shares. The median step of all particles is taken off each frame where there are four.

    Parameters
    ----------
    bodies : Bodies
    alone : (M,) bool
        Rows that count.
    noise : Noise
    wanted : (K,) int
        Particles whose own odds are asked for.
    """
    step2 = max(noise.step_px**2, 1e-9)
    grid = np.concatenate([[0.0], np.geomspace(1e-3 * step2, _fastest(bodies, alone, step2), N_MOBILITIES - 1)])
    error2 = max(noise.jitter_px**2, 1e-3 * step2)
    seen = np.unique(bodies.particle[alone])
    sample = seen[:: -(-len(seen) // SAMPLE)] if len(seen) else seen
    shares = np.array(ERROR_SHARES) * error2
    drift = common_motion(bodies)
    likely, _ = _likelihoods(bodies, alone, drift, sample, grid, shares)
    if not len(likely):
        return Mobility(grid, np.full(len(grid), 1 / len(grid)), {}, error2)
    fits = [_shares(likely[:, :, k]) for k in range(len(shares))]
    best = int(np.argmax([total for _, total in fits]))
    usual, error2 = fits[best][0], float(shares[best])
    likely, who = _likelihoods(bodies, alone, drift, np.intersect1d(wanted, seen), grid, shares[best : best + 1])
    odds = usual * np.exp(likely[:, :, 0] - likely[:, :, 0].max(axis=1, keepdims=True, initial=-np.inf))
    odds /= odds.sum(axis=1, keepdims=True)
    return Mobility(grid, usual, {int(k): own for k, own in zip(who, odds)}, error2)


def _fastest(bodies: Bodies, alone: Bools, step2: float) -> float:
    """Largest variance of a step in px² that is thought of, for two particles together."""
    follows = (np.diff(bodies.particle) == 0) & (np.diff(bodies.frame) == 1) & alone[1:]
    square = 0.5 * (np.diff(bodies.x)[follows] ** 2 + np.diff(bodies.y)[follows] ** 2)
    return max(6 * step2, float(np.quantile(square, FAST)) if len(square) else 0.0)


def _shares(likely: Floats) -> tuple[Floats, float]:
    """Shares of mobilities (Q,) of particles whose log-likelihoods are given (P, Q), and the total of these."""
    top = likely.max(axis=1, keepdims=True)
    ratio = np.exp(likely - top)
    share = np.full(likely.shape[1], 1 / likely.shape[1])
    for _ in range(ROUNDS):
        part = ratio * share
        share = (part / part.sum(axis=1, keepdims=True)).sum(axis=0) + 0.5 / len(share)
        share /= share.sum()
    return share, float((np.log(ratio @ share) + top[:, 0]).sum())


def _likelihoods(
    bodies: Bodies, alone: Bools, drift: Floats, particles: Ints, grid: Floats, error2: Floats
) -> tuple[Floats, Ints]:
    """Log-likelihoods (K, Q, R) of those of `particles` that have two rows in succession, and which these are (K,)."""
    blocks = range(0, max(len(particles), 1), TOGETHER)
    found = [_likelihoods_of(bodies, alone, drift, particles[k : k + TOGETHER], grid, error2) for k in blocks]
    return np.concatenate([likely for likely, _ in found]), np.concatenate([who for _, who in found])


def _likelihoods_of(
    bodies: Bodies, alone: Bools, drift: Floats, particles: Ints, grid: Floats, error2: Floats
) -> tuple[Floats, Ints]:
    """Do what `_likelihoods` does, for so few particles that a row of places for each takes little memory."""
    length = bodies.n_rows[particles]
    row = np.arange(int(length.sum())) + np.repeat(bodies.offset[particles] - np.cumsum(length) + length, length)
    row = row[alone[row]]
    row = row[_rank(bodies.particle[row]) < LONGEST]
    piece = np.cumsum(np.diff(row, prepend=-2) != 1) if len(row) else row
    piece = np.cumsum((np.diff(piece, prepend=-1) != 0) | (np.diff(bodies.particle[row], prepend=-1) != 0)) - 1
    length = np.bincount(piece)
    row, piece = row[length[piece] > 1], np.unique(piece[length[piece] > 1], return_inverse=True)[1]
    if not len(row):
        return np.empty((0, len(grid), len(error2))), np.empty(0, np.int64)
    place = _rank(piece)
    shape = int(piece[-1]) + 1, int(place.max()) + 1
    position, frame = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    shift = drift[bodies.frame[row] - bodies.frames[0]]
    position[piece, place] = np.column_stack([bodies.x[row], bodies.y[row]]) - shift
    frame[piece, place] = bodies.frame[row]
    each = walk_likelihood(position, frame, grid, np.tile(error2, (shape[0], 1))).sum(axis=1)
    who, of = np.unique(bodies.particle[row[place == 0]], return_inverse=True)
    total = np.zeros((len(who), *each.shape[1:]))
    np.add.at(total, of, each)
    return total, who


def _rank(group: Ints) -> Ints:
    """Place of each entry in its run of equal values."""
    first = np.flatnonzero(np.diff(group, prepend=-1) != 0)
    return np.arange(len(group)) - np.repeat(first, np.diff(np.append(first, len(group))))
