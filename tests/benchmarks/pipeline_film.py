"""The movie that the pipeline's benchmarks share, and their clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.settings import Settings
from lptem_tracker.simulate import simulate_movie

SEED = 4711
SCENE = {"width_px": 512, "height_px": 512, "count": 100, "depth": "uint8", "radius_nm": 7.0, "snr": 3.0}


class Clock:
    """Wall-clock and CPU seconds of a block; CPU counts all threads of this process."""

    wall = cpu = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    clock = Clock()
    wall, cpu = time.perf_counter(), time.process_time()
    yield clock
    clock.wall, clock.cpu = time.perf_counter() - wall, time.process_time() - cpu


def film(folder: Path, n_frames: int, seed: int = SEED) -> tuple[Path, pd.DataFrame]:
    """Write a movie as a TIFF stack and as single frames; return the folder of frames and the truth."""
    import cv2
    import tifffile

    movie = simulate_movie("brownian", seed=seed, n_frames=n_frames, **SCENE)
    frames = folder / "frames"
    frames.mkdir(parents=True)
    stack = []
    for frame in movie.frames():
        cv2.imwrite(str(frames / f"{frame.index:05d}.png"), frame.pixels)
        stack.append(frame.pixels)
    tifffile.imwrite(folder / "movie.tif", np.array(stack), photometric="minisblack")
    return frames, movie.truth


def settings(device: str, **more: Any) -> Settings:
    return Settings.load(overrides={"detect.device": device, **more})
