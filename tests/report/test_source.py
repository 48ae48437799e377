"""The times of a run's frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lptem_tracker.errors import OutputError
from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.report.overlay import write_overlay
from lptem_tracker.report.page import write_report
from lptem_tracker.report.source import checked_output, frame_times
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        ({"frame_interval_s": 0.5, "frame_interval_source": "user"}, [0.0, 0.5, 1.0]),
        ({"frame_interval_s": 0.5, "frame_interval_source": "metadata"}, [0.0, 0.4, 1.1]),
        ({}, None),
    ],
)
def test_times_are_the_users_then_the_files(
    make_run: MakeRun, calibration: dict[str, object], expected: list[float] | None
) -> None:
    """An interval that a user gave overrides the file's own times; without any interval there are no times."""
    folder = make_run()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps({**record, "calibration": calibration}), encoding="utf-8")
    movie = ArrayMovie(np.zeros((3, 4, 4), np.uint8))
    movie.times_s = np.array([0.0, 0.4, 1.1])
    times = frame_times(open_run(folder), movie)
    assert times is None if expected is None else times == pytest.approx(expected)


def test_a_drawing_never_replaces_the_movie(make_run: MakeRun, tmp_path: Path) -> None:
    """A movie that ends like an overlay is refused by what it is, one of another kind by its ending; both stay."""
    folder = make_run()
    run = open_run(folder)
    movie = tmp_path / "run.tif"
    before = movie.read_bytes()
    for draw in (write_report, write_overlay):
        with pytest.raises(OutputError, match="the movie that the run was made from"):
            draw(run, movie)
    other = tmp_path / "notes.txt"
    other.write_text("mine", encoding="utf-8")
    for draw in (write_report, write_overlay):
        with pytest.raises(OutputError, match="is no"):
            draw(run, other)
    assert movie.read_bytes() == before
    assert other.read_text(encoding="utf-8") == "mine"


def test_a_drawing_replaces_an_earlier_one(make_run: MakeRun, tmp_path: Path) -> None:
    """The endings that are written may be written again, in capitals too."""
    run = open_run(make_run())
    (tmp_path / "talk.MP4").write_bytes(b"earlier")
    assert checked_output(run, tmp_path / "talk.MP4", (".mp4",)) == tmp_path / "talk.MP4"
