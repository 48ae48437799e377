"""The story of a movie, frame by frame: motion, contacts, births and deaths, and the truth of each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate.contacts import bounce, components, near_pairs, place_at_contact, settle
from lptem_tracker.simulate.paths import Walkers, fractional_paths, frame_steps, start_walkers
from lptem_tracker.simulate.plan import FUSE, PART, Plan, make_plan
from lptem_tracker.simulate.scene import Scene

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

_CHECKPOINT_FRAMES = 128
_GUIDED_FRAMES = 25
_NEW_SIZE, _GROWTH_FRAMES = 0.4, 18
_LAST_SIZE, _SHRINK_FRAMES = 0.35, 25
_SMALLEST_PX = 1.0
_CONTACT_GAP_PX = 0.4
_TOUCH_GAP_PX = 2.0
_ROUNDING_FRAMES = 12.0


@dataclass
class State:
    """Everything that one frame needs from the one before; n particles, lengths in px."""

    xy: Array
    radius: Array
    angle: Array
    alive: NDArray[np.bool_]
    stretch: Array
    tilt: Array
    walkers: Walkers
    bonds: dict[tuple[int, int], int]

    def copy(self) -> State:
        """Return an independent copy."""
        return State(
            self.xy.copy(),
            self.radius.copy(),
            self.angle.copy(),
            self.alive.copy(),
            self.stretch.copy(),
            self.tilt.copy(),
            self.walkers.copy(),
            dict(self.bonds),
        )


@dataclass(frozen=True)
class Event:
    """One event of the truth; see `tables.EVENT_DTYPES`."""

    kind: str
    frame: int
    particle_a: int
    particle_b: int | None
    x: float
    y: float


@dataclass(frozen=True)
class FrameTruth:
    """Where every living particle is in one frame; m particles, lengths in px, in the frame's own coordinates.

    Attributes
    ----------
    ids : numpy.ndarray
        Shape (m,), particle numbers.
    xy : numpy.ndarray
        Shape (m, 2), centre averaged over the exposure.
    parts : numpy.ndarray
        Shape (N_PARTS, m, 2), mean centre in each part of the exposure.
    radius, angle, stretch, tilt : numpy.ndarray
        Shape (m,): equal-area radius, unwrapped orientation in rad, log aspect left from a fusion, hidden orientation.
    slow : numpy.ndarray
        Shape (m,), bool: in the slow state.
    cluster : numpy.ndarray
        Shape (m,), smallest particle number of the bonded cluster.
    events : tuple of Event
        Events of which this is the first frame of the new state.
    """

    ids: Ids
    xy: Array
    parts: Array
    radius: Array
    angle: Array
    stretch: Array
    tilt: Array
    slow: NDArray[np.bool_]
    cluster: Ids
    events: tuple[Event, ...] = field(default=())


class Story:
    """Plays a scene; any frame can be asked for, and the answer depends on scene, seed and frame only.

    Parameters
    ----------
    scene : Scene
    seed : int
    """

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.seed = scene, seed
        rng = np.random.default_rng([seed, 0])
        self.plan: Plan = make_plan(scene, rng)
        n = len(self.plan.xy)
        walkers = start_walkers(scene, n, rng)
        self._fbm = fractional_paths(scene, n, rng) if scene.motion == "fractional" else None
        self.drift = _drift(scene, rng)
        radius = np.where(self.plan.birth > 0, _NEW_SIZE, 1.0) * self.plan.radius
        start = State(
            self.plan.xy.copy(),
            radius,
            self.plan.angle.copy(),
            self.plan.birth == 0,
            np.zeros(n),
            rng.uniform(-np.pi, np.pi, n),
            walkers,
            {},
        )
        self._checkpoints: dict[int, State] = {0: start}
        self._next, self._state = 0, start.copy()
        self._recent: dict[int, FrameTruth] = {}

    def frame(self, index: int) -> FrameTruth:
        """Return the truth of one frame."""
        if index in self._recent:
            return self._recent[index]
        if index < self._next:
            at = max(k for k in self._checkpoints if k <= index)
            self._next, self._state = at, self._checkpoints[at].copy()
        while self._next <= index:
            truth = self._advance(self._next)
            self._recent[self._next] = truth
            if len(self._recent) > 2 * _CHECKPOINT_FRAMES:
                self._recent.pop(next(iter(self._recent)))
            self._next += 1
            if self._next % _CHECKPOINT_FRAMES == 0 and self._next not in self._checkpoints:
                self._checkpoints[self._next] = self._state.copy()
        return truth

    def _advance(self, frame: int) -> FrameTruth:
        state, rng = self._state, np.random.Generator(np.random.SFC64([self.seed, 1, frame]))
        events = self._fate(state, frame, rng) if frame > 0 else []
        parts, end = frame_steps(self.scene, state.walkers, rng, self._fbm, frame)
        turn = np.sqrt(2 * self.scene.Dr_rad2_s * self.scene.frame_interval_s) * rng.standard_normal(len(state.angle))
        state.tilt += 0.15 * rng.standard_normal(len(state.tilt))
        cluster = components(len(state.xy), state.bonds)
        if state.bonds:
            parts, end = _together(parts, cluster), _together(end[None], cluster)[0]
        parts, end = self._guide(state, frame, parts, end)
        parts, end = self._confine(state, frame, parts, end, cluster)
        truth = self._truth(state, frame, parts, cluster, tuple(events))
        state.xy = state.xy + end
        state.angle = state.angle + turn
        state.stretch *= np.exp(-1 / _ROUNDING_FRAMES)
        return truth

    def _truth(self, state: State, frame: int, parts: Array, cluster: Ids, events: tuple[Event, ...]) -> FrameTruth:
        ids = np.flatnonzero(state.alive)
        where = state.xy[ids] + parts[:, ids] + self.drift[frame]
        moved = tuple(
            Event(e.kind, e.frame, e.particle_a, e.particle_b, e.x + self.drift[frame, 0], e.y + self.drift[frame, 1])
            for e in events
        )
        return FrameTruth(
            ids,
            where.mean(axis=0),
            where,
            state.radius[ids],
            state.angle[ids],
            state.stretch[ids],
            state.tilt[ids],
            state.walkers.slow[ids].copy(),
            cluster[ids],
            moved,
        )

    # -- where particles may go -------------------------------------------------------------------------------

    def _guide(self, state: State, frame: int, parts: Array, end: Array) -> tuple[Array, Array]:
        """Steer planned pairs so that they touch when they are due: the drift of a Brownian bridge."""
        for m in self.plan.meetings:
            left = m.frame - frame
            if not (0 < left <= _GUIDED_FRAMES and state.alive[m.a] and state.alive[m.b]):
                continue
            way = state.xy[m.b] + end[m.b] - state.xy[m.a] - end[m.a]
            distance = float(np.hypot(*way))
            goal = state.radius[m.a] + state.radius[m.b] + max(3.2, self.scene.core_gap_px + 0.2) * (left > 1)
            pull = (distance - goal) / left * way / max(distance, 1e-9) / 2
            ramp = np.linspace(0.5, len(parts) - 0.5, len(parts))[:, None] / (len(parts) + 1)
            if left > 1:
                parts[:, m.a] += ramp * pull
                parts[:, m.b] -= ramp * pull
                end[m.a], end[m.b] = end[m.a] + pull, end[m.b] - pull
        return parts, end

    def _confine(self, state: State, frame: int, parts: Array, end: Array, cluster: Ids) -> tuple[Array, Array]:
        """Let particles bounce off one another and off a reflecting edge; take back the moves where that fails."""
        scene = self.scene
        if scene.boundary == "reflect":
            low = state.radius[:, None] + 1
            high = np.array([scene.width_px, scene.height_px]) - state.radius[:, None] - 2
            after = state.xy + end
            out = (((after < low) & (end < 0)) | ((after > high) & (end > 0))) & state.alive[:, None]
            for axis in (0, 1):
                turned = np.isin(cluster, np.unique(cluster[out[:, axis]]))
                parts[:, turned, axis] *= -1
                end[turned, axis] *= -1
        if scene.core_gap_px < 0 or len(state.xy) < 2 or self._fbm is not None:
            return parts, end
        due = {(min(m.a, m.b), max(m.a, m.b)) for m in self.plan.meetings if m.frame > frame}
        if scene.sticking == 0:
            bounce(state.xy, parts, end, state.radius, state.alive, cluster, scene.core_gap_px, due)
        stay = settle(
            state.xy, end, parts.mean(axis=0), state.radius, state.alive, cluster, scene.core_gap_px, due, state.bonds
        )
        state.walkers.offset[stay] -= end[stay]
        parts[:, stay], end[stay] = 0.0, 0.0
        return parts, end

    # -- what becomes of them ---------------------------------------------------------------------------------

    def _fate(self, state: State, frame: int, rng: np.random.Generator) -> list[Event]:
        """Births, deaths, growth, and what bonds form, break or fuse before this frame."""
        events: list[Event] = []
        self._sizes(state, frame, events)
        self._planned(state, frame, events)
        if self.scene.sticking > 0:
            self._meet(state, frame, rng, events)
        if self.scene.growth_nm_s > 0 or self.scene.ripening_K_nm3_s > 0 or self.scene.n_nucleate > 0:
            self._touch(state, frame, events)
        if state.bonds and (self.scene.break_rate_s > 0 or self.scene.coalesce_rate_s > 0):
            self._chance(state, frame, rng, events)
        return events

    def _sizes(self, state: State, frame: int, events: list[Event]) -> None:
        plan, scene = self.plan, self.scene
        grow = scene.growth_nm_s * scene.frame_interval_s / scene.pixel_size_nm
        if grow:
            state.radius[state.alive] = np.maximum(state.radius[state.alive] + grow, _SMALLEST_PX)
        if scene.ripening_K_nm3_s > 0 and state.alive.any():
            self._ripen(state, frame, events)
        for i in np.flatnonzero(plan.birth == frame):
            state.alive[i] = True
            state.radius[i] = _NEW_SIZE * plan.radius[i]
            events.append(_event("nucleate", frame, state, int(i)))
        young = state.alive & (plan.birth > 0) & (frame > plan.birth) & (frame <= plan.birth + _GROWTH_FRAMES)
        state.radius[young] += (1 - _NEW_SIZE) * plan.radius[young] / _GROWTH_FRAMES
        old = state.alive & (plan.death >= 0) & (frame > plan.death)
        state.radius[old] *= _LAST_SIZE ** (1 / _SHRINK_FRAMES)
        for i in np.flatnonzero(old & (frame >= plan.death + _SHRINK_FRAMES)):
            self._remove(state, int(i), frame, "dissolve", events)

    def _ripen(self, state: State, frame: int, events: list[Event]) -> None:
        """Ripen by dR³/dt = 3k(R/<R> - 1), which keeps the sum of R³; d<R>³/dt = 4k/9, Lifshitz & Slyozov 1961."""
        k = 2.25 * self.scene.ripening_K_nm3_s * self.scene.frame_interval_s / self.scene.pixel_size_nm**3
        r = state.radius[state.alive]
        n = 4
        for _ in range(n):
            there = r > 0
            cube = r**3 + np.where(there, 3 * k / n * (r / r[there].mean() - 1), 0)
            r = np.cbrt(np.maximum(cube, 0))
        ids = np.flatnonzero(state.alive)
        state.radius[ids] = np.maximum(r, 1e-3)
        for i in ids[r < _SMALLEST_PX]:
            self._remove(state, int(i), frame, "dissolve", events)

    def _planned(self, state: State, frame: int, events: list[Event]) -> None:
        for m in self.plan.meetings:
            if not (state.alive[m.a] and state.alive[m.b]):
                continue
            if frame == m.frame:
                place_at_contact(state.xy, state.radius, m.a, m.b, _CONTACT_GAP_PX)
                self._bond(state, m.a, m.b, frame, events)
            elif frame == m.outcome_frame and m.outcome == FUSE:
                self._fuse(state, m.a, m.b, frame, events)
            elif frame == m.outcome_frame and m.outcome == PART:
                self._part(state, m.a, m.b, frame, events)

    def _meet(self, state: State, frame: int, rng: np.random.Generator, events: list[Event]) -> None:
        gap = self.scene.core_gap_px + 1.2
        for i, j in near_pairs(state.xy, state.radius, state.alive, gap):
            if (i, j) not in state.bonds and state.alive[i] and state.alive[j] and rng.random() < self.scene.sticking:
                self._bond(state, i, j, frame, events)

    def _touch(self, state: State, frame: int, events: list[Event]) -> None:
        """Bond particles that have grown into one another, and keep bonded ones side by side as they grow."""
        due = {(min(m.a, m.b), max(m.a, m.b)) for m in self.plan.meetings if m.frame > frame}
        for i, j in near_pairs(state.xy, state.radius, state.alive, _TOUCH_GAP_PX):
            if (i, j) not in state.bonds and (i, j) not in due:
                self._bond(state, i, j, frame, events)
        for i, j in state.bonds:
            place_at_contact(state.xy, state.radius, i, j, _CONTACT_GAP_PX)

    def _chance(self, state: State, frame: int, rng: np.random.Generator, events: list[Event]) -> None:
        dt = self.scene.frame_interval_s
        p_break, p_fuse = -np.expm1(-self.scene.break_rate_s * dt), -np.expm1(-self.scene.coalesce_rate_s * dt)
        for (i, j), since in sorted(state.bonds.items()):
            ripe = frame - since >= 8
            u, v = rng.random(2)
            if ripe and (i, j) in state.bonds and v < p_fuse:
                self._fuse(state, *((i, j) if state.radius[i] >= state.radius[j] else (j, i)), frame, events)
            elif ripe and (i, j) in state.bonds and u < p_break:
                self._part(state, i, j, frame, events)

    def _bond(self, state: State, i: int, j: int, frame: int, events: list[Event]) -> None:
        cluster = components(len(state.xy), state.bonds)
        if cluster[i] != cluster[j]:
            events.append(_event("attach", frame, state, i, j))
        state.bonds[min(i, j), max(i, j)] = frame

    def _fuse(self, state: State, a: int, b: int, frame: int, events: list[Event]) -> None:
        """Particle b becomes part of a: volume (or area) and centre of mass are kept."""
        power = 2 if self.scene.flat else 3
        wa, wb = state.radius[a] ** power, state.radius[b] ** power
        way = state.xy[b] - state.xy[a]
        state.xy[a] += way * wb / (wa + wb)
        state.radius[a] = (wa + wb) ** (1 / power)
        state.angle[a] = np.arctan2(way[1], way[0])
        state.stretch[a] = np.log(1 + 0.7 * min(wb / wa, 1.0) ** (1 / power))
        events.append(_event("coalesce", frame, state, a, b))
        inherited = [(k, f) for k, f in state.bonds.items() if b in k and a not in k]
        self._remove(state, b, frame, None, events)
        for (i, j), since in inherited:
            other = j if i == b else i
            state.bonds[min(a, other), max(a, other)] = since

    def _part(self, state: State, a: int, b: int, frame: int, events: list[Event]) -> None:
        """Break a bond; when nothing else holds the two together, move them apart beyond reach."""
        state.bonds.pop((min(a, b), max(a, b)), None)
        cluster = components(len(state.xy), state.bonds)
        if cluster[a] == cluster[b]:
            return
        way = state.xy[b] - state.xy[a]
        way /= max(float(np.hypot(*way)), 1e-9)
        shift = max(self.scene.core_gap_px + 2.5, 5.5)
        state.xy[cluster == cluster[a]] -= 0.5 * shift * way
        state.xy[cluster == cluster[b]] += 0.5 * shift * way
        events.append(_event("detach", frame, state, a, b))

    def _remove(self, state: State, i: int, frame: int, kind: str | None, events: list[Event]) -> None:
        if kind is not None:
            events.append(_event(kind, frame, state, i))
        state.alive[i] = False
        before = components(len(state.xy), state.bonds)
        state.bonds = {k: f for k, f in state.bonds.items() if i not in k}
        if kind is not None and (before == before[i]).sum() > 2:
            after = components(len(state.xy), state.bonds)
            for k in np.unique(after[(before == before[i]) & state.alive])[1:]:
                other = int(np.flatnonzero((after == after[int(k)]) & state.alive)[0])
                first = int(np.flatnonzero((before == before[i]) & state.alive)[0])
                events.append(_event("detach", frame, state, first, other))


def _event(kind: str, frame: int, state: State, a: int, b: int | None = None) -> Event:
    where = state.xy[a] if b is None else 0.5 * (state.xy[a] + state.xy[b])
    return Event(kind, frame, a, b, float(where[0]), float(where[1]))


def _together(moves: Array, cluster: Ids) -> Array:
    """Let each cluster move by the mean of its members' moves: a cluster of n diffuses with D/n."""
    n = len(cluster)
    count = np.bincount(cluster, minlength=n).astype(float)
    out = np.empty_like(moves)
    for part in range(moves.shape[0]):
        for axis in (0, 1):
            out[part, :, axis] = (np.bincount(cluster, moves[part, :, axis], minlength=n) / np.maximum(count, 1))[
                cluster
            ]
    return out


def _drift(scene: Scene, rng: np.random.Generator) -> Array:
    """Return the stage's position in each frame in px, shape (n_frames, 2)."""
    t = np.arange(scene.n_frames)[:, None]
    steady = t * scene.frame_interval_s * np.array([scene.drift_x_nm_s, scene.drift_y_nm_s]) / scene.pixel_size_nm
    if scene.jump_rate_s == 0:
        return np.asarray(steady)
    jumps = rng.random(scene.n_frames) < -np.expm1(-scene.jump_rate_s * scene.frame_interval_s)
    jumps[0] = False
    size = rng.standard_normal((scene.n_frames, 2)) * scene.jump_nm / scene.pixel_size_nm
    return np.asarray(steady + np.cumsum(size * jumps[:, None], axis=0))
