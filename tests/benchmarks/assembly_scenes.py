"""Tables of tracks with known events: disks that diffuse, meet, stick, part, merge, grow and vanish.

Every event is staged, so that its truth is physical and not the output of a detector: two particles are
brought together and bonded, bonds are cut and the parts driven apart, bonded particles merge at constant volume,
nuclei grow and remnants shrink. Everything else keeps its distance, save the staged near passes and rests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

BORDER = 40.0
DISTANCE = 7.0  # gap that particles keep which no script brings together


@dataclass
class Recipe:
    """What a scene contains; counts are of staged events."""

    n: int = 40
    frames: int = 500
    field: float = 640.0
    step: float = 1.0
    radius: tuple[float, float] = (7.0, 12.0)
    attach: int = 10
    detach: int = 6
    coalesce: int = 6
    nucleate: int = 6
    dissolve: int = 6
    near_pass: int = 6
    rest: int = 0  # touches of 2 to 4 frames, too short for a bond
    grow: int = 4  # growth without contact
    blob: int = 0  # pairs seen as one particle for a while
    exits: int = 3
    fresh_id: float = 0.0  # share of coalescences whose product gets a new number
    late_jump: int = 0  # frames by which the product's radius lags


@dataclass
class Scene:
    tracks: pd.DataFrame
    events: pd.DataFrame
    field: tuple[float, float]
    frames: int
    n_clusters: np.ndarray


@dataclass
class _State:
    recipe: Recipe
    rng: np.random.Generator
    xy: np.ndarray
    radius: np.ndarray
    alive: np.ndarray
    bonds: set[tuple[int, int]] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    scripts: list[dict] = field(default_factory=list)
    events: list[dict] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    hidden: dict[int, int] = field(default_factory=dict)
    swollen: dict[int, tuple[int, float]] = field(default_factory=dict)
    lag: dict[int, tuple[int, float]] = field(default_factory=dict)
    trend: dict[int, tuple[float, float]] = field(default_factory=dict)
    clusters: list[int] = field(default_factory=list)


def make_scene(recipe: Recipe, seed: int) -> Scene:
    """Simulate one scene."""
    rng = np.random.default_rng(seed)
    state = _start(recipe, rng)
    plan = _plan(recipe, rng)
    for t in range(recipe.frames):
        for kind in plan.get(t, ()):
            _begin(state, kind, t)
        _move(state, t)
        _advance(state, t)
        _record(state, t)
    rows = np.concatenate(state.rows)
    tracks = pd.DataFrame(rows, columns=["particle", "frame", "x", "y", "radius"]).astype(
        {"particle": int, "frame": int}
    )
    events = pd.DataFrame(state.events, columns=["kind", "frame", "particle_a", "particle_b", "x", "y"])
    return Scene(tracks, events, (recipe.field, recipe.field), recipe.frames, np.array(state.clusters))


def _start(recipe: Recipe, rng: np.random.Generator) -> _State:
    spare = recipe.nucleate + recipe.coalesce + recipe.exits + 5
    n = recipe.n + spare
    radius = rng.uniform(*recipe.radius, n)
    xy = np.full((n, 2), -1000.0)
    placed: list[int] = []
    for k in range(recipe.n):
        for _ in range(5000):
            trial = rng.uniform(BORDER + 10, recipe.field - BORDER - 10, 2)
            if all(np.hypot(*(trial - xy[j])) > radius[j] + radius[k] + DISTANCE + 3 for j in placed):
                break
        xy[k] = trial
        placed.append(k)
    alive = np.zeros(n, bool)
    alive[: recipe.n] = True
    return _State(recipe, rng, xy, radius, alive)


def _plan(recipe: Recipe, rng: np.random.Generator) -> dict[int, list[str]]:
    plan: dict[int, list[str]] = {}
    spans = {
        "nucleate": (0.05, 0.75),
        "dissolve": (0.05, 0.7),
        "detach": (0.35, 0.9),
        "coalesce": (0.2, 0.85),
        "attach": (0.03, 0.75),
    }
    for kind in ("attach", "detach", "coalesce", "nucleate", "dissolve", "near_pass", "rest", "grow", "blob", "exits"):
        lo, hi = spans.get(kind, (0.05, 0.8))
        for _ in range(getattr(recipe, kind)):
            plan.setdefault(int(rng.uniform(lo, hi) * recipe.frames), []).append(kind)
    return plan


def _free(state: _State, single: bool = False, reach: float = 60.0) -> list[int]:
    inside = (np.abs(state.xy - state.recipe.field / 2) < state.recipe.field / 2 - BORDER - 10).all(1)
    bonded = {k for bond in state.bonds for k in bond}
    return [k for k in np.flatnonzero(state.alive & inside) if k not in state.busy and not (single and k in bonded)]


def _begin(state: _State, kind: str, t: int) -> None:
    rng = state.rng
    if kind in ("attach", "near_pass", "rest"):
        free = _free(state, single=kind != "attach")
        labels = _components(state)
        best = None
        for a in rng.permutation(free):
            for b in free:
                if labels[a] == labels[b] or a == b:
                    continue
                gap = np.hypot(*(state.xy[a] - state.xy[b])) - state.radius[a] - state.radius[b]
                if best is None or gap < best[0]:
                    best = (gap, a, b)
            if best is not None and best[0] < 40:
                break
        if best is not None:
            _, a, b = best
            state.busy |= {a, b}
            state.scripts.append({"kind": kind, "a": a, "b": b, "t": t, "phase": "meet", "touch": 0})
    elif kind in ("detach", "coalesce", "blob"):
        options = [b for b in state.bonds if not set(b) & state.busy]
        if options:
            a, b = options[rng.integers(len(options))]
            state.busy |= {a, b}
            state.scripts.append(
                {"kind": kind, "a": a, "b": b, "t": t, "phase": "wait", "touch": int(rng.integers(8, 20))}
            )
    elif kind == "nucleate":
        _nucleate(state, t)
    elif kind in ("dissolve", "grow", "exits"):
        free = _free(state, single=True)
        if free:
            a = int(rng.choice(free))
            state.busy.add(a)
            state.scripts.append(
                {
                    "kind": kind,
                    "a": a,
                    "b": -1,
                    "t": t,
                    "phase": "run",
                    "touch": int(rng.integers(30, 80)),
                    "from": state.radius[a],
                }
            )


def _nucleate(state: _State, t: int) -> None:
    dead = [k for k in np.flatnonzero(~state.alive) if state.xy[k, 0] < -950]
    for _ in range(400):
        spot = state.rng.uniform(BORDER + 10, state.recipe.field - BORDER - 10, 2)
        gap = np.hypot(*(state.xy - spot).T) - state.radius
        if dead and (gap[state.alive] > 20).all():
            k = dead[0]
            state.xy[k], state.alive[k] = spot, True
            state.busy.add(k)
            target = state.radius[k]
            state.radius[k] = 2.5
            state.scripts.append(
                {
                    "kind": "nucleate",
                    "a": k,
                    "b": -1,
                    "t": t,
                    "phase": "run",
                    "touch": int(state.rng.integers(25, 80)),
                    "from": target,
                }
            )
            _event(state, "nucleate", t, k)
            return


def _event(state: _State, kind: str, t: int, a: int, b: int | None = None) -> None:
    x, y = state.xy[a]
    state.events.append({"kind": kind, "frame": t, "particle_a": a, "particle_b": b, "x": x, "y": y})


def _components(state: _State) -> np.ndarray:
    label = np.arange(len(state.alive))
    for a, b in state.bonds:
        la, lb = label[a], label[b]
        if la != lb:
            label[label == lb] = la
    return label


def _move(state: _State, t: int) -> None:
    recipe, rng = state.recipe, state.rng
    label = _components(state)
    _, comp, size = np.unique(label, return_inverse=True, return_counts=True)
    shift = rng.normal(0, recipe.step, (len(size), 2)) / np.sqrt(size)[:, None]
    push = np.zeros_like(shift)
    together: set[tuple[int, int]] = set()
    for script in state.scripts:
        a, b = script["a"], script["b"]
        if b >= 0 and script["phase"] in ("meet", "part"):
            together.add((min(a, b), max(a, b)))
            way = state.xy[b] - state.xy[a]
            d = np.hypot(*way)
            gap = d - state.radius[a] - state.radius[b]
            speed = min(2.0, max(gap - 0.3, 0.0) / 2) if script["phase"] == "meet" else -1.6
            push[comp[a]] += speed * way / d
            push[comp[b]] -= speed * way / d
        if script["kind"] == "exits":
            x = state.xy[a, 0]
            push[comp[a]] += (2.5 if x > recipe.field / 2 else -2.5, 0)
    shift = np.where(np.abs(push).sum(1, keepdims=True) > 0, 0.3 * shift, shift) + push
    # the field's rim is left to those that are sent out
    state.xy[state.alive] += shift[comp[state.alive]]
    going = {s["a"] for s in state.scripts if s["kind"] == "exits"}
    _keep_apart(state, comp, together, going)


def _keep_apart(state: _State, comp: np.ndarray, together: set[tuple[int, int]], going: set[int]) -> None:
    alive = np.flatnonzero(state.alive)
    for _ in range(6):
        xy, r = state.xy[alive], state.radius[alive]
        d = xy[None] - xy[:, None]
        dist = np.hypot(d[..., 0], d[..., 1]) + 1e-9
        gap = dist - r[None] - r[:, None]
        i, j = np.nonzero(np.triu(gap < DISTANCE, 1))
        move = np.zeros((len(state.alive), 2))
        for a, b in zip(i, j):
            ka, kb = int(alive[a]), int(alive[b])
            pair = (min(ka, kb), max(ka, kb))
            target = 0.5 if pair in state.bonds else (0.2 if pair in together else DISTANCE)
            same = comp[ka] == comp[kb] and pair not in state.bonds
            target = 0.5 if same else target
            lack = target - gap[a, b]
            if lack > 0 or (pair in state.bonds):
                u = d[a, b] / dist[a, b]
                move[ka] -= 0.25 * lack * u
                move[kb] += 0.25 * lack * u
        for pair in state.bonds:
            ka, kb = pair
            way = state.xy[kb] - state.xy[ka]
            dist_pair = np.hypot(*way)
            lack = 0.5 - (dist_pair - state.radius[ka] - state.radius[kb])
            if lack < -DISTANCE + 0.5:
                move[ka] -= 0.25 * lack * way / dist_pair
                move[kb] += 0.25 * lack * way / dist_pair
        state.xy += move
    low, high = BORDER, state.recipe.field - BORDER
    for k in alive:
        if k not in going:
            state.xy[k] += np.maximum(low - state.xy[k], 0) * 0.5 - np.maximum(state.xy[k] - high, 0) * 0.5


def _advance(state: _State, t: int) -> None:
    for script in list(state.scripts):
        a, b, kind = script["a"], script["b"], script["kind"]
        gap = np.hypot(*(state.xy[a] - state.xy[b])) - state.radius[a] - state.radius[b] if b >= 0 else np.inf
        done = False
        if kind == "attach" and gap < 1.0:
            _event(state, "attach", t, a, b)
            state.bonds.add((min(a, b), max(a, b)))
            done = True
        elif kind in ("near_pass", "rest") and script["phase"] == "meet" and gap < (2.0 if kind == "rest" else 3.0):
            script["touch"] += 1
            if script["touch"] > (1 if kind == "rest" else 0):
                script["phase"] = "part"
        elif script["phase"] == "part" and gap > 14:
            done = True
        elif script["phase"] == "wait" and t - script["t"] >= script["touch"]:
            done = _after_wait(state, script, t)
        elif script["phase"] == "run":
            done = _run(state, script, t)
        if kind in ("attach", "near_pass", "rest") and script["phase"] == "meet" and t - script["t"] > 120:
            script["phase"], script["kind"] = "part", "near_pass"
        if done:
            state.scripts.remove(script)
            state.busy -= {a, b}


def _after_wait(state: _State, script: dict, t: int) -> bool:
    a, b = script["a"], script["b"]
    pair = (min(a, b), max(a, b))
    if script["kind"] == "detach":
        state.bonds.discard(pair)
        label = _components(state)
        if label[a] == label[b]:
            state.bonds.add(pair)
            return True
        _event(state, "detach", t + 1, a, b)
        script["phase"] = "part"
        return False
    big, small = (a, b) if state.radius[a] >= state.radius[b] else (b, a)
    if script["kind"] == "blob":
        frames = int(state.rng.integers(2, 12))
        state.hidden[small] = t + frames
        state.swollen[big] = (t + frames, float(np.hypot(state.radius[a], state.radius[b])))
        return True
    ra, rb = state.radius[big], state.radius[small]
    state.xy[big] = (ra**3 * state.xy[big] + rb**3 * state.xy[small]) / (ra**3 + rb**3)
    state.lag[big] = (t + state.recipe.late_jump, ra)
    state.radius[big] = (ra**3 + rb**3) ** (1 / 3)
    state.bonds = {tuple(sorted((big if k == small else k) for k in bond)) for bond in state.bonds if bond != pair}
    state.alive[small], state.xy[small] = False, -900.0
    survivor = big
    if state.rng.random() < state.recipe.fresh_id:
        dead = [k for k in np.flatnonzero(~state.alive) if state.xy[k, 0] < -950]
        if dead:
            survivor = dead[0]
            state.xy[survivor], state.radius[survivor], state.alive[survivor] = state.xy[big], state.radius[big], True
            state.lag.pop(big)
            state.alive[big] = False
            state.bonds = {tuple(sorted((survivor if k == big else k) for k in bond)) for bond in state.bonds}
    _event(state, "coalesce", t, big, small)
    state.events[-1]["x"], state.events[-1]["y"] = state.xy[survivor]
    if survivor != big:
        state.xy[big] = -900.0
    return True


def _run(state: _State, script: dict, t: int) -> bool:
    a, share = script["a"], (t - script["t"]) / script["touch"]
    if script["kind"] == "nucleate":
        state.radius[a] = 2.5 + (script["from"] - 2.5) * min(share, 1) ** 0.6
        return share >= 1
    if script["kind"] == "grow":
        state.radius[a] = script["from"] * (1 + 0.3 * min(share, 1))
        return share >= 1
    if script["kind"] == "dissolve":
        state.radius[a] = script["from"] * max(1 - share, 0) ** (1 / 2)
        if state.radius[a] < 2.5:
            _event(state, "dissolve", t, a)
            state.alive[a], state.xy[a] = False, -900.0
            return True
        return False
    x = state.xy[a]
    if (x < 2).any() or (x > state.recipe.field - 2).any():
        state.alive[a], state.xy[a] = False, -900.0
        return True
    return False


def _record(state: _State, t: int) -> None:
    alive = np.flatnonzero(state.alive)
    state.clusters.append(len(np.unique(_components(state)[alive])))
    seen = np.array([k for k in alive if state.hidden.get(k, -1) < t], dtype=int)
    xy = state.xy[seen] + state.rng.normal(0, 0.15, (len(seen), 2))
    radius = state.radius[seen].copy()
    for n, k in enumerate(seen):
        if state.swollen.get(k, (-1, 0))[0] >= t:
            radius[n] = state.swollen[k][1]
        if k in state.lag and t < state.lag[k][0]:
            radius[n] = state.lag[k][1]
    state.rows.append(np.column_stack([seen, np.full(len(seen), t), xy, radius]))


def degrade(
    scene: Scene, seed: int, *, miss: float = 0.05, false: float = 0.02, loc: float = 0.3, size: float = 0.02
) -> pd.DataFrame:
    """Detections as a detector gives them: misses, false ones, noise in position and radius (a share of it)."""
    rng = np.random.default_rng(seed)
    rows = scene.tracks[["particle", "frame", "x", "y", "radius"]][rng.random(len(scene.tracks)) >= miss].copy()
    rows["x"] += rng.normal(0, loc, len(rows))
    rows["y"] += rng.normal(0, loc, len(rows))
    rows["radius"] *= 1 + rng.normal(0, size, len(rows))
    n = rng.binomial(len(scene.tracks), false)
    ghosts = pd.DataFrame(
        {
            "frame": rng.integers(0, scene.frames, n),
            "x": rng.uniform(0, scene.field[0], n),
            "y": rng.uniform(0, scene.field[1], n),
            "radius": rng.uniform(3, 12, n),
            "truth": -1,
        }
    )
    rows = rows.rename(columns={"particle": "truth"})
    out = pd.concat([rows, ghosts], ignore_index=True).sort_values("frame", kind="stable").reset_index(drop=True)
    out["x_std"] = out["y_std"] = loc
    return out
