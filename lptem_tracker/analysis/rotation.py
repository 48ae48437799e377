"""Rotational diffusion from angles of rods, whose two ends look alike (period pi)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lptem_tracker.analysis.diffusion import Imaging
from lptem_tracker.analysis.trackset import TrackSet

WIDEST_STEP = 0.6
"""rad; root mean square step from which on half a turn back and half a turn forth look alike too often."""
MIN_STEPS = 8


def angle_tracks(tracks: TrackSet) -> TrackSet | None:
    """Return angles as one-dimensional tracks, unwrapped to the nearest of the equivalent orientations.

    Parameters
    ----------
    tracks : TrackSet
        With `angle` in rad, period pi.

    Returns
    -------
    TrackSet or None
        `xy` holds the angle in its first column and 0 in its second; particles with fewer than `MIN_STEPS` known
        angles, with angles that are 0 in most frames (disks) or never change, or with steps too wide to unwrap, are
        left out. None: no particle left.
    """
    if tracks.angle is None:
        return None
    seen = np.isfinite(tracks.angle)
    index = tracks.index[seen]
    count = np.bincount(index, minlength=len(tracks))
    angle, frame = tracks.angle[seen], tracks.frame[seen]
    step = np.zeros(len(angle))
    same = np.diff(index, prepend=-1) == 0
    turn = np.diff(angle, prepend=0.0)
    step[same] = ((turn + np.pi / 2) % np.pi - np.pi / 2)[same]
    square = np.bincount(index, step**2, len(tracks)) / np.maximum(count - 1, 1)
    round_ones = np.bincount(index, angle == 0, len(tracks)) > 0.5 * count
    good = (count > MIN_STEPS) & ~round_ones & (square > 0) & (square < WIDEST_STEP**2)
    if not good.any():
        return None
    path = np.cumsum(step)
    offset = np.concatenate([[0], np.cumsum(count)])
    path -= path[np.minimum(offset[:-1], len(path) - 1)][index]
    rows = good[index]
    return replace(
        tracks,
        particle=tracks.particle[good],
        offset=np.concatenate([[0], np.cumsum(count[good])]),
        frame=frame[rows],
        xy=np.stack([path[rows], np.zeros(int(rows.sum()))], 1),
        origin=tracks.origin[good],
        weight=np.ones(int(rows.sum())),
        angle=None,
        link_confidence=None,
    )


def angle_imaging(imaging: Imaging) -> Imaging:
    """Return the imaging of angles: blurred like positions, without weights."""
    return Imaging(imaging.blur, imaging.lowest, weighted=False)
