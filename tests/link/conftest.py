"""Scenes for streams of detections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def movie() -> Callable[..., pd.DataFrame]:
    """Return the function that simulates a movie."""
    return _movie


@pytest.fixture
def as_streamed() -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return the function that puts a table of `link` in the order of `link_stream`."""
    return lambda table: table.sort_values(["frame", "particle"], kind="stable", ignore_index=True)


def _movie(kind: str, n: int = 30, frames: int = 120, seed: int = 0) -> pd.DataFrame:
    """Particles 12 px apart with radii, errors and confidences; misses, false detections, and what `kind` says."""
    rng = np.random.default_rng(seed)
    side = 12 * np.sqrt(n)
    step = rng.normal(0, 1.0, (frames, n, 2))
    if kind == "velocity":
        angle = rng.uniform(0, 2 * np.pi, n)
        step = 0.3 * step + 2.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    xy = rng.uniform(0, side, (n, 2)) + np.cumsum(step, 0)
    if kind == "steady":
        xy += 0.4 * np.arange(frames)[:, None, None]
    if kind == "unsteady":
        xy += np.cumsum(rng.normal(0, 1.5, (frames, 1, 2)), 0)
    if kind == "jumps":
        xy[40:] += [9.0, -4.0]
    seen = rng.random((frames, n)) > 0.08
    frame, who = np.nonzero(seen)
    table = pd.DataFrame({"frame": frame, "x": xy[seen][:, 0], "y": xy[seen][:, 1], "true": who})
    false = rng.random(len(table)) < 0.03
    table.loc[false, ["x", "y"]] = rng.uniform(0, side, (false.sum(), 2))
    size = 4 + who % 3
    if kind == "mergers":
        size = np.where((frame > 50) & (frame < 70) & (who % 4 == 0), 1.5 * size, size)
        table = table.assign(radius=size * np.exp(rng.normal(0, 0.02, len(table))))
        table = table[~((who % 4 == 1) & (frame > 50) & (frame < 70))].reset_index(drop=True)
        table["x_std"] = table["y_std"] = 0.3
    table["confidence"] = np.where(rng.random(len(table)) < 0.3, 0.3, 0.9)
    return table
