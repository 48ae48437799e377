"""Motion common to all particles: never counted as diffusion, never taken out twice.

A steady drift is one unknown velocity, known to each particle only through the others. A drift that changes from
frame to frame is the weighted mean step of the particles in each frame; as each particle is part of that mean, its
residual steps are too small by a known factor and are scaled back (for n equal particles by n/(n - 1)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lptem_tracker.analysis.brownian import KK, XK, stats
from lptem_tracker.analysis.diffusion import Imaging, Velocity, fit_pooled
from lptem_tracker.analysis.profile import ProfileFit, reduce_stats
from lptem_tracker.analysis.quantiles import chi2_quantile
from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet


@dataclass(frozen=True)
class Drift:
    """Common motion that was found, and tracks without it.

    Attributes
    ----------
    tracks : TrackSet
    velocity : Velocity or None
        What remains uncertain of each particle's share in the drift.
    mean, std : (2,) float
        Mean drift velocity in px a frame (with what the linker took out) and its standard error.
    kind : {'none', 'steady', 'frame by frame'}
    share : float
        Part of the displacements that are independent after removal.
    velocities_differ : bool
        Whether single particles have mean velocities of their own beyond diffusion.
    """

    tracks: TrackSet
    velocity: Velocity | None
    mean: Floats
    std: Floats
    kind: str
    share: float
    velocities_differ: bool


def remove_drift(tracks: TrackSet, imaging: Imaging, *, wanted: bool = True) -> Drift:
    """Find and remove common motion.

    Parameters
    ----------
    tracks : TrackSet
        At least 3 positions each.
    imaging : Imaging
    wanted : bool
        False: measure the drift only.

    Notes
    -----
    Where the linker took out a drift that changes with time, that estimate was made from the same particles and
    is biased towards each of them; the frame-wise contrasts used here do not depend on what was taken out.
    """
    if len(tracks) < 2:
        return Drift(tracks, None, np.array(tracks.drift), np.full(2, np.nan), "none", 1.0, False)
    if wanted and (tracks.drift_varies or drift_changes(tracks, imaging)):
        free, mean, share = _frame_by_frame(tracks)
        std = np.sqrt(np.maximum(_velocities(free, imaging, _one_d(free, imaging))[1], 0).mean(0) / len(tracks))
        return Drift(free, None, mean + tracks.drift, std, "frame by frame", share, False)
    one = _one_d(tracks, imaging)
    own, variance = _velocities(tracks, imaging, one)
    common = _common_variance(tracks, imaging, one)
    between = np.array([_between(own[:, a], variance[:, a], common) for a in (0, 1)])
    weight = 1 / (variance + between)
    total, moment = weight.sum(0), (weight * own).sum(0)
    mean, std = moment / total + tracks.drift, 1 / np.sqrt(total)
    differ = bool((between > 0).any())
    if not wanted:
        return Drift(tracks, None, mean, std, "none", 1.0, differ)
    # all together tell most of the drift; what the others say of a particle's share in it is its prior
    rest, common_drift = np.maximum(total - weight, 1e-300), moment / total
    others, width = (moment - weight * own) / rest, 1 / rest
    elapsed = (tracks.frame - tracks.frame_first[tracks.index])[:, None]
    free = replace(tracks, xy=tracks.xy - elapsed * common_drift)
    return Drift(free, Velocity(others - common_drift, width), mean, std, "steady", 1.0, differ)


def _one_d(tracks: TrackSet, imaging: Imaging) -> ProfileFit:
    """One D and one localisation error for all, each with a velocity of its own."""
    return fit_pooled(tracks, imaging, own_velocity=True, bootstrap=0).fit


def _velocities(tracks: TrackSet, imaging: Imaging, one: ProfileFit) -> tuple[Floats, Floats]:
    """Mean velocity of each particle (P, 2) and its variance, with one localisation error for all."""
    d, rho = _scales(tracks, imaging, one)
    stat = stats(tracks, rho[:, None], imaging.blur, weighted=imaging.weighted)[:, 0]
    kk = np.maximum(stat[:, KK, None], 1e-300)
    return stat[:, XK : XK + 2] / kk, np.repeat(d[:, None] / kk, 2, axis=1)


def _scales(tracks: TrackSet, imaging: Imaging, one: ProfileFit) -> tuple[Floats, Floats]:
    """D of each particle (P,), all with one localisation variance, and that variance over D.

    One D for all, unless the particles clearly differ: a short track may give itself a D of 0, and with it all the
    weight. Where they do, each has its own, with two numbers from the common one.
    """
    rho = np.geomspace(1e-3, 1e6, 44)
    step, _, _ = tracks.steps()
    sigma2 = max(float((step**2).mean()), 1e-300) * np.geomspace(1e-4, 0.6, 28)
    m, best = np.empty(len(tracks)), np.empty((len(tracks), len(sigma2)), np.uint8)
    q_all, logdet_all, apart = np.zeros(len(rho)), np.zeros(len(rho)), np.zeros(len(sigma2))
    for rows, block in tracks.blocks():
        stat = stats(block, np.broadcast_to(rho, (len(block), len(rho))), imaging.blur, weighted=imaging.weighted)
        q, logdet, m[rows] = reduce_stats(stat, block.n_observed.astype(np.float64) - 1, spread=np.inf)
        q_all, logdet_all = q_all + q.sum(0), logdet_all + logdet.sum(0)
        for k, s in enumerate(sigma2):
            alone = -0.5 * (m[rows, None] * np.log(s / rho) + q * rho / s + logdet)
            apart[k] += alone.max(1).sum()
            best[rows, k] = alone.argmax(1)
    total = m.sum()
    together = -0.5 * (total * np.log(q_all / total) + total + logdet_all)
    at = int(apart.argmax())
    if 2 * (apart[at] - together.max()) < chi2_quantile(0.999, len(tracks) - 1):
        return np.full(len(tracks), max(float(one.d[0]), 1e-300)), np.full(len(tracks), float(one.rho[0]))
    d = (m * sigma2[at] / rho[best[:, at]] + 2 * one.d) / (m + 2)
    return d, sigma2[at] / d


def _common_variance(tracks: TrackSet, imaging: Imaging, one: ProfileFit) -> Floats:
    """Variance (P,) of each particle's mean velocity if all have one D."""
    stat = stats(tracks, one.rho, imaging.blur, weighted=imaging.weighted)[:, 0]
    return np.asarray(one.d / np.maximum(stat[:, KK], 1e-300))


