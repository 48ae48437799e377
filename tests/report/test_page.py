"""The report page: what is in it, and what it says where something is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import OutputError
from lptem_tracker.report import facts, figures, plots
from lptem_tracker.report.msd_curves import ensemble_curve, model_msd, particle_curves, thin
from lptem_tracker.report.page import embedded_json, write_report
from lptem_tracker.report.results import gather
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]
NASTY = "<script>document.title='broken'</script>"


def _data(html: str) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def _page(folder: Path, **options: Any) -> str:
    return write_report(open_run(folder), **options).read_text(encoding="utf-8")


def test_the_page_is_one_file_that_asks_for_nothing(make_run: MakeRun) -> None:
    """No address outside the page is referred to, and its policy forbids any."""
    html = _page(make_run())
    outside = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", html)
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", outside))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in html


def test_paths_come_back_to_a_twentieth_of_a_pixel(make_run: MakeRun) -> None:
    """Summing the differences gives the positions of the table."""
    folder = make_run()
    data = _data(_page(folder))
    tracks = open_run(folder).tracks
    for path in data["tracks"]["paths"]:
        mine = tracks[tracks["particle"] == path["id"]].sort_values("frame")
        x = np.cumsum(path["x"]) / data["tracks"]["per_px"]
        assert np.abs(x - mine["x"]).max() <= 0.5 / data["tracks"]["per_px"] + 1e-9


def test_filled_positions_are_marked(make_run: MakeRun) -> None:
    """The three rows of the gap are known to the page, those of other particles are not gaps."""
    paths = {p["id"]: p for p in _data(_page(make_run()))["tracks"]["paths"]}
    assert paths[1]["gaps"] == [10, 11, 12]
    assert "gaps" not in paths[0]


def test_hostile_names_and_metadata_stay_text(make_run: MakeRun) -> None:
    """A script in the file's name, in a warning and in a column's value never becomes one."""
    folder = make_run(movie=False)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    record["movie"] = {"source": f"/x/{NASTY}.tif", "shape": [40, 96, 128], "dtype": NASTY, "format": NASTY}
    record["detector"] = {"name": NASTY}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    summary = {"quality": {"warnings": [NASTY]}, "methods": NASTY}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    particles = open_run(folder).particles.assign(motion=NASTY)
    particles.to_csv(folder / "particles.csv", index=False)
    html = _page(folder)
    assert NASTY not in html
    assert html.count("<script") == 2
    assert html.count("</script>") == 2


def test_hostile_columns_and_events_stay_text(make_run: MakeRun) -> None:
    """A script as the name of a column of particles.csv or events.csv and in their cells is shown as text."""
    folder = make_run(movie=False)
    run = open_run(folder)
    run.particles.assign(**{NASTY: 1.0, "reason": NASTY}).to_csv(folder / "particles.csv", index=False)
    run.events.assign(**{NASTY: NASTY}).to_csv(folder / "events.csv", index=False)
    html = _page(folder)
    assert NASTY not in html
    assert html.count("<script") == html.count("</script>") == 2
    assert NASTY in _data(html)["particles"]["names"]


def test_embedded_data_cannot_end_its_element() -> None:
    """What could close the element or break a line is written as a code, and reads back the same."""
    text = embedded_json({"a": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!--\u2028&"}


def test_numbers_that_are_not_finite_are_null() -> None:
    """NaN is no JSON; browsers would refuse the whole page."""
    assert embedded_json({"a": float("nan"), "b": np.inf}) == '{"a":null,"b":null}'


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"movie": False}, "The frames were not at hand"),
        ({"events": None}, "Events were not looked for in this run"),
        ({"msd": None}, "No track is long enough"),
        ({"particles": None}, "no measurements of single particles"),
        ({"calibrated": False}, "The pixel size is not known"),
    ],
)
def test_what_is_missing_is_said(make_run: MakeRun, change: dict[str, Any], sentence: str) -> None:
    """Each absent part has a plain sentence in its place."""
    assert sentence in _page(make_run(**change))


def test_zero_particles_make_a_page(make_run: MakeRun) -> None:
    """Nothing found is said, not an error."""
    run = open_run(make_run())
    empty = {name: getattr(run, name)[:0] for name in ("tracks", "detections", "particles", "msd", "events")}
    html = _page(make_run("empty", **empty))
    assert "No particle was tracked in this run" in html
    assert "No event was found" in html


def test_the_overlay_beside_it_is_referred_to_with_its_frames(make_run: MakeRun) -> None:
    """The page knows which frame the movie shows when; it does not hold the movie."""
    from lptem_tracker.report.overlay import write_overlay

    folder = make_run()
    write_overlay(open_run(folder), every=2, frames=(4, 40))
    video = _data(_page(folder))["video"]
    assert video == {"src": "overlay.mp4", "first": 4, "step": 2, "n": 18, "fps": 40.0}


def test_a_damaged_overlay_is_done_without(make_run: MakeRun) -> None:
    """A file that is no movie counts as none."""
    folder = make_run()
    (folder / "overlay.mp4").write_bytes(b"not a movie")
    assert "There is no overlay movie" in _page(folder)


def test_pages_of_the_same_run_are_the_same_bytes(make_run: MakeRun) -> None:
    """No date, no random name."""
    folder = make_run()
    assert _page(folder) == _page(folder)


def test_an_unwritable_place_is_one_sentence(make_run: MakeRun, tmp_path: Path) -> None:
    """A folder that is not there gives an OutputError."""
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(open_run(make_run()), tmp_path / "nowhere" / "report.html")


def test_every_event_has_its_strip_and_every_particle_its_pictures(make_run: MakeRun) -> None:
    """One event, five particles, three pictures each."""
    data = _data(_page(make_run()))
    assert list(data["strips"]) == ["0"]
    assert {key: len(value) for key, value in data["crops"].items()} == dict.fromkeys("01234", 3)


def test_the_model_line_is_the_published_one() -> None:
    """4[Dt + σ² − 2RDΔt] with D = 2, σ = 0.5, R = 1/6, Δt = 0.1 at t = 0.1: 4(0.2 + 0.25 − 0.0667)."""
    values = {"D_nm2_s": 2.0, "localization_nm": 0.5}
    model = model_msd(np.array([0.1]), values, Calibration(1.0, 0.1, 0.1))
    assert model == pytest.approx([4 * (0.2 + 0.25 - 0.2 / 3)])


def test_without_d_there_is_no_model_line() -> None:
    """Nothing is made up."""
    assert model_msd(np.array([0.1]), {}, Calibration()) is None
    assert model_msd(np.array([0.1]), {"D_px2_frame": float("nan")}, Calibration()) is None


def test_the_mean_msd_weighs_by_pairs_unless_the_file_has_its_own() -> None:
    """30 pairs of 1 and 10 pairs of 5 average to 2; a row without particle is the file's own mean."""
    table = pd.DataFrame({"particle": [0, 1], "lag_s": 1.0, "msd_nm2": [1.0, 5.0], "n_pairs": [30, 10]})
    assert ensemble_curve(lambda: [table], Calibration(1.0, 1.0)).value == pytest.approx([2.0])
    own = pd.concat([table, pd.DataFrame({"particle": [np.nan], "lag_s": [1.0], "msd_nm2": [7.0]})])
    assert ensemble_curve(lambda: [own], Calibration(1.0, 1.0)).value == pytest.approx([7.0])
    assert [c.particle for c in particle_curves(own, Calibration(1.0, 1.0))] == [0, 1]


