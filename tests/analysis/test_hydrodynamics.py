"""Stokes–Einstein radius."""

from __future__ import annotations

import math

import pytest

from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.hydrodynamics import hydrodynamic_radius


def test_radius_and_turned_interval() -> None:
    """A D of 2.18 µm²/s in water at 25 °C is a radius of 112.5 nm; the upper end of D is the lower of the radius."""
    found = hydrodynamic_radius(Estimate(2.18e6, 2.18e5, 1.7e6, 2.6e6, "nm2/s", "m", 10), 298.15, 0.89e-3)
    by_hand = 1.380649e-23 * 298.15 / (6 * math.pi * 0.89e-3 * 2.18e-12) * 1e9
    assert found.value == pytest.approx(by_hand)
    assert found.std == pytest.approx(0.1 * by_hand)
    assert found.ci_low == pytest.approx(by_hand * 2.18 / 2.6)


@pytest.mark.parametrize("d", [0.0, math.nan, 1e-200])
def test_no_diffusion_no_radius(d: float) -> None:
    """Without a D the radius is blank, with its reason."""
    assert "zero" in hydrodynamic_radius(Estimate(d, 0.0, 0.0, d, "nm2/s", "m", 10), 300.0, 1e-3).reason
