"""Observed rows of a tracks table as flat arrays: where each particle is, and its outline."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, rises

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUND_ASPECT = 1.15  # below this, noise in width and height is larger than the shape they describe
FILTER_FRAMES = 5
_BLOCK = 20_000  # rows filtered at once
BLOCK_ROWS = 100_000  # rows whose sizes are worked out together: what that takes does not grow with the movie
MIN_ROWS = 3  # rows below which a track of a longer movie is taken for a false detection


@dataclass(frozen=True)
class Bodies:
    """Rows sorted by particle and frame; M rows, P particles.

    Attributes
    ----------
    ids : (P,) int
        The table's particle numbers, ascending.
    offset : (P + 1,) int
        Rows of particle i are ``offset[i]:offset[i + 1]``.
    particle, frame : (M,) int
        Index into `ids`, and frame.
    x, y, radius, raw_radius : (M,) float
        px; `radius` is median-filtered over 5 rows of its particle, NaN where unknown.
    half_length, half_width, angle, exponent : (M,) float
        Superellipse |x/a|^n + |y/b|^n = 1 along `angle`; a disk has a = b = radius, n = 2.
    position_std : (M,) float
        Localisation error in px, the mean of both axes; NaN where unknown.
    outline : (M, K, 2) float or None
        Corners about (x, y) in px, where the table gives outlines.
    frames : tuple of int
        First and last frame of the movie.
    field : tuple of float
        Width and height of the field of view in px.
    origin : tuple of float
        Its corner; (0, 0) unless the field is estimated from the positions.
    field_known : bool
    """

    ids: Ints
    offset: Ints
    particle: Ints
    frame: Ints
    x: Floats
    y: Floats
    radius: Floats
    raw_radius: Floats
    half_length: Floats
    half_width: Floats
    angle: Floats
    exponent: Floats
    frames: tuple[int, int]
    field: tuple[float, float]
    origin: tuple[float, float] = (0.0, 0.0)
    field_known: bool = True
    outline: Floats | None = None
    position_std: Floats = dataclasses.field(default_factory=lambda: np.empty(0))
    merged_into: dict[int, int] = dataclasses.field(default_factory=dict)

    @cached_property
    def first(self) -> Ints:
        """First observed frame of each particle, (P,)."""
        return self.frame[self.offset[:-1]]

    @cached_property
    def last(self) -> Ints:
        """Last observed frame of each particle, (P,)."""
        return self.frame[self.offset[1:] - 1]

    @cached_property
    def n_rows(self) -> Ints:
        """Observed frames of each particle, (P,)."""
        return np.diff(self.offset)

    @property
    def n_frames(self) -> int:
        """Frames in the movie."""
        return self.frames[1] - self.frames[0] + 1

    @cached_property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """Which particles were seen often enough to be no false detections, (P,); in one or two images all."""
        return np.asarray(self.n_rows >= least_rows(self.n_frames))

    @cached_property
    def is_round(self) -> npt.NDArray[np.bool_]:
        """Which rows are plain disks, (M,)."""
        plain = (self.half_length == self.half_width) & (self.exponent == 2)
        return np.asarray(plain if self.outline is None else plain & np.isnan(self.outline[:, 0, 0]))

    @cached_property
    def size(self) -> Floats:
        """Radius of the circle about each outline in px, (M,)."""
        if self.outline is None:
            corner = np.where(self.exponent > 2, 2.0 ** (0.5 - 1 / np.maximum(self.exponent, 2)), 1.0)
            return np.where(self.is_round, self.half_length, self.half_length * corner)
        far = np.sqrt((self.outline**2).sum(2)).max(1)
        return np.where(np.isnan(far), self.half_length, far)

    @cached_property
    def _keys(self) -> tuple[Ints, int]:
        span = self.frames[1] - self.frames[0] + 2
        return self.particle * span + (self.frame - self.frames[0]), span

    def row(self, particle: Ints, frame: Ints) -> Ints:
        """Row of each (particle index, frame), -1 where it was not observed."""
        keys, span = self._keys
        wanted = np.asarray(particle) * span + (np.asarray(frame) - self.frames[0])
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        inside = (np.asarray(frame) >= self.frames[0]) & (np.asarray(frame) <= self.frames[1])
        return np.where((keys[at] == wanted) & inside, at, -1)

    def rows(self, particle: int) -> slice:
        """Rows of one particle."""
        return slice(int(self.offset[particle]), int(self.offset[particle + 1]))

    def border_distance(self, row: Ints) -> Floats:
        """Distance of a row's centre from the nearest border of the field in px."""
        x, y = self.x[row] - self.origin[0], self.y[row] - self.origin[1]
        return np.minimum(np.minimum(x + 0.5, self.field[0] - 0.5 - x), np.minimum(y + 0.5, self.field[1] - 0.5 - y))


