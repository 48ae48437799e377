"""TIFF in its dialects: pixels against tifffile, scale from the tags."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie import open_movie


@pytest.mark.parametrize("name", ["tiff", "tiff_deflate", "bigtiff", "imagej", "ome"])
def test_stacks_are_read_in_their_depth(samples, name):
    """Every dialect gives the pixels that tifffile gives, native, frame by frame."""
    expected = tifffile.imread(samples[name])
    with open_movie(samples[name]) as movie:
        assert movie.shape == expected.shape
        assert movie.dtype == expected.dtype.newbyteorder("=")
        assert movie.dtype.isnative
        assert np.array_equal([frame.pixels for frame in movie.frames()], expected)
        assert np.array_equal(movie.read(4).pixels, expected[4])


def test_imagej_scale_and_interval(samples):
    """2 px/nm and finterval 0.25 are 0.5 nm and 0.25 s, from the metadata."""
    with open_movie(samples["imagej"]) as movie:
        assert movie.calibration.pixel_size_nm == pytest.approx(0.5)
        assert movie.calibration.frame_interval_s == 0.25
        assert movie.calibration.pixel_size_source == movie.calibration.frame_interval_source == "metadata"


def test_imagej_fps_is_only_how_fast_it_plays(tmp_path, make):
    """Without finterval the interval stays unknown."""
    tifffile.imwrite(tmp_path / "a.tif", make.stack(), imagej=True, metadata={"axes": "TYX", "fps": 7.0})
    with open_movie(tmp_path / "a.tif") as movie:
        assert movie.calibration.frame_interval_s is None


def test_ome_scale_and_interval(samples):
    """0.5 nm and an increment of 50 ms."""
    with open_movie(samples["ome"]) as movie:
        assert movie.calibration.pixel_size_nm == pytest.approx(0.5)
        assert movie.calibration.frame_interval_s == pytest.approx(0.05)


def test_ome_times_of_the_planes(tmp_path, make):
    """DeltaT of 1, 1.5 and 4 s are 0, 0.5 and 3 s from the first frame, the interval their median step."""
    tifffile.imwrite(tmp_path / "a.ome.tif", make.stack(shape=(3, 32, 32)), metadata={
        "axes": "TYX", "Plane": {"DeltaT": [1.0, 1.5, 4.0], "ExposureTime": [0.4] * 3}})  # fmt: skip
    with open_movie(tmp_path / "a.ome.tif") as movie:
        assert movie.times_s == pytest.approx([0, 0.5, 3])
        assert movie.calibration.frame_interval_s == pytest.approx(1.5)
        assert movie.calibration.exposure_s == pytest.approx(0.4)


def test_ome_of_several_files_is_one_movie(tmp_path, make):
    """A multi-file OME-TIFF is read through any of its files; without the first one the others' frames are read."""
    stack = make.stack(shape=(4, 32, 32))
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="32" '
        'SizeZ="1" SizeC="1" SizeT="4">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        '<TiffData FirstT="0" IFD="0" PlaneCount="2"><UUID FileName="a.ome.tif">urn:uuid:{a}</UUID></TiffData>'
        '<TiffData FirstT="2" IFD="0" PlaneCount="2"><UUID FileName="b.ome.tif">urn:uuid:{b}</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    uuids = {name: f"0000000{i}-0000-0000-0000-000000000000" for i, name in enumerate("ab")}
    for name, part in (("a", stack[:2]), ("b", stack[2:])):
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif", part, description=xml.format(own=uuids[name], **uuids), metadata=None
        )
    with open_movie(tmp_path / "a.ome.tif") as movie:
        assert movie.shape == (4, 32, 32)
        assert np.array_equal([frame.pixels for frame in movie.frames()], stack)
    (tmp_path / "a.ome.tif").unlink()
    with open_movie(tmp_path / "b.ome.tif") as movie:
        assert np.array_equal([frame.pixels for frame in movie.frames()], stack[2:])
        assert any("(0, 1)" in line for line in movie.warnings)


def test_one_description_of_a_contiguous_stack_beyond_4_gb(tmp_path):
    """ImageJ writes one page for a stack of more than 4 GB: all frames are there, the last one too."""
    path, n = tmp_path / "a.tif", 2200
    description = f"ImageJ=1.54f\nimages={n}\nframes={n}\nfinterval=0.5\n"
    tifffile.imwrite(path, np.full((1024, 1024), 7, np.uint16), description=description, metadata=None, byteorder=">")
    start = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(start + (n - 1) * 2 * 1024 * 1024)
        file.seek(-2, 2)
        file.write(b"\x01\x02")
    with open_movie(path) as movie:
        assert movie.shape == (n, 1024, 1024)
        assert movie.read(0).pixels[0, 0] == 7
        assert movie.read(n - 1).pixels[-1, -1] == 258


