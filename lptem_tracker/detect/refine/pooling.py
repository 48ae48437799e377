"""What the particles of one frame share: edge blur, rim profile, noise. Estimated from all, lent to each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.fit import CONVERGED, DOME_SCORE, DOME_WEIGHT, SEEN
from lptem_tracker.detect.refine.frame import State, run, subtracted

_LEAST_SPREAD = {sh.LOG_S: 0.03, sh.Q: 0.03, sh.SLOPE_X: 0.0, sh.SLOPE_Y: 0.0}


def reliable(state: State, least: float = 5.0) -> NDArray[np.int64]:
    """Return the rows that were fitted well enough to teach the others."""
    good = (state.significance() > least) & (state.stats[:, CONVERGED] > 0) & (state.stats[:, SEEN] > 0.95)
    return np.flatnonzero(good)


def pool_parameter(
    state: State, entry: int, rows: NDArray[np.int64], mean: float, precision: float
) -> tuple[float, float]:
    """Return mean and spread over the particles of one parameter, the errors of the fits taken out.

    The random-effects mean of DerSimonian & Laird (1986), eq. 8-9, with the prior (`mean`, `precision`) that
    the fits used taken out of each and put back once.
    """
    value, var = state.params[rows, entry], state.covs[rows, entry, entry]
    prior, weight = state.priors[rows, entry], state.precisions[rows, entry]
    information = 1 / np.maximum(var, 1e-300) - weight
    keep = np.isfinite(information) & (information > 0.02 * precision)
    value, prior, weight, information = value[keep], prior[keep], weight[keep], information[keep]
    if not len(value):
        return mean, precision**-0.5
    alone = ((information + weight) * value - weight * prior) / information
    middle = float(np.median(alone))
    scatter = 1.4826 * float(np.median(np.abs(alone - middle)))
    near = np.abs(alone - middle) <= 4 * np.hypot(scatter, information**-0.5)
    alone, information = alone[near], information[near]
    k = len(alone)
    centre = float(np.average(alone, weights=information))
    excess = float((information * (alone - centre) ** 2).sum()) - (k - 1)
    total = information.sum()
    between = max(excess / max(total - (information**2).sum() / total, 1e-300), 0.0) if k > 1 else 0.0
    w = 1 / (1 / information + between)
    pooled = (float((w * alone).sum()) + precision * mean) / (float(w.sum()) + precision)
    error = 1 / (float(w.sum()) + precision)
    spread = np.sqrt(between + error + _LEAST_SPREAD[entry] ** 2)
    return pooled, float(min(spread, precision**-0.5))


def lend(state: State, entry: int, rows: NDArray[np.int64], mean: float, precision: float) -> float:
    """Make the pooled mean and spread of a parameter the prior of all particles; return the mean."""
    centre, spread = pool_parameter(state, entry, rows, mean, precision)
    state.priors[:, entry], state.precisions[:, entry] = centre, spread**-2
    return centre


def is_domed(state: State, free: NDArray[np.bool_], pool: ThreadPoolExecutor | None) -> bool:
    """Decide whether the particles thin out towards their rim, from those that show it best.

    The pooled rim profile must differ from a plate's by 4 standard errors, by at least a tenth, and be
    the likelier.
    """
    rows = reliable(state, least=8.0)
    if not len(rows):
        return False
    score, weight = state.stats[rows, DOME_SCORE], state.stats[rows, DOME_WEIGHT]
    if not score.sum() > 3 * np.sqrt(max(float(weight.sum()) * state.noise.kappa, 1e-12)):
        return False
    rows = np.sort(rows[np.argsort(-state.significance()[rows], kind="stable")[:48]])
    trial = state.copy()
    trial.precisions[:, sh.Q] = 1.0
    around = subtracted(state)
    run(trial, rows, around, free=free, slack=1.5, max_iter=12, pool=pool)
    run(trial, rows, subtracted(trial), free=free, slack=1.5, max_iter=6, pool=pool)
    rows = rows[np.isfinite(trial.covs[rows, sh.Q, sh.Q])]
    if not len(rows):
        return False
    q, w = trial.params[rows, sh.Q], 1 / trial.covs[rows, sh.Q, sh.Q]
    mean, error = float(np.average(q, weights=w)), float(w.sum() ** -0.5)
    gain = (trial.log_likelihood() - state.log_likelihood())[rows] / max(state.noise.kappa, 1.0)
    return mean > max(4 * error, 0.1) and float(gain.sum()) > 4 + 0.5 * len(rows)
