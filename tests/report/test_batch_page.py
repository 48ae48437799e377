"""The progress page of a batch."""

from __future__ import annotations

import json
from pathlib import Path

from lptem_tracker.batch.many import Outcome
from lptem_tracker.report.batch_page import write_batch_page

EVIL = '<script>alert("1")</script>'


def _outcomes(*states: str) -> list[Outcome]:
    return [
        Outcome(f"DATA/{n}.tif", f"day {n}", sample="dry", state=state, reason=EVIL if state == "failed" else "")
        for n, state in enumerate(states)
    ]


def _summary(folder: Path) -> None:
    ensemble = {"D_nm2_s": 12.345, "D_ci95": [10.0, 15.0], "alpha": 0.98, "motion": "brownian", "confidence_level": 0.9}
    population = {"radius_nm": {"mean": 7.0, "mean_ci95": [6.5, 7.5]}}
    sample = {"n_movies": 2, "n_particles": 31, "ensemble": ensemble, "population": population}
    samples = {"dry": sample, EVIL: {"n_movies": 1, "n_particles": 0, "ensemble": {}, "population": {"n": 0}}}
    (folder / "summary.json").write_text(json.dumps({"samples": samples}), encoding="utf-8")


def test_a_waiting_batch_renews_its_page(tmp_path: Path) -> None:
    """States are counted in words, the page asks for itself again, and an older summary is not shown as this one's."""
    _summary(tmp_path)
    text = write_batch_page(tmp_path, _outcomes("done", "present", "waiting")).read_text(encoding="utf-8")
    assert "1 done, 1 done before, 1 waiting" in text
    assert 'http-equiv="refresh"' in text
    assert "Samples" not in text


def test_a_finished_batch_shows_what_the_samples_gave(tmp_path: Path) -> None:
    """D and radius with their intervals, blank where nothing was measured; the level is that of the run."""
    _summary(tmp_path)
    text = write_batch_page(tmp_path, _outcomes("done", "failed")).read_text(encoding="utf-8")
    assert "refresh" not in text
    for cell in ("Diffusion D (nm²/s)", "12.3 [10, 15]", "7 [6.5, 7.5]", "brownian", "Intervals of motion: 90%"):
        assert cell in text
    assert "<td>1</td><td>0</td><td></td><td></td><td></td><td></td>" in text


def test_links_lead_to_what_is_there(tmp_path: Path) -> None:
    """A run without a report (--no-report) is linked as a folder; one that failed is not linked."""
    (tmp_path / "day 0").mkdir()
    (tmp_path / "day 0" / "report.html").touch()
    text = write_batch_page(tmp_path, _outcomes("done", "done", "failed")).read_text(encoding="utf-8")
    assert '<a href="day%200/report.html">day 0</a>' in text
    assert '<a href="day%201/">day 1</a>' in text
    assert "<td>day 2</td>" in text


def test_nothing_in_names_and_reasons_is_run(tmp_path: Path) -> None:
    """A script in a reason or in the name of a sample is text."""
    _summary(tmp_path)
    text = write_batch_page(tmp_path, _outcomes("done", "failed")).read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 2
