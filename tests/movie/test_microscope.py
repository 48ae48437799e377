"""Microscope formats from files made here: pixels, shape, and what the metadata give."""

import importlib
import warnings

import h5py
import mrcfile
import numpy as np
import pytest

from lptem_tracker.errors import MovieError
from lptem_tracker.movie import open_movie
from lptem_tracker.movie.microscope import DaskFrames


def pixels(movie):
    """Return all frames as one array."""
    return np.array([frame.pixels for frame in movie.frames()])


def test_dm4_stack(samples, make):
    """A float stack in time: 0.2 nm, 50 ms, 40 ms exposure, and the times of the frames."""
    with open_movie(samples["dm4_stack"]) as movie:
        assert np.array_equal(pixels(movie), make.stack("float32"))
        known = movie.calibration
        assert (known.pixel_size_nm, known.frame_interval_s, known.exposure_s) == (0.2, 0.05, 0.04)
        assert movie.times_s == pytest.approx(np.arange(6) * 0.05)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32"])
def test_dm4_depths(tmp_path, make, dtype):
    """Every depth that DigitalMicrograph writes comes back as it is."""
    stack = make.stack(dtype)
    with open_movie(make.dm4(tmp_path / "a.dm4", stack, [(1, "nm")] * 2 + [(1, "s")])) as movie:
        assert movie.dtype == np.dtype(dtype)
        assert np.array_equal(pixels(movie), stack)


def test_a_depth_stack_says_that_it_is_no_time(tmp_path, make):
    """A third axis in µm is read as frames, without an interval and with a warning."""
    with open_movie(make.dm4(tmp_path / "a.dm4", make.stack("float32"), [(1, "nm"), (1, "nm"), (3, "µm")])) as movie:
        assert movie.calibration.frame_interval_s is None
        assert any("not in time" in line for line in movie.warnings)


def test_diffraction_patterns_have_no_pixel_size(tmp_path, make):
    """A scale in 1/nm is said, and not taken for a length."""
    with open_movie(make.dm4(tmp_path / "a.dm4", make.stack("float32"), [(1, "1/nm"), (1, "1/nm"), (1, "s")])) as movie:
        assert movie.calibration.pixel_size_nm is None
        assert any("1/nm" in line for line in movie.warnings)


def test_mrc_stack_and_its_scale(samples, make):
    """5 Å a pixel are 0.5 nm; there is no time axis."""
    with open_movie(samples["mrc"]) as movie:
        assert np.array_equal(pixels(movie), make.stack("float32"))
        assert movie.calibration.pixel_size_nm == pytest.approx(0.5)
        assert movie.calibration.frame_interval_source == "unknown"
        assert movie.times_s is None


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32"])
def test_mrc_depths_are_those_of_mrcfile(tmp_path, dtype):
    """Signed bytes stay signed, words and floats keep their depth."""
    stack = np.arange(-60, 60).reshape(5, 4, 6).astype(dtype)
    with mrcfile.new(tmp_path / "a.mrc", stack) as mrc:
        mrc.set_image_stack()
    with open_movie(tmp_path / "a.mrc") as movie:
        assert movie.dtype == stack.dtype
        assert np.array_equal(pixels(movie), stack)


def test_bytes_beyond_127_in_an_mrc_are_unsigned(tmp_path):
    """A counting camera writes 0 to 255 as mode 0, and says so in the header's extremes."""
    stack = np.arange(120, 240).reshape(5, 4, 6).astype(np.uint8)
    with mrcfile.new(tmp_path / "a.mrc", stack.view(np.int8)) as mrc:
        mrc.set_image_stack()
        mrc.header.dmin, mrc.header.dmax = 120, 239
    with open_movie(tmp_path / "a.mrc") as movie:
        assert np.array_equal(pixels(movie), stack)


def test_a_cut_mrc_gives_its_whole_frames(samples, tmp_path, make):
    """A camera that was stopped leaves fewer frames than the header says."""
    path = tmp_path / "a.mrc"
    path.write_bytes(samples["mrc"].read_bytes()[: 1024 + 3 * 48 * 64 * 4 + 10])
    with open_movie(path) as movie:
        assert np.array_equal(pixels(movie), make.stack("float32")[:3])
        assert any("announces 6 frames and holds 3" in line for line in movie.warnings)