def test_colour_pages_become_grey(tmp_path, make):
    """RGB with equal channels, interleaved or planar, is what it was in grey."""
    stack = make.stack("uint8", (3, 32, 40))
    for name, axis in (("contig", -1), ("separate", 1)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, np.stack([stack] * 3, axis), photometric="rgb", planarconfig=name, metadata=None)
        with open_movie(path) as movie:
            assert np.array_equal([frame.pixels for frame in movie.frames()], stack)


def test_a_second_axis_is_refused(tmp_path):
    """Time and depth at once are no movie; the sentence names both."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 16, 16), np.uint8), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(MovieError, match="T = 3, Z = 4"):
        open_movie(tmp_path / "a.tif")


def test_pages_of_another_size_are_left_out(tmp_path):
    """A thumbnail among the pages costs a warning, not the movie."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for shape in ((32, 32), (32, 32), (8, 8), (32, 32)):
            tif.write(np.ones(shape, np.uint8), contiguous=False, metadata=None)
    with open_movie(tmp_path / "a.tif") as movie:
        assert [frame.index for frame in movie.frames()] == [0, 1, 3]
        assert "8 × 8 px" in movie.left_out[2]


def test_a_resolution_too_fine_for_paper_is_a_pixel_size(tmp_path):
    """10⁷ px/cm is 1 nm; 300 dots per inch is paper and says nothing."""
    tifffile.imwrite(
        tmp_path / "fine.tif", np.ones((32, 32)), resolution=(1e7, 1e7), resolutionunit="CENTIMETER", metadata=None
    )
    tifffile.imwrite(
        tmp_path / "paper.tif", np.ones((32, 32)), resolution=(300, 300), resolutionunit="INCH", metadata=None
    )
    with open_movie(tmp_path / "fine.tif") as fine, open_movie(tmp_path / "paper.tif") as paper:
        assert fine.calibration.pixel_size_nm == pytest.approx(1.0)
        assert paper.calibration.pixel_size_nm is None


@pytest.mark.parametrize("name", ["tiff", "imagej", "bigtiff"])
def test_a_cut_stack_gives_its_rest_with_a_warning(samples, tmp_path, name):
    """Half a stack is read as far as it goes, and the loss is said."""
    path = tmp_path / "cut.tif"
    path.write_bytes(samples[name].read_bytes()[: samples[name].stat().st_size // 2])
    with open_movie(path) as movie:
        assert 1 <= sum(1 for _ in movie.frames()) < 6
        assert any("incomplete" in line for line in movie.warnings)


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"contiguous": False}], ids=["compressed", "apart"])
def test_pages_that_were_written_one_by_one_are_one_movie(tmp_path: Path, options: dict[str, Any]) -> None:
    """A loop that writes frame after frame describes each as a picture of its own; all are frames of the movie."""
    frames = np.arange(5 * 40 * 60, dtype=np.uint16).reshape(5, 40, 60)
    with tifffile.TiffWriter(tmp_path / "loop.tif") as tif:
        for frame in frames:
            tif.write(frame, photometric="minisblack", **options)
    with open_movie(tmp_path / "loop.tif") as movie:
        assert movie.shape == (5, 40, 60)
        assert movie.warnings == []
        np.testing.assert_array_equal([frame.pixels for frame in movie.frames()], frames)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (np.zeros((30, 50), np.uint16), "50 × 30 px; the movie is 60 × 40"),
        (np.zeros((40, 60), np.uint8), "holds uint8"),
    ],
    ids=["size", "type"],
)
def test_a_page_unlike_the_first_is_left_out_and_named(tmp_path: Path, odd: NDArray[Any], told: str) -> None:
    """A size or type that changes on page 2 costs that frame alone, and the warning says which and why."""
    with tifffile.TiffWriter(tmp_path / "odd.tif") as tif:
        for k in range(5):
            tif.write(odd if k == 2 else np.full((40, 60), k, np.uint16), photometric="minisblack")
    with open_movie(tmp_path / "odd.tif") as movie:
        assert [frame.index for frame in movie.frames()] == [0, 1, 3, 4]
        assert told in movie.warnings[0]
        assert "(2)" in movie.warnings[0]


@pytest.mark.parametrize("shape", [(10, 15), (40, 60, 3)], ids=["small", "coloured"])
def test_a_thumbnail_after_a_stack_is_no_frame(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A stack that was written at once is the movie; a picture of another kind behind it is none of its frames."""
    frames = np.arange(5 * 40 * 60, dtype=np.uint16).reshape(5, 40, 60)
    with tifffile.TiffWriter(tmp_path / "preview.tif") as tif:
        tif.write(frames, photometric="minisblack")
        tif.write(np.zeros(shape, np.uint8), photometric="rgb" if len(shape) == 3 else "minisblack")
    with open_movie(tmp_path / "preview.tif") as movie:
        assert movie.shape == (5, 40, 60)
        assert movie.warnings == []
        np.testing.assert_array_equal([frame.pixels for frame in movie.frames()], frames)
