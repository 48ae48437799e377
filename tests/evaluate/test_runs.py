"""A run against the truth of its movie."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import InputError
from lptem_tracker.evaluate import evaluate_run
from lptem_tracker.tables import EVENT_DTYPES, empty_table

SHAPE = [20, 100, 200]


def truth_tracks() -> pd.DataFrame:
    """Two particles at rest in 20 frames, at x = 30 and x = 150."""
    rows = [(p, t, x, 50.0) for p, x in ((0, 30.0), (1, 150.0)) for t in range(SHAPE[0])]
    table = pd.DataFrame(rows, columns=["particle", "frame", "x", "y"])
    return table.assign(width=10.0, height=10.0, observed=True)


def truth_events() -> pd.DataFrame:
    """One particle dissolves at frame 15."""
    row = {"kind": "dissolve", "frame": 15, "frame_last": 15, "particle_a": 1, "x": 150.0, "y": 50.0, "score": 1.0}
    return pd.DataFrame([row], columns=list(EVENT_DTYPES))


def folder_of(tmp_path: Path) -> Path:
    truth_tracks().to_csv(tmp_path / "truth_tracks.csv", index=False)
    truth_events().to_csv(tmp_path / "truth_events.csv", index=False)
    scene = {"n_frames": SHAPE[0], "height_px": SHAPE[1], "width_px": SHAPE[2]}
    (tmp_path / "scene.json").write_text(json.dumps({"D_nm2_s": 1.0, "scene": scene}), encoding="utf-8")
    return tmp_path


def run_of(tracks: pd.DataFrame, **movie: Any) -> Any:
    record = {"movie": {"shape": SHAPE, "frames": [0, SHAPE[0]], "roi": None, **movie}}
    events = empty_table(EVENT_DTYPES)
    return SimpleNamespace(
        path=Path("run"), detections=tracks, tracks=tracks, events=events, record=record, summary={},
        calibration=Calibration(),
    )  # fmt: skip


def test_a_perfect_run_scores_one(tmp_path: Path) -> None:
    """The truth itself finds every particle; of one true event none was found."""
    scores = evaluate_run(run_of(truth_tracks()), folder_of(tmp_path))
    assert scores["detection"]["f1"] == scores["tracking"]["hota"] == scores["tracking"]["idf1"] == 1
    assert scores["events"]["all"]["n_truth"] == 1


def test_only_the_frames_analysed_count(tmp_path: Path) -> None:
    """A run of frames 5 to 9 that finds all there misses nothing, and an event at frame 15 is not asked for."""
    tracks = truth_tracks().query("5 <= frame < 10")
    scores = evaluate_run(run_of(tracks, frames=[5, 10]), folder_of(tmp_path))
    assert (scores["detection"]["recall"], scores["detection"]["n_truth"]) == (1, 10)
    assert scores["tracking"]["idf1"] == 1
    assert scores["events"]["all"]["n_truth"] == 0


def test_only_the_region_analysed_counts(tmp_path: Path) -> None:
    """A run of the left half is asked for the particle there."""
    tracks = truth_tracks().query("x < 100")
    scores = evaluate_run(run_of(tracks, roi=[10, 0, 90, 100]), folder_of(tmp_path))
    assert (scores["detection"]["recall"], scores["detection"]["n_truth"]) == (1, 20)


def test_the_truth_of_another_movie_is_refused(tmp_path: Path) -> None:
    """A truth of another size or length scores nothing; the sentence names both."""
    with pytest.raises(InputError, match="20 frames of 200 × 100 px"):
        evaluate_run(run_of(truth_tracks(), shape=[30, 100, 200]), folder_of(tmp_path))


def test_a_run_without_a_movie_is_refused(tmp_path: Path) -> None:
    """Tables that were only measured know no frames and no region."""
    run = run_of(truth_tracks())
    run.record = {}
    with pytest.raises(InputError, match="give a run that analyze wrote"):
        evaluate_run(run, folder_of(tmp_path))


def test_a_missing_truth_is_named(tmp_path: Path) -> None:
    """A folder that simulate did not write is refused by the file that it lacks."""
    with pytest.raises(InputError, match=r"truth_tracks\.csv"):
        evaluate_run(run_of(truth_tracks()), tmp_path)
