"""What a page lists of a run that holds more than a page can."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.report import results as results_module
from lptem_tracker.report.listed import read_events, read_particles
from lptem_tracker.report.msd_curves import ensemble_curve
from lptem_tracker.report.page import write_report
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]


def test_the_particles_seen_most_often_are_listed_and_all_are_drawn(tmp_path: Path) -> None:
    """Of five with room for two the two longest come, whole and in the file's order; D is there of all five."""
    table = pd.DataFrame(
        {
            "particle": [3, 4, 7, 8, 9],
            "n_observed": [5, 50, 5, 60, 40],
            "D_nm2_s": np.arange(5.0),
            "fate": list("abcde"),
        }
    )
    table.to_csv(tmp_path / "particles.csv", index=False)
    every, listed = read_particles(tmp_path / "particles.csv", 2)
    assert listed["particle"].tolist() == [4, 8]
    assert listed["fate"].tolist() == ["b", "d"]
    assert every["D_nm2_s"].tolist() == [0, 1, 2, 3, 4]
    assert "fate" not in every
    whole, same = read_particles(tmp_path / "particles.csv", 5)
    pd.testing.assert_frame_equal(whole, table)
    assert same is whole


def test_events_of_assembly_are_listed_before_those_at_the_border(tmp_path: Path) -> None:
    """Of seven events with room for three: both attachments and the first that enters, in order of the file."""
    kinds = ["enter", "attach", "leave", "enter", "attach", "enter", "enter"]
    table = pd.DataFrame(
        {"kind": kinds, "frame": range(7), "frame_last": range(7), "particle_a": 1, "particle_b": None}
    )
    table = table.assign(cluster=None, x=0.0, y=0.0, score=1.0)
    table.to_csv(tmp_path / "events.csv", index=False)
    rows, counts = read_events(tmp_path / "events.csv", 3)
    assert rows["frame"].tolist() == [0, 1, 4]
    assert counts.to_dict() == {"enter": 4, "attach": 2, "leave": 1}


def test_a_page_of_very_many_is_bounded_and_says_so(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two particles and one event the page holds no more of them, and names the files that do."""
    monkeypatch.setattr(results_module, "MOST_PARTICLES", 2)
    monkeypatch.setattr(results_module, "MOST_EVENTS", 1)
    monkeypatch.setattr(results_module, "MOST_CURVE_ROWS", 3)
    folder = make_run()
    events = pd.read_csv(folder / "events.csv")
    pd.concat([events] * 3).to_csv(folder / "events.csv", index=False)
    html = write_report(open_run(folder)).read_text(encoding="utf-8")
    found = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    n, m = (len(pd.read_csv(folder / f"{name}.csv")) for name in ("particles", "events"))
    ids = {path["id"] for path in data["tracks"]["paths"]}
    assert len(ids) == len(data["particles"]["columns"][0]) == 2
    assert {int(name) for name in data["msd"]} == ids
    assert len(data["events"]["columns"][0]) == 1
    assert f"This page lists 2 of {n} particles" in html
    assert f"This page lists 1 of {m} events" in html
    assert "particles.csv" in html


def test_a_mean_curve_from_blocks_is_that_of_the_whole_table() -> None:
    """However the rows are cut the mean and its standard error are the same, to rounding."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"particle": np.repeat(np.arange(9), 6), "lag_s": np.tile(np.arange(1.0, 7.0), 9)})
    table = table.assign(msd_nm2=rng.uniform(1, 9, 54), n_pairs=rng.integers(1, 9, 54))
    scale = Calibration(1.0, 1.0)
    whole = ensemble_curve(lambda: [table], scale)
    parts = ensemble_curve(lambda: (table.iloc[k : k + 7] for k in range(0, 54, 7)), scale)
    np.testing.assert_allclose(parts.value, whole.value, rtol=1e-12)
    assert whole.std is not None
    assert parts.std is not None
    np.testing.assert_allclose(parts.std, whole.std, rtol=1e-12)
