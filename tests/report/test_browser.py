"""The page in a real browser: Chromium, headless, where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lptem_tracker.report.overlay import write_overlay
from lptem_tracker.report.page import write_report
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    *("--virtual-time-budget=3000", "--window-size=1400,1200", "--dump-dom"),
]

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed to open the page in")


def _open(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Return the page's elements after its script ran, and what the console said."""
    # a headless Chromium that is started on a busy machine can hang before it opens any page
    for attempt in range(4):
        command = [str(BROWSER), *OPTIONS, f"--user-data-dir={profile}-{attempt}", page.as_uri()]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            continue
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    pytest.skip("Chromium hangs at its start on this machine")


def _act(page: Path, profile: Path, script: str) -> tuple[str, list[str]]:
    """Run a script in a copy of the page without its policy and return the result and the console."""
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    copy = page.with_name("acted.html")
    act = f"<script>const answer = (() => {{{script}}})(); document.documentElement.dataset.answer = answer;</script>"
    copy.write_text(html.replace("</body>", f"{act}</body>"), encoding="utf-8")
    dom, console = _open(copy, profile)
    found = re.search(r'data-answer="([^"]*)"', dom)
    return found[1] if found else "no answer", console


@pytest.fixture
def page(make_run: MakeRun) -> Path:
    """Report of the small run with its overlay, under a name with a space and a sign."""
    folder = make_run("run µ 1")
    write_overlay(open_run(folder))
    return write_report(open_run(folder))


def test_the_page_opens_without_an_error(page: Path, tmp_path: Path) -> None:
    """The script runs to its end under the page's own policy; nine plots and a map are there, no empty one."""
    dom, console = _open(page, tmp_path / "profile")
    assert console == []
    assert 'data-ready="9"' in dom
    assert 'id="plot-aspect"' not in dom
    for key in ("map", "msd", "msd_residuals", "D_ranked", "alpha_histogram", "radius", "timeline", "counts"):
        assert f'id="plot-{key}"' in dom


NUMBERS = """
document.querySelector('#map path[data-particle="2"]').dispatchEvent(new MouseEvent("click", { bubbles: true }));
const names = [...document.querySelectorAll("#particle dt")].map((e) => e.textContent);
const texts = [...document.querySelectorAll("#particle dd")].map((e) => e.textContent);
return [names.join(" "), texts[names.indexOf("Diffusion D")], texts[names.indexOf("Class of motion")]].join("|");
"""


def test_the_numbers_of_a_particle_come_with_their_intervals(page: Path, tmp_path: Path) -> None:
    """D stands in words, in one line with its interval and unit; the interval's columns are not listed again."""
    answer, console = _act(page, tmp_path / "profile", NUMBERS)
    assert console == []
    names, d, motion = answer.split("|")
    assert "_ci_low" not in names
    assert re.fullmatch(r"[\d.]+  \[[\d.]+, [\d.]+\] nm²/s", d)
    assert "±" not in motion


SAVES = """
const saved = [], make = URL.createObjectURL;
URL.createObjectURL = (b) => { if (b.size > 100) saved.push(b.type); return make(b); };
for (const key of ["displacements", "velocity_autocorrelation"]) {
  const buttons = [...document.querySelectorAll(`#plot-${key} .save button`)];
  saved.push(buttons.map((b) => b.textContent).join("/"));
  buttons[0].click(); buttons[2].click();
}
const wrong = (e) => [...e.attributes].some((a) => /NaN|Infinity/.test(a.value));
const broken = [...document.querySelectorAll("svg *")].filter(wrong).length;
const rows = document.querySelectorAll("#motion_checks tbody tr").length;
return [...saved, document.documentElement.dataset.ready, broken, rows, Plot.exact(123456)].join("|");
"""


def test_the_plots_of_steps_are_drawn_and_saved(
    make_run: MakeRun, step_summary: dict[str, Any], tmp_path: Path
) -> None:
    """Four plots more, with their buttons and no coordinate that is no number; their table; ids stay whole."""
    folder = make_run()
    (folder / "summary.json").write_text(json.dumps({"ensemble": step_summary}), encoding="utf-8")
    answer, console = _act(write_report(open_run(folder)), tmp_path / "profile", SAVES)
    assert console == []
    names, kinds = "SVG/PNG/CSV", "image/svg+xml|text/csv"
    assert answer == f"{names}|{kinds}|{names}|{kinds}|13|0|8|123456"


ACTS = """
const $ = (s) => document.querySelector(s), all = (s) => [...document.querySelectorAll(s)];
const click = (e) => e.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const type = (e, v) => { e.value = v; e.dispatchEvent(new Event("input")); };
const out = [];
click($('#map path[data-particle="2"]'));
out.push($("#particle h3").textContent, all("#particle img").length);
click($("#plot-timeline .hit"));
out.push($("#clock").textContent, $("#video").currentTime, $("#particle h3").textContent);
type($("#filter-particles"), "D_nm2_s > 10");
click(all("#table-particles th")[4]); click(all("#table-particles th")[4]);
out.push(all("#table-particles tbody tr").map((r) => r.dataset.key).join(" "));
click($(".event input"));
out.push($("#save-rejected").disabled, $(".event").className);
type($("#frame"), 7);
out.push($("#clock").textContent);
const saved = [], make = URL.createObjectURL;
URL.createObjectURL = (b) => { if (b.size > 100) saved.push(b.type); return make(b); };
click(all("#plot-msd .save button")[0]); click(all("#plot-msd .save button")[2]);
out.push(saved.join(" "));
return out.join("|");
"""


def test_a_click_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """A trajectory, an event, a filter, a column, a rejection, the slider and saving a plot each work."""
    answer, console = _act(page, tmp_path / "profile", ACTS)
    assert console == []
    assert answer.split("|") == [
        "Particle 2",
        "3",
        "frame 20 · 0.25 s",
        "0.82",
        "Particle 3",
        "1 2",
        "false",
        "event chosen rejected",
        "frame 7 · 0.0875 s",
        "image/svg+xml text/csv",
    ]


def test_scripts_in_names_do_not_run(make_run: MakeRun, tmp_path: Path) -> None:
    """With the policy taken away, a script in a table's value is still only text."""
    folder = make_run()
    nasty = open_run(folder).particles.assign(motion="<img src=x onerror=document.title='broken'>")
    nasty.to_csv(folder / "particles.csv", index=False)
    page = write_report(open_run(folder))
    answer, _ = _act(
        page,
        tmp_path / "profile",
        "document.querySelector('#table-particles tbody tr').click(); return document.title;",
    )
    assert answer.startswith("run.tif")