def test_ncem_emd(samples, make):
    """Units as NCEM writes them, [n_m] and [s]."""
    with open_movie(samples["emd_ncem"]) as movie:
        assert np.array_equal(pixels(movie), make.stack("uint16"))
        assert movie.calibration.pixel_size_nm == pytest.approx(0.5)
        assert movie.calibration.frame_interval_s == pytest.approx(0.1)


def test_compressed_hdf5_is_read_by_blocks(tmp_path, make):
    """A chunk of several frames is decompressed once, whatever the order of reading."""
    stack = make.stack("uint16", (10, 32, 32))
    path = make.emd(tmp_path / "a.emd", stack)
    with h5py.File(path, "r+") as file:
        del file["data/movie/data"]
        file["data/movie"].create_dataset("data", data=stack, chunks=(4, 32, 32), compression="gzip")
    with open_movie(path) as movie:
        assert np.array_equal(pixels(movie), stack)
        assert all(np.array_equal(movie.read(index).pixels, stack[index]) for index in (9, 0, 5, 3))


def test_blocks_are_computed_once():
    """Reading frames of one block asks the lazy array once."""
    da = importlib.import_module("dask.array")
    asked = []

    def block(at):
        asked.append(1)
        return np.full((4, 2, 2), at)

    data = da.concatenate(
        [da.from_delayed(importlib.import_module("dask").delayed(block)(i), (4, 2, 2), int) for i in range(3)]
    )
    frames = DaskFrames(data)
    assert [int(frames[i][0, 0]) for i in range(12)] == [0] * 4 + [1] * 4 + [2] * 4
    assert len(asked) == 3


def test_tia_series(samples, make):
    """Rows run from the top as TIA shows them; whole-second stamps over a moment give no interval."""
    with open_movie(samples["ser"]) as movie:
        assert np.array_equal(pixels(movie), make.stack("uint16")[:, ::-1])
        assert movie.calibration.pixel_size_nm == pytest.approx(2.0)
        assert movie.calibration.frame_interval_s is None


def test_long_tia_series_have_a_mean_interval(tmp_path, make):
    """Five steps over 200 s are 40 s each, with the reservation said."""
    stamps = [1000 + 40 * i for i in range(6)]
    with open_movie(make.ser(tmp_path / "a.ser", make.stack("uint16"), seconds=stamps)) as movie:
        assert movie.calibration.frame_interval_s == pytest.approx(40)
        assert any("mean over the series" in line for line in movie.warnings)


def test_tia_series_agrees_with_rosettasciio(samples):
    """The reader here gives what the library's gives, frame by frame instead of all at once."""
    expected = importlib.import_module("rsciio.tia").file_reader(str(samples["ser"]))[0]
    with open_movie(samples["ser"]) as movie:
        assert np.array_equal(pixels(movie), expected["data"])
        assert movie.calibration.pixel_size_nm == pytest.approx(float(expected["axes"][-1]["scale"]))


def test_tvips_stream(samples, make):
    """The stream's own time stamps give 40 ms, its header 3 nm."""
    with open_movie(samples["tvips"]) as movie:
        assert np.array_equal(pixels(movie), make.stack("uint16"))
        assert movie.calibration.pixel_size_nm == 3
        assert movie.calibration.frame_interval_s == pytest.approx(0.04, rel=1e-4)


def test_blockfile_scan_is_refused(tmp_path):
    """A 4-D scan is not a movie, and the sentence says what to do."""
    data = np.zeros((4, 5, 16, 16), np.uint8)
    axes = [
        {"name": name, "size": 4, "scale": 1.0, "offset": 0.0, "units": unit, "navigate": unit == "nm"}
        for name, unit in (("y", "nm"), ("x", "nm"), ("dy", "cm"), ("dx", "cm"))
    ]
    for index, axis in enumerate(axes):
        axis |= {"size": data.shape[index], "index_in_array": index}
    signal = {"data": data, "axes": axes, "metadata": {}, "original_metadata": {}, "attributes": {"_lazy": False}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("rsciio.blockfile").file_writer(str(tmp_path / "a.blo"), signal, show_progressbar=False)
    with pytest.raises(MovieError, match="4 axes"):
        open_movie(tmp_path / "a.blo")


def test_numpy_stack(samples, make):
    """A plain array opens without calibration."""
    with open_movie(samples["npy"]) as movie:
        assert np.array_equal(pixels(movie), make.stack("uint16"))
        assert movie.calibration.pixel_size_source == "unknown"
