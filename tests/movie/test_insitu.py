"""Gatan in-situ trees: order, true times and missing frames from the names."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from lptem_tracker.errors import MovieError
from lptem_tracker.movie import open_movie
from lptem_tracker.movie.insitu import read_clock, stamp


def tiff_frame(path, count):
    """Write a frame whose grey value is its place in time."""
    tifffile.imwrite(path, np.full((16, 16), count, np.uint16))


def test_names_tell_second_and_frame():
    """Hour, minute and second count from the names of folders or of the file."""
    name = "m_Hour_01_Minute_02_Second_05_Frame_0150.dm4"
    assert stamp(Path(name)) == (3725, 150)
    assert stamp(Path(f"Hour_01/Minute_02/Second_05/{name}")) == (3725, 150)
    assert stamp(Path("Hour_01/Minute_02/Second_05/Frame_7.tif")) == (3725, 7)
    assert stamp(Path("frame_0007.tif")) is None


def test_a_tree_has_the_times_of_its_names(tmp_path, make):
    """Four frames a second over a minute's end are 0.25 s apart, in the order of time."""
    tree = make.insitu(tmp_path / "rec", {58: [2, 3], 59: [0, 1, 2, 3], 60: [0, 1, 2, 3], 61: [0]}, tiff_frame)
    with open_movie(tree) as movie:
        assert movie.shape == (11, 16, 16)
        assert movie.calibration.frame_interval_s == 0.25
        assert movie.calibration.frame_interval_source == "metadata"
        assert movie.times_s == pytest.approx(np.arange(11) * 0.25)
        assert [int(frame.pixels[0, 0]) for frame in movie.frames()] == list(range(11))
        assert movie.warnings == []


def test_dm4_trees_have_pixel_size_and_exposure(samples):
    """Scale and exposure come from the first frame's file, the interval from the names: two frames a second."""
    with open_movie(samples["insitu"]) as movie:
        known = movie.calibration
        assert (known.pixel_size_nm, known.frame_interval_s, known.exposure_s) == (0.2, 0.5, 0.4)


def test_one_level_or_a_single_folder_opens_too(tmp_path, make):
    """A minute's folder, and the files of all seconds in one folder, are movies of their own."""
    tree = make.insitu(tmp_path / "rec", {5: [0, 1], 6: [0, 1], 7: [0]}, tiff_frame)
    with open_movie(tree / "Hour_00" / "Minute_00") as movie:
        assert len(movie) == 5
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in tree.rglob("*.tif"):
        path.rename(flat / path.name)
    with open_movie(flat) as movie:
        assert movie.times_s == pytest.approx([0, 0.5, 1, 1.5, 2])


def test_missing_frames_are_counted_and_keep_the_others_times(tmp_path, make):
    """Without frames 1 and 2 of the second 6 the others stand where they were taken."""
    tree = make.insitu(tmp_path / "rec", {5: [0, 1, 2, 3], 6: [0, 3], 7: [0, 1, 2, 3], 8: [0]}, tiff_frame)
    with open_movie(tree) as movie:
        assert movie.times_s == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1.75, 2, 2.25, 2.5, 2.75, 3])
        assert any(line.startswith("2 frames are missing") for line in movie.warnings)


def test_frames_lost_at_the_end_of_a_second_are_missing_too():
    """With four a second elsewhere, a second that stops at frame 1 lacks two."""
    stamps = np.array([(s, f) for s, n in ((0, 4), (1, 2), (2, 4), (3, 1)) for f in range(n)])
    clock = read_clock(stamps)
    assert clock is not None
    assert (clock[0], clock[2]) == (4.0, 2)


def test_numbers_that_run_on_are_understood():
    """Numbers that do not restart give the rate by their slope: 30 a second."""
    stamps = np.array([(i // 30, i) for i in range(150)])
    clock = read_clock(stamps)
    assert clock is not None
    rate, times, missing = clock
    assert rate == pytest.approx(30)
    assert np.diff(times) == pytest.approx(1 / 30)
    assert missing == 0


def test_rates_between_whole_numbers_are_the_mean():
    """24 and 25 frames by turns are 24.5 a second."""
    stamps = np.array([(s, f) for s in range(9) for f in range(24 + s % 2)])
    clock = read_clock(stamps)
    assert clock is not None
    assert clock[0] == pytest.approx(24.5)
    assert clock[2] == 0


def test_less_than_two_seconds_leave_the_rate_unknown(tmp_path, make):
    """Frames of one second do not say how many it had."""
    with open_movie(make.insitu(tmp_path / "rec", {5: [0, 1, 2]}, tiff_frame)) as movie:
        assert movie.calibration.frame_interval_source == "unknown"
        assert any("--frame-interval-s" in line for line in movie.warnings)


def test_two_recordings_in_one_folder_are_refused(tmp_path):
    """Two files for the same frame are two movies."""
    for name in ("a", "b"):
        for frame in range(2):
            tiff_frame(tmp_path / f"{name}_Hour_00_Minute_00_Second_00_Frame_{frame:04d}.tif", frame)
    with pytest.raises(MovieError, match="same frame of two recordings"):
        open_movie(tmp_path)
