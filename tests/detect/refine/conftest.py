"""Pictures of particles of known place for the refinement's tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.special import erfc

Painter = Callable[..., np.ndarray]


def paint(
    shape: tuple[int, int],
    particles: Sequence[tuple[float, float, float, float, float]],
    *,
    level: float = 100.0,
    contrast: float = 0.3,
    blur: float = 1.0,
    seed: int | None = 0,
) -> np.ndarray:
    """Rods (x, y, half length, half width, angle) with counting noise; a disk has both halves alike."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    mean = np.full(shape, float(level))
    for px, py, a, b, angle in particles:
        c, s = np.cos(angle), np.sin(angle)
        u, v = c * (x - px) + s * (y - py), c * (y - py) - s * (x - px)
        inside = b - np.hypot(np.maximum(np.abs(u) - (a - b), 0), v)
        mean -= contrast * level * 0.5 * erfc(-inside / (np.sqrt(2) * blur))
    return mean if seed is None else np.random.default_rng(seed).poisson(mean).astype(np.float64)


def boxes_of(rows: Sequence[tuple[float, float, float, float]], frame: int = 0) -> pd.DataFrame:
    """Detections from rows of x, y, width, height."""
    table = pd.DataFrame(list(rows), columns=["x", "y", "width", "height"])
    return table.assign(frame=frame, angle=0.0)


@pytest.fixture
def painter() -> Painter:
    """The function that paints rods."""
    return paint


@pytest.fixture
def boxes() -> Callable[..., pd.DataFrame]:
    """The function that makes detections."""
    return boxes_of
