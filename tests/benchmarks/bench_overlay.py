"""How fast and how lean the overlay is written, against the encoder alone in the same run.

Prints, for movies of 512², 1024² and 2048² px with noise:

* pictures a second of the whole (reading, drawing, encoding) and of the encoder alone on the same pictures,
  and their ratio by the clock (asked: at least 60 %), which on a busy machine says little;
* the same ratio by CPU time: what a single core would give, where nothing runs side by side;
* the growth of peak memory from a short to a long movie (asked: none).

    python tests/benchmarks/bench_overlay.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.report.options import OverlayOptions
from lptem_tracker.report.overlay import write_overlay
from lptem_tracker.report.painter import Painter
from lptem_tracker.report.writer import open_writer
from lptem_tracker.run import Run, open_run


class LoopMovie(ArrayMovie):
    """Eight noisy frames over and over, as if they were many."""

    def __init__(self, side: int, n_frames: int) -> None:
        super().__init__(np.random.default_rng(0).normal(1000, 100, (8, side, side)).astype(np.uint16))
        self.shape = (n_frames, side, side)

    def _read(self, index: int) -> np.ndarray:
        return self._pixels[index % 8]


def make_run(folder: Path, side: int, n_frames: int, n_particles: int) -> Run:
    """Write a run folder of random walks."""
    rng = np.random.default_rng(1)
    xy = rng.uniform(20, side - 20, (n_particles, 1, 2)) + rng.normal(0, 1, (n_particles, n_frames, 2)).cumsum(axis=1)
    table = pd.DataFrame({"particle": np.repeat(np.arange(n_particles), n_frames)})
    table = table.assign(frame=np.tile(np.arange(n_frames), n_particles), x=xy[..., 0].ravel(), y=xy[..., 1].ravel())
    table = table.assign(width=18.0, height=12.0, angle=0.4, observed=True)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "tracks.parquet", index=False)
    calibration = {"pixel_size_nm": 1.0, "frame_interval_s": 0.05}
    (folder / "run.json").write_text(json.dumps({"calibration": calibration}), encoding="utf-8")
    return open_run(folder)


def encoder_alone(folder: Path, pictures: list[np.ndarray], n_frames: int) -> np.ndarray:
    """Return the pictures a second, by the clock and by CPU time, of the encoder fed with finished pictures."""
    begun = clocks()
    height, width = pictures[0].shape[:2]
    with open_writer(folder / "bare.mp4", (width, height), Fraction(20), note={}) as writer:
        for n in range(n_frames):
            writer.write(pictures[n % len(pictures)], n / 20)
    return n_frames / (clocks() - begun)


def clocks() -> np.ndarray:
    """Return (wall, CPU) time in s."""
    return np.array([time.perf_counter(), time.process_time()])


def speed(side: int, n_frames: int, n_particles: int) -> None:
    """Print both speeds and their ratio for one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, movie = make_run(folder, side, n_frames, n_particles), LoopMovie(side, n_frames)
        painter = Painter(run, movie, OverlayOptions())
        pictures = [painter.paint(frame.pixels, frame.index) for frame in movie.frames(0, min(n_frames, 24))]
        ratios, rates = [], []
        for _ in range(3):
            alone = encoder_alone(folder, pictures, n_frames)
            begun = clocks()
            write_overlay(run, movie=movie)
            whole = n_frames / (clocks() - begun)
            ratios.append(whole / alone)
            rates.append((whole, alone))
    (whole, _), (alone, _) = np.median(rates, axis=0)
    clock, cpu = np.median(ratios, axis=0)
    print(
        f"{side:5d}², {n_particles:4d} particles: whole {whole:.1f}/s, encoder {alone:.1f}/s, "
        f"ratio {clock:.2f}, by CPU time {cpu:.2f}"
    )


def peak_mb(n_frames: int) -> float:
    """Return the peak memory in MB of a process of its own that writes an overlay of so many frames."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import bench_overlay; bench_overlay.child({n_frames})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def child(n_frames: int) -> None:
    """Write one overlay and print the peak memory; the tables have the same size whatever the length."""
    with tempfile.TemporaryDirectory() as name:
        run = make_run(Path(name), 512, 100, 50)
        write_overlay(run, movie=LoopMovie(512, n_frames))
    import resource  # not on Windows

    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, small sizes only")
    quick = parser.parse_args().quick
    sizes = ((512, 80, 50), (1024, 30, 100)) if quick else ((512, 400, 50), (1024, 160, 100), (2048, 60, 300))
    for side, n_frames, n_particles in sizes:
        speed(side, n_frames, n_particles)
    short, long = (50, 200) if quick else (100, 1600)
    low, high = peak_mb(short), peak_mb(long)
    print(f"peak memory: {short} frames {low:.0f} MB, {long} frames {high:.0f} MB, growth {high - low:+.0f} MB")


if __name__ == "__main__":
    main()
