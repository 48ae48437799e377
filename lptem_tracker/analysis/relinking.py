"""What wrong links do to D: the same positions linked in other ways, each drawn with its probability.

A linker returns the most probable links, and these are too short where particles are confused. Here all links are
drawn at once from their posterior (Metropolis moves that exchange successors; Oh, Russell & Sastry 2009, section III),
and the rates and widths they are drawn with are estimated from each draw in turn (stochastic EM; Celeux & Diebolt
1985). D over many draws is free of the preference for short steps, and its spread is what not knowing the links costs
(multiple imputation; Rubin 1987, eq. 3.1.2 to 3.1.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lptem_tracker.analysis.diffusion import Imaging, fit_pooled
from lptem_tracker.analysis.link_moves import exchange, track_labels
from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet

Rng = np.random.Generator

GATE = 4.5
"""Reach of candidate links in standard deviations of the step."""
LONGEST_GAP = 4
MOST_POSITIONS = 20_000
BURN_IN, DRAWS = 10, 16
LIKELY, MOVES = 6.0, 5
"""Log weight below the best from which on a link is proposed less often; proposals for each other one and draw."""


@dataclass(frozen=True)
class Relinked:
    """D of drawn links relative to D of the links given.

    Attributes
    ----------
    ratio, std : float
        Mean over draws and their standard deviation; NaN where there is too little to draw.
    wrong : float
        Share of the links given that a draw does not hold.
    """

    ratio: float
    std: float
    wrong: float


NOTHING = Relinked(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class _Model:
    """Rates and widths that links are drawn with; `link` and `variance` are of links over 1, 2, … frames."""

    link: Floats
    variance: Floats
    neighbour: float
    end: float
    start: float
    alone: float
    density: float


def relink(tracks: TrackSet, imaging: Imaging, *, drift_varies: bool = False, seed: int = 0) -> Relinked:
    """Draw links of the positions of all tracks and compare D.

    Parameters
    ----------
    tracks : TrackSet
        All tracks, however short; ``xy + origin`` are places in one field of view, in px.
    imaging : Imaging
    drift_varies : bool
        Whether common motion changes from frame to frame.
    seed : int
        Of the draws.

    Notes
    -----
    Particles are taken as Brownian with one D, and detections without a partner as evenly spread.
    """
    frame, xy, pred, gap = _by_frame(tracks, drift_varies)
    first = _linked_d(frame, xy, pred, imaging)
    area = float(np.prod(np.ptp(xy, axis=0))) if len(xy) else 0.0
    if first is None or not area > 0:
        return NOTHING
    given, succ = pred.copy(), _successors(pred)
    model = _estimate(frame, pred, succ, area, gap, first)
    reach2 = GATE**2 * 1.3 * model.variance
    choice = _choice(model, frame, xy, reach2)
    if not len(choice.often):
        return NOTHING
    ratio: list[float] = []
    lost: list[float] = []
    rng = np.random.default_rng(seed)
    for draw in range(-BURN_IN, DRAWS):
        moves = MOVES * len(choice.often)
        exchange(frame, xy, choice.edges, pred, succ, _weights(model), _ends(model, frame), reach2, moves, rng)
        at = _linked_d(frame, xy, pred, imaging)
        if at is None:
            return NOTHING
        model = _estimate(frame, pred, succ, area, gap, at)
        if draw >= 0:
            ratio.append(at.d / first.d)
            lost.append(float((pred != given)[given >= 0].mean()))
    return Relinked(float(np.mean(ratio)), float(np.std(ratio, ddof=1)), float(np.mean(lost)))


def _by_frame(tracks: TrackSet, drift_varies: bool) -> tuple[Ints, Floats, Ints, int]:
    """Positions in the order of frames, without common motion, each one's predecessor, and the longest gap."""
    step, span, end = tracks.steps()
    single = span == 1
    frame = tracks.frame - tracks.frame.min(initial=0)
    n_frames = int(frame.max(initial=0)) + 1
    when = frame[end][single] if drift_varies else np.zeros(int(single.sum()), dtype=np.int64)
    count = np.maximum(np.bincount(when, minlength=n_frames), 1)
    mean = np.stack([np.bincount(when, step[single, axis], n_frames) / count for axis in (0, 1)], 1)
    common = np.cumsum(mean, 0) if drift_varies else np.arange(n_frames)[:, None] * mean[0]
    xy = tracks.xy + tracks.origin[tracks.index] - common[frame]
    keep = frame < _enough(np.bincount(frame, minlength=n_frames))
    before = np.full(len(xy), -1)
    before[end] = end - 1
    order = np.flatnonzero(keep)[np.argsort(frame[keep], kind="stable")]
    place = np.full(len(xy) + 1, -1)  # the last serves those without a predecessor
    place[order] = np.arange(len(order))
    gap = int(np.clip(span.max(initial=1), 1, LONGEST_GAP))
    pred = place[before[order]]
    pred = np.where((pred >= 0) & (frame[order] - frame[order[pred]] <= gap), pred, -1)
    return frame[order], np.ascontiguousarray(xy[order]), pred.astype(np.int64), gap


def _enough(count: Ints) -> int:
    """Frames from the first on that hold no more positions than are drawn."""
    return max(int(np.searchsorted(np.cumsum(count), MOST_POSITIONS)), 3)


def _successors(pred: Ints) -> Ints:
    succ = np.full(len(pred), -1, dtype=np.int64)
    linked = np.flatnonzero(pred >= 0)
    succ[pred[linked]] = linked
    return succ


