"""Identities through a merger: two tracks become one blob and two again.

A track that ends where another one stands and grows at that moment has merged into it; a track that begins
out of another one which shrinks at that moment has split off. A split of a host into which somebody merged
before gives that identity back (Jaqaman 2008, supplementary note 4). Sizes decide: without radii
nothing is merged, because an end beside a neighbour is far more often a miss.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.core import Decided, Points

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOUCH, GROWTH = 1.6, 1.06
"""Largest centre distance over the sum of the radii (1.9 holds nine of ten real coalescences, at more false
ones), and least change of the host's radius where sizes are well known."""

SIGNIFICANT, STEADY = 4.0, 0.15
"""A change of size counts from this many standard deviations of its scatter along tracks on; where that scatter
is larger than `STEADY`, areas do not tell one particle from two."""


def through_mergers(points: Points, decided: Decided, radius: Floats, step: float) -> tuple[Decided, Ints]:
    """Return the decisions with identities given back after splits, and what each row's track merged into.

    Parameters
    ----------
    points : Points
    decided : Decided
    radius : float64, shape (n,)
        Radius of each detection in px; NaN where unknown.
    step : float
        Standard deviation of a step in px.

    Returns
    -------
    decided : Decided
    merged_into : int64, shape (n,)
        At a track's last row the particle it became part of, else −1.
    """
    n = len(radius)
    track, merged = decided.track.copy(), np.full(n, -1)
    scatter = size_scatter(decided.pred, radius)
    pred = decided.pred.copy()
    if scatter <= STEADY:
        pred = _through_blobs(points, pred, radius, track)
    following = _following(pred)
    linked = np.flatnonzero(pred >= 0)
    last_frame = points.frame.max(initial=0)
    change = max(GROWTH, math.exp(SIGNIFICANT * scatter))
    # a host row before and after, both of one track
    hosts = linked[radius[linked] > change * radius[pred[linked]]]
    shrinking = linked[radius[linked] * change < radius[pred[linked]]]
    inside: dict[int, list[int]] = {}
    ends = np.flatnonzero((following < 0) & (points.frame < last_frame))
    starts = np.flatnonzero((pred < 0) & (points.frame > points.frame.min(initial=0)))
    events = [(int(points.frame[e]) + 1, 0, int(e)) for e in ends] + [(int(points.frame[s]), 1, int(s)) for s in starts]
    for frame, kind, row in sorted(events):
        pool = shrinking if kind else hosts
        after = pool[(points.frame[pool] >= frame) & (points.frame[pred[pool]] < frame)]
        # the host as it is while both are separate: before a merger, after a split
        apart = after if kind else pred[after]
        apart = apart[track[apart] != track[row]]
        if len(apart) == 0:
            continue
        gap = np.hypot(*(points.xy[apart] - points.xy[row]).T)
        reach = TOUCH * (radius[apart] + radius[row]) + 3 * step
        best = int(np.argmin(np.where(np.isfinite(reach), gap / reach, math.inf)))
        if not gap[best] <= reach[best]:
            continue
        host = int(track[apart[best]])
        if kind == 0:
            merged[row] = host
            inside.setdefault(host, []).append(row)
        elif inside.get(host):
            _give_back(track, points.frame, radius, inside[host].pop(), row, int(apart[best]))
    # where identities were exchanged, the row before belongs to somebody else
    pred[(pred >= 0) & (track[pred] != track)] = -1
    return decided._replace(track=track, pred=pred), merged


def size_scatter(pred: Ints, radius: Floats) -> float:
    """Return the standard deviation of the change of log radius from row to row of the same track; robust."""
    linked = np.flatnonzero(pred >= 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(np.log(radius[linked] / radius[pred[linked]]))
    change = change[np.isfinite(change)]
    return 1.4826 * float(np.median(change)) if len(change) else 0.0


def _following(pred: Ints) -> Ints:
    out = np.full(len(pred), -1)
    linked = np.flatnonzero(pred >= 0)
    out[pred[linked]] = linked
    return out


def _through_blobs(points: Points, pred: Ints, radius: Floats, track: Ints) -> Ints:
    """Carry the larger of two ends on into a blob that begins between them, and a blob's end into the larger start.

    The centre jumps by a share of the distance when two become one, far more than any step.
    """
    following = _following(pred)
    ends = np.flatnonzero((following < 0) & np.isfinite(radius))
    starts = np.flatnonzero((pred < 0) & np.isfinite(radius))
    for single, many, ahead in ((starts, ends, -1), (ends, starts, 1)):
        for one in single:
            near = many[points.frame[many] == points.frame[one] + ahead]
            near = near[(pred[near] < 0) if ahead > 0 else (following[near] < 0)]
            gap = np.hypot(*(points.xy[near] - points.xy[one]).T)
            near = near[gap <= TOUCH * radius[one]]
            if len(near) != 2 or not 0.6 < (radius[near] ** 2).sum() / radius[one] ** 2 < 1.5:
                continue
            heir = int(near[np.argmax(radius[near])])
            before, after = (heir, int(one)) if ahead < 0 else (int(one), heir)
            pred[after], following[before] = before, after
            track[track == track[after]] = track[before]
    return pred


def _give_back(track: Ints, frame: Ints, radius: Floats, lost: int, back: int, host: int) -> None:
    """Name what split off like what had merged, or exchange it with the host where the sizes say so."""
    guest, owner, fresh = track[lost], track[host], track[back]
    before = (track == owner) & (frame <= frame[lost])
    size = float(np.nanmedian(radius[before])) if before.any() else math.nan
    straight = abs(math.log(radius[back] / radius[lost])) + abs(math.log(radius[host] / size))
    crossed = abs(math.log(radius[host] / radius[lost])) + abs(math.log(radius[back] / size))
    later = (track == owner) & (frame >= frame[host])
    exchange = crossed + 0.1 < straight
    new = track.copy()
    new[track == fresh] = owner if exchange else guest
    if exchange:
        new[later] = guest
    # nobody is in two places at once
    touched = np.flatnonzero(np.isin(new, (guest, owner)))
    if len(np.unique(np.stack([new[touched], frame[touched]]), axis=1).T) == len(touched):
        track[:] = new