def test_thinning_keeps_the_first_and_the_last_lag() -> None:
    """At most 24 of 1,000, at about equal ratios."""
    kept = thin(1000)
    assert (kept[0], kept[-1]) == (0, 999)
    assert len(kept) <= 24
    assert thin(5).tolist() == [0, 1, 2, 3, 4]


def test_histograms_hold_every_value() -> None:
    """Counts add up, in linear and in logarithmic bins; zero has no logarithm."""
    values = np.random.default_rng(0).lognormal(0, 1, 500)
    for log in (False, True):
        left, right, counts = plots.histogram(values, log=log)
        assert sum(counts) == 500
        assert left[1:] == pytest.approx(right[:-1])
    assert sum(plots.histogram([0.0, 1.0, np.nan], log=True)[2]) == 1
    assert plots.histogram([]) == ([], [], [])


def test_the_key_figures_carry_their_intervals(make_run: MakeRun) -> None:
    """D is never shown bare."""
    found = {label: (value, remark) for label, value, remark in facts.key_figures(gather(open_run(make_run())))}
    assert found["D, all tracks"] == ("60 nm²/s", "95% interval 40 to 85")
    assert found["Particles"] == ("5", "median 40 frames each")
    assert found["Events"] == ("1", "1 attach")


def test_a_localisation_error_of_0_is_shown_by_its_bound(make_run: MakeRun) -> None:
    """With an interval from 0 the card says "< 0.42 nm", else the value."""
    for ensemble, text in (
        ({"localization_nm": 0.0, "localization_ci95": [0.0, 0.42]}, "< 0.42 nm"),
        ({"localization_nm": 0.3}, "0.3 nm"),
        ({"localization_nm": 0.3, "localization_ci95": [0.2, 0.4], "alpha": 1.0}, "0.3 nm"),
    ):
        folder = make_run(f"error{len(ensemble)}")
        (folder / "summary.json").write_text(json.dumps({"ensemble": ensemble}), encoding="utf-8")
        found = {label: value for label, value, _ in facts.key_figures(gather(open_run(folder)))}
        assert found["Localisation error"] == text


