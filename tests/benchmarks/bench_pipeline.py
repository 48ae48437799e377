"""How fast a movie goes through the whole of it, and in how much memory.

``python tests/benchmarks/bench_pipeline.py [--quick] [--only NAME…] [--frames N] [--device auto|cpu|cuda]
[--radius PX]`` simulates a movie of 512 × 512 px with 100 particles of 7 px (which is searched at eleven sixteenths of
its resolution; one of 10 px at half of it, while the forward pass alone is always that of all scales) and prints

stages       CPU time a frame and rate of each stage alone: decode, normalise, network, boxes, refine, link, measure,
             write
end-to-end   `analyze` without drawings against the slower of decoding alone and the network's forward pass alone, on
             the same tiles with as many callers at a time (asked: at least 0.85). On a CPU every other stage takes its
             time from the same cores: the bound is the network's share of all CPU time, printed beside it
ultralytics  detection and linking against ultralytics' own `track` with the same weights on the same frames (asked:
             2× on a CPU, 5× on a GPU), with and without our refinement
trackpy      detection and linking against trackpy's `locate` + `link`, told the true diameter and the threshold
             that suits it best, and the F1 of both (asked: 1× on a CPU and 20× on a GPU at equal or better F1)
memory       peak of a process that analyses 10,000 frames of 512 × 512 px with 20 particles each over one that
             analyses 500 (asked: at most 1.1, and below 2 GB); the network is loaded, a stub stands for its answers
long         peak memory and time of linking and measuring 10 particles in 10,000 and in 100,000 frames, and the
             memory that a million frames would take at this growth
batch        two workers against one on four movies (asked: 1.7×)

Wall-clock ratios mean something on an idle machine only; CPU-time ratios on any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.detect.decode import decode
from lptem_tracker.detect.pyramid import levels_for, merge, render, tiles, untile
from lptem_tracker.detect.refine import refine
from lptem_tracker.detect.runtimes import cores
from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.evaluate.detection import best_threshold, match
from lptem_tracker.link import link
from lptem_tracker.movie import open_movie
from lptem_tracker.pipeline import analyze, detect
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


def f1(found: pd.DataFrame, truth: pd.DataFrame) -> float:
    """Score centres within max(3 px, half the box's smaller side), one to one."""
    pairs = match(found[["frame", "x", "y"]].assign(confidence=1.0), truth)
    return 2 * len(pairs) / max(1, len(found) + len(truth))


def stages(folder: Path, device: str) -> dict[str, Clock]:
    """Time each stage alone, one after the other."""
    out: dict[str, Clock] = {}
    detector = YoloDetector(device=device)
    with open_movie(folder / "movie.tif") as movie, timed() as out["decode"]:
        frames = list(movie.frames())
    detector.detect(frames[:1])
    with timed() as out["normalise"]:
        cut = [[(level, tiles(render(f.pixels, level))) for level in levels_for(f.pixels.shape)] for f in frames]
    images = [tile.image[None, None] for levels in cut for _, parts in levels for tile in parts]
    with ThreadPoolExecutor(detector.workers) as pool:
        list(pool.map(detector.runtime.run, images[:4]))
        with timed() as out["network"]:
            raws = iter(list(pool.map(detector.runtime.run, images)))
    with timed() as out["boxes"]:
        for levels in cut:
            found = []
            for level, parts in levels:
                pieces = [untile(*decode(next(raws)[0], t.image.shape, min_score=0.02), t) for t in parts]
                found.append((level, np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces])))
            merge(found, frames[0].pixels.shape)
    table = pd.concat([detector.detect([frame]) for frame in frames], ignore_index=True)
    refine(frames[:1], table[table["frame"] == 0], workers=1)
    with timed() as out["refine"]:
        table = refine(frames, table, workers=1)
    link(table[table["frame"] < 5])
    with timed() as out["link"]:
        tracks = link(table)
    from lptem_tracker.analysis import measure

    measure(tracks)
    with timed() as out["measure"]:
        measure(tracks)
    from lptem_tracker.run import GrowingTable

    with timed() as out["write"], GrowingTable(folder / "t.parquet", folder / "t.csv") as file:
        file.add(tracks)
    return out


