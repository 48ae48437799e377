"""Order and numbering of names."""

from pathlib import Path

import numpy as np

from lptem_tracker.movie.natural import frame_numbers, missing_numbers, natural_key


def test_numbers_sort_as_numbers():
    """a2 comes before a10 whatever the case, and digits before words."""
    assert sorted(["a10", "A2", "a1b3", "a1b20"], key=natural_key) == ["a1b3", "a1b20", "A2", "a10"]


def test_the_running_number_is_the_one_that_differs():
    """A date in the name is not the frame number."""
    paths = [Path(f"2021_run3_{i:04d}_x.tif") for i in (7, 8, 12)]
    numbers = frame_numbers(paths)
    assert numbers is not None
    assert numbers.tolist() == [7, 8, 12]


def test_names_without_a_common_number_have_none():
    """Different words, or two numbers that change, are no series."""
    assert frame_numbers([Path("a1.tif"), Path("b2.tif")]) is None
    assert frame_numbers([Path("a1_1.tif"), Path("a2_2.tif")]) is None


def test_gaps_are_counted_and_named():
    """Of 1, 2, 5, 6, 8 the numbers 3, 4 and 7 are missing."""
    line = missing_numbers(np.array([1, 2, 5, 6, 8]))
    assert line is not None
    assert "3 missing (3 to 4, 7)" in line


def test_a_regular_step_is_no_gap():
    """Every tenth frame was kept on purpose."""
    assert missing_numbers(np.array([0, 10, 20, 30])) is None
