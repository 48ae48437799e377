"""Common motion of all particles between frames, from the particles themselves, before they are linked.

Three kinds are told apart, each applied only where it stands out of its own standard error: a steady
drift, jumps of single frames (up to the distance between neighbours, as in lattices), and unsteady
drift in which every frame has its own rigid shift and rotation. With few particles their own diffusion
has a common part; below `FEW` nothing is taken out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lptem_tracker.link.blocks import Run, Source
from lptem_tracker.link.candidates import grid_of, nearest_within
from lptem_tracker.link.core import Points, frame_starts
from lptem_tracker.link.jit import jit
from lptem_tracker.link.jumps import ARM, CROSS, FEW, MOST, SQUARE, SUM_X, SUM_Y, N, find_jumps
from lptem_tracker.link.steps import pairs_within

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Samples = Mapping[Run, Points]

SIGNIFICANT = 4.0
"""Standard errors above which a common motion is believed."""

MEAN = slice(6, 8)
"""Place of the mean position in a frame's moments."""


class Removal(Protocol):
    """What can take a drift out of positions; see `Drift`."""

    def still(self, frame: Ints, xy: Floats) -> Floats:
        """Return positions `xy`, shape (n, 2), seen in `frame`, with the drift taken out."""

    def moved_by(self, frame: Ints, xy: Floats) -> Floats:
        """Return what has to be subtracted from positions `xy`, shape (n, 2), seen in `frame`."""

    def moved(self, frame: Ints, still: Floats) -> Floats:
        """Return where positions `still`, shape (n, 2), with the drift taken out were seen in `frame`."""


@dataclass(frozen=True)
class Drift:
    """Rigid motion of the field, frame by frame.

    Attributes
    ----------
    frame : int64, shape (F,)
        Frames that hold detections.
    shift : float64, shape (F, 2)
        Displacement since the first of them, px, at `centre`.
    angle : float64, shape (F,)
        Rotation since the first of them, rad.
    centre : float64, shape (2,)
        Point of the first frame that `shift` tells the displacement of, px.
    kind : str
        ``none``, ``steady``, ``jumps`` or ``unsteady``.
    step_error_px : float
        Standard error of one frame's shift along an axis.
    origin : str
        What shows it: ``particles`` or ``images``.
    """

    frame: Ints
    shift: Floats
    angle: Floats
    centre: Floats
    kind: str = "none"
    step_error_px: float = math.nan
    origin: str = "particles"

    def still(self, frame: Ints, xy: Floats) -> Floats:
        """Return positions `xy`, shape (n, 2), seen in `frame`, with the drift taken out."""
        if self.kind == "none":
            return xy
        at = np.clip(np.searchsorted(self.frame, frame), 0, len(self.frame) - 1)
        c, s = np.cos(self.angle)[at], np.sin(self.angle)[at]
        arm = xy - self.centre - self.shift[at]
        # turning back by the angle and shifting back to where the particle was in the first frame
        return np.column_stack([c * arm[:, 0] + s * arm[:, 1], -s * arm[:, 0] + c * arm[:, 1]]) + self.centre

    def moved_by(self, frame: Ints, xy: Floats) -> Floats:
        """Return what has to be subtracted from positions `xy`, shape (n, 2), seen in `frame`."""
        return np.zeros_like(xy) if self.kind == "none" else xy - self.still(frame, xy)

    def moved(self, frame: Ints, still: Floats) -> Floats:
        """Return where positions `still`, shape (n, 2), with the drift taken out were seen in `frame`."""
        if self.kind == "none":
            return still
        at = np.clip(np.searchsorted(self.frame, frame), 0, len(self.frame) - 1)
        c, s = np.cos(self.angle)[at], np.sin(self.angle)[at]
        arm = still - self.centre
        return (
            np.column_stack([c * arm[:, 0] - s * arm[:, 1], s * arm[:, 0] + c * arm[:, 1]])
            + self.centre
            + self.shift[at]
        )

    def then(self, other: Drift) -> Drift:
        """Return this drift followed by one found after it was taken out (same frames)."""
        if other.kind == "none":
            return self
        if self.kind == "none":
            return other
        c, s = np.cos(self.angle), np.sin(self.angle)
        # other is known in turned-back coordinates and about its own centre
        moved = other.shift + _turn(self.centre - other.centre, other.angle) - (self.centre - other.centre)
        rotated = np.column_stack([c * moved[:, 0] - s * moved[:, 1], s * moved[:, 0] + c * moved[:, 1]])
        order = ("none", "steady", "jumps", "unsteady")
        kind = max(self.kind, other.kind, key=order.index)
        return replace(self, shift=self.shift + rotated, angle=self.angle + other.angle, kind=kind)

    def report(self) -> dict[str, Any]:
        """Return the drift as lists, ready for JSON."""
        out: dict[str, Any] = {"kind": self.kind, "unit": "px, rad"}
        if self.kind != "none":
            out.update(
                frame=self.frame.tolist(),
                dx=self.shift[:, 0].tolist(),
                dy=self.shift[:, 1].tolist(),
                angle=self.angle.tolist(),
                centre=self.centre.tolist(),
                step_error_px=self.step_error_px,
                origin=self.origin,
            )
        return out


