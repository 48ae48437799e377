"""A stream of frames becomes detections chunk by chunk."""

import numpy as np
import pandas as pd

from lptem_tracker.detect.base import Detector
from lptem_tracker.detect.chunks import detect_chunks, settled
from lptem_tracker.movie.base import Frame
from lptem_tracker.progress import Silent


class _One(Detector):
    """Finds one particle a frame, at the frame's number."""

    batch_frames = 4

    def detect(self, frames):
        return pd.DataFrame({"frame": [f.index for f in frames], "x": [float(f.index) for f in frames]})

    def describe(self):
        return {}


def test_chunks_hold_their_frames_whatever_was_left_out():
    """Frames 3 to 6 are missing: the second chunk is empty, the others hold theirs."""
    frames = iter([Frame(i, np.zeros((2, 2))) for i in (0, 1, 2, 7, 8, 9)])
    options = {"chunk_frames": 3, "refined": False, "progress": Silent()}
    chunks = list(detect_chunks(frames, _One(), 0, 10, **options))
    assert [begin for begin, _ in chunks] == [0, 3, 6, 9]
    assert [table["frame"].tolist() for _, table in chunks] == [[0, 1, 2], [], [7, 8], [9]]


def test_numbers_that_differ_in_their_last_bits_become_equal():
    """Eight digits stay, the rounding error of a sum does not."""
    values = np.array([1 / 3, 512.12345678, 1e-9, 0.0, np.nan, np.inf])
    table = pd.DataFrame({"x": values, "n": range(6)})
    other = pd.DataFrame({"x": np.nextafter(np.nextafter(values, 1e9), 1e9), "n": range(6)})
    other.loc[3:, "x"] = values[3:]
    pd.testing.assert_frame_equal(settled(table), settled(other), check_exact=True)
    np.testing.assert_allclose(settled(table)["x"][:3], values[:3], rtol=1e-7)
