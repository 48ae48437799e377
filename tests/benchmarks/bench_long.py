"""How much memory and time a very long movie takes, from 10,000 to a million frames.

``python tests/benchmarks/bench_long.py [--frames 10000 100000 …] [--detector spots|blob|yolo] [--no-drift]``
makes a movie of any length by playing a simulated one of 2,000 small frames to and fro, and lets a process of its own
do `analyze` and the report of it. `spots` (default) stands in for the detector with the centroids of dark spots, which
take microseconds, so that a million frames take an hour and not a day; `--no-drift` leaves out the drift of the images,
which a movie of few particles is read once more for. For each length it prints, stage by stage, the peak of memory, the
CPU time a frame and the wall-clock time a frame, and the size of the files; at the end how many bytes of memory a
further frame costs.
Asked: constant memory in every stage, a million frames.

Peaks are those of the process, set back at the beginning of each stage (Linux).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration
from lptem_tracker.detect.base import Detector
from lptem_tracker.movie.base import Frame, Movie
from lptem_tracker.settings import Settings

SEED = 97
PERIOD = 2_000


class Endless(Movie):
    """Frames of a file played to and fro, so that nothing ever jumps."""

    def __init__(self, path: Path, n_frames: int) -> None:
        self._stack: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        shape = (n_frames, *self._stack.shape[1:])
        super().__init__("endless", "array", shape, self._stack.dtype, Calibration(1.0, 0.01, None, "user", "user"))

    def _read(self, index: int) -> NDArray[Any]:
        n = len(self._stack)
        at = index % (2 * n - 2)
        return np.array(self._stack[min(at, 2 * n - 2 - at)])


class Spots(Detector):
    """Centroids of what is darker than most of the frame."""

    batch_frames = 64

    def detect(self, frames: Sequence[Frame]) -> pd.DataFrame:
        """Return the spots of some frames."""
        rows = [row for frame in frames for row in self._spots(frame)]
        names = ("frame", "x", "y", "width", "height", "area")
        table = pd.DataFrame(rows, columns=names).astype({"frame": "int64"} | dict.fromkeys(names[1:], "float64"))
        size = np.sqrt(table["area"] / np.pi)
        return table.assign(x_std=0.3, y_std=0.3, angle=0.0, radius=size, confidence=0.9, class_id=0)

    def _spots(self, frame: Frame) -> Iterator[tuple[float, ...]]:
        smooth = cv2.GaussianBlur(frame.pixels, (0, 0), 1.5)
        dark = (smooth < np.median(smooth) - 0.4 * np.ptp(smooth)).astype(np.uint8)
        _, _, stats, centres = cv2.connectedComponentsWithStats(dark)
        for (_, _, width, height, area), (x, y) in zip(stats[1:], centres[1:], strict=True):
            if area >= 12:
                yield frame.index, x, y, width, height, area

    def describe(self) -> dict[str, Any]:
        """Return what the run's record says of it."""
        return {"name": "spots"}


class Watch:
    """Notes peak memory and time of each stage."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}
        self._name = ""

    def stage(self, name: str, total: int | None = None) -> None:
        """Close the stage before and begin one."""
        if self._name:
            used = time.process_time() - self._cpu, time.perf_counter() - self._wall
            self.found[self._name] = {"peak": memory("VmHWM"), "cpu": used[0], "wall": used[1]}
        self._name, self._cpu, self._wall = name, time.process_time(), time.perf_counter()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def advance(self, steps: int = 1) -> None:
        """Nothing to note."""

    def note(self, text: str) -> None:
        """Say it."""
        print(text, file=sys.stderr)


def memory(what: str) -> int:
    """Return a figure of this process's memory in bytes."""
    words = Path("/proc/self/status").read_text(encoding="ascii").split()
    return 1024 * int(words[words.index(f"{what}:") + 1])


def child(stack: Path, n_frames: int, detector: str, drift: bool, out: Path) -> None:
    """Analyse and report in this process."""
    from lptem_tracker import pipeline
    from lptem_tracker.report.page import write_report

    cv2.setNumThreads(1)
    values: dict[str, Any] = {"detect.device": "cpu", "link.drift": drift}
    values["detect.detector"] = "blob" if detector == "spots" else detector
    if detector == "spots":
        pipeline.make_detector = lambda *_: Spots()  # type: ignore[assignment]
        values["detect.refine"] = False
    if detector == "blob":
        values["detect.blob_diameter_px"] = 11.0
    watch = Watch()
    watch.stage("start")
    movie = Endless(stack, n_frames)
    run = pipeline.analyze(movie, out, settings=Settings.load(overrides=values), progress=watch)
    watch.stage("report")
    write_report(run, movie=movie)
    watch.stage("end")
    print(json.dumps(watch.found))


def make_film(folder: Path, side: int, count: int) -> Path:
    """Simulate the frames that are played to and fro."""
    from lptem_tracker.simulate import simulate_movie

    movie = simulate_movie(
        "brownian", seed=SEED, n_frames=PERIOD, width_px=side, height_px=side, count=count, depth="uint8",
        radius_nm=4.0, snr=4.0,
    )  # fmt: skip
    path = folder / f"film-{side}-{count}.npy"
    np.save(path, np.array([frame.pixels for frame in movie.frames()]))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", nargs="+", type=int, default=[10_000, 100_000])
    parser.add_argument("--detector", default="spots", choices=["spots", "blob", "yolo"])
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="keep the run folders here")
    parser.add_argument("--no-drift", action="store_true")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        stack, n, out = options.child
        child(Path(stack), int(n), options.detector, not options.no_drift, Path(out))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        stack = make_film(folder, options.side, options.count)
        peaks: dict[int, dict[str, float]] = {}
        for n in options.frames:
            out = folder / f"run-{n}"
            command = [
                sys.executable,
                __file__,
                "--child",
                str(stack),
                str(n),
                str(out),
                "--detector",
                options.detector,
            ]
            command += ["--no-drift"] * options.no_drift
            result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if result.returncode:
                raise SystemExit(f"{n} frames: exit code {result.returncode}")
            found: dict[str, dict[str, float]] = json.loads(result.stdout.splitlines()[-1])
            print(f"{n} frames of {options.side} x {options.side} px")
            for stage, got in found.items():
                cpu, wall = (1e6 * got[key] / n for key in ("cpu", "wall"))
                print(f"  {stage:<8} peak {got['peak'] / 2**20:7.0f} MiB; {cpu:7.0f} CPU µs, {wall:7.0f} µs a frame")
            sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir()) if path.is_file()}
            print("  files    " + ", ".join(f"{file} {size / 2**20:.1f} MiB" for file, size in sizes.items()))
            sys.stdout.flush()
            peaks[n] = {stage: got["peak"] for stage, got in found.items()}
        shortest, longest = min(peaks), max(peaks)
        for stage in peaks[longest] if longest > shortest else ():
            slope = (peaks[longest][stage] - peaks[shortest][stage]) / (longest - shortest)
            print(f"{stage}: {slope:.0f} bytes of memory a further frame")


if __name__ == "__main__":
    main()