def _candidates(frame: Ints, xy: Floats, reach: Floats) -> tuple[Ints, Ints]:
    """Pairs of positions that may be linked."""
    wide = 4 * float(reach[-1])
    here = cKDTree(np.column_stack([xy, frame * wide]))
    source, target = [], []
    for gap, r in enumerate(reach, start=1):
        there = cKDTree(np.column_stack([xy, (frame - gap) * wide]))
        pairs = here.sparse_distance_matrix(there, float(r), output_type="coo_matrix")
        source.append(pairs.row)
        target.append(pairs.col)
    return np.concatenate(source).astype(np.int64), np.concatenate(target).astype(np.int64)


@dataclass(frozen=True)
class _Steps:
    """D, and per axis the variance of one-frame steps and the covariance of neighbouring ones."""

    d: float
    square: float
    neighbour: float


@dataclass(frozen=True)
class _Choice:
    """Candidate links and how they are proposed: half of the time one that is likely.

    A link over g frames is likely where ``bar[g - 1] > slope[g - 1] * distance²``; `often` holds their numbers.
    """

    source: Ints
    target: Ints
    often: Ints
    bar: Floats
    slope: Floats

    @property
    def edges(self) -> tuple[Ints, Ints, Ints, Floats, Floats]:
        return self.source, self.target, self.often, self.bar, self.slope


def _choice(model: _Model, frame: Ints, xy: Floats, reach2: Floats) -> _Choice:
    """Candidates, those being likely that weigh at least exp(-LIKELY) of the best link."""
    source, target = _candidates(frame, xy, np.sqrt(reach2))
    gap = frame[target] - frame[source] - 1
    square = ((xy[target] - xy[source]) ** 2).sum(1)
    log_link, slope = (table[0] for table in _weights(model)[:2])
    bar = log_link - log_link.max() + LIKELY
    return _Choice(source, target, np.flatnonzero(bar[gap] > slope[gap] * square), bar, slope)


def _linked_d(frame: Ints, xy: Floats, pred: Ints, imaging: Imaging) -> _Steps | None:
    """What the tracks say that predecessors make."""
    label = track_labels(pred)
    count = np.bincount(label, minlength=1)
    keep = count[label] >= 3
    one = np.flatnonzero(pred >= 0)
    one = one[frame[one] - frame[pred[one]] == 1]
    if keep.sum() < 50 or len(one) < 50:
        return None
    order = np.flatnonzero(keep)[np.argsort(label[keep], kind="stable")]
    who, index = np.unique(label[order], return_inverse=True)
    offset = np.concatenate([[0], np.cumsum(np.bincount(index))])
    path = xy[order]
    tracks = TrackSet(
        particle=who,
        offset=offset,
        frame=frame[order],
        xy=path,
        origin=np.zeros((len(who), 2)),
        weight=np.ones(len(path)),
    )
    fit = fit_pooled(tracks, Imaging(imaging.blur, imaging.lowest), drift=True, bootstrap=0)
    if not fit.d > 0:
        return None
    square = float(((xy[one] - xy[pred[one]]) ** 2).mean())
    return _Steps(fit.d, square, 2 * imaging.blur * fit.d - float(fit.fit.rho[0]) * fit.d)


def _estimate(frame: Ints, pred: Ints, succ: Ints, area: float, gap: int, steps: _Steps) -> _Model:
    """Rates from a draw's counts, half a count added to each."""
    last = int(frame.max())
    alone = (pred < 0) & (succ < 0)
    inner = ~alone & (frame <= last - gap)
    n = max(int(inner.sum()), 1)
    linked = np.flatnonzero(inner & (succ >= 0))
    spans = np.bincount(frame[succ[linked]] - frame[linked], minlength=gap + 1)[1 : gap + 1]
    late = ~alone & (frame >= gap)
    volume = area * max(last + 1 - gap, 1)
    return _Model(
        link=(spans + 0.5) / (n + 1),
        variance=np.asarray(steps.square + 2 * steps.d * np.arange(gap), dtype=np.float64),
        neighbour=steps.neighbour,
        end=(float((inner & (succ < 0)).sum()) + 0.5) / (n + 1),
        start=(float((late & (pred < 0)).sum()) + 0.5) / volume,
        alone=(float(alone.sum()) + 0.5) / (area * (last + 1)),
        density=float((~alone).sum()) / (area * (last + 1)),
    )


def _weights(model: _Model) -> tuple[Floats, Floats, Floats]:
    """Log weight and factor of the square of a link (G + 1, G) given the one before it, and its share taken back.

    The step before tells through the covariance of neighbouring steps (Berglund 2010, eq. 11), which is cut after one.
    """
    before = np.concatenate([[np.inf], model.variance])[:, None]
    left = model.variance - model.neighbour**2 / before
    return np.log(model.link) - np.log(2 * np.pi * left), 1 / (2 * left), model.neighbour / before[:, 0]


def _ends(model: _Model, frame: Ints) -> tuple[Floats, Floats, Floats]:
    """Log weights of a track's end, its start, and of a position on its own, (M,); the film ends too."""
    gap, last = len(model.link), int(frame.max())
    beyond = np.append(np.cumsum(model.link[::-1])[::-1], 0.0)  # chance of a link over more than 0, 1, … frames
    end = model.end + beyond[np.minimum(last - frame, gap)]
    start = model.start + model.density * beyond[np.minimum(frame, gap)]
    return np.log(end), np.log(start), np.log(model.alone + start * end)
