"""Linear tracks from merging and splitting ones."""

from __future__ import annotations

import numpy as np

from lptem_tracker.export.branches import split_branches

FRAMES = np.array([[0, 0.0, 0], [1, 1.0, 0], [1, 9.0, 0], [2, 2.0, 0]])


def test_a_plain_chain_is_one_particle() -> None:
    """Links in either direction of time join the same way."""
    particle, cut = split_branches(np.array([[0, 1], [3, 1]]), FRAMES)
    assert (particle[0] == particle[1] == particle[3], cut) == (True, 0)
    assert particle[2] != particle[0]


def test_at_a_merge_the_nearest_goes_on() -> None:
    """Of two spots that lead to one, the one at 1 px keeps its number; the one at 7 px ends."""
    particle, cut = split_branches(np.array([[0, 1], [1, 3], [2, 3]]), FRAMES)
    assert particle[3] == particle[1]
    assert particle[2] != particle[3]
    assert cut == 1


def test_doubled_links_are_no_branches() -> None:
    """The same link twice counts once."""
    assert split_branches(np.array([[0, 1], [0, 1]]), FRAMES)[1] == 0


def test_without_links_every_position_is_its_own() -> None:
    """Four spots, four particles."""
    assert sorted(split_branches(np.empty((0, 2)), FRAMES)[0]) == [0, 1, 2, 3]
