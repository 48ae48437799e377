"""Families of Gaussian motion with one shape parameter, all seen through the same localisation error.

A family (fractional Brownian motion with its alpha, confinement with its rate) has the covariance
``K C(shape, sigma²/K)``. Tables of its quadratic form and determinant over shape and log(sigma²/K) are smooth, so a
spline in between gives the likelihood at any shape, scale K and sigma². Kept are the values at a few nodes; the fine
tables are made of as many tracks at a time as fit into the processor's cache, so that memory does not grow with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from lptem_tracker.analysis.shelf import IN_MEMORY, Shelf
from lptem_tracker.analysis.trackset import Floats

LOG_RHO = np.linspace(np.log(1e-3), np.log(1e6), 16)
"""Nodes of log(sigma²/K); below the first the localisation error no longer shows."""
FINE = 0.2
BELOW = 40
GRID = np.concatenate([LOG_RHO[0] - FINE * np.arange(BELOW, 0, -1), np.arange(LOG_RHO[0], LOG_RHO[-1] + 1e-9, FINE)])
"""Fine grid (G,) of log(sigma²/K) that likelihoods are read from."""
_SPLINE = CubicSpline(LOG_RHO, np.eye(len(LOG_RHO)), axis=1)(np.maximum(GRID, LOG_RHO[0]))
"""The cubic spline through values at the nodes, and below them their first, as a matrix: it is linear in the values."""
BLOCK = 32
"""Tracks whose fine tables are in memory at a time."""


@dataclass(frozen=True)
class Fine:
    """Tables of a few tracks on `GRID`: `log_q`, `logdet` (P, A, G) and `m` (P,)."""

    log_q: Floats
    logdet: Floats
    m: Floats

    @cached_property
    def heavy(self) -> Floats:
        """q e^u, the part of -2 log-likelihood that goes with 1/sigma²."""
        return np.asarray(np.exp(self.log_q + GRID))

    @cached_property
    def light(self) -> Floats:
        """The part of -2 log-likelihood that does not depend on sigma², but for a constant."""
        return np.asarray(self.logdet - self.m[:, None, None] * GRID)


@dataclass(frozen=True)
class Family:
    """Tables of one family for P tracks.

    Attributes
    ----------
    shape : (A,) float
        Nodes of the shape parameter.
    log_q, logdet : (P, A, N) float, or Shelf
        At the nodes `LOG_RHO`; of ensembles (`pool`) on `GRID`. Of very many tracks on the disk.
    m : (P,) float
        Numbers each likelihood rests on.
    """

    shape: Floats
    log_q: Floats | Shelf
    logdet: Floats | Shelf
    m: Floats

    def __len__(self) -> int:
        return len(self.m)

    def blocks(self) -> Iterator[tuple[slice, Fine]]:
        """Yield the rows of a few tracks and their tables on `GRID`, in order."""
        for first in range(0, len(self), BLOCK):
            rows = slice(first, min(first + BLOCK, len(self)))
            yield rows, Fine(_on_grid(_rows(self.log_q, rows)), _on_grid(_rows(self.logdet, rows)), self.m[rows])

    def node(self, i: int, j: int) -> tuple[Floats, Floats]:
        """Return `log_q` and `logdet` (P,) at one shape and one node of log(sigma²/K), counted from either end."""
        i, j = i % len(self.shape), j % self.log_q.shape[2]
        return _column(self.log_q, i, j), _column(self.logdet, i, j)


def _rows(table: Floats | Shelf, rows: slice) -> Floats:
    return table.rows(rows.start, rows.stop) if isinstance(table, Shelf) else table[rows]


def _column(table: Floats | Shelf, i: int, j: int) -> Floats:
    return table.column(i, j) if isinstance(table, Shelf) else table[:, i, j]


def _on_grid(table: Floats) -> Floats:
    """Return tables (P, A, N) at the nodes on the fine grid; those that are on it as they are."""
    if table.shape[2] == len(GRID):
        return table
    return np.asarray(table @ _SPLINE)


@dataclass(frozen=True)
class Level:
    """Likelihood of P tracks at A shapes with sigma² given, J values of it.

    Attributes
    ----------
    best : (P, A, J) float
        Log-likelihood maximised over log K.
    integrated : (P, A, J) float
        Integrated over log K (Laplace), for what tracks share.
    log_k : (P, A, J) float
        log of the best K, px² a frame^alpha.
    """

    best: Floats
    integrated: Floats
    log_k: Floats


def build_family(shape: Floats, evaluate: Callable[[float, float], tuple[Floats, Floats, Floats]]) -> Family:
    """Fill the tables.

    Parameters
    ----------
    shape : (A,) float
    evaluate : callable
        Takes one shape and one rho = sigma²/K; returns q (P,), logdet (P,) and m (P,).
    """
    _, _, m = evaluate(float(shape[0]), 1.0)
    size = len(m), len(shape), len(LOG_RHO)
    log_q, logdet = (Shelf(size) if np.prod(size) > IN_MEMORY else np.empty(size) for _ in range(2))
    for i, a in enumerate(shape):
        for j, u in enumerate(LOG_RHO):
            q, det, _ = evaluate(float(a), float(np.exp(u)))
            # a path without any scatter, as made by hand, leaves nothing
            for table, values in ((log_q, np.log(np.maximum(q, 1e-300))), (logdet, det)):
                if isinstance(table, Shelf):
                    table.put(i, j, values)
                else:
                    table[:, i, j] = values
    return Family(np.asarray(shape), log_q, logdet, m)


def pool(family: Family, counts: npt.NDArray[Any]) -> Family:
    """Return B ensembles that share shape and K, each with its `counts` (B, P) of every track."""
    size = len(counts), len(family.shape), len(GRID)
    q, logdet = np.zeros(size), np.zeros(size)
    for rows, fine in family.blocks():
        q += np.tensordot(counts[:, rows], np.exp(fine.log_q), 1)
        logdet += np.tensordot(counts[:, rows], fine.logdet, 1)
    return Family(family.shape, np.log(np.maximum(q, 1e-300)), logdet, counts @ family.m)


def over_sigma2(family: Family, sigma2: Floats) -> Iterator[tuple[slice, Level]]:
    """Yield the rows of a few tracks and what `at_sigma2` says of them."""
    variances = np.ascontiguousarray(sigma2, dtype=np.float64)
    for rows, fine in family.blocks():
        size = (*fine.log_q.shape[:2], len(variances))
        found = Level(np.empty(size), np.empty(size), np.empty(size))
        tables = (fine.heavy, fine.light, fine.log_q, fine.logdet)
        _maximise(
            *map(np.ascontiguousarray, tables), fine.m, GRID, variances, found.best, found.integrated, found.log_k
        )
        yield rows, found


def at_sigma2(family: Family, sigma2: Floats) -> Level:
    """Maximise and integrate over K at localisation variances (J,) in px², above 0."""
    parts = [(level.best, level.integrated, level.log_k) for _, level in over_sigma2(family, sigma2)]
    return Level(*(np.concatenate(part) for part in zip(*parts)))


@nb.njit(cache=True, nogil=True)
def _maximise(heavy, light, log_q, logdet, numbers, grid, sigma2, best, integrated, log_k):  # type: ignore[no-untyped-def]
    """Write best, integrated and log K (P, A, J) of tables (P, A, G) at each localisation variance (J,)."""
    cost = np.empty(len(grid))
    for p in range(log_q.shape[0]):
        m = numbers[p]
        for a in range(log_q.shape[1]):
            for j in range(len(sigma2)):
                at = min(max(_lowest(heavy[p, a], light[p, a], 1 / sigma2[j], cost), 1), len(grid) - 2)
                q0, q1, q2 = _parabola(log_q[p, a], at)
                d0, d1, d2 = _parabola(logdet[p, a], at)
                # log K = log sigma² - u, so that -2 ll = q e^u / sigma² + m (log sigma² - u) + logdet
                x, centre, log_sigma2 = 0.0, grid[at], math.log(sigma2[j])
                for _ in range(5):
                    quad = math.exp(q0 + q1 * x + q2 * x**2 / 2 + centre + x - log_sigma2)
                    slope = quad * (1 + q1 + q2 * x) - m + d1 + d2 * x
                    bend = quad * ((1 + q1 + q2 * x) ** 2 + q2) + d2
                    x = min(max(x - slope / max(bend, 1e-3), -FINE), FINE)
                quad = math.exp(q0 + q1 * x + q2 * x**2 / 2 + centre + x - log_sigma2)
                bend = max(quad * ((1 + q1 + q2 * x) ** 2 + q2) + d2, 1e-2)
                log_k[p, a, j] = log_sigma2 - centre - x
                best[p, a, j] = -0.5 * (quad + m * log_k[p, a, j] + d0 + d1 * x + d2 * x**2 / 2)
                integrated[p, a, j] = best[p, a, j] + 0.5 * math.log(4 * math.pi / bend)


@nb.njit(cache=True, nogil=True)
def _lowest(heavy, light, inverse, cost):  # type: ignore[no-untyped-def]
    """Return where ``heavy * inverse + light`` is lowest; `cost` is scratch of the same length (G,)."""
    for g in range(len(cost)):
        cost[g] = heavy[g] * inverse + light[g]
    # four at a time do not wait for each other
    n = len(cost) // 4 * 4
    w, x, y, z = cost[0], cost[0], cost[0], cost[0]
    for g in range(0, n, 4):
        w, x, y, z = min(w, cost[g]), min(x, cost[g + 1]), min(y, cost[g + 2]), min(z, cost[g + 3])
    least = min(min(w, x), min(y, z))
    for g in range(n, len(cost)):
        least = min(least, cost[g])
    for g in range(len(cost)):
        if cost[g] == least:
            return g
    return 0


@nb.njit(cache=True, nogil=True)
def _parabola(values, at):  # type: ignore[no-untyped-def]
    """Return value, slope and bend at a place of `GRID` from its neighbours."""
    before, here, after = values[at - 1], values[at], values[at + 1]
    return here, (after - before) / (2 * FINE), (after - 2 * here + before) / FINE**2
