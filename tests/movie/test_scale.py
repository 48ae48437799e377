"""Units, square pixels, and metadata that cannot be."""

import math

import pytest

from lptem_tracker.movie.scale import from_metadata, square_pixel, to_nm, to_s


@pytest.mark.parametrize(
    ("value", "unit", "nm"),
    [(2, "nm", 2), (0.5, "µm", 500), (0.5, "μm", 500), (3, "Å", 0.3), (3, "A", 0.3), (5, "pm", 0.005), (1e-9, "m", 1),
     (1, "micron", 1000), (2, "[n_m]", 2), (1, "Nanometer", 1), (1, "1/nm", None), (1, "eV", None), (1, None, None),
     (1, "", None), (1, "px", None), ("x", "nm", None), (None, "nm", None)],
)  # fmt: skip
def test_lengths_become_nm(value, unit, nm):
    """Every way to write a length counts; what is no length gives nothing."""
    assert to_nm(value, unit) == (None if nm is None else pytest.approx(nm, rel=1e-12))


@pytest.mark.parametrize(("value", "unit", "s"), [(40, "ms", 0.04), (2, "s", 2), (1, "min", 60), (3, "nm", None)])
def test_durations_become_s(value, unit, s):
    """Units of time convert, others do not."""
    assert to_s(value, unit) == (None if s is None else pytest.approx(s))


def test_single_precision_steps_are_the_numbers_typed():
    """0.2 stored in 32 bits is 0.2, not 0.20000000298."""
    assert to_nm(0.20000000298023224, "nm") == 0.2


def test_nearly_square_pixels_give_the_geometric_mean_with_a_warning():
    """Sides of 1 and 1.05 nm keep the area: sqrt(1.05)."""
    warnings: list[str] = []
    assert square_pixel(1.0, 1.05, warnings) == pytest.approx(math.sqrt(1.05))
    assert "2.5 %" in warnings[0]


def test_rectangular_pixels_leave_the_scale_unknown():
    """With sides of 1 and 0.2 nm one number would put D off by 2.6 times: none is given, and both are named."""
    warnings: list[str] = []
    assert square_pixel(1.0, 0.2, warnings) is None
    assert "1 nm along x, 0.2 nm along y" in warnings[0]
    assert "--pixel-size-nm" in warnings[0]


def test_square_pixels_say_nothing():
    """The rounding of single precision is no difference."""
    warnings: list[str] = []
    assert square_pixel(0.5, 0.50000001, warnings) == pytest.approx(0.5)
    assert warnings == []


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_impossible_sizes_are_ignored_with_a_warning(bad):
    """A pixel of −1 nm, as an MRC header may have it, is no pixel size."""
    warnings: list[str] = []
    assert square_pixel(bad, bad, warnings) is None
    assert len(warnings) == 1
    assert from_metadata(warnings, pixel_size_nm=bad).pixel_size_source == "unknown"


def test_an_exposure_beyond_the_interval_is_ignored():
    """The interval stands, the exposure that contradicts it does not."""
    warnings: list[str] = []
    found = from_metadata(warnings, frame_interval_s=0.1, exposure_s=0.4)
    assert (found.frame_interval_s, found.exposure_s) == (0.1, None)
    assert "0.4 s" in warnings[0]


def test_values_of_metadata_carry_their_source():
    """What is there says metadata, what is not says unknown."""
    found = from_metadata([], pixel_size_nm=1.5)
    assert (found.pixel_size_source, found.frame_interval_source) == ("metadata", "unknown")
