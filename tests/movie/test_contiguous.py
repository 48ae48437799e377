"""Plain reads of frames that lie one behind the other."""

import numpy as np
import pytest

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.contiguous import ContiguousFrames


def test_frames_are_read_at_offset_and_stride(tmp_path):
    """Headers before each frame are passed over, in either byte order."""
    frames = np.arange(24, dtype=">u2").reshape(4, 2, 3)
    path = tmp_path / "raw"
    path.write_bytes(b"head" + b"".join(b"xx" + frame.tobytes() for frame in frames))
    read = ContiguousFrames(path, frames.dtype, frames.shape, 6, 14)
    assert np.array_equal(read[2], frames[2])
    assert read.whole() == 4
    read.close()
    assert np.array_equal(read[0], frames[0])


def test_a_cut_file_keeps_its_whole_frames(tmp_path):
    """Of four frames announced and two and a half there, two are given, with a warning."""
    path = tmp_path / "raw"
    path.write_bytes(bytes(25))
    warnings: list[str] = []
    assert ContiguousFrames(path, np.dtype("u1"), (4, 2, 5), 0).cut("file", warnings).shape == (2, 2, 5)
    assert "announces 4 frames and holds 2 whole ones" in warnings[0]


def test_a_file_without_one_frame_is_refused(tmp_path):
    """Not one whole frame is an error, however large the header says that the movie is."""
    path = tmp_path / "raw"
    path.write_bytes(bytes(9))
    with pytest.raises(MovieError, match="not one whole frame"):
        ContiguousFrames(path, np.dtype("u1"), (10**9, 2, 5), 0).cut("file", [])
