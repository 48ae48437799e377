"""What is decided before the first frame: sizes, places, planned meetings, births and deaths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate.placement import lattice, scatter
from lptem_tracker.simulate.scene import Scene
from lptem_tracker.simulate.shapes import make_outlines, thickness_exponent

Array = NDArray[np.float64]

BOND_FRAMES = 12
"""Frames that a planned pair stays in contact before it fuses or parts."""

_NEW_SIZE = 0.4
_GROWTH_FRAMES = 18
_SHRINK_FRAMES = 25

STAY, FUSE, PART = 0, 1, 2


@dataclass(frozen=True)
class Meeting:
    """Two particles that are to meet, and what follows.

    Attributes
    ----------
    a, b : int
        Particles.
    frame : int
        First frame in contact.
    outcome : int
        STAY, FUSE or PART.
    outcome_frame : int
        First frame after it; beyond the movie for STAY.
    """

    a: int
    b: int
    frame: int
    outcome: int
    outcome_frame: int


@dataclass(frozen=True)
class Plan:
    """Initial state and timetable of a movie; lengths in px, n particles.

    Attributes
    ----------
    xy : numpy.ndarray
        Shape (n, 2), place in frame 0 (of nucleating particles: where they appear).
    radius : numpy.ndarray
        Shape (n,), full equal-area radius.
    angle : numpy.ndarray
        Shape (n,), rad.
    birth, death : numpy.ndarray
        Shape (n,), frame in which a particle appears (0: from the start), and in which it begins to shrink (-1: never).
    meetings : tuple of Meeting
    outlines : numpy.ndarray
        Shape (n, N_ANGLES).
    profile : numpy.ndarray
        Shape (n,), exponent of the thickness.
    kinds : tuple of str
        Shape of each particle.
    """

    xy: Array
    radius: Array
    angle: Array
    birth: NDArray[np.int64]
    death: NDArray[np.int64]
    meetings: tuple[Meeting, ...]
    outlines: Array
    profile: Array
    kinds: tuple[str, ...]


def make_plan(scene: Scene, rng: np.random.Generator) -> Plan:
    """Draw everything that is decided before the first frame."""
    n_new = scene.n_nucleate
    radius = _radii(scene, scene.count, rng)
    xy = _places(scene, radius, rng)
    radius = radius[: len(xy)]
    n = len(xy) + n_new
    radius = np.append(radius, _radii(scene, n_new, rng))
    birth, death = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    order = (
        np.argsort(np.abs(xy - [scene.width_px / 2, scene.height_px / 2]).max(axis=1)) if len(xy) else np.zeros(0, int)
    )
    inner = order[
        : max(2 * (scene.n_attach + scene.n_detach + scene.n_coalesce) + scene.n_dissolve, int(0.7 * len(order)))
    ]
    meetings, taken = _meetings(scene, xy, radius[: len(xy)], inner, rng)
    free = [int(i) for i in rng.permutation(inner) if int(i) not in taken][: scene.n_dissolve]
    death[free] = _times(rng, len(free), scene.n_frames, _SHRINK_FRAMES)
    birth[len(xy) :] = np.maximum(_times(rng, n_new, scene.n_frames, _GROWTH_FRAMES), 1)
    if n_new:
        xy = np.vstack([xy, _gaps(scene, xy, radius[: len(xy)], radius[len(xy) :], rng)])
    pick = rng.integers(0, len(scene.shapes), n)
    names = tuple(scene.shapes[k] for k in pick)
    outlines = [
        make_outlines(name, 1, rng, aspect=scene.aspect, aspect_sd=0.05 if scene.aspect > 1 else 0.0)[0]
        for name in names
    ]
    profile = np.array([thickness_exponent(name) if scene.profile is None else scene.profile for name in names])
    angle = rng.uniform(-np.pi, np.pi, n)
    if scene.arrangement == "square":
        angle[:] = rng.uniform(-np.pi, np.pi)
    table = np.array(outlines) if outlines else make_outlines("sphere", 0, rng)
    return Plan(xy, radius, angle, birth, death, meetings, table, profile, names)


def _times(rng: np.random.Generator, n: int, n_frames: int, tail: int) -> NDArray[np.int64]:
    """Spread n events over the middle of the movie, so that each has a before and an after."""
    if n == 0:
        return np.zeros(0, np.int64)
    low, high = min(12, n_frames // 4), max(n_frames - tail - 15, n_frames // 2)
    return (
        np.sort(np.linspace(low, high, n + 2)[1:-1] + rng.uniform(-3, 3, n))
        .astype(np.int64)
        .clip(1, max(n_frames - 1, 1))
    )


def _radii(scene: Scene, n: int, rng: np.random.Generator) -> Array:
    median = scene.radius_nm / scene.pixel_size_nm
    if scene.ripening_K_nm3_s > 0:
        return np.asarray(median * _lsw(rng, n))
    return np.asarray(np.maximum(median * np.exp(scene.radius_sd * rng.standard_normal(n)), 0.8))


def _lsw(rng: np.random.Generator, n: int) -> Array:
    """Draw radii over their mean from the steady state of Ostwald ripening. Lifshitz & Slyozov 1961, eq. 28."""
    u = np.linspace(0.02, 1.499, 4000)
    density = u**2 * (3 / (3 + u)) ** (7 / 3) * (1.5 / (1.5 - u)) ** (11 / 3) * np.exp(-u / (1.5 - u))
    total = np.cumsum(density)
    return np.asarray(np.interp(rng.random(n), total / total[-1], u))


def _places(scene: Scene, radius: Array, rng: np.random.Generator) -> Array:
    shape = (scene.height_px, scene.width_px)
    if len(radius) == 0:
        return np.zeros((0, 2))
    if scene.arrangement in ("hexagonal", "square"):
        spacing = 2 * scene.radius_nm / scene.pixel_size_nm * scene.spacing
        sites = lattice(rng, shape, spacing, square=scene.arrangement == "square", jitter=0.0)
        near = np.argsort(np.hypot(sites[:, 0] - scene.width_px / 2, sites[:, 1] - scene.height_px / 2), kind="stable")
        sites = sites[near[: len(radius)]]
        return np.asarray(sites + scene.lattice_rms * spacing * rng.standard_normal(sites.shape))
    longest = scene.aspect**0.5 if scene.aspect > 1 else 1.0
    contact = radius * longest + max(scene.core_gap_px, 0) / 2 + 0.75
    core = 1.0 if scene.core_gap_px >= 0 else 0.0
    if scene.arrangement == "pairs":
        xy = scatter(rng, np.maximum(contact[0::2] * 2.6, 1), shape, core=core, margin=-1.2)
        xy = xy[np.isfinite(xy[:, 0])]
        turn = rng.uniform(0, 2 * np.pi, len(xy))
        apart = 0.5 * (
            radius[0 : 2 * len(xy) : 2] + radius[1 : 2 * len(xy) : 2][: len(xy)]
            if len(radius) >= 2 * len(xy)
            else 2 * radius[: len(xy)]
        )
        shift = (apart + 2.0)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return np.stack([xy - shift, xy + shift], axis=1).reshape(-1, 2)[: len(radius)]
    order = np.argsort(-contact)
    found = scatter(rng, contact[order], shape, core=core, margin=-0.5)
    xy = np.full_like(found, np.nan)
    xy[order] = found
    left = np.isnan(xy[:, 0])
    if left.any():  # a second round of tries for those that found no place
        more = scatter(rng, np.repeat(contact, 1), shape, core=0.0, margin=-0.5)
        for i in np.flatnonzero(left):
            gap = np.hypot(*(xy - more[i]).T) - contact - contact[i]
            if not np.nanmin(np.append(gap, np.inf)) < 0:
                xy[i] = more[i]
    return np.asarray(xy[np.isfinite(xy[:, 0])])


def _gaps(scene: Scene, xy: Array, radius: Array, new: Array, rng: np.random.Generator) -> Array:
    """Return where new particles appear: the emptiest of many places well inside the frame."""
    out: list[Array] = []
    margin = max(20.0, 3 * float(new.max()))
    low = np.full(2, min(margin, 0.3 * min(scene.width_px, scene.height_px)))
    high = np.array([scene.width_px, scene.height_px]) - low
    for r in new:
        tries = rng.uniform(low, high, (200, 2))
        others = np.vstack([xy, *[o[None] for o in out]]) if len(xy) or out else np.zeros((0, 2))
        sizes = np.append(radius, new[: len(out)])
        if len(others) == 0:
            out.append(tries[0])
            continue
        gap = (np.hypot(tries[:, None, 0] - others[:, 0], tries[:, None, 1] - others[:, 1]) - sizes - r).min(axis=1)
        out.append(tries[int(np.argmax(np.minimum(gap, 4 * r + rng.uniform(0, 1, len(gap)))))])
    return np.array(out)


def _meetings(
    scene: Scene, xy: Array, radius: Array, inner: NDArray[np.int64], rng: np.random.Generator
) -> tuple[tuple[Meeting, ...], set[int]]:
    """Pair near neighbours that are well inside the frame."""
    wanted = [STAY] * scene.n_attach + [FUSE] * scene.n_coalesce + [PART] * scene.n_detach
    if not wanted:
        return (), set()
    pairs = sorted(
        (
            (float(np.hypot(*(xy[i] - xy[j]))) - radius[i] - radius[j], int(i), int(j))
            for k, i in enumerate(inner)
            for j in inner[k + 1 :]
        ),
        key=lambda t: t[0],
    )
    taken: set[int] = set()
    chosen: list[tuple[int, int]] = []
    for _, i, j in pairs:
        if len(chosen) == len(wanted):
            break
        if i not in taken and j not in taken and not _blocked(xy, radius, i, j):
            chosen.append((i, j) if radius[i] >= radius[j] else (j, i))
            taken |= {i, j}
    times = _times(rng, len(chosen), scene.n_frames, BOND_FRAMES + 12)
    outcomes = rng.permutation(np.array(wanted[: len(chosen)]))
    never = scene.n_frames + 1
    made = [
        Meeting(a, b, int(t), int(o), never if o == STAY else int(t) + BOND_FRAMES + int(rng.integers(0, 6)))
        for (a, b), t, o in zip(chosen, times, outcomes)
    ]
    return tuple(made), taken


def _blocked(xy: Array, radius: Array, i: int, j: int) -> bool:
    """Tell whether a third particle lies near the way between two."""
    way = xy[j] - xy[i]
    share = np.clip((xy - xy[i]) @ way / max(float(way @ way), 1e-9), 0, 1)
    gap = np.hypot(*(xy - (xy[i] + share[:, None] * way)).T) - radius - max(radius[i], radius[j])
    gap[[i, j]] = np.inf
    return bool(gap.min() < 6)
