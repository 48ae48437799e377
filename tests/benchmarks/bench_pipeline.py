"""How fast a movie goes through the whole of it, and in how much memory.

``python tests/benchmarks/bench_pipeline.py [--quick] [--only NAME…] [--frames N] [--device auto|cpu|cuda]
[--radius PX]`` simulates a movie of 512 × 512 px with 100 particles of 7 px (which is searched at eleven sixteenths of
its resolution; one of 10 px at half of it, one of 4 px at all scales) and prints

stages       CPU time a frame and rate of each stage alone: decode, normalise, network, boxes, refine, link, measure,
             write
end-to-end   `analyze` without drawings against the slower of decoding alone and the network's forward pass alone
             (asked: at least 0.85), once on the very batches that `analyze` gave the network and once on those of all
             scales of every frame, with as many callers at a time. On a CPU every other stage takes its time from the
             same cores. The start (imports done, loops and graphs kept by an earlier run: loading them, the first
             chunk) is told apart from the pace by the difference of two lengths
ultralytics  detection and linking against ultralytics' own `track` with the same weights on the same frames, scaled
             for the network as ours are (asked: 2× on a CPU, 5× on a GPU), with and without our refinement; F1 of both
trackpy      detection and linking against trackpy's `locate` + `link`, told the true diameter and the threshold
             that suits it best, and the F1 of both (asked: 1× on a CPU and 20× on a GPU at equal or better F1)
memory       peak of a process that analyses 10,000 frames of 512 × 512 px with 20 particles each over one that
             analyses 500 (asked: at most 1.1, and below 2 GB); the network is loaded, a stub stands for its answers
long         peak memory and time of linking and measuring 10 particles in 10,000 and in 100,000 frames, and the
             memory that a million frames would take at this growth
batch        two workers against one on four movies (asked: 1.7×), the start of the workers told apart; beside it what
             the machine gives: the forward pass alone in two processes against one

Wall-clock ratios mean something on an idle machine only; CPU-time ratios on most: where others keep the caches busy
the network, which computes on less, suffers less. With ``OMP_NUM_THREADS=1`` the network's share of the CPU time of
one and the same run is told too, which hardly depends on the others.
"""

from __future__ import annotations

import argparse
import os
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
from pipeline_batch import batch
from pipeline_film import SCENE, Clock, film, settings, timed
from pipeline_memory import long_movie, memory

from lptem_tracker.detect.decode import decode
from lptem_tracker.detect.pyramid import levels_for, merge, render, tiles, untile
from lptem_tracker.detect.refine import refine
from lptem_tracker.detect.runtimes import OFTEN_PX, OnnxRuntime, OpenVinoRuntime, TorchRuntime, cores
from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.evaluate.detection import best_threshold, match
from lptem_tracker.job import CHUNK_FRAMES
from lptem_tracker.link import link
from lptem_tracker.movie import open_movie
from lptem_tracker.pipeline import analyze, detect
from lptem_tracker.preprocess.normalise import normalise
from lptem_tracker.settings import Settings


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


@contextmanager
def recorded() -> Iterator[tuple[list[tuple[int, ...]], list[float]]]:
    """Collect the shapes of the batches that the network is given meanwhile, and its callers' CPU time."""
    shapes: list[tuple[int, ...]] = []
    spent: list[float] = []
    kept = [(kind, kind.run) for kind in (OpenVinoRuntime, OnnxRuntime, TorchRuntime)]

    def noting(run: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, images: Any) -> Any:
            shapes.append(images.shape)
            begun = time.thread_time()
            raw = run(self, images)
            spent.append(time.thread_time() - begun)
            return raw

        return noted

    for kind, run in kept:
        kind.run = noting(run)
    try:
        yield shapes, spent
    finally:
        for kind, run in kept:
            kind.run = run


