"""Values with their errors."""

from __future__ import annotations

import json
import math

from lptem_tracker.analysis.estimate import Estimate


def test_another_unit_scales_everything() -> None:
    """Value, error and both ends change by the factor, the rest stays."""
    found = Estimate(2.0, 0.1, 1.8, 2.2, "px2/frame", "likelihood", 98).scaled(10.0, "nm2/s")
    assert (found.value, found.std, found.ci_low, found.ci_high) == (20.0, 1.0, 18.0, 22.0)
    assert (found.unit, found.n_points) == ("nm2/s", 98)


def test_a_blank_says_why() -> None:
    """Without a value it is not ok, prints its reason, and is valid JSON."""
    blank = Estimate.blank("nm", "Stokes-Einstein", "D is not known")
    assert not blank.ok
    assert str(blank) == "not estimated: D is not known"
    assert json.loads(json.dumps(blank.to_dict(), allow_nan=False))["value"] is None


def test_an_open_end_is_none_in_json() -> None:
    """Infinity is no JSON number."""
    assert Estimate(1.0, 0.5, 0.1, math.inf, "nm", "m", 3).to_dict()["ci"] == [0.1, None]
