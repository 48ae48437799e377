"""Parameters from the data: step lengths from pairs of frames, rates from a first linking of a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lptem_tracker.link.blocks import Run, Source
from lptem_tracker.link.candidates import logit
from lptem_tracker.link.core import Decided, Points, SlidingWindow, frame_starts, joined
from lptem_tracker.link.imm import Mixture
from lptem_tracker.link.motion import Kind, choose_motion
from lptem_tracker.link.parameters import Origin, Parameters
from lptem_tracker.link.patch import patch_of
from lptem_tracker.link.steps import fit_steps, pairs_within

SAMPLE = 1500
"""Detections from which steps are estimated: 1.3 % of standard error on the step length."""

ENOUGH_PAIRS = 12
"""Fewer expected links than this estimate nothing."""


ENOUGH_LONE = 15
"""Lone detections from which their confidence is compared with that of the others."""

MARGIN = 6.0
"""Distance from the edge of a patch, in steps, from which on births and deaths are real: three over `LAG` frames."""

LAG = 4
"""Largest frame difference of a link in the first linking."""

Samples = Mapping[Run, Points]


OPEN = 0.98
"""Posterior in the sample below which a link is open."""

MEMORYLESS, CROWDED, WITH_MEMORY = 0.43, 0.24, 0.36
"""Factors on the log-odds of posteriors: with no open link, with open links only more by this, with memory."""


class Estimate(NamedTuple):
    """What a sample tells: parameters, mixture of motions with memory or None, scatter of log radius, caution."""

    parameters: Parameters
    mixture: Mixture | None
    size_scatter: float
    caution: float


class Scale(NamedTuple):
    """Sizes of the scene: mean area of the field (px²), particles a frame, spacing (px)."""

    area: float
    per_frame: float
    spacing: float


def scale_runs(source: Source) -> list[Run]:
    """Return the frames that `scale_of` wants samples of."""
    many = 8 if source.starts[-1] >= 3 * len(source.frame) else 200
    pick = np.unique(np.linspace(0, len(source.frame) - 1, min(len(source.frame), many)).astype(int))
    return [(int(f), int(f) + 1) for f in pick]


def scale_of(source: Source, samples: Samples) -> Scale:
    """Return the size of the scene, from the local density where a frame holds enough particles.

    The fourth neighbour's distance sees a patch of particles as densely as it is, whatever the field.
    """
    per_frame = int(source.starts[-1]) / max(len(source.frame), 1)
    some = [samples[run].xy for run in scale_runs(source)]
    fourth = [_fourth_neighbour(xy) for xy in some if len(xy) >= 8]
    if fourth:
        spacing = math.sqrt(math.pi / 4) * float(np.median(np.concatenate(fourth)))
        if spacing > 0:
            return Scale(per_frame * spacing**2, per_frame, spacing)
    boxes = [np.ptp(xy, axis=0) for xy in some if len(xy) >= 3]
    side = np.median(boxes, axis=0) if boxes else np.ptp(np.concatenate(some), axis=0)
    side = np.maximum(side, 1e-6 * max(float(side.max()), 1e-6))
    # the box around n points of a field falls short of it by about one spacing
    area = float(np.prod(side)) * (1 + 1 / math.sqrt(per_frame)) ** 2
    return Scale(area, per_frame, math.sqrt(area / per_frame))


def _fourth_neighbour(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    some = xy[:: max(len(xy) // 200, 1)]
    return np.asarray(cKDTree(xy).query(some, k=5)[0][:, 4], float)


def sample_runs(starts: NDArray[np.int64], budget: int, run: int) -> list[tuple[int, int]]:
    """Choose runs of `run` frames spread over the movie that hold about `budget` detections.

    Pairs overlap where the movie is short: none of its steps can be spared.
    """
    n_frames = len(starts) - 1
    run = min(run, n_frames)
    per_run = max(starts[-1] / n_frames * run, 1.0)
    most = n_frames - 1 if run == 2 else n_frames // run
    many = int(min(max(budget // per_run, 1), max(most, 1)))
    first = np.linspace(0, n_frames - run, many).astype(int) if many > 1 else np.array([(n_frames - run) // 2])
    return [(int(a), int(a) + run) for a in first]


def estimate_runs(source: Source, max_lag: int) -> list[Run]:
    """Return the runs of frames that `estimate` wants samples of."""
    return [*sample_runs(source.starts, SAMPLE, 2), *_long_runs(source, max_lag)] if len(source.frame) > 1 else []


def _long_runs(source: Source, max_lag: int) -> list[Run]:
    # many particles tell in a few frames what few tell in many
    frames = 24 if source.n_points < 500 * len(source.frame) else 12
    return sample_runs(source.starts, SAMPLE, max(frames, 3 * min(max_lag, LAG)))


def estimate(
    source: Source, samples: Samples, scale: Scale, max_lag: int, max_step: float | None, kind: Kind = "brownian"
) -> Estimate | None:
    """Estimate step lengths and rates.

    Parameters
    ----------
    source : Source
    samples : mapping
        Detections of `estimate_runs`, with the drift removed.
    scale : Scale
    max_lag : int
        Largest frame difference of a link.
    max_step : float, optional
        The user's largest step in px.

    Returns
    -------
    Estimate or None
        None where there are too few pairs of detections to estimate anything.
    """
    if len(source.frame) < 2:
        return None
    pairs = [samples[run] for run in sample_runs(source.starts, SAMPLE, 2)]
    steps = fit_sample_steps(pairs, scale, max_step)
    if steps is None:
        return None
    sigma, share = steps
    density = scale.per_frame / scale.area
    sources: dict[str, Origin] = dict.fromkeys(("step_sigma_px", "mode_share", "density_px2"), "data")
    if max_step is not None:
        sources["max_displacement_px"] = "user"
    first = Parameters(
        sigma,
        share,
        density,
        birth_density=0.003 * density,
        false_density=0.02 * density,
        max_displacement_px=max_step,
        sources=sources,
    )
    return first_linking([samples[run] for run in _long_runs(source, max_lag)], first, max_lag, kind)


def fit_sample_steps(
    pairs: Sequence[Points], scale: Scale, max_step: float | None
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Fit one or two modes of steps to pairs of neighbouring frames; None if there are too few."""
    rows, cols, squares, noises = [], [], [], []
    n_rows = n_cols = 0
    area = 0.0
    for pair in pairs:
        lag = pair.frame[-1] - pair.frame[0]
        if lag > 3:
            continue
        pair, _, part = patch_of(pair, 2, 0.0)
        if pair.frame[0] == pair.frame[-1]:  # the few of one frame lie outside of the patch of the many of the other
            continue
        _, mid, hi = frame_starts(pair.frame)
        reach = min(2.5 * scale.spacing * math.sqrt(lag), max_step or math.inf)
        row, col = pairs_within(pair.xy[:mid], pair.xy[mid:], reach, 8)
        step = pair.xy[mid + col] - pair.xy[row]
        rows.append(row + n_rows)
        cols.append(col + n_cols)
        squares.append((step**2).sum(1) / lag)
        noises.append((pair.noise[row] + pair.noise[mid + col]).mean(1) / lag)
        n_rows, n_cols, area = n_rows + mid, n_cols + hi - mid, area + part * scale.area
    if not rows or sum(map(len, rows)) < ENOUGH_PAIRS:
        return None
    row, col, square, noise = map(np.concatenate, (rows, cols, squares, noises))
    near = np.full(n_rows, np.inf)
    np.minimum.at(near, row, square)
    keep = square < max(400 * float(np.median(near)), (0.3 * scale.spacing) ** 2)
    return _two_modes(row[keep], col[keep], square[keep], noise[keep], n_rows, n_cols, area, scale)