def least_rows(n_frames: int) -> int:
    """Rows from which a track counts as a particle, in a movie of so many frames."""
    return min(MIN_ROWS, n_frames)


def bodies_from_tracks(
    table: pd.DataFrame,
    *,
    field_px: tuple[float, float] | None = None,
    n_frames: int | None = None,
    first_frame: int | None = None,
) -> Bodies:
    """Take the observed rows of a validated tracks table.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with `observed` False, a negative particle or a position that is no number are left out.
    field_px : tuple of float, optional
        (width, height); by default the extent of the positions.
    n_frames : int, optional
        Frames in the movie; by default up to the last one with a particle.
    first_frame : int, optional
        First frame that was looked at; by default that of the table, unless one particle alone begins there.
    """
    x, y = table["x"].to_numpy(float), table["y"].to_numpy(float)
    use = table[OBSERVED].to_numpy(bool) & np.isfinite(x) & np.isfinite(y) & (table[PARTICLE].to_numpy() >= 0)
    table = table if use.all() else table[use]
    if not rises(table[PARTICLE].to_numpy(), table[FRAME].to_numpy()):
        table = table.sort_values([PARTICLE, FRAME], kind="stable")
    number, frame = table[PARTICLE].to_numpy(np.int64), table[FRAME].to_numpy(np.int64)
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    ids, offset = number[begins], np.append(begins, len(number))
    particle = np.repeat(np.arange(len(ids)), np.diff(offset))
    first = _first_frame(frame) if first_frame is None else min(first_frame, int(frame.min(initial=first_frame)))
    last = max(int(frame.max(initial=first)), (n_frames or 0) - 1)
    raw, radius, length, width, angle, exponent, position_std = (np.empty(len(frame)) for _ in range(7))
    for who, rows in particle_blocks(offset):
        part, owner, n = table.iloc[rows], particle[rows] - who.start, who.stop - who.start
        raw[rows] = _radius(part, owner, n)
        radius[rows] = median_filter(raw[rows], owner, FILTER_FRAMES)
        length[rows], width[rows], angle[rows], exponent[rows] = _shape(part, owner, n, radius[rows])
        position_std[rows] = (_column(part, "x_std") + _column(part, "y_std")) / 2
    x, y = table["x"].to_numpy(float), table["y"].to_numpy(float)
    origin, extent = _field(x, y, field_px)
    merged = {}
    if "merged_into" in table:
        known = table[table["merged_into"].notna()]
        merged = dict(zip(known[PARTICLE].astype(int), known["merged_into"].astype(int)))
    return Bodies(
        ids, offset, particle, frame, x, y, radius, raw, length, width, angle, exponent,
        (first, last), extent, origin, field_px is not None, _outline(table, x, y), position_std, merged,
    )  # fmt: skip


def particle_blocks(offset: Ints, most_rows: int = BLOCK_ROWS) -> Iterator[tuple[slice, slice]]:
    """Yield particles of about so many rows together, one at least: their numbers, and their rows.

    Parameters
    ----------
    offset : (P + 1,) int
        Rows of particle i are ``offset[i]:offset[i + 1]``.
    most_rows : int
    """
    first, n = 0, len(offset) - 1
    while first < n:
        stop = max(first + 1, int(np.searchsorted(offset, offset[first] + most_rows, "right")) - 1)
        yield slice(first, stop), slice(int(offset[first]), int(offset[stop]))
        first = stop


def _first_frame(frame: Ints) -> int:
    """First frame of the movie: that of the table, unless one particle alone begins there (before it all was empty)."""
    if len(frame) == 0 or (frame == frame.min()).sum() == 1:
        return 0
    return int(frame.min())


