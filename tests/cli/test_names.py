"""Files and folders with spaces, signs and letters beyond ASCII, as Windows and macOS users have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from lptem_tracker.cli.app import _run

MakeRun = Callable[..., Path]
NAMES = ("run with spaces", "größe µm", "粒子 1", "it's (a) #100% & more")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_of_any_name_is_drawn_reported_and_exported(
    make_run: MakeRun, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Overlay, report and every export of one file find the run and its movie, and write where they say."""
    run = make_run(name)
    assert _run(["overlay", str(run), "--frames", "0:8", "-o", str(run / "über sicht.mp4"), "--quiet"]) == 0
    with av.open(str(run / "über sicht.mp4")) as file:
        assert file.streams.video[0].frames == 8
    assert _run(["report", str(run), "-o", str(run / "Bericht ä.html"), "--quiet"]) == 0
    assert name.split("&")[0].split("'")[0] in (run / "Bericht ä.html").read_text(encoding="utf-8")
    for format in ("csv", "trackmate", "napari", "imagej-roi", "coco"):
        capsys.readouterr()
        assert _run(["export", str(run), "--format", format, "--json"]) == 0
        written = json.loads(capsys.readouterr().out)["written"]
        assert written
        assert all(Path(path).is_file() and run in Path(path).parents for path in written)


def test_tables_of_any_name_are_measured(make_run: MakeRun, tmp_path: Path) -> None:
    """measure takes a table and writes a folder whose names hold spaces and accents."""
    table = make_run("quelle").joinpath("tracks.csv").rename(tmp_path / "mes données.csv")
    output = tmp_path / "résultat 1"
    assert _run(["measure", str(table), "-o", str(output), "--field-px", "128x96", "--quiet"]) == 0
    assert (output / "particles.csv").stat().st_size > 100