def _between(v: Floats, variance: Floats, common: Floats) -> float:
    """Variance of velocities beyond their errors (Paule & Mandel 1982); 0 where they agree.

    A short track may give itself far too small an error: none counts as smaller than the `common` one.
    """
    n, variance = len(v), np.maximum(variance, common)

    def excess(tau: float) -> float:
        w = 1 / (variance + tau)
        return float((w * (v - (w * v).sum() / w.sum()) ** 2).sum())

    # own errors are estimates: only a clear disagreement counts
    if n < 3 or excess(0.0) < chi2_quantile(0.999, n - 1) * (1 + 2 / np.sqrt(n)):
        return 0.0
    low, high = 0.0, float(v.var()) * 4
    for _ in range(60):
        mid = (low + high) / 2
        low, high = (mid, high) if excess(mid) > n - 1 else (low, mid)
    return (low + high) / 2


def drift_changes(tracks: TrackSet, imaging: Imaging, *, evidence: float = 3.5) -> bool:
    """Whether particles share motion beyond a steady velocity.

    Parameters
    ----------
    tracks : TrackSet
    imaging : Imaging
    evidence : float
        Log-likelihood by which the mean path of n particles, times sqrt(n), must differ from the path of one
        particle. A false alarm costs 1/n of the data's weight and no bias.
    """
    if max(_together(tracks, stride) for stride in (1, 4, 16)) < 3:
        return False
    free, _, _ = _frame_by_frame(tracks, equal=True)
    common = _mean_path(tracks)
    if common is None:
        return False
    one = fit_pooled(free, imaging, bootstrap=0).fit
    both = fit_pooled(common, imaging, drift=True, bootstrap=0).fit
    q, logdet, m = reduce_stats(
        stats(common, one.rho, imaging.blur), common.n_observed.astype(np.float64) - 1, spread=np.inf
    )
    same = -0.5 * (m * np.log(one.d) + q[:, 0] / one.d + logdet[:, 0])
    return float(both.loglik[0] - 0.5 * m[0] - same[0]) > evidence and float(q[0, 0]) > float(m[0] * one.d[0])


