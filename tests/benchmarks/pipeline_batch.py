"""Two workers of a batch against one; called by `bench_pipeline.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline_film import SEED, film, settings

FORWARD = """
import sys, time
import numpy as np
from lptem_tracker.detect.yolo import YoloDetector
runtime = YoloDetector(device="cpu").runtime
image = np.random.default_rng(0).normal(size=(1, 1, 352, 352)).astype(np.float32)
for _ in range(110):
    runtime.run(image)
print("ready", flush=True)
sys.stdin.readline()
begun, n = time.perf_counter(), 0
while time.perf_counter() < begun + 5:
    runtime.run(image)
    n += 1
print(n)
"""


def forward_passes(processes: int) -> int:
    """Return how often the network answers in five seconds in some processes of one thread each together."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": one_thread}
    running = [subprocess.Popen([sys.executable, "-c", FORWARD], **pipes) for _ in range(processes)]
    for process in running:
        process.stdout.readline()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(int(process.communicate()[0]) for process in running)


def batch(folder: Path, device: str, quick: bool) -> None:
    """Compare one and two workers, of one thread each.

    As on any but the first call, modules lie compiled on the disk, and so do loops and the network's graphs: an
    interpreter that may not write bytecode would spend two more seconds on every worker.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(folder / "bytecode"))
    from lptem_tracker.batch.many import run_batch
    from lptem_tracker.batch.plan import Item

    n = 24 if quick else 128
    names = [f"m{k}" for k in range(4)]
    for k, name in enumerate(names):
        film(folder / name, n, SEED + 10 + k)

    def seconds(workers: int, frames: str) -> float:
        items = [Item(str(folder / name / "movie.tif"), name) for name in names]
        chosen = settings(device, **{"movie.frames": frames})
        begun = time.perf_counter()
        outcomes = run_batch(items, folder / f"runs {workers} {frames.replace(':', '-')}", chosen, workers=workers)
        if any(outcome.state != "done" for outcome in outcomes):
            raise SystemExit(str(outcomes))
        return time.perf_counter() - begun

    seconds(1, "0:80")
    whole = {workers: seconds(workers, f"0:{n}") for workers in (1, 2)}
    print(f"batch, 4 movies of {n} frames: two workers {whole[1] / whole[2]:.2f}x as fast as one (asked 1.7)")
    start = {workers: seconds(workers, "0:2") for workers in (1, 2)}
    pace = (whole[1] - start[1]) / (whole[2] - start[2])
    first = f"the first two frames of each {start[1]:.1f}, {start[2]:.1f} s"
    print(f"  {whole[1]:.1f}, {whole[2]:.1f} s, of these {first}; less these {pace:.2f}x")
    print(f"  the forward pass alone, a thread each: {forward_passes(2) / forward_passes(1):.2f}x")