def forward(shapes: list[tuple[int, ...]], device: str) -> Clock:
    """Time the network alone on batches of these shapes, warm; of many a regular part stands for all."""
    detector = YoloDetector(device=device)
    some = shapes[:: max(1, len(shapes) // 200)]
    rng = np.random.default_rng(0)
    images = {shape: rng.normal(size=shape).astype(np.float32) for shape in set(shapes)}
    by_share = sorted(set(shapes), key=lambda shape: -shapes.count(shape) * np.prod(shape))
    with ThreadPoolExecutor(detector.workers) as pool:
        warm = [shape for shape in by_share for _ in range(2 + OFTEN_PX // int(np.prod(shape)))]
        list(pool.map(detector.runtime.run, [images[shape] for shape in warm]))
        with timed() as clock:
            list(pool.map(detector.runtime.run, [images[shape] for shape in some]))
    clock.wall, clock.cpu = clock.wall * len(shapes) / len(some), clock.cpu * len(shapes) / len(some)
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
    with open_movie(folder / "movie.tif") as movie, timed() as decoding:
        size = [frame.pixels.shape for frame in movie.frames()][-1]
    all_scales = [
        (1, 1, *tile.image.shape) for level in levels_for(size) for tile in tiles(render(np.eye(*size), level))
    ]
    bounds = {"all scales": forward(all_scales * n, device)}
    few = n // 2 // CHUNK_FRAMES * CHUNK_FRAMES or n // 2
    print(f"end to end against the slower of decoding and the forward pass (asked 0.85), {n} frames")
    for name, more in (("everything", {}), ("without refinement", {"detect.refine": False})):
        part = run_all(
            folder / "movie.tif", folder / f"few {name}", settings(device, **more, **{"movie.frames": f"0:{few}"})
        )
        with recorded() as (shapes, spent):
            whole = run_all(folder / "movie.tif", folder / f"e2e {name}", settings(device, **more))
        bounds["the scales used"] = forward(shapes, device)
        pace = Clock()
        pace.wall, pace.cpu = (whole.wall - part.wall) * n / (n - few), (whole.cpu - part.cpu) * n / (n - few)
        start = f"{whole.wall - pace.wall:.2f} s ({whole.cpu - pace.cpu:.2f} CPU)"
        print(
            f"  {name}: {1e3 * whole.wall / n:.1f} ms/frame, {1e3 * whole.cpu / n:.1f} CPU; start {start}, then",
            end=" ",
        )
        print(f"{1e3 * pace.wall / n:.1f} ms/frame, {1e3 * pace.cpu / n:.1f} CPU")
        if cores() == 1:  # of several threads each computes for the others
            print(f"    of the CPU time of this very run the network took {sum(spent) / whole.cpu:.2f}")
        for what, bound in bounds.items():
            wall = max(bound.wall, decoding.wall)
            print(
                f"    bound of {what} ({1e3 * wall / n:.1f} ms, {1e3 * bound.cpu / n:.1f} CPU ms): by the clock "
                f"{wall / whole.wall:.2f}, pace {wall / pace.wall:.2f}; by CPU time {bound.cpu / whole.cpu:.2f}, "
                f"pace {bound.cpu / pace.cpu:.2f}"
            )


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


def ultralytics(folder: Path, truth: pd.DataFrame, n: int, device: str) -> None:
    """Compare with ultralytics' predictor and tracker."""
    from lptem_tracker.detect.network import ultralytics_quietly

    ultralytics_quietly()
    os.environ.pop("ULTRALYTICS_SAFE_LOAD", None)  # our own file, a moment old
    import torch
    from ultralytics import YOLO
    from ultralytics.models.yolo.detect import DetectionPredictor

    class Scaled(DetectionPredictor):
        """Theirs, with the frames brought to the scale that the network was trained on."""

        def preprocess(self, im: list[np.ndarray]) -> Any:
            return torch.from_numpy(np.stack([normalise(image[..., 0])[None] for image in im])).to(self.device)

    model = YOLO(str(as_ultralytics(folder)))
    options = {"imgsz": 512, "conf": 0.1, "iou": 0.35, "max_det": 1000, "stream": True, "verbose": False}
    options |= {"persist": False, "predictor": Scaled}
    options["device"] = "cpu" if device == "cpu" else (0 if device.startswith("cuda") else None)

    def track(source: Path) -> pd.DataFrame:
        found = [result.boxes.xywh.cpu().numpy()[:, :2] for result in model.track(source=str(source), **options)]
        rows = np.concatenate([np.column_stack([np.full(len(part), k), part]) for k, part in enumerate(found)])
        return pd.DataFrame(rows - [0, 0.5, 0.5], columns=["frame", "x", "y"]).astype({"frame": int})

    few = folder / "few"
    few.mkdir()
    for path in sorted((folder / "frames").glob("*.png"))[:2]:
        (few / path.name).write_bytes(path.read_bytes())
    track(few)
    with timed() as theirs:
        boxes = track(folder / "frames")
    ours, found = track_all(folder / "frames", device)
    bare, _ = track_all(folder / "frames", device, **{"detect.refine": False})
    print("ultralytics' track, same weights and frames (asked 2x on a CPU, 5x on a GPU)")
    print(f"  F1 ours {f1(found, truth):.3f}, theirs {f1(boxes, truth):.3f} with {len(boxes) / n:.0f} boxes a frame")
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
    n = options.frames or (20 if options.quick else 320)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = pd.DataFrame()
        if {"stages", "end-to-end", "ultralytics", "trackpy"} & set(options.only):
            _, truth = film(folder, n)
            run_all(folder / "movie.tif", folder / "warm", settings(options.device, **{"movie.frames": "0:4"}))
        parts: dict[str, Callable[[], Any]] = {
            "stages": lambda: show_stages(folder, n, options.device),
            "end-to-end": lambda: end_to_end(folder, n, options.device),
            "ultralytics": lambda: ultralytics(folder, truth, n, options.device),
            "trackpy": lambda: trackpy(folder, truth, n, options.device),
            "memory": lambda: memory(folder, options.quick),
            "long": lambda: long_movie(folder, options.quick),
            "batch": lambda: batch(folder, options.device, options.quick),
        }
        for part in options.only:
            parts[part]()
            sys.stdout.flush()


if __name__ == "__main__":
    main()