def _together(tracks: TrackSet, stride: int) -> float:
    """Standard score of products of simultaneous steps of different particles.

    Given their sizes, independent steps have random signs: this holds for steps of any distribution.
    """
    at = tracks.frame % stride == 0
    frame, index, xy = tracks.frame[at] // stride, tracks.index[at], tracks.xy[at]
    joined = np.flatnonzero((np.diff(index) == 0) & (np.diff(frame) == 1))
    if len(joined) < 6:
        return 0.0
    step, when, who = xy[joined + 1] - xy[joined], frame[joined + 1], index[joined]
    count = np.maximum(np.bincount(who, minlength=len(tracks)), 1)
    cross = spread = 0.0
    for axis in (0, 1):
        left = step[:, axis] - (np.bincount(who, step[:, axis], len(tracks)) / count)[who]
        size = np.sqrt(np.bincount(who, left**2, len(tracks)) / count)
        left = left / np.maximum(size[who], 1e-300)
        total, square = np.bincount(when, left), np.bincount(when, left**2)
        cross += float((total**2 - square).sum())
        spread += 2 * float((square**2 - np.bincount(when, left**4)).sum())
    return cross / np.sqrt(spread) if spread > 0 else 0.0


def _mean_path(tracks: TrackSet) -> TrackSet | None:
    """Cumulative mean step of each frame times the root of the number of particles, as one track."""
    step, span, end = tracks.steps()
    single = span == 1
    when = tracks.frame[end][single]
    n = np.bincount(when)
    mean, _ = _frame_means(step[single], when, np.ones(len(when)), len(n))
    good = n >= 2
    # the longest run of frames with two particles or more
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(np.int8), [0]])))
    if len(edges) < 2:
        return None
    first, last = edges.reshape(-1, 2)[np.diff(edges.reshape(-1, 2), axis=1).argmax()]
    if last - first < 8:
        return None
    xy = np.concatenate([np.zeros((1, 2)), np.cumsum(mean[first:last] * np.sqrt(n[first:last])[:, None], 0)])
    frame = np.arange(len(xy))
    return TrackSet(
        particle=np.zeros(1, dtype=np.int64),
        offset=np.array([0, len(xy)]),
        frame=frame,
        xy=xy - xy.mean(0),
        origin=xy.mean(0)[None],
        weight=np.ones(len(xy)),
    )


def _frame_by_frame(tracks: TrackSet, *, equal: bool = False) -> tuple[TrackSet, Floats, float]:
    """Tracks without the mean step of each frame, the mean drift velocity, and the share of independent steps."""
    step, span, end = tracks.steps()
    who, when, single = tracks.index[end], tracks.frame[end], span == 1
    # particles that jitter less say more about the drift; own steps still hold it, so differences to the mean count
    n_frames = int(tracks.frame.max()) + 1
    plain = _frame_means(step[single], when[single], np.ones(int(single.sum())), n_frames)[0]
    left = ((step - plain[when])[single] ** 2).mean(1)
    own = np.bincount(who[single], left, len(tracks)) / np.maximum(np.bincount(who[single], minlength=len(tracks)), 1)
    typical = max(float(np.median(own[own > 0])) if (own > 0).any() else 1.0, 1e-12)
    size = np.where((own > 0) & (not equal), np.clip(own, 0.2 * typical, None), typical)
    mean, total = _frame_means(step[single], when[single], 1 / size[who[single]], n_frames)
    lone = np.bincount(when[single], minlength=n_frames) < 2
    mean[lone] = 0.0
    path = np.cumsum(mean, 0)
    residual = step - (path[when] - path[when - span])
    with np.errstate(divide="ignore"):
        inverse = np.where(lone, 0.0, 1 / np.maximum(total, 1e-300))
    noise = np.cumsum(inverse)
    shared = (noise[when] - noise[when - span]) / (span * size[who])
    factor = np.where(single, 1 - np.minimum(shared, 0.75), 1 + shared)
    moved = np.zeros_like(tracks.xy)
    moved[end] = residual / np.sqrt(factor)[:, None]
    xy = np.cumsum(moved, 0)
    xy -= xy[tracks.offset[:-1]][tracks.index]
    centre = np.add.reduceat(xy, tracks.offset[:-1], axis=0) / tracks.n_observed[:, None]
    share = float(np.mean(factor[single])) if single.any() else 1.0
    return replace(tracks, xy=xy - centre[tracks.index]), mean[~lone].mean(0) if (~lone).any() else np.zeros(2), share


def _frame_means(step: Floats, when: Ints, weight: Floats, n_frames: int) -> tuple[Floats, Floats]:
    total = np.bincount(when, weight, n_frames)
    sums = np.stack([np.bincount(when, weight * step[:, a], n_frames) for a in (0, 1)], 1)
    return sums / np.maximum(total, 1e-300)[:, None], np.asarray(total, dtype=np.float64)
