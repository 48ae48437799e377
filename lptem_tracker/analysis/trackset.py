"""Tracks as flat arrays: what every estimator of motion works on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lptem_tracker.tables import (
    FRAME,
    OBSERVED,
    PARTICLE,
    TRACK_DTYPES,
    X,
    Y,
    rises,
    validate_detections,
    validate_tracks,
)

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 512
"""Particles that are fitted at a time, so that what a fit needs beside the tracks does not grow with them."""


@dataclass(frozen=True)
class TrackSet:
    """Observed positions of P particles, M in all, sorted by particle and frame.

    Attributes
    ----------
    particle : (P,) int
    offset : (P + 1,) int
        Rows of particle i are ``offset[i]:offset[i + 1]``.
    frame : (M,) int
    xy : (M, 2) float
        px, drift of the linker taken out, each track relative to its mean.
    origin : (P, 2) float
        The means taken off, in px.
    weight : (M,) float
        Localisation variance of each position relative to the median of all; 1 where unknown.
    angle : (M,) float or None
        rad, period pi; NaN where unknown.
    link_confidence : (M,) float or None
        Probability of the link that leads to this row; NaN at the start of a track.
    sigma2 : float
        Mean localisation variance that the detector states, in px²; NaN where it states none.
    drift : (2,) float
        Mean velocity that the linker took out, in px a frame.
    """

    particle: Ints
    offset: Ints
    frame: Ints
    xy: Floats
    origin: Floats
    weight: Floats
    angle: Floats | None = None
    link_confidence: Floats | None = None
    sigma2: float = float("nan")
    drift: tuple[float, float] = (0.0, 0.0)
    drift_varies: bool = False

    def __len__(self) -> int:
        return len(self.particle)

    @property
    def n_observed(self) -> Ints:
        """Number of positions of each particle, (P,)."""
        return np.diff(self.offset)

    @property
    def frame_first(self) -> Ints:
        """First frame of each particle, (P,)."""
        return self.frame[self.offset[:-1]]

    @property
    def frame_last(self) -> Ints:
        """Last frame of each particle, (P,)."""
        return self.frame[self.offset[1:] - 1]

    @property
    def index(self) -> Ints:
        """Number of the particle that each row belongs to, (M,)."""
        return np.repeat(np.arange(len(self)), self.n_observed)

    def rows(self, i: int) -> slice:
        """Return the rows of particle number i."""
        return slice(int(self.offset[i]), int(self.offset[i + 1]))

    def __iter__(self) -> Iterator[slice]:
        return (self.rows(i) for i in range(len(self)))

    def part(self, first: int, stop: int) -> TrackSet:
        """Return particles number `first` to `stop` - 1; their rows are not copied."""
        rows = slice(int(self.offset[first]), int(self.offset[min(stop, len(self))]))
        return self._of(slice(first, stop), rows, self.offset[first : stop + 1] - self.offset[first])

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[slice, TrackSet]]:
        """Yield `size` particles at a time: their numbers, and themselves as `part` returns them."""
        for first in range(0, len(self), size):
            stop = min(first + size, len(self))
            yield slice(first, stop), self.part(first, stop)

    def select(self, keep: npt.NDArray[np.bool_]) -> TrackSet:
        """Return the particles where `keep`, a (P,) mask, is True."""
        if keep.all():
            return self
        rows = np.repeat(keep, self.n_observed)
        offset = np.concatenate([[0], np.cumsum(self.n_observed[keep])])
        return self._of(keep, rows, offset)

    def _of(
        self, particles: slice | npt.NDArray[np.bool_], rows: slice | npt.NDArray[np.bool_], offset: Ints
    ) -> TrackSet:
        return replace(
            self,
            particle=self.particle[particles],
            offset=offset,
            frame=self.frame[rows],
            xy=self.xy[rows],
            origin=self.origin[particles],
            weight=self.weight[rows],
            angle=None if self.angle is None else self.angle[rows],
            link_confidence=None if self.link_confidence is None else self.link_confidence[rows],
        )

    def steps(self) -> tuple[Floats, Ints, Ints]:
        """Return displacements (S, 2) between successive positions, frames each spans, and the row each ends in."""
        end = np.flatnonzero(np.diff(self.index) == 0) + 1
        return self.xy[end] - self.xy[end - 1], self.frame[end] - self.frame[end - 1], end


def build_trackset(tracks: pd.DataFrame) -> TrackSet:
    """Read a tracks table; rows that were not observed, or whose position is no number, do not count.

    Parameters
    ----------
    tracks : pandas.DataFrame
        ``particle, frame, x, y`` in px and optionally ``observed, x_std, y_std, angle, drift_x, drift_y,
        link_confidence``. Negative particle numbers mean "belongs to no track".

    Raises
    ------
    TableError
        A column is missing, or a particle has two rows in one frame.
    """
    table = _counting_rows(tracks)
    ids, frame = table[PARTICLE].to_numpy(np.int64), table[FRAME].to_numpy(np.int64)
    start = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])[: len(ids)])
    particle, offset = ids[start], np.concatenate([start, [len(table)]]).astype(np.int64)
    xy = np.empty((len(table), 2))
    xy[:, 0], xy[:, 1] = table[X], table[Y]
    drift, varies = (0.0, 0.0), False
    if {"drift_x", "drift_y"} <= set(table.columns):
        taken = np.nan_to_num(table[["drift_x", "drift_y"]].to_numpy(np.float64))
        xy -= taken
        drift, varies = _mean_velocity(frame, taken)
    origin = _centre(xy, offset)
    weight, sigma2 = _variances(table)
    return TrackSet(
        particle=particle,
        offset=offset,
        frame=frame,
        xy=xy,
        origin=origin,
        weight=weight,
        angle=_column(table, "angle"),
        link_confidence=_column(table, "link_confidence"),
        sigma2=sigma2,
        drift=drift,
        drift_varies=varies,
    )


def _centre(xy: Floats, offset: Ints) -> Floats:
    """Take each particle's mean position off its rows, in place, and return the means (P, 2)."""
    counts = np.diff(offset)
    if not len(counts):
        return np.zeros((0, 2))
    if (counts == counts[0]).all():  # both axes at once, several times faster
        block = xy.view(np.complex128).reshape(len(counts), int(counts[0]))
        origin = np.add.reduce(block, axis=1, keepdims=True) / counts[0]
        block -= origin
        return np.asarray(origin.view(np.float64))
    origin = np.add.reduceat(xy, offset[:-1], axis=0) / counts[:, None]
    xy -= np.repeat(origin, counts, axis=0)
    return origin


