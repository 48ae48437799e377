"""A tracks table arranged for drawing: which rows are in a frame, and the path that led to each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.report.colouring import Colouring

LEAST_ASPECT = 1.2  # below which a particle is drawn upright


class Scene:
    """Rows of a tracks table sorted by particle and frame, found by frame without searching.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Sorted by particle, then frame, with unique rows.
    colouring : Colouring
        A colour for each row.

    Attributes
    ----------
    particle, frame : numpy.ndarray of int64, shape (n,)
    xy : numpy.ndarray of float64, shape (n, 2)
    size : numpy.ndarray of float64, shape (n, 2)
        Extents along and across `angle` in px; NaN where the shape is not known.
    angle : numpy.ndarray of float64, shape (n,)
    observed : numpy.ndarray of bool, shape (n,)
    colour : numpy.ndarray of uint8, shape (n, 3)
    varies : bool
        A particle's colour changes from frame to frame.
    """

    def __init__(self, tracks: pd.DataFrame, colouring: Colouring) -> None:
        self.particle = tracks["particle"].to_numpy()
        self.frame = tracks["frame"].to_numpy()
        self.xy = tracks[["x", "y"]].to_numpy(dtype=float)
        self.size, self.angle = _shapes(tracks)
        self.observed = tracks["observed"].to_numpy(dtype=bool) if "observed" in tracks else np.ones(len(tracks), bool)
        self.colour, self.varies = colouring.rows, colouring.varies
        self._by_frame = np.argsort(self.frame, kind="stable")
        self._sorted_frames = self.frame[self._by_frame]
        self._first_row = np.searchsorted(self.particle, self.particle, side="left")
        # ascends over the whole table: one particle after the other, each by its frames
        span = int(self.frame.max()) + 1 if len(tracks) else 1
        self._clock = self._first_row * span + self.frame

    def rows(self, frame: int) -> NDArray[np.int64]:
        """Return the rows of a frame, sorted by particle."""
        low, high = np.searchsorted(self._sorted_frames, [frame, frame + 1])
        found: NDArray[np.int64] = self._by_frame[low:high]
        return found

    def trail_starts(self, rows: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Return the first row of each row's own trail: the same particle, at most `length` frames before it.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (k,).
        length : int

        Returns
        -------
        numpy.ndarray
            Shape (k,); a trail without a past starts at its own row.
        """
        oldest = np.searchsorted(self._clock, self._clock[rows] - length)
        starts: NDArray[np.int64] = np.maximum(oldest, self._first_row[rows])
        return starts

    def position(self, particle: int, frame: float) -> tuple[float, float] | None:
        """Return a particle's position in a frame, interpolated in gaps and held beyond its ends."""
        low, high = np.searchsorted(self.particle, [particle, particle + 1])
        if low == high:
            return None
        path = slice(low, high)
        x = np.interp(frame, self.frame[path], self.xy[path, 0])
        return float(x), float(np.interp(frame, self.frame[path], self.xy[path, 1]))


def _shapes(tracks: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    n = len(tracks)
    columns = {
        name: tracks[name].to_numpy(dtype=float) if name in tracks else np.full(n, np.nan)
        for name in ("width", "height", "angle", "radius")
    }
    size = np.stack([columns["width"], columns["height"]], axis=1)
    diameter = 2 * columns["radius"]
    unknown = ~(np.isfinite(size).all(axis=1) & (size > 0).all(axis=1))
    size[unknown] = np.where(diameter > 0, diameter, np.nan)[unknown, None]
    # the angle of a round particle is chance: a box that follows it would tumble
    with np.errstate(invalid="ignore"):
        round_ = size.max(axis=1) < LEAST_ASPECT * size.min(axis=1)
    return size, np.where(round_, 0.0, np.nan_to_num(columns["angle"], nan=0.0))