def _turn(v: Floats, angle: Floats) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.column_stack([c * v[0] - s * v[1], s * v[0] + c * v[1]])


def no_drift(frames: Ints) -> Drift:
    """Return a drift of zero in `frames`."""
    return Drift(frames, np.zeros((len(frames), 2)), np.zeros(len(frames)), np.zeros(2))


@jit
def pair_moments(xy: Any, starts: Any, shift: Any, reach: float, most: int) -> Any:
    """Match each frame to the next by nearest neighbours and sum the displacements left.

    Parameters
    ----------
    xy : float64, shape (n, 2)
    starts : int64, shape (F + 1,)
    shift : float64, shape (F − 1, 2)
        Displacement assumed between the frames.
    reach : float
        Largest displacement left, px.
    most : int
        About how many particles of a frame are used.

    Returns
    -------
    float64, shape (F − 1, 8)
        Number, sums of x and y, sum of squares, sum of arm × displacement, sum of squared arms, and the mean
        position of all particles of the first frame.
    """
    out = np.zeros((len(starts) - 2, 8))
    found, square = np.empty(1, np.int64), np.empty(1)
    for f in range(len(starts) - 2):
        a, b, c = starts[f], starts[f + 1], starts[f + 2]
        grid = grid_of(xy[b:c])
        stride = max((b - a) // most, 1)
        mx, my = xy[a:b, 0].mean(), xy[a:b, 1].mean()
        out[f, 6], out[f, 7] = mx, my
        for i in range(a, b, stride):
            x, y = xy[i, 0] + shift[f, 0], xy[i, 1] + shift[f, 1]
            if nearest_within(xy[b:c], grid, x, y, reach, found, square):
                dx, dy = xy[b + found[0], 0] - x, xy[b + found[0], 1] - y
                ax, ay = xy[i, 0] - mx, xy[i, 1] - my
                out[f, 0] += 1
                out[f, 1] += dx
                out[f, 2] += dy
                out[f, 3] += square[0]
                out[f, 4] += ax * dy - ay * dx
                out[f, 5] += ax * ax + ay * ay
    return out


def source_moments(source: Source, steps: Floats, reach: float) -> Floats:
    """Return `pair_moments` of all frames, shape (F − 1, 8), in one reading; `steps` are the shifts assumed."""
    parts = []
    tail, first = np.empty((0, 2)), 0
    for block in source.blocks():
        xy, n_frames = block.points.xy, len(frame_starts(block.points.frame)) - 1
        kept = 1 if len(tail) else 0
        starts = source.starts[first - kept : first + n_frames + 1] - source.starts[first - kept]
        if len(starts) > 1:
            parts.append(
                pair_moments(
                    np.concatenate([tail, xy]), starts, steps[first - kept : first + n_frames - 1], reach, MOST
                )
            )
            tail, first = xy[len(xy) - int(source.count[first + n_frames - 1]) :], first + n_frames
    return np.concatenate(parts)


def drift_runs(source: Source) -> list[Run]:
    """Return the pairs of neighbouring frames that `particle_drift` wants samples of."""
    return sorted({(int(f), int(f) + 2) for f in (*_steady_pick(source), *spread_pick(source))})


def _steady_pick(source: Source) -> Ints:
    pairs = len(source.frame) - 1
    if pairs < 1:
        return np.empty(0, np.int64)
    many = int(min(pairs, max(8, 1200 / float(np.median(source.count)))))
    pick = np.linspace(0, pairs - 1, many).astype(np.int64)
    return np.asarray(pick[np.diff(source.frame)[pick] == 1])


def spread_pick(source: Source) -> Ints:
    """Return some frames, spread over the movie, whose successors tell how far particles go."""
    pairs = len(source.frame) - 1
    return np.linspace(0, pairs - 1, min(pairs, 12)).astype(np.int64)


def shows_drift(source: Source, spacing: float) -> bool:
    """Whether there are enough frames and particles to show a drift."""
    return len(source.frame) >= 2 and bool(np.median(source.count) >= FEW) and bool(np.isfinite(spacing))


def particle_drift(source: Source, samples: Samples, spacing: float) -> Drift:
    """Estimate the drift of unlinked detections.

    Parameters
    ----------
    source : Source
    samples : mapping
        Detections of `drift_runs(source)`.
    spacing : float
        Mean distance of particles, px.

    Returns
    -------
    Drift
    """
    if not shows_drift(source, spacing):
        return no_drift(source.frame)
    lag = np.diff(source.frame).astype(float)
    velocity = steady_velocity(samples, _steady_pick(source), spacing)
    steps = velocity * np.minimum(lag, 10.0)[:, None]
    picks = spread_pick(source)
    moments = source_moments(source, steps, residual_reach(samples, picks, steps, spacing))
    jumped = find_jumps(source, moments, spacing, steps)
    if jumped.any():
        moments = source_moments(source, steps, residual_reach(samples, picks, steps, spacing))
    mean, angle, error, unsteady = common_motion(moments)
    kind = "jumps" if jumped.any() else "steady" if velocity.any() else "none"
    if not (unsteady or jumped.mean() > 0.2):
        if kind == "none":
            return no_drift(source.frame)
        return integrate(moments[:, MEAN], source.frame, steps, np.zeros(len(lag)), kind, error)
    for _ in range(3):
        steps = steps + mean
        moments = source_moments(source, steps, residual_reach(samples, picks, steps, spacing))
        mean, angle, error, _ = common_motion(moments)
    return integrate(moments[:, MEAN], source.frame, steps + mean, angle, "unsteady", error)


def _two_frames(pair: Points) -> tuple[Floats, Floats]:
    cut = int(frame_starts(pair.frame)[1])
    return pair.xy[:cut], pair.xy[cut:]


def _spread_over(xy: Floats) -> Floats:
    """Return about 200 points from all over the field; they come sorted by x."""
    return xy[:: max(len(xy) // 200, 1)]


def residual_reach(samples: Samples, picks: Ints, steps: Floats, spacing: float) -> float:
    """Return how far from its expected place a particle is looked for: 4.5 times the typical spread."""
    left = []
    for f in picks:
        a, b = _two_frames(samples[int(f), int(f) + 2])
        left.append(cKDTree(b).query(_spread_over(a) + steps[f])[0])
    # 60 % of a Rayleigh distribution lie below 1.354 standard deviations
    return min(max(4.5 / 1.354 * float(np.quantile(np.concatenate(left), 0.6)), 0.01 * spacing), 0.5 * spacing)


def integrate(middle: Floats, frames: Ints, steps: Floats, angle: Floats, kind: str, error: float) -> Drift:
    """Add up rigid steps, each about `middle`, shape (F − 1, 2), a place in its first frame."""
    centre = middle[0]
    shift, total = np.zeros((len(frames), 2)), np.concatenate(([0.0], np.cumsum(angle)))
    if angle.any():
        for f in range(len(steps)):
            shift[f + 1] = rigid_step(centre, shift[f], middle[f], steps[f], angle[f])
    else:
        shift[1:] = np.cumsum(steps, 0)
    return Drift(frames, shift, total, centre, kind, error)


def rigid_step(centre: Floats, shift: Floats, middle: Floats, step: Floats, angle: float) -> Floats:
    """Return the shift at `centre` after a step and a turn about `middle`."""
    arm = centre + shift - middle
    c, s = math.cos(angle) - 1, math.sin(angle)
    return np.asarray(shift + step + (c * arm[0] - s * arm[1], s * arm[0] + c * arm[1]), np.float64)


def steady_velocity(samples: Samples, picks: Ints, spacing: float) -> Floats:
    """Return the common displacement per frame, shape (2,); zero unless it stands out.

    The peak of all displacements between neighbouring frames, pooled over a sample. Its error is that of
    one frame's, since particles that each keep their own velocity say nothing new in later frames.
    """
    apart = []
    for f in picks:
        a, b = _two_frames(samples[int(f), int(f) + 2])
        a = _spread_over(a)
        row, col = pairs_within(a, b, 1.6 * spacing, 6)
        apart.append(b[col] - a[row])
    d = np.vstack(apart) if apart else np.zeros((0, 2))
    if len(d) < 20:
        return np.zeros(2)
    peak, error = densest(d, spacing)
    if math.hypot(*peak) < SIGNIFICANT * error * math.sqrt(len(apart)):
        return np.zeros(2)
    return peak


def densest(d: Floats, spacing: float) -> tuple[Floats, float]:
    """Return where displacements `d`, shape (n, 2), are densest, and the standard error of that place along an axis.

    The error is that of an M-estimator, variance of the score over its slope squared (Huber 1964, theorem 2):
    it is large where the density is nearly flat, and its peak therefore anywhere.
    """
    bins = 0.125 * spacing
    half = 13
    at = np.floor(d / bins + 0.5).astype(int)
    inside = (np.abs(at) <= half).all(1)
    count = np.zeros((2 * half + 1,) * 2)
    np.add.at(count, (at[inside, 0] + half, at[inside, 1] + half), 1.0)
    smooth: Floats = np.sum([np.roll(np.roll(count, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    here = smooth[half, half]
    best = np.unravel_index(int(smooth.argmax()), smooth.shape)
    background = float(np.median(smooth))
    # elsewhere only if far more particles moved there than stayed
    far = smooth[best] - here > 5 * math.sqrt(smooth[best] + here) and smooth[best] > 2 * background
    centre: Any = (np.array(best) - half) * bins if far else np.zeros(2)
    width = 2 * bins
    for _ in range(12):
        w = np.exp(-((d - centre) ** 2).sum(1) / (2 * width**2))
        new = (w[:, None] * d).sum(0) / max(w.sum(), 1e-12)
        # a Gaussian of variance v seen through a window of variance h has variance v·h/(v + h)
        seen = max(float((w * ((d - new) ** 2).sum(1)).sum() / (2 * max(w.sum(), 1e-12))), 1e-12)
        v = 1 / max(1 / seen - 1 / width**2, 1e-3 / width**2)
        moved = float(np.abs(new - centre).max())
        centre, width = new, min(max(2 * math.sqrt(v), 0.02 * spacing), 2 * bins)
        if moved < 1e-3 * spacing:
            break
    square = ((d - centre) ** 2).sum(1)
    w = np.exp(-square / (2 * width**2))
    slope = max(float((w * (1 - square / (2 * width**2))).sum()), 1e-12)
    return centre, math.sqrt(float((w**2 * square).sum()) / 2) / slope


def common_motion(moments: Floats, *, turns: bool | None = None) -> tuple[Floats, Floats, float, bool]:
    """Return each frame's mean displacement and rotation, the error of the former, and whether they are real.

    They are when their spread over the frames exceeds what independent particles would show, which is
    a chi-square of two degrees of freedom a frame. `turns` says whether there is rotation, where that is known.
    """
    n = np.maximum(moments[:, N], 1)
    mean = moments[:, [SUM_X, SUM_Y]] / n[:, None]
    # where all move alike, rounding alone is left and may be below zero
    spread = np.maximum(moments[:, SQUARE] / n - (mean**2).sum(1), 0) / 2
    var = float(np.median(spread[moments[:, N] >= FEW])) if (moments[:, N] >= FEW).any() else math.inf
    var *= float(np.median(n / np.maximum(n - 1, 1)))
    chi = ((mean**2).sum(1) * n / max(var, 1e-12))[moments[:, N] >= FEW]
    frames = len(chi)
    # 1 % of frames exceed 9.2 by chance
    real = frames > 0 and chi.sum() > 2 * frames + 10 * math.sqrt(frames) and np.mean(chi > 9.2) > 0.1
    # turning about the middle: least squares of the tangential displacements
    arm = np.maximum(moments[:, ARM], 1e-12)
    angle = moments[:, CROSS] / arm
    turned = (angle**2 * arm / max(var, 1e-12))[moments[:, N] >= FEW]
    if turns is None:
        turns = real and turned.sum() > frames + 5 * math.sqrt(2 * frames)
    if not turns:
        angle = np.zeros(len(n))
    return mean, angle, math.sqrt(var / float(np.median(n))) if math.isfinite(var) else math.nan, bool(real)
