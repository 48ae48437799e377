"""Drift seen in the images, for movies with too few particles to show it themselves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import TableError
from lptem_tracker.link.blocks import Source
from lptem_tracker.link.drift import Drift, source_moments
from lptem_tracker.link.jumps import MOST, SQUARE, N
from lptem_tracker.link.options import ImageDrift

Floats = NDArray[np.float64]

SPARSE = 10
"""Particles a frame from which their own motion says better than the images whether there is a drift."""


def drift_from_images(source: Source, spacing: float, image_drift: ImageDrift, found: Drift) -> Drift:
    """Return the drift of the images where the particles move less without it, else `found`.

    Three readings of the images are tried, from the most to the least forgiving of their errors: a steady drift,
    single jumps, and every frame as measured. Particles must step clearly less where a reading differs from the last.

    Parameters
    ----------
    source : Source
    spacing : float
        Mean distance of particles, px.
    image_drift : pandas.DataFrame or callable that returns one
        Columns `frame, dx, dy`: displacement of the image content in px since any fixed moment. A callable is
        called only where the particles are too few.
    found : Drift
        What the particles show.

    Raises
    ------
    TableError
        A column is missing or not finite.
    """
    if found.kind != "none" or len(source.frame) < 2 or np.median(source.count) >= SPARSE:
        return found
    shift = shift_at(image_drift() if callable(image_drift) else image_drift, source.frame)
    steps = np.diff(shift, axis=0)
    lag = np.diff(source.frame)[:, None].astype(float)
    best, taken = found, np.zeros_like(steps)
    # images of n particles show their common step, which is a share of 1/n of their own motion
    common = 1 / max(float(source.count.mean()), 2.0)
    for kind, some in (("steady", np.median(steps / lag, axis=0) * lag), ("jumps", _jumps(steps)), ("unsteady", steps)):
        changed = (some != taken).any(1)
        before, after = (_left(source, way, 0.5 * spacing, changed) for way in (taken, some))
        better = 1 - min(2 / math.sqrt(max(changed.sum(), 1)), 0.5)
        if after < before * better * (1 - common if kind == "unsteady" else 1.0):
            taken = some
            total = np.vstack([np.zeros(2), np.cumsum(some, axis=0)])
            best = Drift(source.frame, total, np.zeros(len(total)), np.zeros(2), kind, origin="images")
    return best


def shift_at(image_drift: pd.DataFrame, frames: NDArray[np.int64]) -> Floats:
    """Return the displacement of the images in `frames`, shape (F, 2), interpolated where one is missing."""
    missing = [name for name in ("frame", "dx", "dy") if name not in image_drift.columns]
    if missing:
        raise TableError(f"A table of image drift needs the columns frame, dx, dy; {', '.join(missing)} is missing.")
    known = image_drift.sort_values("frame")[["frame", "dx", "dy"]].to_numpy(float)
    if len(known) == 0 or not np.isfinite(known).all():
        raise TableError(
            "A table of image drift must hold a finite frame, dx and dy in every row, and one row at least."
        )
    return np.column_stack([np.interp(frames, known[:, 0], known[:, axis]) for axis in (1, 2)])


def _jumps(steps: Floats) -> Floats:
    apart = np.hypot(*(steps - np.median(steps, axis=0)).T)
    return np.where((apart > max(1.0, 8 * float(np.median(apart))))[:, None], steps, 0.0)


def _left(source: Source, steps: Floats, reach: float, where: NDArray[np.bool_]) -> float:
    """Return the mean square step of particles after frames `where`, px², less `steps`; each at most `reach`²."""
    moments = source_moments(source, steps, reach)[where]
    n = np.minimum(source.count[:-1], MOST)[where].sum()
    return float((moments[:, SQUARE].sum() + (n - moments[:, N].sum()) * reach**2) / max(n, 1))