def show_stages(folder: Path, n: int, device: str) -> dict[str, Clock]:
    found = stages(folder, device)
    total = sum(clock.cpu for clock in found.values())
    print(f"stages, {n} frames of 512 x 512 px, 100 particles, {cores()} cores")
    for name, clock in found.items():
        rate = n / clock.wall if clock.wall else np.inf
        cpu = 1e3 * clock.cpu / n
        print(f"  {name:<10} {cpu:8.2f} CPU ms/frame  {clock.cpu / total:6.1%}   alone {rate:9.1f} frames/s")
    print(f"  {'all':<10} {1e3 * total / n:8.2f} CPU ms/frame")
    return found


def run_all(source: Path, out: Path, chosen: Settings) -> Clock:
    with timed() as clock:
        analyze(source, out, settings=chosen)
    return clock


def track_all(source: Path, device: str, **more: Any) -> tuple[Clock, pd.DataFrame]:
    """Time what a tracker does, detection and linking, less the start; return the detections too."""
    with timed() as start:
        detect(source, settings=settings(device, **more, **{"movie.frames": "0:1"}))
    with timed() as clock:
        found = detect(source, settings=settings(device, **more))
        link(found)
    with open_movie(source) as movie:
        share = len(movie) / (len(movie) - 1)
    clock.wall, clock.cpu = (clock.wall - start.wall) * share, (clock.cpu - start.cpu) * share
    return clock, found


def end_to_end(folder: Path, n: int, device: str) -> None:
    """Compare with the slower of decoding and the forward pass."""
    alone = show_stages(folder, n, device)
    whole = run_all(folder / "movie.tif", folder / "e2e", settings(device))
    bare = run_all(folder / "movie.tif", folder / "bare", settings(device, **{"detect.refine": False}))
    slower = max(alone["decode"].wall, alone["network"].wall)
    share = alone["network"].cpu / sum(clock.cpu for clock in alone.values())
    print("end to end against the slower of decoding and the forward pass (asked 0.85)")
    print(f"  by wall clock {slower / whole.wall:.2f}; without refinement {slower / bare.wall:.2f}   (idle machine)")
    print(
        f"  CPU time {alone['network'].cpu / whole.cpu:.2f}; without refinement {alone['network'].cpu / bare.cpu:.2f}"
    )
    print(f"  bound on a busy CPU, the network's share of all stages: {share:.2f}")
    print(f"  {n / whole.wall:.1f} frames/s, {1e3 * whole.cpu / n:.1f} CPU ms/frame; start and tables included")


def as_ultralytics(folder: Path) -> Path:
    """Save the shipped network the way ultralytics loads it."""
    import torch

    from lptem_tracker.detect.weights import load_weights, shipped_weights

    network = load_weights(shipped_weights()).network
    network.args = {"imgsz": 512, "task": "detect", "single_cls": True}
    network.names = {0: "particle"}
    path = folder / "ours.pt"
    torch.save({"model": network, "train_args": {"imgsz": 512, "task": "detect", "channels": 1}}, path)
    return path


def ultralytics(folder: Path, n: int, device: str) -> None:
    """Compare with ultralytics' predictor and tracker."""
    from lptem_tracker.detect.network import ultralytics_quietly

    ultralytics_quietly()
    os.environ.pop("ULTRALYTICS_SAFE_LOAD", None)  # our own file, a moment old
    from ultralytics import YOLO

    model = YOLO(str(as_ultralytics(folder)))
    options = {"imgsz": 512, "conf": 0.1, "max_det": 1000, "stream": True, "verbose": False, "persist": False}
    options["device"] = "cpu" if device == "cpu" else (0 if device.startswith("cuda") else None)

    def track(source: Path) -> int:
        return sum(len(result.boxes) for result in model.track(source=str(source), **options))

    few = folder / "few"
    few.mkdir()
    for path in sorted((folder / "frames").glob("*.png"))[:2]:
        (few / path.name).write_bytes(path.read_bytes())
    track(few)
    with timed() as theirs:
        boxes = track(folder / "frames")
    ours, _ = track_all(folder / "frames", device)
    bare, _ = track_all(folder / "frames", device, **{"detect.refine": False})
    print(
        f"ultralytics' track, same weights and frames ({boxes / n:.0f} boxes a frame): asked 2x on a CPU, 5x on a GPU"
    )
    for name, clock in (("everything", ours), ("without refinement", bare)):
        print(
            f"  {name:<18} {theirs.wall / clock.wall:5.2f}x by wall clock, {theirs.cpu / clock.cpu:5.2f}x by CPU time"
        )
    print(f"  theirs {1e3 * theirs.cpu / n:.1f} CPU ms/frame, ours {1e3 * ours.cpu / n:.1f}, {1e3 * bare.cpu / n:.1f}")