def _field(
    x: Floats, y: Floats, field_px: tuple[float, float] | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    if field_px is not None:
        return (0.0, 0.0), (float(field_px[0]), float(field_px[1]))
    if len(x) == 0:
        return (0.0, 0.0), (1.0, 1.0)
    low = (_begin(x), _begin(y))
    return low, (float(x.max()) - low[0] + 1.0, float(y.max()) - low[1] + 1.0)


def _begin(x: Floats) -> float:
    """Where the field begins along an axis: at 0, unless the positions lie farther from there than they reach."""
    low, high = float(x.min()), float(x.max())
    return low if low < 0 or (low > high - low > 0) else 0.0


def _column(table: pd.DataFrame, name: str) -> Floats:
    if name not in table:
        return np.full(len(table), np.nan)
    values = table[name].to_numpy(float)
    return np.where(np.isfinite(values), values, np.nan)


def _radius(table: pd.DataFrame, particle: Ints, n: int) -> Floats:
    """Radius of each row; from area or extents where there is none, else the particle's median."""
    import pandas as pd

    radius = _column(table, "radius")
    radius[~(radius > 0)] = np.nan
    for other in (
        np.sqrt(_column(table, "area") / np.pi),
        np.sqrt(_column(table, "width") * _column(table, "height")) / 2,
    ):
        radius = np.where(np.isnan(radius) & (other > 0), other, radius)
    typical = pd.Series(radius).groupby(particle).median().reindex(range(n)).to_numpy()
    return np.where(np.isnan(radius), typical[particle], radius)


def _shape(table: pd.DataFrame, particle: Ints, n: int, radius: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    import pandas as pd

    width, height, angle = _column(table, "width"), _column(table, "height"), _column(table, "angle")
    turned = height > width
    width, height = np.where(turned, height, width), np.where(turned, width, height)
    angle = np.where(turned, angle + np.pi / 2, angle)
    known = (height > 0) & np.isfinite(angle)
    rows = pd.DataFrame({"aspect": np.where(known, width / height, np.nan)})
    rows["fill"] = np.pi * radius**2 / np.where(known, width * height, np.nan)
    typical = rows.groupby(particle).median().reindex(range(n))
    aspect, fill = typical["aspect"].to_numpy()[particle], typical["fill"].to_numpy()[particle]
    # an axis-aligned box of a tilted rod is far larger than the particle: its fill gives it away
    long = known & (aspect > ROUND_ASPECT) & (np.isnan(fill) | ((fill > 0.6) & (fill < 1.06)))
    fill = np.where(np.isnan(fill), np.where(aspect > 1.5, 0.93, np.pi / 4), fill)
    half_length = np.where(long, median_filter(width, particle, FILTER_FRAMES) / 2, radius)
    half_width = np.where(long, median_filter(height, particle, FILTER_FRAMES) / 2, radius)
    exponent = np.where(long, exponent_of_fill(fill), 2.0)
    return half_length, half_width, np.where(np.isfinite(angle), angle, 0.0), exponent


def exponent_of_fill(fill: Floats) -> Floats:
    """Exponent n of the superellipse that fills a share of its box: pi/4 gives 2, 1 a rectangle.

    The share is Gamma(1 + 1/n)² / Gamma(1 + 2/n).
    """
    n = np.concatenate([np.linspace(1.2, 4, 60), np.geomspace(4.2, 24, 30)])
    return np.asarray(np.interp(fill, np.exp(2 * gammaln(1 + 1 / n) - gammaln(1 + 2 / n)), n))


def median_filter(values: Floats, group: Ints, width: int) -> Floats:
    """Running median over `width` neighbouring rows of the same group, shorter at its ends; NaN ignored."""
    out, reach = np.empty(len(values)), width // 2
    for start in range(0, len(values), _BLOCK):
        low, stop = max(0, start - reach), min(start + _BLOCK, len(values))
        part = slice(low, stop + reach)
        out[start:stop] = _running_median(values[part], group[part], width)[start - low : stop - low]
    return out


def _running_median(values: Floats, group: Ints, width: int) -> Floats:
    stack = np.full((width, len(values)), np.nan)
    for k, shift in enumerate(range(-(width // 2), width // 2 + 1)):
        lo, hi = max(0, -shift), len(values) - max(0, shift)
        if lo < hi:
            same = group[lo:hi] == group[lo + shift : hi + shift]
            stack[k, lo:hi] = np.where(same, values[lo + shift : hi + shift], np.nan)
    count = np.isfinite(stack).sum(0)
    stack.sort(0)
    at = np.arange(len(values))
    middle = (stack[np.maximum(count - 1, 0) // 2, at] + stack[count // 2 % width, at]) / 2
    return np.where(count > 0, middle, np.nan)


def _outline(table: pd.DataFrame, x: Floats, y: Floats) -> Floats | None:
    """Corners about the centre from a column `outline`: (K, 2) arrays or JSON, in px of the frame."""
    if "outline" not in table:
        return None
    corners = [_corners(value) for value in table["outline"]]
    most = max((len(c) for c in corners), default=0)
    if most < 3:
        return None
    out = np.full((len(corners), most, 2), np.nan)
    for k, points in enumerate(corners):
        if len(points) >= 3:
            out[k] = points[np.minimum(np.arange(most), len(points) - 1)] - (x[k], y[k])
    return out


def _corners(value: Any) -> Floats:
    if isinstance(value, str):
        value = json.loads(value) if value.strip() else []
    points = np.asarray(value if value is not None else [], dtype=float)
    return points if points.ndim == 2 and points.shape[1] == 2 else np.empty((0, 2))
