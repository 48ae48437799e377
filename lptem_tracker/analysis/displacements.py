"""How steps are distributed and how they follow each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.switching import TwoStates
from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet


@dataclass(frozen=True)
class VanHove:
    """Self part of the van Hove function along one axis at one lag.

    Attributes
    ----------
    lag : int
        Frames.
    edges : (B + 1,) float
        px.
    density : (B,) float
        1/px, integrates to 1.
    gaussian : (B,) float
        Density of a Gaussian of the same variance.
    non_gaussian, non_gaussian_std : float
        ``<x⁴>/(3 <x²>²) - 1`` over both axes (Rahman 1964), 0 for a Gaussian, and its standard error over tracks.
    n : int
        Displacements.
    """

    lag: int
    edges: Floats
    density: Floats
    gaussian: Floats
    non_gaussian: float
    non_gaussian_std: float
    n: int


def displacements(tracks: TrackSet, lag: int) -> tuple[Floats, Ints]:
    """Return displacements (S, 2) over exactly `lag` frames, overlapping, and the particle of each."""
    index, frame = tracks.index, tracks.frame
    key = index.astype(np.int64) * (int(frame.max(initial=0)) + lag + 2) + frame
    at = np.searchsorted(key, key + lag)
    at = np.minimum(at, max(len(key) - 1, 0))
    hit = key[at] == key + lag if len(key) else np.zeros(0, dtype=bool)
    return tracks.xy[at[hit]] - tracks.xy[hit], index[hit]


def van_hove(tracks: TrackSet, lag: int = 1, bins: int = 61) -> VanHove | None:
    """Distribution of displacements over both axes at one lag; None with fewer than 20 of them."""
    step, who = displacements(tracks, lag)
    if len(step) < 20 or not (step.std() > 0):
        return None
    flat = step.ravel()
    reach = 5 * flat.std()
    density, edges = np.histogram(flat, bins=np.linspace(-reach, reach, bins + 1), density=True)
    middle, var = (edges[1:] + edges[:-1]) / 2, flat.var()
    second = np.bincount(who, (step**2).sum(1))
    fourth = np.bincount(who, (step**4).sum(1))
    n = np.bincount(who).astype(np.float64) * 2
    used = n > 0
    second, fourth, n = second[used], fourth[used], n[used]
    value = _excess(second.sum(), fourth.sum(), n.sum())
    if len(n) > 2:
        drop = _excess(second.sum() - second, fourth.sum() - fourth, n.sum() - n)
        drop = drop[np.isfinite(drop)]
        std = float(np.sqrt((len(drop) - 1) * drop.var())) if len(drop) > 2 else float("nan")
    else:
        std = float(np.sqrt(24 / n.sum()) / 3)
    return VanHove(
        lag, edges, density, np.exp(-(middle**2) / (2 * var)) / np.sqrt(2 * np.pi * var), float(value), std, len(step)
    )


def _excess(second: Floats, fourth: Floats, n: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(fourth / n / (3 * (second / n) ** 2) - 1)


@dataclass(frozen=True)
class Autocorrelation:
    """Correlation of steps that start j frames apart, relative to their mean square.

    Attributes
    ----------
    lag : (J,) int
        Frames, from 0.
    value, std : (J,) float
        And standard error over tracks.
    expected : (J,) float
        Of Brownian motion with the fitted localisation error and blur:
        ``(2RD - sigma²) / (2D(1 - 2R) + 2 sigma²)`` at lag 1, 0 beyond (Berglund 2010).
    pure_noise : (J,) float
        Of localisation error alone: -1/2 at lag 1, 0 beyond.
    """

    lag: Ints
    value: Floats
    std: Floats
    expected: Floats
    pure_noise: Floats


def velocity_autocorrelation(
    tracks: TrackSet, d: float, sigma2: float, blur: float, longest: int = 10
) -> Autocorrelation:
    """Autocorrelation of one-frame steps, averaged over pairs of all tracks.

    Parameters
    ----------
    tracks : TrackSet
        Without drift.
    d, sigma2 : float
        px² a frame and px².
    blur : float
        R.
    longest : int
        Largest lag in frames.
    """
    step, span, end = tracks.steps()
    one = span == 1
    who, when, step = tracks.index[end][one], tracks.frame[end][one], step[one]
    key = who * (int(tracks.frame.max(initial=0)) + longest + 2) + when
    value, std = np.full(longest + 1, np.nan), np.full(longest + 1, np.nan)
    base = np.bincount(who, (step**2).sum(1), len(tracks)), np.bincount(who, minlength=len(tracks))
    for j in range(longest + 1):
        at = np.minimum(np.searchsorted(key, key + j), max(len(key) - 1, 0))
        hit = key[at] == key + j
        if hit.sum() < 2 or not base[0].sum() > 0:
            continue
        dot = np.bincount(who[hit], (step[hit] * step[at[hit]]).sum(1), len(tracks))
        n = np.bincount(who[hit], minlength=len(tracks))
        value[j] = dot.sum() / n.sum() / (base[0].sum() / base[1].sum())
        left = dot / max(n.sum(), 1) * base[1].sum() / base[0].sum() - value[j] * n / n.sum()
        std[j] = (
            np.sqrt((left**2).sum() * len(tracks) / max(len(tracks) - 1, 1))
            if len(tracks) > 2
            else (1 / np.sqrt(2 * n.sum()))
        )
    expected, noise = np.zeros(longest + 1), np.zeros(longest + 1)
    expected[0] = noise[0] = 1.0
    total = 2 * d * (1 - 2 * blur) + 2 * sigma2
    expected[1], noise[1] = (2 * blur * d - sigma2) / total if total > 0 else np.nan, -0.5
    return Autocorrelation(np.arange(longest + 1), value, std, expected, noise)


def step_shape(tracks: TrackSet) -> tuple[Floats, Floats]:
    """Shape of each particle's one-frame steps.

    Parameters
    ----------
    tracks : TrackSet
        Of P particles, without drift.

    Returns
    -------
    non_gaussian : (P,) float
        ``<x⁴>/(3 <x²>²) - 1`` over both axes (Rahman 1964); the kurtosis is 3 (1 + this).
    correlation : (P,) float
        Of successive steps: 0 for free diffusion, -1/2 for localisation error alone. NaN with fewer than 3 steps.
    """
    step, span, end = tracks.steps()
    one = span == 1
    who, step, end = tracks.index[end][one], step[one], end[one]

    def total(rows: npt.NDArray[Any], values: Floats) -> Floats:
        return np.asarray(np.bincount(who[rows], values.sum(1), len(tracks)), dtype=np.float64)

    every = np.arange(len(who))
    joined = np.flatnonzero((np.diff(end) == 1) & (np.diff(who) == 0))
    n = np.bincount(who, minlength=len(tracks)).astype(np.float64)
    pairs = np.bincount(who[joined], minlength=len(tracks))
    square, fourth = total(every, step**2), total(every, step**4)
    cross = total(joined, step[joined] * step[joined + 1])
    good = (n >= 3) & (pairs > 0) & (square > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(good, _excess(square, fourth, 2 * n), np.nan), np.where(
            good, cross / pairs / (square / n), np.nan
        )


def waits_and_hops(tracks: TrackSet, states: TwoStates, particles: npt.NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """Return waiting times between hops in frames and hop lengths in px, of the particles in the (P,) mask.

    A hop is a run of steps that are more probably of the fast state; a wait is complete only between two hops.
    """
    waits: list[int] = []
    hops: list[float] = []
    for i, rows in enumerate(tracks):
        if not particles[i]:
            continue
        fast = states.fast[rows][1:] > 0.5
        edges = np.flatnonzero(np.diff(np.concatenate([[0], fast.astype(np.int8), [0]]))).reshape(-1, 2)
        frame, xy = tracks.frame[rows], tracks.xy[rows]
        for k, (first, last) in enumerate(edges):
            hops.append(float(np.hypot(*(xy[last] - xy[first]))))
            if k:
                waits.append(int(frame[first] - frame[edges[k - 1][1]]))
    return np.array(waits, dtype=np.int64), np.array(hops)
