"""The contact graph over time: clusters that keep their identity while they grow and break up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.bodies import Bodies
from lptem_tracker.analysis.contacts import Bonds
from lptem_tracker.analysis.fates import Fates

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REUNION_FRAMES = 5  # a pair that touches again so soon after being one blob never came apart
GHOST_FRAMES = 15  # how long the neighbours of a vanished particle still count as one cluster


@dataclass(frozen=True)
class Joining:
    """Two clusters become one, or one becomes two, by the pair a, b; `bond` is its index, -1 without."""

    kind: str
    frame: int
    a: int
    b: int
    cluster: int
    bond: int
    members: tuple[frozenset[int], frozenset[int]] = field(repr=False, default=(frozenset(), frozenset()))


@dataclass(frozen=True)
class History:
    """Clusters over time.

    Attributes
    ----------
    joinings : list of Joining
        In order of frame.
    frame : (T,) int
    n_clusters, n_particles, sum_squares, sum_cubes : (T,) int
        Number of clusters (single particles count), of particles, and the sums over clusters of size² and size³.
    inverse_sizes : (T,) float
        Sum over clusters of 1/size.
    membership : list of tuple
        (frame, particle index, cluster) whenever a particle's cluster changes.
    """

    joinings: list[Joining]
    frame: Ints
    n_clusters: Ints
    n_particles: Ints
    sum_squares: Ints
    sum_cubes: Ints
    inverse_sizes: Floats
    membership: list[tuple[int, int, int]]


class _Graph:
    """Undirected graph with labelled components; splitting costs the smaller part only."""

    def __init__(self) -> None:
        self.near: dict[int, set[int]] = {}
        self.label: dict[int, int] = {}
        self.members: dict[int, set[int]] = {}
        self.changes: list[tuple[int, int]] = []
        self.sums = [0.0, 0.0, 0.0, 0.0]  # particles, squares, cubes, inverses
        self._next = 0

    def _count(self, size: int, sign: int) -> None:
        if size:
            for k, value in enumerate((size, size**2, size**3, 1 / size)):
                self.sums[k] += sign * value

    def add(self, node: int, label: int | None = None) -> None:
        """Let a particle in, as a cluster of its own."""
        self.near[node] = set()
        if label is None or label in self.members:
            label, self._next = self._next, self._next + 1
        self.label[node] = label
        self.members[label] = {node}
        self.changes.append((node, label))
        self._count(1, 1)

    def remove(self, node: int) -> None:
        """Let a particle go, with its bonds."""
        for other in list(self.near[node]):
            self.cut(node, other)
        del self.near[node]
        label = self.label.pop(node)
        self._count(len(self.members[label]), -1)
        del self.members[label]

    def join(self, a: int, b: int) -> bool:
        """Add an edge; True where two components became one."""
        self.near[a].add(b)
        self.near[b].add(a)
        keep, lose = self.label[a], self.label[b]
        if keep == lose:
            return False
        big, small = len(self.members[keep]), len(self.members[lose])
        if (small, -lose) > (big, -keep):
            keep, lose = lose, keep
        self._count(len(self.members[keep]), -1)
        self._count(len(self.members[lose]), -1)
        for node in self.members[lose]:
            self.label[node] = keep
            self.changes.append((node, keep))
        self.members[keep] |= self.members.pop(lose)
        self._count(len(self.members[keep]), 1)
        return True

    def cut(self, a: int, b: int) -> bool:
        """Take an edge out; True where one component became two."""
        self.near[a].discard(b)
        self.near[b].discard(a)
        part = self._separate(a, b)
        if part is None:
            return False
        label = self.label[a]
        rest = self.members[label]
        self._count(len(rest), -1)
        rest -= part
        if len(part) > len(rest) or (len(part) == len(rest) and min(part) < min(rest)):
            self.members[label] = part
            part = rest
        self._count(len(self.members[label]), 1)
        self._count(len(part), 1)
        fresh, self._next = self._next, self._next + 1
        self.members[fresh] = part
        for node in part:
            self.label[node] = fresh
            self.changes.append((node, fresh))
        return True

    def _separate(self, a: int, b: int) -> set[int] | None:
        """Nodes on the smaller side, or None where a and b are still joined: two searches in turn."""
        seen = ({a}, {b})
        queues = ([a], [b])
        side = 0
        while queues[0] and queues[1]:
            node = queues[side].pop()
            for other in self.near[node]:
                if other in seen[1 - side]:
                    return None
                if other not in seen[side]:
                    seen[side].add(other)
                    queues[side].append(other)
            if not queues[side]:
                return seen[side]
            side = 1 - side
        return seen[side]

    def joined(self, a: int, b: int) -> bool:
        return self.label[a] == self.label[b]


def follow_clusters(bodies: Bodies, bonds: Bonds, fates: Fates, min_contact: int, min_separation: int) -> History:
    """Replay all bonds in order of time.

    Attach: a bond joins two clusters that both were there before; a bond that closes a loop is no event.
    Detach: a broken bond leaves one cluster in two; the end of a track never is. A break and a reunion of the
    same two within the dwell times cancel. A particle counts from its nucleation to its end, be it seen or not.
    """
    return _Replay(bodies, bonds, fates).run(min_contact, min_separation)


class _Replay:
    def __init__(self, bodies: Bodies, bonds: Bonds, fates: Fates) -> None:
        self.bodies, self.bonds = bodies, bonds
        self.graph = _Graph()
        self.joinings: list[Joining] = []
        self.membership: list[tuple[int, int, int]] = []
        self.ghosts: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.heirs = {k: m.survivor for m in fates.mergers for k in m.gone}
        self.until = {k: max(m.frame, int(bodies.last[k]) + 1) for m in fates.mergers for k in m.gone}
        self.until |= {f.particle: f.frame for f in fates.single if f.kind == "dissolve"}
        self.since = {f.particle: f.frame for f in fates.single if f.kind == "nucleate"}
        self.splits = {s.fresh: s for s in fates.splits}
        self.first_bond: dict[tuple[int, int], int] = {}
        for a, b, start in zip(bonds.a.tolist(), bonds.b.tolist(), bonds.start.tolist()):
            self.first_bond.setdefault((a, b), start)
        self.live: set[int] = set()
        self.active: dict[tuple[int, int], int] = {}

    def run(self, min_contact: int, min_separation: int) -> History:
        """Play all bonds in the order of time."""
        bodies, bonds = self.bodies, self.bonds
        real = np.flatnonzero(bodies.is_real)
        end = np.array([self.until.get(int(k), int(bodies.last[k]) + 1) for k in real], dtype=np.int64)
        start = np.array([self.since.get(int(k), int(bodies.first[k])) for k in real], dtype=np.int64)
        born, died = _by_frame(start, real), _by_frame(end, real)
        on, off = _by_frame(bonds.start, np.arange(len(bonds))), _by_frame(bonds.end, np.arange(len(bonds)))
        first, last = bodies.frames
        series = np.zeros((last - first + 1, 5))
        for frame in range(first, last + 1):
            for node in born.get(frame, ()):
                self.graph.add(node)
                self.live.add(node)
            for node in born.get(frame, ()):
                self._back_from_blob(node, frame)
            for bond in on.get(frame, ()):
                self._bond(bond, frame)
            for bond in off.get(frame, ()):
                self._unbond(bond, frame)
            for node in died.get(frame, ()):
                self._end(node, frame)
            for a, b in self.ghosts.pop(frame, ()):
                self._expire(a, b)
            self.membership += [(frame, node, label) for node, label in self.graph.changes]
            self.graph.changes.clear()
            series[frame - first] = (len(self.graph.members), *self.graph.sums)
        whole = np.round(series[:, :4]).astype(np.int64)
        return History(
            _settled(self.joinings, min_contact, min_separation), np.arange(first, last + 1),
            whole[:, 0], whole[:, 1], whole[:, 2], whole[:, 3], series[:, 4].copy(), self.membership,
        )  # fmt: skip

    def _record(
        self, kind: str, frame: int, a: int, b: int, bond: int, sides: tuple[frozenset[int], frozenset[int]]
    ) -> None:
        self.joinings.append(Joining(kind, frame, a, b, self.graph.label[a], bond, sides))

    def _sides(self, a: int, b: int) -> tuple[frozenset[int], frozenset[int]]:
        members = self.graph.members
        return frozenset(members[self.graph.label[a]]), frozenset(members[self.graph.label[b]])

    def _bond(self, bond: int, frame: int) -> None:
        a, b = int(self.bonds.a[bond]), int(self.bonds.b[bond])
        self.active[a, b] = bond
        if a not in self.live or b not in self.live:
            return
        event = bool(self.bonds.formed[bond]) and not self.graph.joined(a, b)
        sides = self._sides(a, b) if event else (frozenset(), frozenset())
        self.graph.join(a, b)
        if event:
            self._record("attach", frame, a, b, bond, sides)

    def _unbond(self, bond: int, frame: int) -> None:
        a, b = int(self.bonds.a[bond]), int(self.bonds.b[bond])
        self.active.pop((a, b), None)
        if a not in self.live or b not in self.live or b not in self.graph.near[a]:
            return
        if not self.bonds.broken[bond]:
            if min(self.bodies.last[a], self.bodies.last[b]) + 1 > frame:
                self.graph.cut(a, b)
            return
        label = self.graph.label[a]
        if self.graph.cut(a, b):
            self.joinings.append(Joining("detach", frame, a, b, label, bond, self._sides(a, b)))

    def _end(self, node: int, frame: int) -> None:
        """Neighbours of a vanished particle stay together through its heir, or for a while."""
        near = [k for k in self.graph.near[node] if k in self.live]
        heir = self.heirs.get(node)
        self.graph.remove(node)
        self.live.discard(node)
        hub = heir if heir is not None and heir in self.live else (near[0] if near else None)
        if hub is None:
            return
        for other in near:
            if other != hub and other not in self.graph.near[hub]:
                self.graph.join(hub, other)
                self.ghosts[frame + GHOST_FRAMES].append((hub, other))

    def _expire(self, a: int, b: int) -> None:
        pair = (min(a, b), max(a, b))
        if a in self.live and b in self.live and pair not in self.active and b in self.graph.near[a]:
            self.graph.cut(a, b)

    def _back_from_blob(self, node: int, frame: int) -> None:
        """Two seen as one that come apart again were one cluster until now."""
        split = self.splits.get(node)
        if split is None or split.partner not in self.live:
            return
        bonded = self.first_bond.get((min(node, split.partner), max(node, split.partner)))
        if bonded is None or bonded > frame + REUNION_FRAMES:
            self._record("detach", frame, split.partner, node, -1, self._sides(split.partner, node))


def _by_frame(frame: Ints, what: Ints) -> dict[int, list[int]]:
    out: dict[int, list[int]] = defaultdict(list)
    for key, value in zip(frame.tolist(), what.tolist()):
        out[key].append(value)
    return out


def _settled(joinings: list[Joining], min_contact: int, min_separation: int) -> list[Joining]:
    """Leave out a break and a reunion (or the reverse) of the same clusters within the dwell times."""
    kept: list[Joining] = []
    for event in joinings:
        limit = min_separation if event.kind == "attach" else min_contact
        undone = None
        for k in range(len(kept) - 1, -1, -1):
            if event.frame - kept[k].frame >= limit:
                break
            if kept[k].kind != event.kind and _same_sides(kept[k], event):
                undone = k
                break
        if undone is None:
            kept.append(event)
        else:
            del kept[undone]
    return kept


def _same_sides(one: Joining, other: Joining) -> bool:
    (a, b), (c, d) = one.members, other.members
    return (bool(a & c) and bool(b & d)) or (bool(a & d) and bool(b & c))
