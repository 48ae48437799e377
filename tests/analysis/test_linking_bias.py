"""What is said about links."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.linking_bias import LinkCheck, link_free_variance
from lptem_tracker.analysis.motion_text import _link_warnings

D = Estimate(2.0, 0.1, 1.8, 2.2, "nm2/s", "likelihood", 100)


def test_correction_scales_and_widens() -> None:
    """D is multiplied, its relative error adds in squares, and the interval grows on both sides."""
    found = LinkCheck(0.25, 0.1, correction=1.1, correction_std=0.055).correct(D)
    assert found.value == pytest.approx(2.2)
    assert found.std / found.value == pytest.approx(math.hypot(0.05, 0.05 * math.sqrt(1 + 1 / 16)))
    assert found.ci_low < 1.8 * 1.1
    assert found.ci_high > 2.2 * 1.1
    assert "links drawn anew" in found.method


def test_warnings_name_the_remedy() -> None:
    """Long steps, corrected links, doubtful links and a contradiction each give one sentence; sure links none."""
    assert _link_warnings(LinkCheck(0.1, 0.01, 1.0, 0.005, 1.0, 0.02, 1.0)) == []
    long = _link_warnings(LinkCheck(0.3, 0.1, 1.2, 0.01, 1.6, 0.02, 1.0))
    assert len(long) == 4
    assert all("density" in sentence or "Film faster" in sentence for sentence in long)


def test_step_variance_needs_no_links() -> None:
    """The variance of steps in a gas is found from positions alone within four standard errors."""
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 300, (30, 200, 2))
    frames = np.stack([start, start + rng.normal(0, 1.5, start.shape)], 1).reshape(-1, 2)
    frame = np.repeat(np.arange(60), 200)
    # pairs of frames belong together; five empty frames set them apart
    value, std = link_free_variance(frames, frame + frame // 2 * 5, 2.0)
    assert abs(value - 2.25) < 4 * std
    assert std < 0.1
