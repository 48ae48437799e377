"""What the particles of one frame share: edge blur and rim profile. Estimated from all, lent to each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.frame import State, run, subtracted
from lptem_tracker.detect.refine.profile import Evidence, evidence, nearest_dome, true_size
from lptem_tracker.detect.refine.scores import CONVERGED, DOME_SCORE, DOME_WEIGHT, SEEN
from lptem_tracker.detect.refine.start import BLUR_MEAN, BLUR_SPREAD
from lptem_tracker.detect.refine.verdict import LEAST_SIGNIFICANCE

_SURE, _CLEAR = 4.0, 0.8  # gain in log-likelihood, of all and of each on average, above which domes are fitted
_SHARE_MEAN, _SHARE_SPREAD = 0.7, 0.4  # of the way from plate to dome, where plates are excluded
_LEAST_SHARE = 0.15  # below which plates will do
_HOLD = 100.0  # precision with which log blur and profile are held while what is common is sought
_TEACHERS, _ROUNDS = 48, 3
_WELL_KNOWN = 0.3  # standard error of a particle's own log blur
# A fit's log blur is too small by 0.7 to 0.96 times its variance (disks of radius 4 to 15 px; bias to second order
# after Box 1971), and by 1/(1 + 30/z²) of that where higher orders count, at a significance z of 5 to 25
_BLUR_LIFT, _FAINT_LIFT, _FAINTEST = 0.85, 30.0, 5.0
_LEAST_SPREAD = 0.03  # between particles, of log blur and profile


def reliable(state: State, least: float = 5.0) -> NDArray[np.int64]:
    """Return the rows that were fitted well enough to teach the others."""
    good = (state.significance() > least) & (state.stats[:, CONVERGED] > 0) & (state.stats[:, SEEN] > 0.95)
    return np.flatnonzero(good)


def pool_blur(state: State, rows: NDArray[np.int64]) -> tuple[float, float]:
    """Return mean and spread over the particles of the log blur, the errors of the fits taken out.

    The random-effects mean of DerSimonian & Laird (1986), eq. 8-9, with the prior that the fits used taken out of
    each and put back once.
    """
    mean, precision = BLUR_MEAN, BLUR_SPREAD**-2
    value, var = state.params[rows, sh.LOG_S], state.covs[rows, sh.LOG_S, sh.LOG_S]
    prior, weight = state.priors[rows, sh.LOG_S], state.precisions[rows, sh.LOG_S]
    information = 1 / np.maximum(var, 1e-300) - weight
    keep = np.isfinite(information) & (information > 0.02 * precision)
    value, prior, weight, information = value[keep], prior[keep], weight[keep], information[keep]
    # one particle has nobody to learn from but itself
    if len(value) < 2:
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
    between = max(excess / max(total - (information**2).sum() / total, 1e-300), 0.0)
    w = 1 / (1 / information + between)
    pooled = (float((w * alone).sum()) + precision * mean) / (float(w.sum()) + precision)
    error = 1 / (float(w.sum()) + precision)
    spread = np.sqrt(between + error + _LEAST_SPREAD**2)
    return pooled, float(min(spread, precision**-0.5))


def lend_blur(state: State, free: NDArray[np.bool_], pool: ThreadPoolExecutor | None) -> None:
    """Make the blur that the particles of a frame share the prior of each.

    The mean over particles is too small where each one alone hardly knows its blur; then that blur is sought which
    all of them agree on.
    """
    centre, spread = pool_blur(state, reliable(state))
    # the fits that say most of themselves are the sharpest by chance: all that are seen are asked
    rows = reliable(state, LEAST_SIGNIFICANCE)
    z = max(float(np.median(state.significance()[rows])) if len(rows) else 0.0, _FAINTEST)
    lift = _BLUR_LIFT / (1 + _FAINT_LIFT / z**2)
    if len(rows) > 1 and float(np.median(state.covs[rows, sh.LOG_S, sh.LOG_S])) >= _WELL_KNOWN**2:
        trial = state.copy()
        some = rows[np.unique(np.linspace(0, len(rows) - 1, _TEACHERS).round().astype(np.int64))]
        prior = np.array([BLUR_MEAN]), np.array([BLUR_SPREAD**-2])
        common, cov = _agree(trial, some, [sh.LOG_S], np.array([BLUR_MEAN]), prior, lift, free, pool)
        centre, spread = float(common[0]), max(spread, float(cov[0, 0]) ** 0.5)
    # a prior's centre moved by lift over its precision takes the bias out of the fits that lean on it
    state.priors[:, sh.LOG_S], state.precisions[:, sh.LOG_S] = centre + lift * spread**2, spread**-2


def _agree(
    state: State,
    rows: NDArray[np.int64],
    entries: list[int],
    start: NDArray[np.float64],
    prior: tuple[NDArray[np.float64], NDArray[np.float64]],
    lift: float,
    free: NDArray[np.bool_],
    pool: ThreadPoolExecutor | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values of some parameters that make all of some particles likeliest, and their covariance.

    Gauss-Newton on the joint likelihood: each particle is held near the common values, so that its posterior
    tells the gradient there, C⁻¹ (value - common), and the curvature, C⁻¹ less the hold, with C its covariance in
    white noise. Correlated noise makes gradients scatter by more than the curvature says (White 1982, theorem 3.2):
    the covariance returned, and the bias, hold that. `prior` is a mean and a precision for each entry; `lift` is
    added to each particle's gradient by the first one.
    """
    common, weight, noise = start, np.diag(prior[1]), state.noise
    for _ in range(_ROUNDS):
        state.params[:, entries], state.priors[:, entries], state.precisions[:, entries] = common, common, _HOLD
        around = subtracted(state)
        state.noise = replace(noise, lags=np.empty((0, 3)))
        run(state, rows, around, free=free, slack=1.5, max_iter=10, tol=1e-3, pool=pool)
        white, state.noise = _block(state, rows, entries), noise
        if len(noise.lags):
            run(state, rows, around, free=free, slack=1.5, max_iter=0, pool=pool)
        seen = _block(state, rows, entries)
        good = np.isfinite(seen).all(axis=(1, 2)) & (np.linalg.det(np.nan_to_num(white)) > 0)
        inverse = np.linalg.inv(white[good])
        shift = state.params[rows[good]][:, entries] - common
        hold = np.diag(np.full(len(entries), _HOLD))
        curvature = (inverse - hold).sum(axis=0)
        scatter = (inverse @ seen[good] @ inverse - hold).sum(axis=0)
        bias = np.zeros(len(entries))
        bias[0] = lift * good.sum() * max(scatter[0, 0] / max(curvature[0, 0], 1e-300), 0.0)
        slope = np.einsum("nij,nj->i", inverse, shift) + bias + weight @ (prior[0] - common)
        total = np.linalg.inv(curvature + weight)
        common = common + np.clip(total @ slope, -0.3, 0.3)
    return common, total @ (scatter + weight) @ total


