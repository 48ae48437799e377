"""A movie that is quick to analyse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def small_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve 96x128 frames of five dark disks that walk at random on a bright field, as a TIFF stack."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:96, :128]
    at = np.array([[24.0, 24], [64, 30], [100, 28], [34, 68], [88, 66]])
    frames = []
    for _ in range(12):
        at += rng.normal(0, 1, at.shape)
        mean = np.full((96, 128), 400.0)
        for cx, cy in at:
            mean[np.hypot(x - cx, y - cy) < 7] = 240
        frames.append(rng.poisson(mean))
    path = tmp_path_factory.mktemp("movie") / "small.tif"
    tifffile.imwrite(path, np.array(frames, dtype=np.uint16), imagej=True)
    return path
