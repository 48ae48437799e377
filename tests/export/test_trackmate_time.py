"""The frame interval that a TrackMate file states."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.export.trackmate_read import read_trackmate
from lptem_tracker.export.trackmate_write import write_trackmate


@pytest.mark.parametrize(("unit", "interval_s"), [("pixel", None), ("nanometer", 1.0)])
def test_an_uncalibrated_stack_has_no_time(tmp_path: Path, unit: str, interval_s: float | None) -> None:
    """1 px and 1 s is what is saved where nothing was known; with a scale in nm the second was meant."""
    tracks = pd.DataFrame({"particle": 0, "frame": [0, 1], "x": [1.0, 2.0], "y": 3.0})
    path = write_trackmate(tmp_path / "t.xml", tracks, Calibration(), shape=(2, 8, 8))
    text = path.read_text(encoding="utf-8").replace('timeunits="frame"', 'timeunits="sec"')
    path.write_text(text.replace('spatialunits="pixel"', f'spatialunits="{unit}"'), encoding="utf-8")
    assert read_trackmate(path).attrs.get("frame_interval_s") == interval_s
