"""Which shape a particle has, decided by likelihood particle by particle."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import compiled
from lptem_tracker.detect.refine.frame import State, Surroundings, reaching, run, subtracted
from lptem_tracker.detect.refine.pixels import normal_edge
from lptem_tracker.detect.refine.render import owners
from lptem_tracker.detect.refine.scores import CHI2, ELONGATION, N_ACTIVE

_ASPECTS = (1.5, 2.2, 3.2, 4.7)
_ANGLES = 16
_PIXELS = 400
_SUSPECT_ASPECT, _CLEAR_ASPECT = 1.25, 1.6
# 99.99 % quantile of χ² with two degrees of freedom: an undistorted disk seldom costs three more fits
_SUSPECT_SCORE, _LIKELY_SCORE = 18.4, 9.2
_CERTAIN_SCORE = 200.0  # a gain in χ² against which a disk need not be tried
_MISFIT = 5.0
# share of doubtful particles above which all of a frame's are tried as ellipses and rods
_COMMON = 0.25


@compiled
def _search(image, around, owner, rows, params, box, tries, kind, noise, table):  # type: ignore[no-untyped-def]
    """Put the best of some outlines into each row of `params`, by the χ² that a linear fit of its contrast gains.

    tries : (k, 2) aspect ratio and angle. An outline is scaled to fill the box; where its own box has
    another shape than the detection's, that counts against it (a fifth of the sides' ratio, as one σ).
    """
    room = np.empty((8, 4 * _PIXELS))
    values, weights, us, vs, d, z, cdf, pdf = room[0], room[1], room[2], room[3], room[4], room[5], room[6], room[7]
    for row in range(rows.shape[0]):
        i = rows[row]
        p = params[i]
        w, h = box[i, 2], box[i, 3]
        reach = 0.55 * math.sqrt(w * w + h * h) + 3
        step = max(1, math.ceil(math.sqrt(4 * reach * reach / _PIXELS)))
        n = 0
        for iy in range(max(0, int(p[sh.Y] - reach)), min(image.shape[0] - 1, int(p[sh.Y] + reach)) + 1, step):
            for ix in range(max(0, int(p[sh.X] - reach)), min(image.shape[1] - 1, int(p[sh.X] + reach)) + 1, step):
                if n < values.shape[0] and math.isfinite(image[iy, ix]) and (owner[iy, ix] < 0 or owner[iy, ix] == i):
                    values[n] = image[iy, ix] + around[iy, ix] - p[sh.LEVEL]
                    weights[n] = 1 / max(noise[2], noise[1] + noise[0] * p[sh.LEVEL])
                    us[n], vs[n] = ix - p[sh.X], iy - p[sh.Y]
                    n += 1
        best, a, b, theta = -np.inf, p[sh.A], p[sh.B], p[sh.THETA]
        trial = p.copy()
        for t in range(tries.shape[0]):
            aspect, turn = tries[t, 0], tries[t, 1]
            across, along = (aspect - 1) * abs(math.cos(turn)) + 1, (aspect - 1) * abs(math.sin(turn)) + 1
            if kind == sh.BOX:
                trial[sh.B] = math.sqrt(w * h * math.pi / 16 / aspect)
            else:
                trial[sh.B] = 0.5 * math.sqrt(w * h / (across * along))
            trial[sh.A] = aspect * trial[sh.B]
            trial[sh.CORNER] = 0.3 * trial[sh.B]
            angle = turn + box[i, 4]
            cos, sin, s = math.cos(angle), math.sin(angle), max(1.0, 0.15 * trial[sh.B])
            for j in range(n):
                u, v = cos * us[j] + sin * vs[j], cos * vs[j] - sin * us[j]
                d[j] = sh.distance(kind, u, v, trial[sh.A], trial[sh.B], trial[sh.CORNER])
            for j in range(n):
                z[j] = d[j] / s
            normal_edge(z, n, cdf, pdf)
            if trial[sh.Q] != 0.0:
                for j in range(n):
                    u, v = cos * us[j] + sin * vs[j], cos * vs[j] - sin * us[j]
                    cdf[j] = sh.fraction(kind, u, v, d[j], trial, s, table)
            s1, sf, sff, sy, sfy = 0.0, 0.0, 0.0, 0.0, 0.0
            for j in range(n):
                f, wf = cdf[j], weights[j] * cdf[j]
                s1 += weights[j]
                sf += wf
                sff += wf * f
                sy += weights[j] * values[j]
                sfy += wf * values[j]
            var = sff - sf * sf / max(s1, 1e-300)
            cov = sfy - sf * sy / max(s1, 1e-300)
            gain = cov * cov / var if var > 1e-12 * sff else 0.0
            mismatch = math.log((across / along) / (w / h)) / 0.2
            gain = gain * step * step - (mismatch * mismatch if kind != sh.BOX else 0.0)
            if gain > best:
                best, a, b, theta = gain, trial[sh.A], trial[sh.B], angle
        p[sh.A], p[sh.B], p[sh.THETA], p[sh.CORNER] = a, b, theta, 0.3 * b


def _tries(aspects: tuple[float, ...], turn: float, count: int) -> NDArray[np.float64]:
    return np.array([(a, -turn / 2 + turn * k / count) for a in aspects for k in range(count)])


def suspects(state: State, box: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows whose box or fit says that they are no disk."""
    aspect = np.maximum(box[:, 2] / box[:, 3], box[:, 3] / box[:, 2])
    score = state.stats[:, ELONGATION] / state.noise.kappa
    likely = (aspect > _SUSPECT_ASPECT) & (score > _LIKELY_SCORE)
    doubtful = (aspect > _CLEAR_ASPECT) | (score > _SUSPECT_SCORE) | likely
    if doubtful.mean() > _COMMON:
        return np.arange(len(doubtful))
    return np.flatnonzero(doubtful)


