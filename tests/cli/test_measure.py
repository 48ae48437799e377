"""measure of a run folder knows what analyze knew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lptem_tracker.analysis import measure
from lptem_tracker.cli.app import _run
from lptem_tracker.run import open_run

CORNER, FIELD = (6, 4), (110, 80)


def test_the_region_and_the_frames_of_a_run_are_known(
    make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of a region and of frames 0 to 49 is measured in these, and its events lie in the whole frame again."""
    run = make_run()
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["movie"] |= {"roi": [*CORNER, *FIELD], "frames": [0, 50]}
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    told: dict[str, Any] = {}

    def spy(tracks: pd.DataFrame, *args: Any, **options: Any) -> Any:
        told.update(options, first=(tracks["x"].iloc[0], tracks["y"].iloc[0]))
        return measure(tracks, *args, **options)

    monkeypatch.setattr("lptem_tracker.analysis.measure", spy)
    assert _run(["measure", str(run), "-o", str(tmp_path / "out"), "--quiet"]) == 0
    tracks = open_run(run).tracks
    assert told["first"] == (tracks["x"][0] - CORNER[0], tracks["y"][0] - CORNER[1])
    assert (told["field_px"], told["first_frame"], told["n_frames"]) == (FIELD, 0, 50)
    events = pd.read_csv(tmp_path / "out" / "events.csv")
    expected = measure(
        tracks.assign(x=tracks["x"] - CORNER[0], y=tracks["y"] - CORNER[1]), field_px=FIELD, n_frames=50
    ).events
    assert events["x"].to_numpy() == pytest.approx(expected["x"].to_numpy() + CORNER[0])
    assert len(events)
    assert pd.read_parquet(tmp_path / "out" / "tracks.parquet")["x"].sum() == pytest.approx(tracks["x"].sum())


def test_what_analyze_leaves_out_is_left_out(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """A track of two frames in a run of forty is in the table and not among the particles."""
    tracks = open_run(make_run()).tracks
    short = tracks[tracks["particle"] == tracks["particle"][0]].head(2).assign(particle=99)
    run = make_run("other", tracks=pd.concat([tracks, short], ignore_index=True))
    assert _run(["measure", str(run), "-o", str(tmp_path / "out"), "--quiet"]) == 0
    assert 99 not in set(pd.read_csv(tmp_path / "out" / "particles.csv")["particle"])
    assert 99 in set(pd.read_parquet(tmp_path / "out" / "tracks.parquet")["particle"])
