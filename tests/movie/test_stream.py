"""Frames in order, read ahead; what cannot be used is named."""

import threading

import numpy as np
import pytest

from lptem_tracker.errors import MovieError, SettingsError
from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.movie.stream import FrameProblems, checked_roi, frame_range, stream_frames


def _movie(n=10, dtype="uint8"):
    rng = np.random.default_rng(0)
    return ArrayMovie(rng.integers(0, 200, (n, 12, 16)).astype(dtype))


class _Broken(ArrayMovie):
    """Some frames cannot be decoded."""

    def __init__(self, pixels, bad):
        super().__init__(pixels)
        self.bad = bad

    def _read(self, index):
        if index in self.bad:
            raise MovieError(f"frame {index} is damaged")
        return super()._read(index)


def test_frames_come_in_order_and_keep_their_numbers():
    """A range of a movie keeps the indices of the whole movie."""
    assert [frame.index for frame in stream_frames(_movie(), 3, 7)] == [3, 4, 5, 6]


def test_a_region_is_cut_out():
    """Pixels of the region alone are handed on."""
    movie = _movie()
    frame = next(iter(stream_frames(movie, roi=(2, 1, 8, 9))))
    np.testing.assert_array_equal(frame.pixels, movie.read(0).pixels[1:10, 2:10])


def test_frames_without_a_picture_are_left_out_and_named():
    """Black, constant and NaN frames do not stop the rest."""
    pixels = _movie(6, "float32").read(0).pixels[None] + np.arange(6, dtype="float32")[:, None, None]
    pixels[1] = 0
    pixels[4] = np.nan
    problems = FrameProblems()
    assert [f.index for f in stream_frames(ArrayMovie(pixels), problems=problems)] == [0, 2, 3, 5]
    text = " ".join(problems.sentences())
    assert "1 frame (1) is constant (0 everywhere) and was left out" in text
    assert "1 frame (4) holds no finite pixel and was left out" in text


def test_repeated_frames_are_kept_and_named():
    """A duplicated frame is analysed, with the warning that motion looks slower."""
    pixels = np.array(_movie(4)._pixels)
    pixels[2] = pixels[1]
    problems = FrameProblems()
    assert len(list(stream_frames(ArrayMovie(pixels), problems=problems))) == 4
    assert problems.within(0, 4) == {next(iter(problems.frames)): [2]}
    assert problems.within(3, 4) == {}


def test_unreadable_frames_are_left_out_and_the_rest_is_read():
    """Damage in the middle loses the damaged frames alone."""
    movie = _Broken(_movie()._pixels, {0, 4, 5, 9})
    assert [f.index for f in stream_frames(movie)] == [1, 2, 3, 6, 7, 8]
    assert sorted(movie.left_out) == [0, 4, 5, 9]


def test_a_movie_of_which_nothing_can_be_read_is_an_error():
    """Nothing readable is the reader's own sentence."""
    with pytest.raises(MovieError, match="damaged"):
        list(stream_frames(_Broken(_movie(3)._pixels, {0, 1, 2})))


def test_stopping_early_ends_the_reading_thread():
    """A consumer that stops leaves no thread behind."""
    stream = stream_frames(_movie(200), ahead=2)
    next(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name == "frame reader"]


@pytest.mark.parametrize(
    ("text", "expected"), [(None, (0, 9)), ("2:5", (2, 5)), (":4", (0, 4)), ("7:", (7, 9)), ("3:99", (3, 9))]
)
def test_frame_ranges(text, expected):
    """A:B is from A to B-1, with open ends, cut at the movie's end."""
    assert frame_range(text, 9) == expected


@pytest.mark.parametrize("text", ["5:5", "9:", "6:2"])
def test_empty_frame_ranges_are_refused(text):
    """A range without a frame names the option."""
    with pytest.raises(SettingsError, match="--frames"):
        frame_range(text, 9)


@pytest.mark.parametrize("roi", [(-1, 0, 8, 8), (0, 0, 4, 8), (10, 0, 8, 8), (0, 8, 8, 8)])
def test_regions_outside_the_frame_are_refused(roi):
    """The frame's size is in the sentence."""
    with pytest.raises(SettingsError, match="16x12"):
        checked_roi(roi, _movie())
