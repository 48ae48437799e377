"""The small tables of motion: what they say of a summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lptem_tracker.report.motion_rows import SmallTable, motion_tables
from lptem_tracker.report.page import write_report
from lptem_tracker.report.results import gather
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]


def _tables(make_run: MakeRun, ensemble: dict[str, Any], **tables: Any) -> dict[str, SmallTable]:
    folder = make_run(movie=False, **tables)
    (folder / "summary.json").write_text(json.dumps({"ensemble": ensemble}), encoding="utf-8")
    return {table.key: table for table in motion_tables(gather(open_run(folder)))}


def test_the_checks_stand_with_their_intervals(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """Anisotropy, link-free D beside the linked one, rotation: value, interval, unit and verdict."""
    rows = {row[0]: row[1:] for row in _tables(make_run, step_summary)["motion_checks"].rows}
    assert rows["Anisotropy D(x) / D(y)"] == ("2 [1.5, 2.7]", "differs between the directions")
    assert rows["D without links"] == ("90 ± 6 nm²/s", "contradicts D of the links, 60")
    assert rows["Rotational diffusion"][0] == "0.004 [0.001, 0.007] rad²/s"
    assert rows["Step / spacing of particles"][1].startswith("long: linkers confuse particles")
    assert rows["Non-Gaussian parameter"] == ("0.1 ± 0.08", "no sign of more than one Gaussian")


@pytest.mark.parametrize(("ratio", "word"), [(1.0, "agrees with"), (1.3, "agrees with"), (1.4, "contradicts")])
def test_the_links_are_judged_by_three_errors(
    make_run: MakeRun, step_summary: dict[str, Any], ratio: float, word: str
) -> None:
    """With an error of 0.1 a ratio is contradicted from 1 + 3·0.1 + 0.05 on."""
    step_summary["checks"]["link_free_over_linked"] = ratio
    rows = {row[0]: row[2] for row in _tables(make_run, step_summary)["motion_checks"].rows}
    assert rows["D without links"].startswith(word)


def test_isotropic_motion_is_said_to_show_no_difference(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """An interval that holds 1 is no evidence of a direction."""
    step_summary["anisotropy"] = {"D_x_over_D_y": 1.2, "ci95": [0.9, 1.6]}
    rows = {row[0]: row[2] for row in _tables(make_run, step_summary)["motion_checks"].rows}
    assert rows["Anisotropy D(x) / D(y)"] == "no difference between the directions"


def test_classes_count_particles_and_their_probability(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """A class of a thousandth without a particle is left out; one of a tenth without a particle stays."""
    particles = open_run(make_run("first")).particles.assign(motion="brownian", motion_weight=[0.5, 0.9, 0.8, 1, 1])
    rows = _tables(make_run, step_summary, particles=particles)["motion_classes"].rows
    assert rows == [("brownian", "90.0%", "5", "0.90"), ("waits and hops (ctrw)", "9.9%", "0", "")]


def test_kinds_of_particles_are_listed_by_d(make_run: MakeRun, step_summary: dict[str, Any]) -> None:
    """A mixture's components with their shares."""
    assert _tables(make_run, step_summary)["motion_components"].rows == [("20 nm²/s", "25.0%"), ("73 nm²/s", "75.0%")]


def test_nothing_measured_makes_no_table(make_run: MakeRun) -> None:
    """A run without pooled results and without particles has no table, and its page no heading of one."""
    empty = open_run(make_run("first")).particles[:0]
    assert _tables(make_run, {}, particles=empty) == {}
    html = write_report(open_run(make_run("second", particles=empty, movie=False))).read_text(encoding="utf-8")
    assert 'id="motion_checks"' not in html
    assert 'id="motion_classes"' not in html
