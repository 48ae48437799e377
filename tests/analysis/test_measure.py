"""The front door of the measurements: what a tracks table must be."""

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis import measure
from lptem_tracker.errors import TableError


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
