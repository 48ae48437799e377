"""Scores of tracks against truth: HOTA, IDF1, links, and those of the ISBI particle-tracking challenge.

Positions are compared within one distance `max_distance_px`; the similarity of two points is
``1 − d/max_distance``. All scores are fractions of 1 unless they carry a unit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lptem_tracker.errors import SettingsError
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, X, Y, validate_tracks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
THRESHOLDS = np.arange(0.05, 0.99, 0.05)


@dataclass(frozen=True)
class TrackingScores:
    """How near tracks come to the truth.

    Attributes
    ----------
    hota, deta, assa, loca : float
        Higher-order tracking accuracy, its detection and association parts, and localisation,
        averaged over similarity thresholds 0.05 to 0.95 (Luiten 2021, eqs. 8–14).
    idf1, idp, idr : float
        Identity F1, precision and recall under the best one-to-one matching of tracks (Ristani 2016, eqs. 8–10).
    link_f1, link_precision, link_recall : float
        Agreement of the links between successive sights of a particle.
    alpha, beta, jsc, jsc_tracks : float
        Chenouard 2014, eqs. 3–6: pairing of tracks without and with spurious ones, and Jaccard indices of
        positions and of tracks.
    rmse_px : float
        Root mean square distance of paired positions.
    id_switches : int
        Times a particle's successive sights carry different identities.
    n_true, n_tracks : int
        Particles in the truth, and tracks of at least two sights.
    """

    hota: float
    deta: float
    assa: float
    loca: float
    idf1: float
    idp: float
    idr: float
    link_f1: float
    link_precision: float
    link_recall: float
    alpha: float
    beta: float
    jsc: float
    jsc_tracks: float
    rmse_px: float
    id_switches: int
    n_true: int
    n_tracks: int

    def to_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return asdict(self)


@dataclass(frozen=True)
class _Side:
    """One table as arrays, identities counted from 0, sorted by frame."""

    identity: Ints
    frame: Ints
    xy: Floats

    @property
    def count(self) -> int:
        return int(self.identity.max(initial=-1)) + 1


def score_tracks(
    truth: pd.DataFrame,
    tracks: pd.DataFrame,
    *,
    max_distance_px: float = 5.0,
    max_gap_frames: int | None = None,
    keep_single: bool = False,
) -> TrackingScores:
    """Compare tracks with the truth.

    Parameters
    ----------
    truth, tracks : pandas.DataFrame
        Columns `particle, frame, x, y` in px; rows with `observed` False count for alpha, beta and JSC only.
    max_distance_px : float
        Farther apart than this, two positions have nothing to do with each other.
    max_gap_frames : int, optional
        Links over more missing frames than this are not asked for; None: any.
    keep_single : bool
        Whether tracks of a single sight count; a lone detection is otherwise no track.

    Returns
    -------
    TrackingScores

    Raises
    ------
    SettingsError
        `max_distance_px` is not positive.
    TableError
        A table lacks a column, or has a particle twice in a frame.
    """
    if not max_distance_px > 0:
        raise SettingsError(f"max_distance_px must be a positive number of px; got {max_distance_px!r}.")
    true, found = validate_tracks(truth), validate_tracks(tracks)
    a = _side(true[true[OBSERVED]], keep_single=True)
    b = _side(found[found[OBSERVED]], keep_single=keep_single)
    row, col, distance = _near(a, b, max_distance_px)
    hota = _hota(a, b, row, col, 1 - distance / max_distance_px)
    identity = _identity(a, b, row, col)
    links = _links(a, _side(found[found[OBSERVED]], keep_single=True), max_distance_px, max_gap_frames)
    isbi = _isbi(_side(true, keep_single=True), _side(found, keep_single=keep_single), max_distance_px)
    return TrackingScores(**hota, **identity, **links, **isbi, n_true=a.count, n_tracks=b.count)  # type: ignore[arg-type]


def _side(table: pd.DataFrame, *, keep_single: bool) -> _Side:
    table = table[np.isfinite(table[X]) & np.isfinite(table[Y])].sort_values([FRAME, X, Y])
    if not keep_single and len(table):
        table = table[table.groupby(PARTICLE)[FRAME].transform("size") > 1]
    identity = np.unique(table[PARTICLE].to_numpy(), return_inverse=True)[1].astype(np.int64)
    return _Side(identity, table[FRAME].to_numpy(np.int64), table[[X, Y]].to_numpy(np.float64))


def _near(a: _Side, b: _Side, reach: float) -> tuple[Ints, Ints, Floats]:
    """Return all pairs of rows of one frame that are nearer than `reach`, with their distance."""
    rows, cols, far = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for frame in np.intersect1d(a.frame, b.frame):
        i, k = np.searchsorted(a.frame, [frame, frame + 1])
        j, m = np.searchsorted(b.frame, [frame, frame + 1])
        d = cKDTree(a.xy[i:k]).sparse_distance_matrix(cKDTree(b.xy[j:m]), reach, output_type="coo_matrix")
        rows.append(d.row.astype(np.int64) + i)
        cols.append(d.col.astype(np.int64) + j)
        far.append(d.data)
    row, col, distance = np.concatenate(rows), np.concatenate(cols), np.concatenate(far)
    close = distance < reach
    return row[close], col[close], distance[close]


def heaviest_matching(row: Ints, col: Ints, weight: Floats) -> Ints:
    """Return which of the pairs form the heaviest one-to-one matching; weights must be positive.

    Pairs without a rival are taken at once, every other connected group is solved exactly.
    """
    if len(row) == 0:
        return np.empty(0, np.int64)
    rows, r = np.unique(row, return_inverse=True)
    cols, c = np.unique(col, return_inverse=True)
    lone = (np.bincount(r)[r] == 1) & (np.bincount(c)[c] == 1)
    chosen = [np.flatnonzero(lone)]
    rest = np.flatnonzero(~lone)
    graph = coo_matrix((np.ones(len(rest)), (r[rest], len(rows) + c[rest])), shape=(len(rows) + len(cols),) * 2)
    label = connected_components(graph, directed=False)[1][r[rest]]
    order = np.argsort(label, kind="stable")
    for group in np.split(rest[order], np.flatnonzero(np.diff(label[order])) + 1) if len(rest) else []:
        gr, ri = np.unique(r[group], return_inverse=True)
        gc, ci = np.unique(c[group], return_inverse=True)
        gain, which = np.zeros((len(gr), len(gc))), np.full((len(gr), len(gc)), -1)
        gain[ri, ci], which[ri, ci] = weight[group], group
        taken = which[linear_sum_assignment(gain, maximize=True)]
        chosen.append(taken[taken >= 0])
    return np.sort(np.concatenate(chosen))


def _hota(a: _Side, b: _Side, row: Ints, col: Ints, likeness: Floats) -> dict[str, float]:
    n_a, n_b = np.bincount(a.identity, minlength=1), np.bincount(b.identity, minlength=1)
    if len(row) == 0:
        return {"hota": 0.0, "deta": 0.0, "assa": 0.0, "loca": 0.0}
    pair = a.identity[row] * b.count + b.identity[col]
    # soft counts of how often two identities meet: Luiten 2021, section 4.1 (its published code's alignment)
    total = np.bincount(row, likeness)[row] + np.bincount(col, likeness)[col] - likeness
    kinds, which = np.unique(pair, return_inverse=True)
    met = np.bincount(which, likeness / total)
    i, j = kinds // b.count, kinds % b.count
    alignment = (met / (n_a[i] + n_b[j] - met))[which]
    out = np.zeros((4, len(THRESHOLDS)))
    # the matching is made once, without threshold, as in the published evaluation code
    best = heaviest_matching(row, col, alignment * likeness + 1e-12)
    for t, threshold in enumerate(THRESHOLDS):
        keep = best[likeness[best] >= threshold - 1e-9]
        tp = len(keep)
        if tp == 0:
            out[3, t] = 1.0
            continue
        count = np.bincount(which[keep], minlength=len(kinds))
        deta = tp / (len(a.frame) + len(b.frame) - tp)
        assa = float((count**2 / (n_a[i] + n_b[j] - count)).sum()) / tp
        out[:, t] = np.sqrt(deta * assa), deta, assa, likeness[keep].mean()
    return dict(zip(("hota", "deta", "assa", "loca"), map(float, out.mean(1))))


def _identity(a: _Side, b: _Side, row: Ints, col: Ints) -> dict[str, float]:
    kinds, count = np.unique(a.identity[row] * max(b.count, 1) + b.identity[col], return_counts=True)
    keep = heaviest_matching(kinds // max(b.count, 1), kinds % max(b.count, 1), count.astype(float))
    hits = float(count[keep].sum())
    both = len(a.frame) + len(b.frame)
    return {
        "idf1": 2 * hits / both if both else 0.0,
        "idp": hits / max(len(b.frame), 1),
        "idr": hits / max(len(a.frame), 1),
    }


def _chain(identity: Ints, frame: Ints, gap: int | None) -> tuple[Ints, Ints]:
    order = np.lexsort((frame, identity))
    i, j = order[:-1], order[1:]
    same = identity[i] == identity[j]
    if gap is not None:
        same &= frame[j] - frame[i] <= gap + 1
    return i[same], j[same]


def _links(a: _Side, b: _Side, reach: float, gap: int | None) -> dict[str, float]:
    row, col, distance = _near(a, b, reach)
    keep = heaviest_matching(row, col, 2 - distance / reach)
    row, col = row[keep], col[keep]
    twin = np.full(len(b.frame), -1)
    twin[col] = row
    seen = np.sort(row)
    i, j = _chain(a.identity[seen], a.frame[seen], gap)
    i, j = seen[i], seen[j]
    true = i * len(a.frame) + j
    p, q = _chain(b.identity, b.frame, gap)
    right = np.isin(twin[p] * len(a.frame) + twin[q], true) & (twin[p] >= 0) & (twin[q] >= 0)
    precision, recall = right.sum() / max(len(p), 1), right.sum() / max(len(true), 1)
    other = np.full(len(a.frame), -1)
    other[row] = b.identity[col]
    k, m = _chain(a.identity[seen], a.frame[seen], None)
    return {
        "link_f1": float(2 * precision * recall / max(precision + recall, 1e-300)),
        "link_precision": float(precision),
        "link_recall": float(recall),
        "id_switches": int((other[seen[k]] != other[seen[m]]).sum()),
    }


def _isbi(a: _Side, b: _Side, reach: float) -> dict[str, float]:
    if len(a.frame) == 0 or len(b.frame) == 0:
        return {"alpha": 0.0, "beta": 0.0, "jsc": 0.0, "jsc_tracks": 0.0, "rmse_px": float("nan")}
    row, col, distance = _near(a, b, reach)
    kinds, which = np.unique(a.identity[row] * b.count + b.identity[col], return_inverse=True)
    gain: Floats = np.bincount(which, reach - distance, len(kinds)).astype(np.float64)
    # tracks are paired so that the gated distance to the truth is least: Chenouard 2014, online methods
    keep = heaviest_matching(kinds // b.count, kinds % b.count, gain + 1e-12)
    size = np.bincount(b.identity, minlength=b.count)
    paired = np.isin(which, keep)
    tp = int(paired.sum())
    most = reach * len(a.frame)
    outside = _outside(a, b, kinds[keep])
    spare = reach * float(size.sum() - size[kinds[keep] % b.count].sum())
    score = float(gain[keep].sum()) - reach * outside
    return {
        "alpha": max(score, 0.0) / most,
        "beta": max(score, 0.0) / (most + spare),
        "jsc": tp / (len(a.frame) + len(b.frame) - tp),
        "jsc_tracks": len(keep) / (a.count + b.count - len(keep)),
        "rmse_px": float(np.sqrt(np.mean(distance[paired] ** 2))) if tp else float("nan"),
    }


def _outside(a: _Side, b: _Side, kinds: Ints) -> float:
    """Count positions of paired tracks in frames where their particle is not: each costs one full distance."""
    i, j = kinds // b.count, kinds % b.count
    partner = np.full(b.count, -1)
    partner[j] = i
    mine = partner[b.identity] >= 0
    top = int(max(a.frame.max(), b.frame.max())) + 1
    there = np.isin(partner[b.identity[mine]] * top + b.frame[mine], a.identity * top + a.frame)
    return float((~there).sum())
