"""Scale bar, clock and legend."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.report.annotate import Clock, draw_scale_bar, length_text, round_length
from lptem_tracker.report.drawing import Pen


@pytest.mark.parametrize(
    ("longest", "length"), [(37, 20), (50, 50), (99.9, 50), (100, 100), (0.03, 0.02), (1999, 1000)]
)
def test_the_scale_bar_has_a_round_length(longest: float, length: float) -> None:
    """1, 2 or 5 times a power of ten, never longer than there is room for."""
    assert round_length(longest) == pytest.approx(length)


@pytest.mark.parametrize(("nm", "text"), [(2000, "2 µm"), (500, "500 nm"), (0.2, "200 pm")])
def test_lengths_have_the_unit_in_which_they_read_best(nm: float, text: str) -> None:
    """Micrometres from 1,000 nm on, picometres below 1 nm."""
    assert length_text(nm) == text


@pytest.mark.parametrize(("pixel_size_nm", "scale", "px"), [(3.0, 1.0, 67), (None, 2.0, 100), (0.5, 1.0, 100)])
def test_the_bar_is_as_long_as_it_says(pixel_size_nm: float | None, scale: float, px: int) -> None:
    """200 nm at 3 nm/px are 67 px; 50 px at 2 × are 100 px; 50 nm at 0.5 nm/px are 100 px."""
    canvas = np.full((200, 400, 3), 100, np.uint8)
    draw_scale_bar(canvas, pixel_size_nm, scale, Pen.for_picture(400, 200))
    white = (canvas == 255).all(axis=2).sum(axis=1).max()
    assert white == px


def test_times_share_one_unit_and_as_many_digits_as_needed() -> None:
    """Frames 12.5 ms apart need one digit after the point in ms, and the movie's length sets the unit."""
    clock = Clock(np.arange(20) * 0.0125, 20)
    assert [clock.text(n) for n in (0, 1, 2)] == ["0.0 ms", "12.5 ms", "25.0 ms"]
    assert (
        Clock(np.arange(600) * 0.5, 600).text(240) == "2.0 min"
        or Clock(np.arange(600) * 0.5, 600).text(240)[-3:] == "min"
    )


def test_without_times_frames_are_counted() -> None:
    """No interval is made up."""
    assert Clock(None, 120).text(7) == "frame   7"


def test_uneven_times_are_shown_as_they_are() -> None:
    """A pause in the recording shows in the time stamp."""
    assert Clock(np.array([0.0, 1.0, 2.0, 10.0]), 4).text(3) == "10 s"