def test_drift_is_drawn_in_the_runs_unit(make_run: MakeRun) -> None:
    """2 px of drift at 2 nm/px are 4 nm."""
    run = open_run(make_run())
    drifting = run.tracks.assign(drift_x=run.tracks["frame"] * 0.1, drift_y=0.0)
    found = figures.quality_plots(gather(open_run(make_run("drifting", tracks=drifting))))
    drift = next(p for p in found if p["key"] == "drift")
    assert drift["series"][0]["y"][20] == pytest.approx(4.0)
    assert drift["y"]["label"] == "drift (nm)"


def test_particle_counts_leave_out_filled_positions(make_run: MakeRun) -> None:
    """Five particles, four of them seen in frames 10 to 12."""
    found = figures.quality_plots(gather(open_run(make_run())))
    tracked = next(s for p in found if p["key"] == "counts" for s in p["series"] if s["name"] == "tracked")
    assert tracked["y"][9:14] == [5, 4, 4, 4, 5]


def test_the_mean_msd_has_the_error_of_the_scatter_between_particles() -> None:
    """Three particles of 1, 2 and 3 nm²: mean 2 and standard error 1/√3; with two there is none."""
    table = pd.DataFrame({"particle": [0, 1, 2, 0, 1], "lag_s": [1.0, 1.0, 1.0, 2.0, 2.0],
                          "msd_nm2": [1.0, 2.0, 3.0, 4.0, 6.0], "n_pairs": 5})  # fmt: skip
    mean = ensemble_curve(lambda: [table], Calibration(1.0, 1.0))
    assert mean.value == pytest.approx([2.0, 5.0])
    assert mean.std == pytest.approx([1 / np.sqrt(3), np.nan], nan_ok=True)


def test_histograms_carry_the_pooled_interval() -> None:
    """A value with its interval is one band; where the interval is not known there is none."""
    (band,) = plots.span(2.0, [1.0, 3.0], "all tracks")
    assert (band["x"], band["value"], band["name"]) == ([1.0, 3.0], 2.0, "all tracks")
    assert plots.span(2.0, None, "all tracks") == []
    assert plots.span(None, [1.0, 3.0], "all tracks") == []
