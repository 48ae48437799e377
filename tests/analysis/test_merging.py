"""When a particle that vanishes in contact was taken in by its neighbour."""

from __future__ import annotations

import pytest

from lptem_tracker.analysis.merging import Jump, is_taken_in


@pytest.mark.parametrize(
    ("after", "shift", "small", "taken"),
    [
        (10.0, 1.0, 8.0, True),
        (10.0, -0.5, 8.0, False),
        (10.0, 2.2, 8.0, False),
        (16.0, 1.0, 8.0, False),
        (10.0, 1.0, 3.0, False),
    ],
    ids=["to the common centre", "away from it", "onto its place", "far too large", "too small to tell"],
)
def test_a_neighbour_takes_in_what_vanishes_for_good(after: float, shift: float, small: float, taken: bool) -> None:
    """A disk of 10 px beside one that vanishes: its place and its size afterwards decide."""
    assert is_taken_in(Jump(50, 10.0, after, 0.0, shift), small) is taken
