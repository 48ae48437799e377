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


def _reader(frames):
    """Return a function that reads a range of some frames, as a generator."""

    def read(first, stop):
        yield from (frame for frame in frames if first <= frame.index < stop)

    return read


class _One(Detector):
    """Finds one particle a frame, at the frame's number."""

    batch_frames = 4

    def detect(self, frames):
        return pd.DataFrame({"frame": [f.index for f in frames], "x": [float(f.index) for f in frames]})

    def describe(self):
        return {}


def test_chunks_hold_their_frames_whatever_was_left_out():
    """Frames 3 to 6 are missing: the second chunk is empty, the others hold theirs."""
    frames = _reader([Frame(i, np.zeros((2, 2))) for i in (0, 1, 2, 7, 8, 9)])
    options = {"chunk_frames": 3, "refined": False, "progress": Silent()}
    chunks = list(detect_chunks(frames, _One(), 0, 10, **options))
    assert [chunk.first for chunk in chunks] == [0, 3, 6, 9]
    assert [chunk.table["frame"].tolist() for chunk in chunks] == [[0, 1, 2], [], [7, 8], [9]]


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
    whole = pd.concat([chunk.table for chunk in detect_chunks(_reader(frames), _Slow(), 0, 9, **options)])
    alone = [refine([f], _Slow().detect([f]), workers=1) for f in frames]
    pd.testing.assert_frame_equal(whole.reset_index(drop=True), pd.concat(alone, ignore_index=True), check_exact=True)


def test_an_error_on_a_thread_reaches_the_caller():
    """What a detector raises ends the stream; no thread is left waiting."""

    class Broken(_One):
        workers = 2

        def detect(self, frames):
            raise WeightsError("no detector")

    frames = _reader([Frame(i, np.zeros((2, 2))) for i in range(40)])
    with pytest.raises(WeightsError, match="no detector"):
        list(detect_chunks(frames, Broken(), 0, 40, chunk_frames=8, refined=False, progress=Silent()))
    assert not [t for t in threading.enumerate() if t.name.startswith(("network", "refine"))]


class _Scaled(Detector):
    """Writes down how it was asked; `refuse` and `small` are frames that ask for all scales, or refuse one scale."""

    scales = (0.5,)

    def __init__(self, workers=1, batch_frames=1, refuse=(), small=()):
        self.workers, self.batch_frames, self.refuse, self.small = workers, batch_frames, set(refuse), set(small)
        self.compared = []

    def _table(self, frames, scale):
        time.sleep(0.002 * (frames[0].index % 3))
        return pd.DataFrame({"frame": [f.index for f in frames], "x": scale})

    def detect(self, frames):
        return self._table(frames, 1.0)

    def compare(self, frames, scales):
        self.compared.append([f.index for f in frames])
        allowed = [scale for scale in scales if self.refuse.isdisjoint((scale, f.index) for f in frames)]
        scale = allowed[0] if allowed and self.refuse.isdisjoint(f.index for f in frames) else 1.0
        return self._table(frames, scale), scale

    def detect_coarse(self, frames, scale):
        return None if self.small & {f.index for f in frames} else self._table(frames, scale)

    def describe(self):
        return {}


class _Counting(Silent):
    """Adds up the frames told."""

    def __init__(self):
        object.__setattr__(self, "frames", [])

    def advance(self, steps=1):
        self.frames.append(steps)


def _scales(detector, n=150, chunk_frames=50, absent=(), **options):
    """Return the scale at which each frame was searched, and the progress."""
    frames = [Frame(i, np.zeros((2, 2))) for i in range(n) if i not in absent]
    told = _Counting()
    found = detect_chunks(
        _reader(frames), detector, 0, n, chunk_frames=chunk_frames, refined=False, progress=told, **options
    )
    table = pd.concat([chunk.table.assign(scale=chunk.scale) for chunk in found], ignore_index=True)
    assert table["frame"].tolist() == [frame.index for frame in frames]
    assert (table["scale"] == table["x"]).all()
    assert sum(told.frames) == len(frames)
    return table["x"].to_numpy()


@pytest.mark.parametrize(("workers", "batch_frames"), [(1, 1), (3, 1), (2, 16), (2, 7)])
def test_a_chunk_is_searched_at_one_scale_whatever_the_threads_and_batches(workers, batch_frames):
    """All three chunks look alike at first; the second has a refusal near its end: it alone is at all scales."""
    detector = _Scaled(workers, batch_frames, refuse=[99])
    scales = _scales(detector)
    assert set(scales[:50]) == set(scales[100:]) == {0.5}
    assert set(scales[50:100]) == {1.0}
    assert detector.compared[:3] == [[0, 1], [32, 33], [48, 49]]


