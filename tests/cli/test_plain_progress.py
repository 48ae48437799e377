"""Progress where there is no terminal: a line at each stage, and an estimate only once the pace is steady."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lptem_tracker.cli import console


def test_the_estimate_leaves_out_the_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A first step of 300 s gives no estimate; steps of 10 s then do, at their own rate."""
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    plain = console._Plain()
    plain.stage("detect", 120)
    plain.advance(0)
    now = 300.0
    plain.advance()
    for _ in range(7):
        now += 10
        plain.advance()
    lines = capsys.readouterr().err.splitlines()
    # told at 330 s with two steady steps, which is too few, and at 360 s with five
    assert lines == [
        "detect: 0 of 120",
        "detect: 1 of 120",
        "detect: 4 of 120",
        "detect: 7 of 120, about 19 min left, 0.1 frames/s",
    ]


def test_a_stage_of_unknown_length_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Each stage says that it begins."""
    plain = console._Plain()
    plain.stage("link")
    plain.stage("report", None)
    assert capsys.readouterr().err.splitlines() == ["link: begun", "report: begun"]


def test_compiling_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The first of our loops that is compiled gives one line, later ones and other packages' give none."""
    from numba.core import event

    def compile_one(module: str) -> None:
        dispatcher = SimpleNamespace(py_func=SimpleNamespace(__module__=module))
        with event.trigger_event("numba:compile", data={"dispatcher": dispatcher}):
            pass

    with console.progress():
        compile_one("elsewhere")
        assert capsys.readouterr().err == ""
        compile_one("lptem_tracker.detect.refine.fit")
        compile_one("lptem_tracker.link.core")
    compile_one("lptem_tracker.link.core")
    assert capsys.readouterr().err == "Compiling for this machine, once; this takes about a minute.\n"
