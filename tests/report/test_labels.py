"""Names and numbers as a reader knows them."""

from __future__ import annotations

import pytest

from lptem_tracker.report.labels import amount, column_label, figure, labels


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("D_nm2_s", ("Diffusion D", "nm²/s")),
        ("D_slow_px2_frame", ("D of the slow state", "px²/frame")),
        ("growth_nm_s", ("Growth of the radius", "nm/s")),
        ("growth_nm2_s", ("Growth of the area", "nm²/s")),
        ("growth_px3_frame", ("Growth of the volume", "px³/frame")),
        ("Dr_rad2_s", ("Rotational diffusion", "rad²/s")),
        ("alpha", ("Anomalous exponent α", "")),
        ("my_own_column", ("My own column", "")),
    ],
)
def test_columns_have_words_and_units(name: str, label: tuple[str, str]) -> None:
    """The unit of a column's name is set apart and in print."""
    assert column_label(name) == label


def test_motion_comes_before_size_and_unknown_columns_last() -> None:
    """The order does not hang on that of the table."""
    names = ["mine", "frame_first", "growth_nm3_s", "radius_nm", "D_nm2_s", "motion"]
    assert list(labels(names)) == ["motion", "D_nm2_s", "radius_nm", "growth_nm3_s", "frame_first", "mine"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1596.8, "1600"),
        (0.957, "0.957"),
        (8.0, "8"),
        (-0.2421, "−0.242"),
        (0, "0"),
        (2.5e6, "2.5·10⁶"),
        (3e-7, "3·10⁻⁷"),
    ],
)
def test_numbers_have_three_digits_and_no_computer_exponent(value: float, text: str) -> None:
    """1.6e+03 is no way to print a number."""
    assert figure(value) == text


def test_frames_are_counted() -> None:
    """One frame, four frames; seconds have no plural."""
    assert (amount(1, "frame"), amount(4, "frame"), amount(4, "s")) == ("1 frame", "4 frames", "4 s")
