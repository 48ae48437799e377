"""A small film for tests of what surrounds the detector: three dark disks that walk at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHAPE = (64, 80)
_STEP_PX = 0.7
_START_PX = ((18.0, 18.0), (60.0, 20.0), (38.0, 46.0))
_RADIUS_PX = 7
_BACKGROUND, _INSIDE = 400.0, 240.0


def walking_disks(n_frames: int, *, seed: int = 0) -> NDArray[np.uint16]:
    """Return counts with Poisson noise, shape (T, 64, 80); disks of radius 7 px at a per-pixel SNR of 8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: _SHAPE[0], : _SHAPE[1]]
    at = np.array(_START_PX)
    frames = np.empty((n_frames, *_SHAPE), np.uint16)
    for frame in frames:
        at += rng.normal(0, _STEP_PX, at.shape)
        mean = np.full(_SHAPE, _BACKGROUND)
        for centre_x, centre_y in at:
            mean[np.hypot(x - centre_x, y - centre_y) < _RADIUS_PX] = _INSIDE
        frame[:] = rng.poisson(mean)
    return frames