def test_a_small_particle_between_the_comparisons_brings_all_scales():
    """Frame 20 of the first chunk shows a small particle at the lower scales: the whole chunk is searched anew."""
    scales = _scales(_Scaled(2, 4, small=[20]))
    assert set(scales[:50]) == {1.0}
    assert set(scales[50:]) == {0.5}


def test_first_frames_that_ask_for_all_scales_settle_it():
    """Where the first two frames refuse, no other frames of the chunk are compared."""
    detector = _Scaled(2, 4, refuse=[1, 50, 100])
    assert set(_scales(detector)) == {1.0}
    assert detector.compared == [[0, 1], [50, 51], [100, 101]]


def test_frames_left_out_move_the_comparisons():
    """Without frames 0, 32, 33 and 49 the first pair, that after 32 and the last are others."""
    detector = _Scaled(refuse=[48])
    assert set(_scales(detector, 50, absent=(0, 32, 33, 49))) == {1.0}
    assert detector.compared == [[1, 2], [34, 35], [47, 48]]


@pytest.mark.parametrize("n", [1, 3])
def test_few_frames_are_searched_at_all_scales(n):
    """One frame, or three, are too few to compare."""
    assert set(_scales(_Scaled(), n)) == {1.0}


def test_all_scales_can_be_asked_for():
    """With `adaptive` off nothing is compared."""
    detector = _Scaled()
    assert set(_scales(detector, adaptive=False)) == {1.0}
    assert detector.compared == []


def test_a_scale_that_a_later_frame_refuses_is_followed_by_the_next_finer_one():
    """Chunks at 1/2, at 11/16 where a first or later frame refused 1/2, and at all where a frame refused both."""
    refuse = [(0.5, 50), (0.5, 149), (0.6875, 149), (0.5, 199)]
    for workers, batch_frames in [(1, 1), (2, 7)]:
        detector = _Scaled(workers, batch_frames, refuse=refuse)
        detector.scales = (0.5, 0.6875)
        scales = _scales(detector, 200)
        assert [set(scales[k : k + 50]) for k in range(0, 200, 50)] == [{0.5}, {0.6875}, {1.0}, {0.6875}]
        assert detector.compared[:6] == [[0, 1], [32, 33], [48, 49], [50, 51], [82, 83], [98, 99]]


def test_the_next_chunk_is_begun_while_the_last_frames_of_one_are_under_way():
    """With two workers the first frames of chunk two are compared before the last of chunk one, each pair once."""
    frames = [Frame(i, np.zeros((2, 2))) for i in range(24)]
    order = []

    class Slow(_Scaled):
        def compare(self, frames, scales):
            if frames[0].index == 10:
                deadline = time.monotonic() + 5
                while [12, 13] not in order and time.monotonic() < deadline:
                    time.sleep(0.002)
            order.append([f.index for f in frames])
            return super().compare(frames, scales)

    detector = Slow(workers=2)
    options = {"chunk_frames": 12, "refined": False, "progress": Silent()}
    found = list(detect_chunks(_reader(frames), detector, 0, 24, **options))
    assert order.index([12, 13]) < order.index([10, 11])
    assert sorted(order) == [[0, 1], [10, 11], [12, 13], [22, 23]]
    assert [part.table["frame"].tolist() for part in found] == [list(range(12)), list(range(12, 24))]
    assert all((part.table["x"] == 0.5).all() for part in found)


def test_a_chunk_that_is_refused_at_its_end_is_searched_again_before_the_next_that_was_begun():
    """Frames 10 and 11 ask for all scales: chunk one is searched at these, chunk two at half as it was begun."""
    frames = [Frame(i, np.zeros((2, 2))) for i in range(24)]
    detector = _Scaled(workers=2, refuse=(10, 11))
    found = list(detect_chunks(_reader(frames), detector, 0, 24, chunk_frames=12, refined=False, progress=Silent()))
    assert [part.table["frame"].tolist() for part in found] == [list(range(12)), list(range(12, 24))]
    assert [part.table["x"].unique().tolist() for part in found] == [[1.0], [0.5]]
    assert detector.compared.count([12, 13]) == 1
