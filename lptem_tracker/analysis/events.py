"""The events table: what happened, when, between whom, where, and how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lptem_tracker.analysis.clusters import History, Joining
from lptem_tracker.analysis.facing import facing_angle
from lptem_tracker.analysis.fates import Fates
from lptem_tracker.errors import TableError
from lptem_tracker.tables import EVENT_DTYPES, EVENT_KINDS, empty_table

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies
    from lptem_tracker.analysis.contacts import Bonds

Ints = npt.NDArray[np.int64]

COLUMNS: dict[str, str] = {**EVENT_DTYPES, "angle": "float64", "survivor": "Int64"}
REJECTED_FRAMES = 5  # how far an event may move between runs and still be the one that was rejected


def build_events(bodies: Bodies, bonds: Bonds, fates: Fates, history: History) -> pd.DataFrame:
    """Put all events into one table, sorted by frame and kind.

    Returns
    -------
    pandas.DataFrame
        The columns of `tables.EVENT_DTYPES`, `angle` (rad between two rods or facets at attachment, 0 to
        pi/2, NaN for round particles) and `survivor` (particle that carries on after a coalescence).
        `frame_last` is the last frame of the new state: of the bond, of the separation, or of the particle.
    """
    where = _Membership(history)
    rows = [_joining_row(bodies, bonds, event) for event in history.joinings]
    rows += [_merger_row(bodies, fates, where, k) for k in range(len(fates.mergers))]
    rows += [_single_row(bodies, fates, where, k) for k in range(len(fates.single))]
    if not rows:
        return empty_table(COLUMNS)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    order = pd.Categorical(table["kind"], categories=EVENT_KINDS, ordered=True).codes
    return table.iloc[np.lexsort((table["particle_a"].to_numpy(np.int64), order, table["frame"]))].reset_index(
        drop=True
    )


def is_rejected(events: pd.DataFrame, rejected: pd.DataFrame | None) -> npt.NDArray[np.bool_]:
    """Tell which events a person has rejected, (N,).

    Parameters
    ----------
    rejected : pandas.DataFrame or None
        Columns `kind, frame` and, where given, `particle_a, particle_b`; each row stands for the nearest event within
        5 frames, of its kind and with its particles in either order. A blank particle stands for any.

    Raises
    ------
    TableError
        `kind` or `frame` is missing.
    """
    out = np.zeros(len(events), bool)
    if rejected is None or rejected.empty:
        return out
    missing = [name for name in ("kind", "frame") if name not in rejected]
    if missing:
        raise TableError(f"A table of rejected events needs the columns kind and frame; it lacks {', '.join(missing)}.")
    frame = events["frame"].to_numpy(np.int64)
    pairs = [_pair(a, b) for a, b in zip(events["particle_a"], events["particle_b"])]
    for _, row in rejected.iterrows():
        wanted = _pair(row.get("particle_a"), row.get("particle_b"))
        who = np.array([wanted <= pair for pair in pairs], bool)
        near = np.abs(frame - int(row["frame"])) <= REJECTED_FRAMES
        hits = np.flatnonzero(~out & who & near & (events["kind"] == row["kind"]).to_numpy())
        if len(hits):
            out[hits[np.abs(frame[hits] - int(row["frame"])).argmin()]] = True
    return out


def _pair(a: Any, b: Any) -> frozenset[int]:
    return frozenset(int(k) for k in (a, b) if k is not None and not pd.isna(k))


class _Membership:
    """Cluster of a particle at a frame."""

    def __init__(self, history: History) -> None:
        self._of: dict[int, tuple[list[int], list[int]]] = {}
        for frame, particle, cluster in history.membership:
            frames, clusters = self._of.setdefault(particle, ([], []))
            frames.append(frame)
            clusters.append(cluster)

    def at(self, particle: int, frame: int) -> Any:
        frames, clusters = self._of.get(particle, ([], []))
        k = int(np.searchsorted(frames, frame, "right")) - 1
        return clusters[k] if k >= 0 else pd.NA


def _nearest_row(bodies: Bodies, particle: int, frame: int) -> int:
    rows = bodies.rows(particle)
    at = int(np.searchsorted(bodies.frame[rows], frame))
    return int(rows.start + min(at, rows.stop - rows.start - 1))


def _row(
    kind: str, frame: int, last: int, a: int, b: Any, cluster: Any, x: float, y: float, score: float
) -> dict[str, Any]:
    return {
        "kind": kind, "frame": frame, "frame_last": max(frame, last), "particle_a": a, "particle_b": b,
        "cluster": cluster, "x": x, "y": y, "score": float(np.clip(score, 0, 1)), "angle": np.nan, "survivor": pd.NA,
    }  # fmt: skip


def _joining_row(bodies: Bodies, bonds: Bonds, event: Joining) -> dict[str, Any]:
    a, b = _nearest_row(bodies, event.a, event.frame), _nearest_row(bodies, event.b, event.frame)
    x, y = _between(bodies, a, b)
    score, last = 0.5, event.frame
    if event.bond >= 0:
        score = float((bonds.score_on if event.kind == "attach" else bonds.score_off)[event.bond])
        last = int(bonds.end[event.bond]) - 1 if event.kind == "attach" else event.frame
    ids = int(bodies.ids[event.a]), int(bodies.ids[event.b])
    row = _row(event.kind, event.frame, last, *ids, event.cluster, x, y, score)
    if event.kind == "attach":
        row["angle"] = facing_angle(bodies, a, b)
    return row


def _between(bodies: Bodies, a: int, b: int) -> tuple[float, float]:
    """Middle of the gap between two particles."""
    ra, rb = bodies.half_length[a], bodies.half_length[b]
    distance = float(np.hypot(bodies.x[b] - bodies.x[a], bodies.y[b] - bodies.y[a]))
    share = 0.5 if distance == 0 else float(np.clip((distance + ra - rb) / (2 * distance), 0, 1))
    return (
        float(bodies.x[a] + share * (bodies.x[b] - bodies.x[a])),
        float(bodies.y[a] + share * (bodies.y[b] - bodies.y[a])),
    )


def _merger_row(bodies: Bodies, fates: Fates, where: _Membership, number: int) -> dict[str, Any]:
    merger = fates.mergers[number]
    at = _nearest_row(bodies, merger.survivor, merger.frame)
    row = _row(
        "coalesce", merger.frame, int(bodies.last[merger.survivor]), int(bodies.ids[merger.a]),
        int(bodies.ids[merger.b]),
        where.at(merger.survivor, merger.frame), float(bodies.x[at]), float(bodies.y[at]), merger.score,
    )  # fmt: skip
    row["survivor"] = int(bodies.ids[merger.survivor])
    return row


def _single_row(bodies: Bodies, fates: Fates, where: _Membership, number: int) -> dict[str, Any]:
    fate = fates.single[number]
    begins = fate.kind in ("nucleate", "enter")
    at = int(bodies.offset[fate.particle]) if begins else int(bodies.offset[fate.particle + 1]) - 1
    last = int(bodies.last[fate.particle]) if begins else fate.frame
    return _row(
        fate.kind, fate.frame, last, int(bodies.ids[fate.particle]), pd.NA,
        where.at(fate.particle, int(bodies.frame[at])), float(bodies.x[at]), float(bodies.y[at]), fate.score,
    )  # fmt: skip
