"""The front door of the measurements: what a tracks table must be."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis import measure, measure_columns
from lptem_tracker.errors import TableError
from lptem_tracker.tables import validate_tracks


def _walk(frames):
    """One particle that walks at random, one position a frame."""
    rng = np.random.default_rng(8)
    return pd.DataFrame({"particle": 0, "frame": frames, "x": rng.normal(size=len(frames)).cumsum(), "y": 5.0})


@pytest.mark.parametrize("step", [33, 1_000_000_000])
def test_times_are_not_taken_for_frame_numbers(step):
    """Frames that go up by milliseconds or nanoseconds are refused with what to divide them by."""
    with pytest.raises(TableError, match=f"go up by {step:g}.*Divide".replace("+", ".")):
        measure(_walk(step * np.arange(30)))


def test_a_frame_number_far_beyond_any_movie_is_refused():
    """One mistyped frame must not make room for billions of them."""
    with pytest.raises(TableError, match="frame 4000000000 was found"):
        measure(_walk(np.append(np.arange(29), 4_000_000_000)))


def test_every_tenth_frame_may_be_tracked():
    """Steps of ten frames are measured, in frames."""
    result = measure(_walk(10 * np.arange(30)))
    assert result.particles["frame_last"].tolist() == [290]
    assert result.summary["ensemble"]["D_px2_frame"] > 0


@pytest.mark.parametrize("step", [1.0, 0.25])
def test_a_path_without_scatter_is_measured(step):
    """Positions written by hand, exactly on a line, end in results and not in an overflow."""
    frame = np.tile(np.arange(30), 3)
    particle = np.repeat(np.arange(3), 30)
    table = pd.DataFrame({"particle": particle, "frame": frame, "x": particle + step * frame, "y": 2.0})
    assert len(measure(table).particles) == 3


def test_columns_read_when_they_are_needed_give_what_the_table_gives() -> None:
    """Motion and assembly each ask for the columns they need, and every table and figure is the same."""
    rng = np.random.default_rng(8)
    rows = [
        pd.DataFrame({"particle": p, "frame": np.arange(40), "x": 30 * p + rng.normal(size=40).cumsum(), "radius": 4.0})
        for p in range(6)
    ]
    table = pd.concat(rows, ignore_index=True).assign(y=lambda t: 50 + t["x"] / 9, link_confidence=0.9, unused=1)
    asked: list[str] = []

    def read(names: Sequence[str]) -> pd.DataFrame:
        asked.extend(names)
        return validate_tracks(table)[[name for name in names if name in table or name == "observed"]]

    one, other = measure(table, field_px=(400, 200)), measure_columns(read, field_px=(400, 200))
    for name in ("particles", "msd", "events"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert json.dumps(one.summary) == json.dumps(other.summary)
    assert "unused" not in asked