def _block(state: State, rows: NDArray[np.int64], entries: list[int]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = state.covs[rows][:, entries][:, :, entries]
    return out


def prefer_domes(state: State) -> bool:
    """Note what each particle says of the way from plate to dome; tell whether domes should be fitted.

    Where single particles hardly differ from plates, a fit of domes gains nothing that the plates' sizes, brought
    to domes (`profile.settle_profile`), do not have.
    """
    rows = reliable(state)
    found = evidence(state.stats[rows, DOME_SCORE], state.stats[rows, DOME_WEIGHT], state.noise.kappa)
    state.evidence[rows] = found
    score, weight = found.sum(axis=0)
    return bool(score > 0 and 0.5 * score * min(score / weight, 1.0) > max(_SURE, _CLEAR * len(rows)))


def fit_domes(state: State, flat: NDArray[np.bool_], full: NDArray[np.bool_], pool: ThreadPoolExecutor | None) -> bool:
    """Fit domes in place of plates; False, and nothing changed, where the plates turn out likelier.

    How far the particles thin out (`Q`: 0 of a plate, 1 of a sphere) is then nearly the same of all.
    """
    everyone = np.arange(len(state.kinds))
    trial = state.copy()
    score, weight = state.evidence.sum(axis=0)
    trial.params = nearest_dome(state.kinds, state.params, float(min(score / weight, 1.0)))
    trial.priors[:, sh.LOG_S], trial.precisions[:, sh.LOG_S] = BLUR_MEAN, BLUR_SPREAD**-2
    for slack in (2.0, 1.5):
        run(trial, everyone, subtracted(trial), free=flat, slack=slack, max_iter=8, tol=0.1, pool=pool)
    rows = reliable(trial)
    gain = trial.log_likelihood()[rows] - state.log_likelihood()[rows]
    if not len(rows) or not np.clip(gain, -6.0, 6.0).sum() > 0:
        return False
    score, weight = _share_rim(trial, rows, full, pool)
    share = trial.params[:, sh.Q]
    if not share[0] > _LEAST_SHARE:
        return False
    moved = trial.params[:, sh.A] + true_size(trial.kinds, trial.params) - state.params[:, sh.A]
    trial.growth = np.maximum(moved, 0.0) / share
    trial.evidence[:] = 0.0
    trial.evidence[rows] = np.array([score, weight]) / len(rows)
    state.adopt(trial, everyone)
    return True


def _share_rim(
    state: State, rows: NDArray[np.int64], free: NDArray[np.bool_], pool: ThreadPoolExecutor | None
) -> Evidence:
    """Make the blur and profile that all particles of a frame share the prior of each; return the data's evidence."""
    entries = [sh.LOG_S, sh.Q]
    start = np.median(state.params[rows][:, entries], axis=0)
    prior = np.array([BLUR_MEAN, _SHARE_MEAN]), np.array([BLUR_SPREAD, _SHARE_SPREAD]) ** -2
    best = rows[np.argsort(-state.significance()[rows], kind="stable")[:_TEACHERS]]
    common, cov = _agree(state, best, entries, start, prior, 0.0, free, pool)
    var = np.diagonal(cov)
    state.params[:, entries], state.priors[:, entries] = common, common
    state.precisions[:, entries] = 1 / (var + _LEAST_SPREAD**2)
    return float(common[1] / var[1] - prior[0][1] * prior[1][1]), float(1 / var[1] - prior[1][1])