def trackpy(folder: Path, truth: pd.DataFrame, n: int, device: str) -> None:
    """Compare with trackpy, told the size, its threshold the best for the truth of the first frames."""
    import trackpy as tp

    tp.quiet()
    with open_movie(folder / "movie.tif") as movie:
        frames = [frame.pixels for frame in movie.frames()]
    diameter = 2 * int(truth["radius"].median()) + 1

    def locate(pixels: np.ndarray, index: int, minmass: float = 0.0) -> pd.DataFrame:
        return tp.locate(pixels, diameter, minmass=minmass, invert=True).assign(frame=index)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        some = pd.concat([locate(frames[k], k) for k in range(3)], ignore_index=True)
        known = truth[truth["frame"] < 3]
        minmass, _ = best_threshold(some.assign(confidence=some["mass"]), known)
        with timed() as theirs:
            spots = pd.concat([locate(pixels, k, minmass) for k, pixels in enumerate(frames)], ignore_index=True)
            tp.link(spots, search_range=7, memory=3)
    ours, found = track_all(folder / "movie.tif", device)
    bare, _ = track_all(folder / "movie.tif", device, **{"detect.refine": False})
    print("trackpy locate + link, one process (asked 1x on a CPU, 20x on a GPU, at equal or better F1)")
    print(f"  F1 ours {f1(found, truth):.3f}, theirs {f1(spots, truth):.3f}")
    for name, clock in (("everything", ours), ("without refinement", bare)):
        print(
            f"  {name:<18} {theirs.wall / clock.wall:5.2f}x by wall clock, {theirs.cpu / clock.cpu:5.2f}x by CPU time"
        )
    print(f"  theirs {1e3 * theirs.cpu / n:.1f} CPU ms/frame, ours {1e3 * ours.cpu / n:.1f}, {1e3 * bare.cpu / n:.1f}")


CHILD = """
import json, sys, time
import numpy as np, pandas as pd
from lptem_tracker import pipeline
from lptem_tracker.calibration import Calibration
from lptem_tracker.detect.base import Detector
from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.movie.base import Frame, Movie
from lptem_tracker.settings import Settings

n, particles, side, out = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = np.random.default_rng(0)
noise = rng.integers(90, 110, (side, side), np.uint8)

class Film(Movie):
    def __init__(self):
        super().__init__("film", "made", (n, side, side), np.dtype(np.uint8), Calibration())
    def _read(self, index):
        return np.roll(noise, index)

class Stub(Detector):
    def __init__(self):
        self.at = rng.uniform(20, 492, (particles, 2))
        if side > 64:
            self.network = YoloDetector(device="cpu")
            self.network.detect([Frame(0, noise)])
    def detect(self, frames):
        tables = []
        for f in frames:
            self.at = 10 + np.abs(self.at - 10 + rng.normal(0, 0.3, self.at.shape))
            tables.append(pd.DataFrame(dict(frame=f.index, x=self.at[:, 0], y=self.at[:, 1], x_std=.1, y_std=.1,
                width=12., height=12., angle=0., area=113., radius=6., confidence=.9, class_id=0)))
        return pd.concat(tables, ignore_index=True)
    def describe(self):
        return {"name": "stub"}

pipeline.make_detector = lambda *_: Stub()
settings = Settings.load(overrides={"detect.refine": False, "motion.bootstrap": 50})
begun = time.process_time()
run = pipeline.analyze(Film(), out, settings=settings)
used = time.process_time() - begun
words = open("/proc/self/status").read().split()
peak = 1024 * int(words[words.index("VmHWM:") + 1])
print(json.dumps(dict(peak=peak, cpu=used, stages={k: v["seconds"] for k, v in run.record["stages"].items()},
                      tracks=len(run.track_lengths))))
"""


