"""The contract: order, indices, and frames that cannot be read."""

import numpy as np
import pytest

from lptem_tracker.errors import MovieError
from lptem_tracker.movie import ArrayMovie


class HoledMovie(ArrayMovie):
    """A movie whose odd frames cannot be read."""

    def _read(self, index):
        if index % 2:
            raise MovieError(f"frame {index} is torn.")
        return super()._read(index)


def test_frames_come_in_order_with_their_index():
    """`frames` takes the range of a slice, and `read` counts negative indices from the end."""
    movie = ArrayMovie(np.arange(5 * 4 * 3).reshape(5, 4, 3))
    assert [frame.index for frame in movie.frames(1, 5, 2)] == [1, 3]
    assert movie.read(-1).pixels[0, 0] == 4 * 4 * 3


def test_reading_outside_names_the_range():
    """A frame that is not there is an error that says which there are."""
    with pytest.raises(MovieError, match="frames 0 to 4; frame 5"):
        ArrayMovie(np.zeros((5, 4, 3))).read(5)


def test_unreadable_frames_are_left_out_and_named_once():
    """The rest of a damaged movie is given, with one line of warning for all that is missing."""
    movie = HoledMovie(np.zeros((6, 4, 4)))
    assert [frame.index for frame in movie.frames()] == [0, 2, 4]
    assert movie.left_out == {1: "frame 1 is torn.", 3: "frame 3 is torn.", 5: "frame 5 is torn."}
    assert movie.warnings == [
        "3 of 6 frames could not be read and were left out (1, 3, 5); the first: frame 1 is torn."
    ]
    assert next(movie.frames(2, 3)).index == 2
    assert len(movie.warnings) == 1


def test_a_range_without_a_readable_frame_is_an_error():
    """Nothing to analyse is never an empty success."""
    with pytest.raises(MovieError, match="torn"):
        list(HoledMovie(np.zeros((6, 4, 4))).frames(1, 6, 2))


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4), (2, 4, 0)])
def test_an_array_without_pictures_is_refused(shape):
    """A movie in memory is (T, Y, X) with no empty axis."""
    with pytest.raises(MovieError, match="no empty axis"):
        ArrayMovie(np.zeros(shape))
