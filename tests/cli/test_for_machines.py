"""--json and --dry-run: what scripts read, and what a cautious user looks at first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lptem_tracker.cli.app import _run
from lptem_tracker.cli.models import _shown

MakeRun = Callable[..., Path]


def _json(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """Run a command with --json; nothing but one JSON object may be on standard output."""
    capsys.readouterr()
    assert _run([*map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_every_stage_speaks_json(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """info, link, measure, report, export, simulate and evaluate give one object each."""
    run = make_run()
    assert _json(capsys, "info", tmp_path / "run.tif")["shape"] == [40, 96, 128]
    linked = _json(capsys, "link", run, "-o", tmp_path / "linked")
    assert (linked["n_tracks"], linked["output"]) == (5, str(tmp_path / "linked"))
    assert _json(capsys, "measure", run, "-o", tmp_path / "measured")["n_particles"] == 5
    assert _json(capsys, "report", run)["written"] == [str(run / "report.html")]
    written = _json(capsys, "simulate", "--frames", "2", "-o", tmp_path / "made")["written"]
    assert str(tmp_path / "made" / "movie.tif") in written


def test_a_batch_shows_what_it_would_do(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run lists each movie with its sample and run folder, and writes nothing."""
    make_run("a b")
    make_run("ä")
    assert _run(["batch", str(tmp_path / "*.tif"), "-o", str(tmp_path / "runs"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.count("sample all") == 2
    assert str(tmp_path / "runs" / "a b") in said
    assert not (tmp_path / "runs").exists()


def test_analyze_shows_what_it_would_do(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run shows the movie, every setting, and whether it comes from here, a file or the defaults."""
    make_run("m")
    config = tmp_path / "mine.toml"
    config.write_text("[link]\nmax_gap_frames = 2\n", encoding="utf-8")
    words = ["analyze", str(tmp_path / "m.tif"), "-o", str(tmp_path / "out"), "--config", str(config), "--dry-run"]
    assert _run([*words, "--pixel-size-nm", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert shown["link.max_gap_frames"].endswith("2   (mine.toml)")
    assert shown["movie.pixel_size_nm"].endswith("0.5   (command line)")
    assert shown["detect.confidence"].endswith("(default)")
    assert not (tmp_path / "out").exists()


def test_stages_write_tracks_in_the_order_of_analyze(make_run: MakeRun, tmp_path: Path) -> None:
    """A run folder holds its tracks by frame, then particle, whichever command wrote them."""
    run = make_run()
    assert _run(["link", str(run), "-o", str(tmp_path / "linked"), "--quiet"]) == 0
    assert _run(["measure", str(run), "-o", str(tmp_path / "measured"), "--quiet"]) == 0
    for folder in ("linked", "measured"):
        table = pd.read_csv(tmp_path / folder / "tracks.csv")
        assert len(table) > 100
        assert pd.MultiIndex.from_frame(table[["frame", "particle"]]).is_monotonic_increasing


def test_scores_are_printed_for_people() -> None:
    """No brace, no nan and no row of digits: counts and intervals in words."""
    assert _shown({"n_truth": 4, "f1": 0.93333333, "mean_frame_error": float("nan")}) == (
        "n_truth 4, f1 0.9333, mean_frame_error -"
    )
    assert _shown([6.674589203, 8.0133915]) == "6.675 to 8.013"
