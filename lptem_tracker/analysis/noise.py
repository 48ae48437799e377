"""What the tracks themselves say of their noise: position, radius, and the typical step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lptem_tracker.tables import OBSERVED

if TYPE_CHECKING:
    import pandas as pd

    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]

MAD_TO_STD = 1.4826


@dataclass(frozen=True)
class Noise:
    """Standard deviations in px: position error per axis, radius error, and step per axis and frame.

    `jitter_px` is the position error or, where that is larger, what neighbouring steps show of it.
    """

    position_px: float
    radius_px: float
    step_px: float
    jitter_px: float


def estimate_noise(bodies: Bodies, table: pd.DataFrame) -> Noise:
    """Estimate the noise of a set of tracks.

    The position error is the median of `x_std` where the table has it; otherwise it comes from the
    covariance of neighbouring steps, −<Δx_k Δx_{k+1}> = σ² (Vestergaard 2014, eq. 14 without blur),
    which free motion leaves at 0. The radius error comes from its steps: sd(ΔR) = √2 σ_R.
    """
    return noise_of(bodies, stated_error(table))


def noise_of(bodies: Bodies, stated: float | None) -> Noise:
    """Do what `estimate_noise` does; `stated` is the position error in px that the table tells, None without one."""
    follows = (np.diff(bodies.particle) == 0) & (np.diff(bodies.frame) == 1)
    step = _spread(np.concatenate([np.diff(bodies.x)[follows], np.diff(bodies.y)[follows]]))
    both = follows[1:] & follows[:-1]
    product = np.concatenate([_neighbours(bodies.x, both), _neighbours(bodies.y, both)])
    product = product[np.abs(product) <= (5 * step) ** 2]
    shown = float(np.sqrt(max(product.mean(), 0.0))) if len(product) >= 30 else 0.0
    position = shown if stated is None else stated
    dr = np.diff(bodies.raw_radius)
    radius = _spread(dr[follows & np.isfinite(dr)]) / np.sqrt(2)
    return Noise(position, radius, max(step, 1e-6), max(position, shown))


def _neighbours(values: Floats, both: npt.NDArray[np.bool_]) -> Floats:
    """Minus the product of each step and the next, where both are steps of one frame."""
    step = np.diff(values)
    return -(step[1:] * step[:-1])[both]


def stated_error(table: pd.DataFrame) -> float | None:
    """Return the median position error in px that a table's observed rows state, None where they state none."""
    if "x_std" not in table or "y_std" not in table:
        return None
    seen = table[OBSERVED].to_numpy(bool)
    values = np.concatenate([table["x_std"].to_numpy(float)[seen], table["y_std"].to_numpy(float)[seen]])
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.median(values)) if len(values) else None


def _spread(values: Floats) -> float:
    """Robust standard deviation; 0 for fewer than 3 values."""
    if len(values) < 3:
        return 0.0
    return float(MAD_TO_STD * np.median(np.abs(values - np.median(values))))
