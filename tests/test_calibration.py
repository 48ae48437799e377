"""Scale and timing: sources, units and refusals."""

import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import CalibrationError


def test_unknown_calibration_gives_px_and_frames():
    """Nothing known: lengths stay in px and times in frames, with factors of 1."""
    units = Calibration().units
    assert (units.length, units.time, units.nm_per_px, units.s_per_frame) == ("px", "frame", 1.0, 1.0)
    assert units.diffusion == "px2_frame"


def test_known_values_count_as_given_by_the_user():
    """A value without a source is the user's; a missing one is unknown whatever its source said."""
    calibration = Calibration(pixel_size_nm=2.0, exposure_source="metadata")
    assert calibration.pixel_size_source == "user"
    assert calibration.exposure_source == "unknown"
    assert calibration.units.speed == "nm_frame"


def test_user_values_replace_metadata_and_keep_the_rest():
    """`with_user` changes only what is given, and says whose it is."""
    before = Calibration(0.5, 0.1, 0.1, "metadata", "metadata", "metadata")
    after = before.with_user(pixel_size_nm=2.0)
    assert (after.pixel_size_nm, after.pixel_size_source) == (2.0, "user")
    assert (after.frame_interval_s, after.frame_interval_source) == (0.1, "metadata")
    assert before.with_user() == before


def test_shorter_interval_drops_an_exposure_that_no_longer_fits():
    """The metadata's exposure of 0.1 s cannot belong to frames every 0.01 s."""
    after = Calibration(0.5, 0.1, 0.1, "metadata", "metadata", "metadata").with_user(frame_interval_s=0.01)
    assert after.exposure_s is None
    assert after.exposure_source == "unknown"


def test_blur_coefficient_is_a_sixth_of_the_duty_cycle():
    """R = f/6 for a uniform exposure of the share f of the interval (Berglund 2010)."""
    assert Calibration(1, 0.1, 0.05).blur_coefficient == pytest.approx(0.5 / 6)
    assert Calibration(1, 0.1).blur_coefficient == 0


@pytest.mark.parametrize("name", ["pixel_size_nm", "frame_interval_s", "exposure_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_values_that_are_no_scale_are_refused(name, value):
    """Zero, negative and non-finite scales name the option to give."""
    with pytest.raises(CalibrationError, match="--"):
        Calibration(**{name: value})


def test_exposure_longer_than_the_interval_is_refused():
    """A frame cannot collect electrons for longer than until the next one."""
    with pytest.raises(CalibrationError, match="cannot be longer"):
        Calibration(1, 0.1, 0.2)


def test_asking_for_what_is_unknown_names_the_option():
    """A physical quantity without calibration is an error that says what to type."""
    with pytest.raises(CalibrationError, match="--frame-interval-s"):
        Calibration(pixel_size_nm=1).require("frame_interval_s")
    assert Calibration(pixel_size_nm=1).require("pixel_size_nm") == 1