def misfit(state: State) -> NDArray[np.float64]:
    """Return by how many standard deviations the residuals near each outline exceed the noise, shape (n,)."""
    n = np.maximum(state.stats[:, N_ACTIVE], 1)
    spread = np.sqrt(2 * (1 + 2 * float((state.noise.lags[:, 2] ** 2).sum())) / n)
    out: NDArray[np.float64] = (state.stats[:, CHI2] / n - 1) / spread
    return out


def choose_elongated(
    state: State, box: NDArray[np.float64], free: NDArray[np.bool_], pool: ThreadPoolExecutor | None
) -> None:
    """Fit ellipses and rods where disks are in doubt, and keep the likeliest.

    A shape of k more parameters must gain k ln(n)/2 in log-likelihood over n pixels near the outline
    (Schwarz 1978), times the noise's power at long wavelengths where it is correlated.
    """
    rows = suspects(state, box)
    if len(rows):
        around = _apart(state, box, rows)
        possible = state.stats[rows, ELONGATION] / state.noise.kappa < _CERTAIN_SCORE
        _compete(state, rows, possible, around, (sh.ELLIPSE, sh.ROD), box, _tries(_ASPECTS, np.pi, _ANGLES), free, pool)


def choose_rectangles(state: State, free: NDArray[np.bool_], pool: ThreadPoolExecutor | None) -> bool:
    """Fit rounded rectangles where all other shapes leave more than the noise; tell whether some were likelier."""
    rows = np.flatnonzero((misfit(state) > _MISFIT) & (state.significance() > _MISFIT))
    if len(rows):
        outline = np.column_stack([state.params[:, [sh.X, sh.Y]], _bounding(state), state.params[:, sh.THETA]])
        around = _apart(state, outline, rows)
        possible = np.ones(len(rows), dtype=np.bool_)
        _compete(state, rows, possible, around, (sh.BOX,), outline, _tries((1.0, 1.3), np.pi / 2, 9), free, pool)
    return bool((state.kinds == sh.BOX).any())


def _bounding(state: State) -> NDArray[np.float64]:
    b = np.where(state.kinds == sh.DISK, state.params[:, sh.A], state.params[:, sh.B])
    return 2 * np.column_stack([state.params[:, sh.A], b])


