"""Real files of microscopes against independent readers."""

import numpy as np
import pytest

from lptem_tracker.movie import open_movie


@pytest.fixture
def formats(shared_data):
    """Folder of the small files of each format."""
    folder = shared_data / "em_formats"
    if not folder.is_dir():
        pytest.skip("the microscope files (../shared/data/em_formats) are not at hand")
    return folder


def pixels(movie):
    """Return all frames as one array."""
    return np.array([frame.pixels for frame in movie.frames()])


def test_dm3_stack_against_ncempy(formats):
    """66 frames of 65 × 64 int16; pixels of 2 pm × 3 nm have no one size; the third axis is a length."""
    dm = pytest.importorskip("ncempy.io.dm", reason="ncempy is not installed")
    expected = dm.dmReader(str(formats / "dm3_stack_int16.dm3"))
    with open_movie(formats / "dm3_stack_int16.dm3") as movie:
        assert movie.shape == expected["data"].shape == (66, 65, 64)
        assert movie.dtype == expected["data"].dtype == np.int16
        assert np.array_equal(pixels(movie), expected["data"])
        assert (expected["pixelUnit"], list(expected["pixelSize"])) == (["um", "nm", "pm"], [4, 3, 2])
        assert movie.calibration.pixel_size_source == movie.calibration.frame_interval_source == "unknown"
        assert any("0.002 nm along x, 3 nm along y" in line for line in movie.warnings)


def test_dm4_nonsquare_against_ncempy(formats):
    """One float frame of 64 × 128; 1 nm along x and 2 Å along y are said, and not made one."""
    dm = pytest.importorskip("ncempy.io.dm", reason="ncempy is not installed")
    expected = dm.dmReader(str(formats / "dm4_float32_nonsquare.dm4"))
    with open_movie(formats / "dm4_float32_nonsquare.dm4") as movie:
        assert movie.shape == (1, *expected["data"].shape) == (1, 64, 128)
        assert movie.dtype == np.float32
        assert np.array_equal(movie.read(0).pixels, expected["data"])
        assert movie.calibration.pixel_size_nm is None
        assert any("1 nm along x, 0.2 nm along y" in line for line in movie.warnings)
        assert [axis["scale"] for axis in movie.metadata["axes"]] == [2.0, 1.0]


def test_mrc_movie_against_mrcfile(formats):
    """348 frames of 16 × 16 uint16; the header's cell of −160 Å gives no pixel size."""
    mrcfile = pytest.importorskip("mrcfile", reason="mrcfile is not installed")
    with mrcfile.open(formats / "movie.mrc", permissive=True) as mrc, open_movie(formats / "movie.mrc") as movie:
        assert movie.shape == mrc.data.shape == (348, 16, 16)
        assert movie.dtype == mrc.data.dtype == np.uint16
        assert np.array_equal(pixels(movie), mrc.data)
        assert float(mrc.voxel_size.x) == -10
        assert movie.calibration.pixel_size_nm is None
        assert any("-1 × -1 nm" in line for line in movie.warnings)


def test_ser_against_ncempy(formats):
    """Five float frames of 64 × 64, 6.28 nm."""
    ser = pytest.importorskip("ncempy.io.ser", reason="ncempy is not installed")
    expected = ser.serReader(str(formats / "tem_preview_5.ser"))
    with open_movie(formats / "tem_preview_5.ser") as movie:
        assert movie.shape == expected["data"].shape == (5, 64, 64)
        assert movie.dtype == expected["data"].dtype == np.float32
        assert np.array_equal(pixels(movie), expected["data"])
        assert movie.calibration.pixel_size_nm == pytest.approx(expected["pixelSize"][0] * 1e9)
        assert movie.calibration.frame_interval_source == "unknown"


def test_velox_emd_against_h5py(formats):
    """Two int16 frames of 3 × 3, 8.17 pm, 0.8 s: the pixels and the metadata that the file itself holds."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    import json

    with h5py.File(formats / "velox_tem_stack.emd") as file:
        group = next(iter(file["Data/Image"].values()))
        expected = np.moveaxis(group["Data"][:], -1, 0)
        told = json.loads(bytes(group["Metadata"][:, 0]).rstrip(b"\0").decode())
    with open_movie(formats / "velox_tem_stack.emd") as movie:
        assert movie.shape == expected.shape == (2, 3, 3)
        assert movie.dtype == expected.dtype == np.int16
        assert np.array_equal(pixels(movie), expected)
        assert movie.calibration.pixel_size_nm == pytest.approx(float(told["BinaryResult"]["PixelSize"]["width"]) * 1e9)
        assert movie.calibration.pixel_size_source == "metadata"
        assert movie.calibration.frame_interval_s == pytest.approx(0.8)
        assert movie.times_s == pytest.approx([0, 0.8])


def test_imagej_against_tifffile(formats):
    """Two float frames of 68 × 68; 5.928571 px/µm are 168.7 nm."""
    tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed")
    expected = tifffile.imread(formats / "imagej_stack.tif")
    with open_movie(formats / "imagej_stack.tif") as movie:
        assert movie.shape == expected.shape == (2, 68, 68)
        assert movie.dtype == np.float32
        assert np.array_equal(pixels(movie), expected)
        assert movie.calibration.pixel_size_nm == pytest.approx(1000 / 5.928571)
        assert movie.calibration.frame_interval_source == "unknown"


def test_the_real_movie_opens_in_order(shared_data):
    """61 JPEG frames of 1024² make a movie, without a gap and without a scale."""
    with open_movie(shared_data / "sam4em_rods") as movie:
        assert movie.shape == (61, 1024, 1024)
        assert movie.dtype == np.uint8
        assert movie.warnings == []
        assert movie.calibration.pixel_size_source == "unknown"