def child(n: int, particles: int, side: int, folder: Path) -> dict[str, Any]:
    """Analyse made frames in a fresh process."""
    out = folder / f"made-{n}-{particles}"
    command = [sys.executable, "-c", CHILD, str(n), str(particles), str(side), str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.stderr)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def memory(folder: Path, quick: bool) -> None:
    """Compare the peaks of a long and a short movie."""
    few, many = (100, 2000) if quick else (500, 10_000)
    short, long = child(few, 20, 512, folder), child(many, 20, 512, folder)
    print(f"peak memory, {many} frames of 512 x 512 px: {long['peak'] / 2**20:.0f} MiB (asked below 2 GB)")
    print(
        f"  over {few} frames ({short['peak'] / 2**20:.0f} MiB): {long['peak'] / short['peak']:.3f} (asked at most 1.1)"
    )


def long_movie(folder: Path, quick: bool) -> None:
    """Tell what a long movie takes beside the detection, and what that makes for a million frames."""
    lengths = (2_000, 10_000) if quick else (10_000, 100_000)
    peaks = []
    for n in lengths:
        got = child(n, 10, 32, folder)
        peaks.append(got["peak"])
        parts = ", ".join(f"{name} {1e6 * s / n:.0f}" for name, s in got["stages"].items())
        cpu = 1e6 * got["cpu"] / n
        print(f"{n} frames with 10 particles: peak {peaks[-1] / 2**20:.0f} MiB; {cpu:.0f} CPU µs a frame")
        print(f"  wall-clock µs a frame: {parts}")
    slope = (peaks[1] - peaks[0]) / (lengths[1] - lengths[0])
    whole = peaks[1] + slope * (1_000_000 - lengths[1])
    print(f"a million frames, extrapolated along {slope:.0f} bytes a frame: {whole / 2**20:.0f} MiB")


def batch(folder: Path, device: str) -> None:
    """Compare one and two workers."""
    from lptem_tracker.batch.many import run_batch
    from lptem_tracker.batch.plan import Item

    items = []
    for k in range(4):
        film(folder / f"batch{k}", 24, SEED + 10 + k)
        items.append(Item(str(folder / f"batch{k}" / "movie.tif"), f"m{k}"))
    walls = {}
    for workers in (1, 2):
        begun = time.perf_counter()
        outcomes = run_batch(items, folder / f"runs{workers}", settings(device), workers=workers)
        walls[workers] = time.perf_counter() - begun
        if any(outcome.state != "done" for outcome in outcomes):
            raise SystemExit(str(outcomes))
    print(f"batch, 4 movies: two workers {walls[1] / walls[2]:.2f}x as fast as one by the wall clock (asked 1.7)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--only", nargs="+", default=["end-to-end", "ultralytics", "trackpy", "memory", "long", "batch"]
    )
    parser.add_argument("--frames", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--radius", type=float, default=SCENE["radius_nm"], help="of the particles, in px")
    options = parser.parse_args()
    SCENE["radius_nm"] = options.radius
    n = options.frames or (16 if options.quick else 60)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = pd.DataFrame()
        if {"stages", "end-to-end", "ultralytics", "trackpy"} & set(options.only):
            _, truth = film(folder, n)
            run_all(folder / "movie.tif", folder / "warm", settings(options.device, **{"movie.frames": "0:4"}))
        parts: dict[str, Callable[[], Any]] = {
            "stages": lambda: show_stages(folder, n, options.device),
            "end-to-end": lambda: end_to_end(folder, n, options.device),
            "ultralytics": lambda: ultralytics(folder, n, options.device),
            "trackpy": lambda: trackpy(folder, truth, n, options.device),
            "memory": lambda: memory(folder, options.quick),
            "long": lambda: long_movie(folder, options.quick),
            "batch": lambda: batch(folder, options.device),
        }
        for part in options.only:
            parts[part]()
            sys.stdout.flush()


if __name__ == "__main__":
    main()