def _apart(state: State, box: NDArray[np.float64], rows: NDArray[np.int64]) -> Surroundings:
    """Subtract the particles that are settled; leave each pixel near the others to the one deepest there."""
    settled = reaching(state, rows)
    settled[rows] = False
    outlines = state.params.copy()
    outlines[:, [sh.X, sh.Y]], outlines[:, sh.A], outlines[:, sh.B] = box[:, :2], box[:, 2] / 2, box[:, 3] / 2
    outlines[:, sh.THETA] = box[:, 4]
    apart = np.ones(len(box), dtype=np.bool_)
    apart[rows] = False
    outlines[apart, sh.X] = -1e6
    around = subtracted(state, settled)
    owner = owners(around.total.shape, np.full(len(box), sh.ELLIPSE, dtype=np.int64), outlines, 2.0)
    return Surroundings(around.total, around.counted, owner)


def _compete(
    state: State,
    rows: NDArray[np.int64],
    possible: NDArray[np.bool_],
    around: Surroundings,
    kinds: tuple[int, ...],
    box: NDArray[np.float64],
    tries: NDArray[np.float64],
    free: NDArray[np.bool_],
    pool: ThreadPoolExecutor | None,
) -> None:
    """Fit some rows in other shapes and keep the likeliest; the present one only where it is `possible`."""
    rigid = free.copy()
    rigid[:, [sh.LOG_S, sh.Q]] = False
    trials = [state.copy()]
    run(trials[0], rows[possible], around, free=free, slack=1.5, max_iter=10, tol=0.1, pool=pool)
    start = state.copy()
    start.params[rows, 0:2] = box[rows, 0:2]
    _search(state.image, around.total, around.owner, rows, start.params, box, tries, kinds[0],
            state.noise.packed(), sh.TABLE)  # fmt: skip
    for kind in kinds:
        trial = start.copy()
        trial.kinds[rows] = kind
        for entry in (sh.A, sh.B, sh.CORNER):
            trial.priors[rows, entry] = trial.params[rows, entry]
        trial.precisions[rows, sh.CORNER] = 1 / (0.4 * trial.params[rows, sh.B]) ** 2
        trial.params[rows, sh.LOG_S] = np.log(np.maximum(1.2, 0.15 * trial.params[rows, sh.B]))
        run(trial, rows, around, free=rigid, slack=3.0, max_iter=8, tol=0.3, covariance=False, pool=pool)
        trial.params[rows, sh.LOG_S] = np.log(1.2)
        run(trial, rows, around, free=free, slack=2.0, max_iter=12, tol=0.1, covariance=False, pool=pool)
        # the weights of the first run were those of the start
        run(trial, rows, around, free=free, slack=1.5, max_iter=4, tol=0.1, pool=pool)
        trials.append(trial)
    evidence = np.stack([_evidence(trial, free)[rows] for trial in trials])
    evidence[0, ~possible] = -np.inf
    winner = _elect(evidence)
    for k, trial in enumerate(trials):
        state.adopt(trial, rows[winner == k])


def _elect(evidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the most probable model of each particle, with the models' shares learned from all of them.

    evidence : shape (models, n), log marginal likelihoods. Shares by expectation-maximisation (Dempster et al.
    1977) from equal ones, with one particle's worth of equal shares as a prior.
    """
    shares = np.full(len(evidence), 1 / len(evidence))
    finite = np.maximum(evidence, evidence.max(axis=0) - 700.0)
    for _ in range(20):
        weight = np.exp(finite - finite.max(axis=0)) * shares[:, None]
        weight /= weight.sum(axis=0)
        shares = (weight.sum(axis=1) + 1 / len(shares)) / (weight.shape[1] + 1)
    out: NDArray[np.int64] = np.argmax(finite + np.log(shares)[:, None], axis=0)
    return out


def _evidence(state: State, free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return log-likelihood less the cost of the parameters, shape (n,)."""
    count = free.sum(axis=1)[state.kinds]
    likelihood = state.log_likelihood() / max(state.noise.kappa, 1.0)
    out: NDArray[np.float64] = likelihood - 0.5 * count * np.log(np.maximum(state.stats[:, N_ACTIVE], 2))
    return np.where(np.isfinite(out), out, -np.inf)
