"""Kill `analyze` at random moments, go on with --resume, and compare with a run that was never stopped.

``python tests/benchmarks/fuzz_kill.py [--kills 30] [--boundaries] [--seed 0]`` analyses a small movie in many chunks
in processes of its own, kills each (SIGKILL; TerminateProcess on Windows) after a random time, resumes in the same
folder, and does so until it ends by itself; then every table must equal that of the whole run, byte for byte. Rounds
follow until `--kills` processes were killed. `--boundaries` also ends a process right before and right after each
single renaming of a file. Where processes can fork, one process imports and compiles everything once, so that a
killed run costs what it did and no more. Exit code 1 if anything differed or failed.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from walking_disks import walking_disks

TABLES = (
    "detections.parquet",
    "tracks.parquet",
    "tracks.csv",
    "particles.csv",
    "msd.csv",
    "events.csv",
    "summary.json",
    "settings.toml",
)
FORKS = hasattr(os, "fork")
N_FRAMES = 24
CHUNK_FRAMES = 2


def analyse(folder: str, boundary: int | None = None) -> None:
    """Analyse the movie into a folder, going on with what is there; end at a renaming if one is given."""
    from lptem_tracker import job
    from lptem_tracker.movie import ArrayMovie
    from lptem_tracker.pipeline import analyze
    from lptem_tracker.settings import Settings

    job.CHUNK_FRAMES = CHUNK_FRAMES
    if boundary is not None:
        _end_at(boundary)
    values = {"detect.detector": "blob", "detect.blob_diameter_px": 15.0, "motion.bootstrap": 20}
    analyze(ArrayMovie(walking_disks(N_FRAMES, seed=1)), folder, settings=Settings.load(overrides=values), resume=True)


def _end_at(boundary: int) -> None:
    """Let the process vanish before (even) or after (odd) the n-th time that a file gets its name."""
    rename, count = os.replace, itertools.count()

    def replace(*args: str) -> None:
        mine = next(count)
        if 2 * mine == boundary:
            os._exit(9)
        rename(*args)
        if 2 * mine + 1 == boundary:
            os._exit(9)

    os.replace = replace  # type: ignore[assignment]


def start(folder: Path, boundary: int | None = None) -> BaseProcess:
    """Start an analysis in a process of its own."""
    context = multiprocessing.get_context("fork" if FORKS else "spawn")
    process = context.Process(target=analyse, args=(str(folder), boundary))
    process.start()
    return process


def is_whole(folder: Path) -> bool:
    """Tell whether the run ended before its process did."""
    return (folder / "run.json").exists() and not (folder / ".work").exists()


def differing(folder: Path, whole: Path) -> list[str]:
    """Return the files that are not equal, or are left over."""
    names = [name for name in TABLES if (folder / name).read_bytes() != (whole / name).read_bytes()]
    expected = {path.name for path in whole.iterdir()}
    return names + sorted({path.name for path in folder.iterdir() if path.name != ".lock"} - expected)


def kill_until_done(folder: Path, seconds: float, rng: np.random.Generator) -> int:
    """Kill and resume in one folder until a process ends by itself; return how many were killed."""
    killed = 0
    while not is_whole(folder):
        process = start(folder)
        process.join(rng.exponential(0.4 * seconds))
        if process.is_alive():
            process.kill()
            killed += 1
        process.join()
        if process.exitcode not in {0, -9} and FORKS:
            raise SystemExit(f"A resumed run failed (exit code {process.exitcode}).")
    return killed


def stop_at_boundaries(base: Path, whole: Path) -> tuple[int, list[str]]:
    """End a process at each renaming in turn, and finish the run; return how many, and what differed."""
    wrong: list[str] = []
    for boundary in itertools.count():
        folder = base / f"boundary-{boundary}"
        process = start(folder, boundary)
        process.join()
        if process.exitcode == 0:
            return boundary, wrong
        if not is_whole(folder):
            process = start(folder)
            process.join()
        if process.exitcode not in {0, 9} or differing(folder, whole):
            wrong.append(f"boundary {boundary}: exit {process.exitcode}, {differing(folder, whole)}")
    return 0, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--boundaries", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)  # a pool of threads does not survive a fork
    rng = np.random.default_rng(options.seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        analyse(str(base / "warm"))
        begun = time.monotonic()
        whole = base / "whole"
        start(whole).join()
        seconds = time.monotonic() - begun
        killed, rounds = 0, 0
        while killed < options.kills:
            folder = base / f"run-{rounds}"
            killed += kill_until_done(folder, seconds, rng)
            rounds += 1
            wrong += [f"round {rounds}: {file}" for file in differing(folder, whole)]
        print(f"{killed} processes killed at random moments of {seconds:.2f} s in {rounds} runs")
        if options.boundaries:
            ended, bad = stop_at_boundaries(base, whole)
            wrong += bad
            print(f"{ended} processes ended right before or after a file got its name")
    print("every table equal to a run that was never stopped" if not wrong else "\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
