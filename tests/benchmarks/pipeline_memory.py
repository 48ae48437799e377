"""Peak memory and time of analysing made frames in a process of its own; called by `bench_pipeline.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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
