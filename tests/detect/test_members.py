"""Small dense networks, several of which are asked the same."""

import numpy as np
import pytest

from lptem_tracker.detect.members import judged


def test_the_layers_of_a_rule_are_applied_in_turn():
    """Two members by hand: 2 SiLU(x) + 1 of the first, 0 of the second; their log odds are averaged."""
    rule = {"mean": [1.0], "scale": [2.0], "members": [[[[[1.0]], [0.0]], [[[2.0]], [1.0]]], [[[[0.0]], [0.0]]]]}
    x = np.array([0.0, 1.5, 3.0])
    silu = ((x - 1) / 2) / (1 + np.exp(-(x - 1) / 2))
    expected = 1 / (1 + np.exp(-(2 * silu + 1) / 2))
    assert judged(x[:, None], rule) == pytest.approx(expected, rel=1e-12)
