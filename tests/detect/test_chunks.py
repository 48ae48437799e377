"""A stream of frames becomes detections chunk by chunk."""

import threading
import time

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.detect.base import Detector
from lptem_tracker.detect.chunks import detect_chunks
from lptem_tracker.detect.refine import refine
from lptem_tracker.errors import WeightsError
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


class _Slow(Detector):
    """Finds a disk in every frame on several threads, the first frames last."""

    workers = 3

    def detect(self, frames):
        time.sleep(0.02 * (frames[0].index < 3))
        table = pd.DataFrame({"frame": [f.index for f in frames], "x": 15.0, "y": 16.0})
        return table.assign(width=12.0, height=12.0, radius=6.0, area=36 * np.pi, confidence=0.9, class_id=0)

    def describe(self):
        return {}


def test_threads_share_the_work_and_change_nothing():
    """Refined by many threads in whatever order, the tables are those of one frame after the other."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:32, :32]
    pixels = [rng.poisson(np.where(np.hypot(x - 15, y - 16) < 6, 60.0, 100.0)) for _ in range(9)]
    frames = [Frame(i, p.astype(np.uint16)) for i, p in enumerate(pixels)]
    options = {"chunk_frames": 4, "refined": True, "progress": Silent()}
    whole = pd.concat([table for _, table in detect_chunks(iter(frames), _Slow(), 0, 9, **options)])
    alone = [refine([f], _Slow().detect([f]), workers=1) for f in frames]
    pd.testing.assert_frame_equal(whole.reset_index(drop=True), pd.concat(alone, ignore_index=True), check_exact=True)


def test_an_error_on_a_thread_reaches_the_caller():
    """What a detector raises ends the stream; no thread is left waiting."""

    class Broken(_One):
        workers = 2

        def detect(self, frames):
            raise WeightsError("no detector")

    frames = iter([Frame(i, np.zeros((2, 2))) for i in range(40)])
    with pytest.raises(WeightsError, match="no detector"):
        list(detect_chunks(frames, Broken(), 0, 40, chunk_frames=8, refined=False, progress=Silent()))
    assert not [t for t in threading.enumerate() if t.name.startswith(("network", "refine"))]
