"""Speed of the simulator, and what its movies measure against what was asked of them.

Run ``python tests/benchmarks/bench_simulate.py [--quick]``. Frames a second are of CPU time on one thread; everything
else is a ratio measured/asked, with its standard error where that is a statistic.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import cv2
import numpy as np

from lptem_tracker.simulate import random_training_image, simulate_movie
from lptem_tracker.simulate.recipes import RECIPES


def speed_of_movies(n_frames: int) -> None:
    """Print frames a second at 512² with 100 particles."""
    for name, more in (
        ("spheres", {}),
        ("rods, blurred by motion", {"shapes": ("rod",), "aspect": 3.0, "D_nm2_s": 200.0}),
        ("low dose", {"snr": 0.5}),
    ):
        movie = simulate_movie("brownian", count=100, n_frames=n_frames + 3, seed=1, **more)
        for index in range(3):
            movie.read(index)
        start = time.process_time()
        for index in range(3, n_frames + 3):
            movie.read(index)
        print(f"  movie 512², 100 {name}: {n_frames / (time.process_time() - start):.1f} frames/s (asked: 20)")


def speed_of_pictures(n: int) -> None:
    """Print training pictures a second, over all kinds and for each."""
    for kind in (None, *(recipe.__name__ for recipe, _ in RECIPES)):
        random_training_image(np.random.default_rng(0), 512, kind=kind)
        count = n if kind is None else max(4, n // 8)
        boxes = 0
        start = time.process_time()
        for seed in range(count):
            boxes += len(random_training_image(np.random.default_rng([1, seed]), 512, kind=kind)[1])
        rate = count / (time.process_time() - start)
        print(f"  {kind or 'all kinds, as drawn'}: {rate:.1f} pictures/s (asked: 20), {boxes / count:.0f} boxes each")


def optics() -> None:
    """Print measured SNR, contrast and noise correlation over those asked for."""
    for snr, contrast, lag1 in (
        (0.5, 0.2, 0.3),
        (0.83, 0.3, 0.17),
        (2.0, 0.35, 0.2),
        (5.0, 0.05, 0.45),
        (20.0, 0.9, 0.0),
    ):
        scene: dict[str, Any] = {
            "count": 1, "radius_nm": 30.0, "profile": 0.0, "motion": "immobile", "background_swing": 0.0,
            "depth": "float32", "width_px": 256, "height_px": 256, "n_frames": 12,
        }  # fmt: skip
        movie = simulate_movie(scene, snr=snr, contrast=contrast, lag1=lag1, seed=2)
        row = movie.truth.iloc[0]
        y, x = np.indices((256, 256))
        away = np.hypot(x - row.x, y - row.y)
        frames = np.stack([frame.pixels for frame in movie.frames()]).astype(float) - movie.scene.offset
        inside, outside = frames[:, away < 26], frames[:, away > 36]
        level, noise = outside.mean(), outside.std()
        z = (frames - level)[:, :60]
        measured = (z[:, :, 1:] * z[:, :, :-1]).mean() / (z**2).mean()
        se = (1 + 2 * lag1) / np.sqrt(inside.size) / snr
        print(
            f"  SNR {snr:g}, contrast {contrast:g}: SNR {(level - inside.mean()) / noise / snr:.4f} ± {se:.4f}, "
            f"contrast {(1 - inside.mean() / level) / contrast:.4f} ± {se:.4f}, "
            f"lag-1 correlation {measured:.4f} (asked {lag1:g}, the readout noise is white)"
        )


def motion(n: int) -> None:
    """Print the measured D of Brownian particles, from step variance and covariance, over the true one."""
    for f in (0.01, 0.5, 1.0):
        movie = simulate_movie(
            count=n,
            width_px=8000,
            height_px=8000,
            core_gap_px=-1.0,
            D_nm2_s=25.0,
            exposure_s=0.1 * f,
            n_frames=20,
            seed=3,
        )
        full = movie.truth.groupby("particle").filter(lambda rows: len(rows) == 20)
        step = np.diff(full[["x", "y"]].to_numpy().reshape(-1, 20, 2), axis=1)
        # Vestergaard 2014, eq. 14, each particle on its own
        d = (step**2).mean(axis=(1, 2)) / 0.2 + (step[:, 1:] * step[:, :-1]).mean(axis=(1, 2)) / 0.1
        print(f"  D at exposure {f:g} of the interval: {d.mean() / 25:.4f} ± {d.std() / np.sqrt(len(d)) / 25:.4f}")
    movie = simulate_movie("brownian", n_frames=60, seed=4)
    full = movie.truth.groupby("particle").filter(lambda rows: len(rows) == 60)
    step = np.diff(full[["x", "y"]].to_numpy().reshape(-1, 60, 2), axis=1) * movie.scene.pixel_size_nm
    d = (step**2).mean(axis=(1, 2)) / 0.2 + (step[:, 1:] * step[:, :-1]).mean(axis=(1, 2)) / 0.1
    print(f"  D in the preset brownian, hard cores: {d.mean() / 20:.4f} ± {d.std() / np.sqrt(len(d)) / 20:.4f}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Fewer frames and particles.")
    quick = parser.parse_args().quick
    cv2.setNumThreads(1)
    print("Speed (CPU time of one thread)")
    speed_of_movies(10 if quick else 60)
    speed_of_pictures(40 if quick else 200)
    print("Measured over asked")
    optics()
    motion(300 if quick else 2000)


if __name__ == "__main__":
    main()
