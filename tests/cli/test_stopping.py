"""Ctrl-C: what was finished is kept, and the user is told how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lptem_tracker.cli.app import _how_to_go_on


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyze", "my movie.tif", "-o", "run"], "--resume"),
        (["analyze", "a.tif", "-o", "run", "--resume"], "go on with: lptem-tracker analyze a.tif -o run --resume"),
        (["train", "--from-simulation", "-o", "mine"], "--resume"),
        (["train", "--data", "labels", "-o", "mine"], "run the same command again"),
        (["batch", "*.tif", "-o", "runs"], "the same command does the others"),
        (["overlay", "run"], "run the same command again"),
        ([], "run the same command again"),
    ],
)
def test_how_to_go_on_fits_the_command(words: list[str], said: str) -> None:
    """Only commands that can resume say so, with the whole line to type."""
    text = _how_to_go_on(words)
    assert text.startswith("Stopped.")
    assert text.endswith((said, f"{said}."))
    assert text.count("--resume") <= 1


def test_only_what_was_finished_is_said_to_be_kept(tmp_path: Path) -> None:
    """A run folder without a chunk holds nothing yet; with one, it is kept."""
    words = ["analyze", "a.tif", "-o", str(tmp_path / "run")]
    assert "Nothing was finished yet" in _how_to_go_on(words)
    (tmp_path / "run" / ".work").mkdir(parents=True)
    assert "Nothing was finished yet" in _how_to_go_on(words)
    (tmp_path / "run" / ".work" / "chunk.parquet").touch()
    assert "What was finished is kept" in _how_to_go_on(words)


@pytest.fixture
def long_movie(tmp_path: Path) -> Path:
    """80 frames of five dark disks that walk at random, in a folder with a space and a letter beyond ASCII."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:96, :128]
    at = np.array([[24.0, 24], [64, 30], [100, 28], [34, 68], [88, 66]])
    frames = np.empty((80, 96, 128), np.uint16)
    for frame in frames:
        at += rng.normal(0, 0.3, at.shape)
        mean = np.full((96, 128), 400.0)
        for cx, cy in at:
            mean[np.hypot(x - cx, y - cy) < 7] = 240
        frame[:] = rng.poisson(mean)
    path = tmp_path / "größe 1" / "film ä.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, frames)
    return path


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_a_stopped_run_goes_on_where_it_was(long_movie: Path) -> None:
    """SIGINT ends analyze with exit code 1 and one line; that line, typed, finishes the run."""
    run = long_movie.parent / "lauf 1"
    quick = long_movie.with_name("schnell.toml")
    quick.write_text('[detect]\ndetector = "blob"\nrefine = false\n', encoding="utf-8")
    words = ["analyze", str(long_movie), "-o", str(run), "--config", str(quick), "--no-overlay", "--no-report"]
    command = [sys.executable, "-m", "lptem_tracker", *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # what a shell starts in the background ignores SIGINT, and so would everything that these tests start
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 300
    while not list(run.rglob("*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    lines = [
        line
        for line in said.splitlines()
        if line and not line.startswith(("Warning:", "Compiling", "detect: ", "link: ", "measure: "))
    ]
    assert len(lines) == 1, said
    assert lines[0].startswith("Error: Stopped. What was finished is kept; go on with: lptem-tracker analyze ")
    assert not (run / "summary.json").exists()
    chunks = {path.name for path in run.rglob("*.parquet")}
    assert chunks

    done = subprocess.run(
        [*command, "--resume"], capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (run / "summary.json").exists()
    assert "detections" in done.stdout
