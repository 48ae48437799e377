"""Scores of detected events against the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from lptem_tracker.tables import FRAME, PARTICLE

Floats = npt.NDArray[np.float64]

SCORED_KINDS = ("attach", "detach", "coalesce", "nucleate", "dissolve")
_PAIRED = ("attach", "detach", "coalesce")


@dataclass(frozen=True)
class EventScore:
    """How many events were matched, and what follows from it.

    Attributes
    ----------
    n_truth, n_found, n_matched : int
        Without those at the border that found no partner.
    mean_frame_error : float
        Mean of found − true frame over the matched ones; NaN without any.
    """

    n_truth: int
    n_found: int
    n_matched: int
    mean_frame_error: float = float("nan")

    @property
    def precision(self) -> float:
        """Matched share of the found events; 1 where none was found."""
        return self.n_matched / self.n_found if self.n_found else 1.0

    @property
    def recall(self) -> float:
        """Matched share of the true events; 1 where there is none."""
        return self.n_matched / self.n_truth if self.n_truth else 1.0

    @property
    def f1(self) -> float:
        """2 matched / (found + true); 1 where there are neither."""
        total = self.n_found + self.n_truth
        return 2 * self.n_matched / total if total else 1.0


def match_events(
    found: pd.DataFrame, truth: pd.DataFrame, *, max_frames: int = 5, identity: bool = True
) -> pd.DataFrame:
    """Pair events one to one, kind by kind: as many as possible, then as near in time as possible.

    Parameters
    ----------
    found, truth : pandas.DataFrame
        Columns `kind, frame, particle_a, particle_b`; the particles' numbers are those of the truth
        (see `identify_particles`).
    max_frames : int
        Largest |Δt|.
    identity : bool
        The particles must be the same: as an unordered pair where two take part, else `particle_a`.

    Returns
    -------
    pandas.DataFrame
        `kind, found, truth` (positions in the tables) and `frame_error` (found − truth).
    """
    rows = []
    for kind in sorted(set(found["kind"]) & set(truth["kind"])):
        f, t = np.flatnonzero(found["kind"] == kind), np.flatnonzero(truth["kind"] == kind)
        error = found["frame"].to_numpy(float)[f][:, None] - truth["frame"].to_numpy(float)[t][None]
        fits = np.abs(error) <= max_frames
        if identity:
            one, other = _identity(found, f, kind), _identity(truth, t, kind)
            fits &= np.array([[a == b for b in other] for a in one]).reshape(fits.shape)
        cost = np.where(fits, np.abs(error) - 1e4, 0.0)
        for i, j in zip(*linear_sum_assignment(cost)):
            if fits[i, j]:
                rows.append((kind, f[i], t[j], error[i, j]))
    return pd.DataFrame(rows, columns=["kind", "found", "truth", "frame_error"])


def _identity(table: pd.DataFrame, rows: npt.NDArray[np.intp], kind: str) -> list[frozenset[int] | None]:
    """Who takes part; None (equal to nobody) where a particle is not known."""
    names = ("particle_a", "particle_b") if kind in _PAIRED else ("particle_a",)
    columns = [table[name].to_numpy()[rows] for name in names]
    out: list[frozenset[int] | None] = []
    for values in zip(*columns):
        known = not any(pd.isna(v) for v in values)
        out.append(frozenset(int(v) for v in values) if known else frozenset({-1 - len(out)}))
    return out


def score_events(
    found: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    max_frames: int = 5,
    kinds: Sequence[str] = SCORED_KINDS,
    identity: bool = True,
    field_px: tuple[float, float] | None = None,
    border_px: float = 15.0,
) -> dict[str, EventScore]:
    """Score each kind, and all together under ``"all"``.

    Parameters
    ----------
    field_px, border_px : optional
        With a field of view (width, height), events nearer than `border_px` to its border that find no
        partner neither help nor hurt.
    """
    found, truth = found[found["kind"].isin(kinds)], truth[truth["kind"].isin(kinds)]
    pairs = match_events(found, truth, max_frames=max_frames, identity=identity)
    count_found = np.isin(np.arange(len(found)), pairs["found"]) | ~_at_border(found, field_px, border_px)
    count_truth = np.isin(np.arange(len(truth)), pairs["truth"]) | ~_at_border(truth, field_px, border_px)
    out = {}
    for kind in (*kinds, "all"):
        of_found = count_found & ((found["kind"] == kind).to_numpy() | (kind == "all"))
        of_truth = count_truth & ((truth["kind"] == kind).to_numpy() | (kind == "all"))
        matched = pairs if kind == "all" else pairs[pairs["kind"] == kind]
        error = float(matched["frame_error"].mean()) if len(matched) else float("nan")
        out[kind] = EventScore(int(of_truth.sum()), int(of_found.sum()), len(matched), error)
    return out


def _at_border(table: pd.DataFrame, field_px: tuple[float, float] | None, border_px: float) -> npt.NDArray[np.bool_]:
    if field_px is None or not {"x", "y"} <= set(table.columns):
        return np.zeros(len(table), bool)
    x, y = table["x"].to_numpy(float), table["y"].to_numpy(float)
    inside = np.minimum(np.minimum(x, field_px[0] - 1 - x), np.minimum(y, field_px[1] - 1 - y))
    return np.asarray(inside < border_px)


def identify_particles(
    events: pd.DataFrame,
    tracks: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    max_distance_px: float = 5.0,
    window_frames: int = 10,
) -> pd.DataFrame:
    """Give each event's particles the number of the true particle that they sit on when it happens.

    Rows before the event vote, for `nucleate` and `enter` those from its frame on.

    Parameters
    ----------
    events : pandas.DataFrame
        Found events, numbered as `tracks`.
    tracks, truth : pandas.DataFrame
        `particle, frame, x, y`, found and true.
    max_distance_px : float
        A row belongs to the nearest true particle of its frame within this distance.
    window_frames : int
        Rows this far from the event's frame vote; the nearest one only where there are none.

    Returns
    -------
    pandas.DataFrame
        A copy; NA where a track sits on no true particle.
    """
    owner = _owners(tracks, truth, max_distance_px)
    spans = {int(p): (g["frame"].to_numpy(), g["owner"].to_numpy()) for p, g in owner.groupby(PARTICLE)}
    out = events.copy()
    for name in ("particle_a", "particle_b"):
        values = [
            _vote(spans, particle, int(frame), window_frames, later=kind in ("nucleate", "enter"))
            for particle, frame, kind in zip(events[name], events["frame"], events["kind"])
        ]
        out[name] = pd.array(values, dtype="Int64")
    return out


def _owners(tracks: pd.DataFrame, truth: pd.DataFrame, max_distance_px: float) -> pd.DataFrame:
    from scipy.spatial import cKDTree

    seen = tracks[tracks["observed"]] if "observed" in tracks else tracks
    parts = []
    true = dict(list(truth.groupby(FRAME)))
    for frame, rows in seen.groupby(FRAME):
        known = true.get(frame)
        if known is None:
            continue
        distance, at = cKDTree(known[["x", "y"]].to_numpy()).query(rows[["x", "y"]].to_numpy())
        near = distance <= max_distance_px
        owner = known[PARTICLE].to_numpy()[at[near]]
        parts.append(pd.DataFrame({PARTICLE: rows[PARTICLE].to_numpy()[near], "frame": frame, "owner": owner}))
    return pd.concat(parts) if parts else pd.DataFrame({PARTICLE: [], "frame": [], "owner": []})


def _vote(
    spans: dict[int, tuple[Floats, Floats]], particle: Any, frame: int, window: int, *, later: bool
) -> int | None:
    if particle is None or pd.isna(particle) or int(particle) not in spans:
        return None
    frames, owners = spans[int(particle)]
    ahead = frames - frame if later else frame - 1 - frames
    distance = np.where(ahead >= 0, ahead, window - ahead)
    near = owners[distance <= max(window, int(distance.min()))]
    values, counts = np.unique(near, return_counts=True)
    return int(values[counts.argmax()])


def false_rate(found: pd.DataFrame, n_particle_frames: int, kinds: Sequence[str] = SCORED_KINDS) -> float:
    """Events per 1,000 particle-frames in a scene that has none."""
    return 1000 * int(found["kind"].isin(kinds).sum()) / max(n_particle_frames, 1)


def cluster_count_error(found: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Root mean square of (found − true)/true number of clusters over the frames that both cover."""
    n = min(len(np.asarray(found)), len(np.asarray(truth)))
    f, t = np.asarray(found, float)[:n], np.asarray(truth, float)[:n]
    use = t > 0
    return float(np.sqrt(np.mean(((f[use] - t[use]) / t[use]) ** 2))) if use.any() else 0.0
