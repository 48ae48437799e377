"""Boxes that lie near each other."""

import numpy as np

from lptem_tracker.detect.pairs import near_pairs


def test_pairs_are_those_within_the_reach_of_the_larger_octave():
    """Against a look at all pairs: as far as the furthest reach of the larger box's octave, in both orders."""
    rng = np.random.default_rng(3)
    centre, half = rng.uniform(0, 100, (150, 2)), np.exp(rng.uniform(0, 3, (150, 2)))
    boxes, reach = np.hstack([centre - half, centre + half]), np.exp(rng.uniform(0, 3.5, 150))
    octave = np.ceil(np.log2(reach)).astype(int)
    furthest = np.array([reach[octave == k].max(initial=0) for k in range(octave.max() + 1)])
    apart = np.hypot(*(centre[:, None] - centre[None]).transpose(2, 0, 1))
    near = (apart <= furthest[np.maximum(octave[:, None], octave[None])]) & ~np.eye(150, dtype=bool)
    first, second, distance = near_pairs(boxes, reach)
    assert len(first) == near.sum() > 8 * 150
    assert sorted(zip(first.tolist(), second.tolist())) == [tuple(pair) for pair in np.argwhere(near).tolist()]
    assert np.allclose(distance, apart[first, second])


def test_no_box_and_a_lone_one_have_no_neighbour():
    """Nothing, and one box, give no pairs."""
    for n in (0, 1):
        assert all(len(part) == 0 for part in near_pairs(np.ones((n, 4)), np.ones(n)))