def _two_modes(
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    square: NDArray[np.float64],
    noise: NDArray[np.float64],
    n_rows: int,
    n_cols: int,
    area: float,
    scale: Scale,
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    floor = (1e-3 * scale.spacing) ** 2
    share = np.array([0.75, 0.25])
    var = np.array([(0.3 * scale.spacing) ** 2, (0.03 * scale.spacing) ** 2])
    linked = fit_steps(row, col, square, noise, n_rows, n_cols, area, share, var, floor, 40)
    if linked * n_rows < ENOUGH_PAIRS:
        return None
    order = np.argsort(-var)
    var, share = var[order], share[order]
    if share[1] < 0.03 or share[0] < 0.03 or var[0] < 6 * var[1]:
        mean = float((share * var).sum())
        return (math.sqrt(mean),), (1.0,)
    return (math.sqrt(var[0]), math.sqrt(var[1])), (float(share[0]), float(share[1]))


def first_linking(runs: Sequence[Points], first: Parameters, max_lag: int, kind: Kind) -> Estimate:
    """Refine the rates, and choose the motion, by linking a sample of longer runs with `first` and counting."""
    counts = np.zeros(6)
    lag = min(max_lag, LAG)
    mixture: Mixture | None = None
    seen, moved, growth, doubtful, belief = [], [], [], [], []
    for run in runs:
        part, inside, _ = patch_of(run, len(frame_starts(run.frame)) - 1, MARGIN * max(first.step_sigma_px))
        bare = part._replace(looks=np.empty((len(part.frame), 0)), confidence=np.full(len(part.frame), np.nan))
        window = SlidingWindow(first.costs(lag, 8), 8, adopt=False, looks=0, chunk=len(part.frame) + 1)
        decided = joined([window.push(bare), window.finish()])
        counts += count_rates(part.frame, decided, lag, inside)
        doubtful.append(lone_or_carried(part, decided, lag, inside))
        mixture = mixture or choose_motion(kind, bare, decided, first)
        belief.append(decided.belief[decided.pred >= 0])
        sure = np.flatnonzero(decided.belief > 0.9)
        before = decided.pred[sure]
        seen.append(part.looks)
        moved.append(part.looks[sure] - part.looks[before])
        growth.append(np.log(part.radius[sure] / part.radius[before]))
    first = with_looks(first, np.concatenate(seen), np.concatenate(moved))
    first = with_doubt(first, *np.concatenate(doubtful).T)
    caution = caution_of(np.concatenate(belief), remembers=mixture is not None)
    return Estimate(_with_rates(first, counts), mixture, size_scatter(np.concatenate(growth)), caution)


def caution_of(belief: NDArray[np.float64], *, remembers: bool) -> float:
    """Return the factor on the log-odds of posteriors, from those of a sample's links.

    Where most links are open, posteriors spread over many ways to link and are nearly true; where few are,
    what is left of doubt lies in loops of two or three particles, and in errors of the model, and is understated.
    Measured on simulated scenes; motion with memory has more of the model to be wrong.
    """
    if remembers:
        return WITH_MEMORY
    return MEMORYLESS + CROWDED * float(np.mean(belief < OPEN)) if len(belief) else MEMORYLESS


def size_scatter(growth: NDArray[np.float64]) -> float:
    """Return the standard deviation of the change of log radius between two sights; robust, NaN where unknown."""
    known = np.abs(growth[np.isfinite(growth)])
    return 1.4826 * float(np.median(known)) if len(known) else math.nan


def _with_rates(first: Parameters, counts: NDArray[np.float64]) -> Parameters:
    links, missed, singles, births, deaths, inner = counts
    if inner < 30:
        return first
    density = first.density_px2
    alone = (singles + 0.5) / (inner + 1)
    return _replaced(
        first,
        miss_rate=min(max((missed + 0.5) / (missed + links + 10), 2e-3), 0.5),
        false_density=density * min(max(alone, 1e-3), 0.5),
        birth_density=density * min(max((births + 0.5) / (inner + 100), 2e-4), 0.3),
        death_rate=min(max((deaths + 0.5) / (inner + 100), 2e-4), 0.3),
    )


def with_looks(first: Parameters, looks: NDArray[np.float64], change: NDArray[np.float64]) -> Parameters:
    """Add likeness terms for the features that differ clearly more between particles than between two sights."""
    made: list[tuple[float, float, float]] = []
    for f in range(looks.shape[1]):
        known, moved = looks[np.isfinite(looks[:, f]), f], change[np.isfinite(change[:, f]), f]
        mean, spread, step = 0.0, 1.0, 1.0
        if len(known) > 30 and len(moved) > 30:
            mean, spread = float(np.median(known)), 1.4826 * float(np.median(np.abs(known - np.median(known))))
            # leaning high, as for steps: a rare turn or touch must not end a track
            step = 1.2 * math.sqrt(float(np.mean(np.clip(moved, *np.quantile(moved, [0.02, 0.98])) ** 2)))
            if not 0 < step < 0.8 * spread:
                mean, spread, step = 0.0, 1.0, 1.0
        # equal widths around nothing: the term is zero and the feature silent
        made.append((step, mean, spread))
    if all(step == spread for step, _, spread in made):
        return first
    columns = [tuple(column) for column in zip(*made)]
    return _replaced(first, look_change=columns[0], look_mean=columns[1], look_spread=columns[2])


def lone_or_carried(part: Points, decided: Decided, lag: int, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the confidence of detections away from the ends, and 1 for lone ones, 0 for those linked on both sides.

    Returns
    -------
    float64, shape (n, 2)
    """
    inner, linked, has_next = _ties(part.frame, decided, lag)
    inner &= inside
    keep = inner & (linked == has_next)
    return np.column_stack([part.confidence[keep], 1.0 - linked[keep]])


def with_doubt(first: Parameters, confidence: NDArray[np.float64], lone: NDArray[np.float64]) -> Parameters:
    """Add what the confidence tells of false detections, where lone detections are clearly less sure than others.

    A logistic regression of being alone on the log-odds of the confidence; its log-odds over those of all
    detections are the log-likelihood ratio, whether the detector's confidences are calibrated or not.
    """
    known = np.isfinite(logit(confidence))
    z, y = logit(confidence[known]), lone[known]
    n_lone = float(y.sum())
    if min(n_lone, len(y) - n_lone) < ENOUGH_LONE or np.ptp(z) == 0:
        return first
    x = np.column_stack([np.ones(len(z)), z - z.mean()])
    beta = np.array([math.log(n_lone / (len(y) - n_lone)), 0.0])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        # a weak prior keeps a perfect separation finite
        information = (x * (p * (1 - p))[:, None]).T @ x + np.diag([0.0, 0.1])
        beta = beta + np.linalg.solve(information, x.T @ (y - p) - np.array([0.0, 0.1 * beta[1]]))
    error = math.sqrt(float(np.linalg.inv(information)[1, 1]))
    if not beta[1] < -3 * error:
        return first
    level = float(beta[0] - beta[1] * z.mean()) - math.log(n_lone / (len(y) - n_lone))
    return _replaced(first, doubt_level=level, doubt_slope=float(beta[1]))


def _ties(
    frame: NDArray[np.int64], decided: Decided, lag: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which detections lie away from the ends of the run, follow another one, and are followed."""
    ranks = np.unique(frame, return_inverse=True)[1]
    linked = decided.pred >= 0
    has_next = np.zeros(len(frame), bool)
    has_next[decided.pred[linked]] = True
    return (ranks >= lag) & (ranks <= int(ranks.max(initial=0)) - lag), linked, has_next


def count_rates(frame: NDArray[np.int64], decided: Decided, lag: int, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Count links, missed frames in gaps, lone detections, births, deaths and detections away from the ends.

    All but links and missed frames are counted where `inside` is true.
    """
    inner, linked, has_next = _ties(frame, decided, lag)
    inner &= inside
    ranks = np.unique(frame, return_inverse=True)[1]
    missed = (ranks[linked] - ranks[decided.pred[linked]] - 1).sum()
    return np.array(
        [
            linked.sum(),
            missed,
            (inner & ~linked & ~has_next).sum(),
            (inner & ~linked & has_next).sum(),
            (inner & linked & ~has_next).sum(),
            inner.sum(),
        ],
        float,
    )


def _replaced(first: Parameters, **values: float | tuple[float, ...]) -> Parameters:
    from dataclasses import replace

    return replace(first, **values, sources={**first.sources, **dict.fromkeys(values, "data")})  # type: ignore[arg-type]
