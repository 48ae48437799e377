"""Units of other tools' columns."""

from __future__ import annotations

import pandas as pd
import pytest

from lptem_tracker.errors import TableError
from lptem_tracker.export.columns import to_px, unit_nm


def test_lengths_scale_with_the_pixel_and_areas_with_its_square() -> None:
    """At 2 nm a px, 0.01 µm is 5 px and 0.0001 µm² is 25 px²; what is no length stays."""
    table = pd.DataFrame({"x": [0.01], "radius": [0.02], "area": [1e-4], "angle": [0.3]})
    out = to_px(table, unit_nm("µm", "a.csv"), 2.0).iloc[0]
    assert out.to_list() == pytest.approx([5.0, 10.0, 25.0, 0.3])


def test_an_unknown_unit_is_named() -> None:
    """A unit that cannot be converted is refused, not taken for px."""
    with pytest.raises(TableError, match="'furlong'"):
        unit_nm("furlong", "a.csv")
