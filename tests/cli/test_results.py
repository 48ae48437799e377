"""overlay, report, export and view as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from lptem_tracker.cli.app import _run

MakeRun = Callable[..., Path]


def _said(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    """Run a command that ends with this code, and return what it said on standard error."""
    assert _run([str(word) for word in words]) == code
    return capsys.readouterr().err


def _size(path: Path) -> tuple[int, int, int]:
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return len(frames), frames[0].shape[1], frames[0].shape[0]


def test_every_option_of_the_overlay_reaches_the_picture(make_run: MakeRun, tmp_path: Path) -> None:
    """Range, step, mean, zoom and crop set number and size of the pictures; marks can all be left out."""
    run, out = make_run(), tmp_path / "a.mkv"
    bare = ["--no-ids", "--no-events", "--no-scale-bar", "--no-time-stamp", "--outline", "none", "--trail-frames", "0"]
    words = ["overlay", run, "-o", out, "--quiet", "--frames", "4:20", "--every", "4", "--average", *bare]
    assert _run([str(w) for w in [*words, "--crop", "0,0,64,48", "--zoom", "2", "--smooth-px", "0", "--fps", "5"]]) == 0
    assert _size(out) == (4, 128, 96)
    with av.open(str(out)) as file:
        frames = list(file.decode(video=0))
    assert float(frames[1].time - frames[0].time) == pytest.approx(0.2, abs=2e-3)


def test_particle_zero_can_be_followed(make_run: MakeRun, tmp_path: Path) -> None:
    """0 is a particle, not an option left out: the picture is a square about it."""
    out = tmp_path / "a.mkv"
    assert _run(["overlay", str(make_run()), "-o", str(out), "--quiet", "--follow", "0", "--frames", "0:3"]) == 0
    n, width, height = _size(out)
    assert n == 3
    assert width == height


def test_the_format_names_the_file(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    """--format alone writes overlay.gif in the run folder, and --json says so and nothing else."""
    run = make_run()
    assert _run(["overlay", str(run), "--format", "gif", "--frames", "0:4", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"written": [str(run / "overlay.gif")]}
    assert captured.err == ""


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-o", "x.avi"], 1, ".mp4, .mkv (lossless) or .gif"),
        (["--format", "gif", "-o", "x.mp4"], 2, "does not fit the name"),
        (["--follow", "99"], 1, "Particle 99 is not in the tracks"),
        (["--fps", "5", "--speed", "2"], 1, "not both"),
        (["--frames", "9-20"], 2, "range A:B"),
        (["--frames", "90:"], 1, "leaves none"),
        (["--crop", "100,0,60,50"], 1, "does not lie in the frame of 128x96 px"),
        (["--zoom", "0"], 1, "zoom"),
        (["--average"], 1, "at least 2"),
        (["--colour-by", "size"], 2, "colour-by"),
        (["-o", "no/such/folder/x.mp4"], 1, "cannot be written"),
    ],
)
def test_what_an_overlay_cannot_do_is_one_sentence(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], options: list[str], code: int, words: str
) -> None:
    """Each names the option or the file, and nothing is written."""
    run = make_run()
    said = _said(capsys, code, "overlay", run, *options)
    assert words in said
    assert "Traceback" not in said
    assert not (run / "overlay.mp4").exists()


def test_a_run_without_tracks_says_how_to_make_them(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    """overlay and the exports of tracks name what is missing; the report is written all the same."""
    run = make_run(tracks=None, particles=None, msd=None, events=None)
    assert "lptem-tracker link" in _said(capsys, 1, "overlay", run)
    assert "tracks" in _said(capsys, 1, "export", run, "--format", "trackmate")
    assert _said(capsys, 0, "report", run) == ""


@pytest.mark.parametrize("command", ["overlay", "report", "view"])
def test_a_file_in_place_of_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    """A movie given where a run belongs is told apart from a missing folder."""
    (tmp_path / "movie.tif").touch()
    assert "is a file" in _said(capsys, 1, command, tmp_path / "movie.tif")


def test_viewing_without_napari_names_the_extra(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with the command that installs it."""
    import sys

    monkeypatch.setitem(sys.modules, "napari", None)
    said = _said(capsys, 1, "view", make_run())
    assert 'python -m pip install ".[napari]"' in said
    assert said.count("\n") == 1


def test_yolo_labels_are_told_by_folder_and_count(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for the folder, not one for each label file."""
    run = make_run()
    capsys.readouterr()
    assert _run(["export", str(run), "--format", "yolo", "-o", str(tmp_path / "labels")]) == 0
    n = len(list((tmp_path / "labels").rglob("*.txt")))
    assert n > 1
    assert capsys.readouterr().out == f"{tmp_path / 'labels'} ({n} label files)\n"