def _counting_rows(tracks: pd.DataFrame) -> pd.DataFrame:
    """Rows that count, by particle and frame; what is in order already is not sorted again."""
    need = (PARTICLE, FRAME, X, Y)
    known = [name for name in TRACK_DTYPES if name in tracks.columns]
    as_it_is = set(need) <= set(known) and all(str(tracks[name].dtype) == TRACK_DTYPES[name] for name in known)
    # nothing below writes: a table in its dtypes needs no copy
    table = tracks if as_it_is and not (tracks[FRAME] < 0).any() else validate_detections(tracks, require=need)
    good = np.isfinite(table[X].to_numpy()) & np.isfinite(table[Y].to_numpy()) & (table[PARTICLE].to_numpy() >= 0)
    if OBSERVED in table:
        good = good & table[OBSERVED].to_numpy()
    table = table if good.all() else table[good]
    if not rises(table[PARTICLE].to_numpy(), table[FRAME].to_numpy()):
        table = table.sort_values([PARTICLE, FRAME], kind="stable")
        if not rises(table[PARTICLE].to_numpy(), table[FRAME].to_numpy()):
            validate_tracks(table)  # says which rows are double
    return table


def _column(table: pd.DataFrame, name: str) -> Floats | None:
    if name not in table.columns:
        return None
    values = table[name].to_numpy(np.float64)
    return values if np.isfinite(values).any() else None


def _mean_velocity(frame: Ints, taken: Floats) -> tuple[tuple[float, float], bool]:
    """Mean velocity of a cumulative drift (M, 2), and whether there is any."""
    if len(frame) < 2 or frame.max() == frame.min() or np.ptp(taken, axis=0).max() == 0:
        return (0.0, 0.0), False
    first, last = taken[frame == frame.min()][0], taken[frame == frame.max()][0]
    v = (last - first) / float(frame.max() - frame.min())
    return (float(v[0]), float(v[1])), True


def _variances(table: pd.DataFrame) -> tuple[Floats, float]:
    """Localisation variance of each row over the median, and the mean one in px²."""
    if not {"x_std", "y_std"} <= set(table.columns):
        return np.ones(len(table)), float("nan")
    v = (table[["x_std", "y_std"]].to_numpy(np.float64) ** 2).mean(1)
    good = np.isfinite(v) & (v > 0)
    if not good.any():
        return np.ones(len(table)), float("nan")
    usual = float(np.median(v[good]))
    # an absurd stated error must not silence or enthrone one position
    return np.clip(np.where(good, v, usual) / usual, 1e-2, 1e2), float(v[good].mean())
