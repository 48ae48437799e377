"""Kinds of particles by D."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.analysis.classify import brownian_family
from lptem_tracker.analysis.components import find_components
from lptem_tracker.analysis.diffusion import Imaging
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths


def kinds(*parts: tuple[int, float]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([brownian_paths(rng, n, 80, d, 0.1, 0.0) for n, d in parts])


@pytest.mark.parametrize(("parts", "expected"), [(((24, 1.0),), 1), (((12, 0.1), (12, 3.0)), 2)])
def test_kinds_are_counted(parts: tuple[tuple[int, float], ...], expected: int) -> None:
    """One kind stays one; two kinds thirty times apart are two with half of the particles and D within 25 % each."""
    paths = kinds(*parts)
    scale = np.repeat([d for _, d in parts], [n for n, _ in parts])
    family = brownian_family(build_trackset(as_tracks(paths)), Imaging(0.0), None, scale)
    found = find_components(family, 0.1, scale)
    assert len(found.d) == expected
    np.testing.assert_allclose(found.d, [d for _, d in parts], rtol=0.25)
    np.testing.assert_allclose(found.fraction, 1 / expected, atol=0.02)
    assert found.member.sum(1) == pytest.approx(1.0)
