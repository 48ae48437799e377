"""Folders and globs of images."""

import shutil

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from lptem_tracker.errors import MovieError
from lptem_tracker.movie import open_movie


def write(folder, names, shape=(32, 40), value=0):
    """Write one PNG for each name, each of its own grey value."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(np.full(shape, value + index, np.uint8)).save(folder / name)
    return folder


def levels(movie):
    """Return the value of the first pixel of each frame."""
    return [int(frame.pixels[0, 0]) for frame in movie.frames()]


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_a_folder_is_a_movie(samples, make, kind):
    """Lossless images come back as they were written."""
    with open_movie(samples[kind]) as movie:
        assert movie.shape == (6, 48, 64)
        assert np.array_equal([frame.pixels for frame in movie.frames()], make.stack("uint8"))


def test_jpegs_are_decoded_as_pillow_does(samples):
    """A lossy image is what another decoder makes of it."""
    with open_movie(samples["jpg"]) as movie, Image.open(samples["jpg"] / "frame3.jpg") as image:
        assert np.array_equal(movie.read(3).pixels, np.asarray(image))


def test_a_folder_of_tiff_frames_keeps_16_bits(samples, make):
    """Each file is one frame, in its own depth."""
    with open_movie(samples["tif_folder"]) as movie:
        assert movie.dtype == np.uint16
        assert np.array_equal([frame.pixels for frame in movie.frames()], make.stack("uint16"))


def test_a_folder_of_dm4_frames_has_their_pixel_size(tmp_path, make):
    """The scale comes from the first file."""
    for index in range(3):
        make.dm4(tmp_path / f"a{index}.dm4", make.stack("int16")[index], [(0.2, "nm"), (0.2, "nm")])
    with open_movie(tmp_path) as movie:
        assert movie.calibration.pixel_size_nm == 0.2
        assert np.array_equal(movie.read(2).pixels, make.stack("int16")[2])


def test_frames_are_in_natural_order(tmp_path):
    """img2 comes before img10, and hidden files are no frames."""
    folder = write(tmp_path / "m", ["img10.png", "img2.png", "img1.png"])
    (folder / "._img1.png").write_bytes(b"resource fork")
    with open_movie(folder) as movie:
        assert levels(movie) == [2, 1, 0]


def test_a_glob_takes_what_it_matches(tmp_path):
    """A pattern names the frames; one match is opened as a file."""
    folder = write(tmp_path / "m", ["a1.png", "a2.png", "b1.png"])
    with open_movie(str(folder / "a*.png")) as movie, open_movie(str(folder / "b*.png")) as single:
        assert levels(movie) == [0, 1]
        assert len(single) == 1
    with pytest.raises(MovieError, match="No file matches"):
        open_movie(str(folder / "c*.png"))


def test_a_list_keeps_its_order(tmp_path):
    """Paths given one by one are the order of the frames."""
    folder = write(tmp_path / "m", ["a1.png", "a2.png", "a3.png"])
    with open_movie([folder / "a3.png", folder / "a1.png"]) as movie:
        assert levels(movie) == [2, 0]
    with pytest.raises(MovieError, match=r"no file .*a9"):
        open_movie([folder / "a3.png", folder / "a9.png"])


def test_gaps_in_the_numbers_are_a_warning(tmp_path):
    """Frames 3 and 4 of 1 to 6 are missing, and the movie has four."""
    with open_movie(write(tmp_path / "m", [f"f_{i:03d}.png" for i in (1, 2, 5, 6)])) as movie:
        assert len(movie) == 4
        assert any("2 missing (3 to 4)" in line for line in movie.warnings)


def test_an_odd_size_among_the_frames_is_left_out(tmp_path):
    """The size of most frames is the movie's; another is named and left out."""
    folder = write(tmp_path / "m", [f"f{i}.png" for i in range(5)])
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "f2.png")
    with open_movie(folder) as movie:
        assert movie.shape == (5, 32, 40)
        assert levels(movie) == [0, 1, 3, 4]
        assert "8 × 8 px" in movie.left_out[2]


def test_images_without_a_common_size_are_no_movie(tmp_path):
    """A folder of pictures of all sizes is refused, with two of the sizes."""
    for index in range(4):
        Image.fromarray(np.zeros((20 + index, 30), np.uint8)).save(tmp_path / f"f{index}.png")
    with pytest.raises(MovieError, match="different sizes"):
        open_movie(tmp_path)


def test_unreadable_files_among_the_frames_are_left_out(tmp_path):
    """An empty, a cut and a wrongly named file cost their frames only."""
    folder = write(tmp_path / "m", [f"f{i}.png" for i in range(6)])
    (folder / "f0.png").write_bytes(b"")
    (folder / "f2.png").write_bytes((folder / "f2.png").read_bytes()[:-30])
    (folder / "f4.png").write_text("no picture", encoding="utf-8")
    with open_movie(folder) as movie:
        assert levels(movie) == [1, 3, 5]
        assert sorted(movie.left_out) == [0, 2, 4]
        assert "empty" in movie.left_out[0]


def test_another_depth_among_the_frames_is_left_out(tmp_path):
    """A 16-bit frame in an 8-bit movie would be a jump in brightness."""
    folder = write(tmp_path / "m", [f"f{i}.png" for i in range(4)])
    Image.fromarray(np.full((32, 40), 3000, np.uint16)).save(folder / "f3.png")
    with open_movie(folder) as movie:
        assert levels(movie) == [0, 1, 2]
        assert "uint16" in movie.left_out[3]


def test_16_bit_colour_keeps_16_bits(tmp_path):
    """A PNG with 16 bits in each of three equal channels is not taken down to 8."""
    grey = (np.arange(32 * 40).reshape(32, 40) * 50).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.stack([grey] * 3, axis=-1)))
    with open_movie(tmp_path / "a.png") as movie:
        assert movie.dtype == np.uint16
        assert np.array_equal(movie.read(0).pixels, grey)


def test_palette_images_give_luminance(tmp_path):
    """The index of a colour is no brightness."""
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 100, 100, 100])
    image.save(tmp_path / "a.png")
    with open_movie(tmp_path / "a.png") as movie:
        assert np.all(movie.read(0).pixels == 100)


def test_most_frequent_kind_wins(tmp_path):
    """A preview among the TIFF frames is left aside, and said so."""
    for index in range(3):
        tifffile.imwrite(tmp_path / f"f{index}.tif", np.zeros((16, 16), np.uint16))
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "preview.png")
    with open_movie(tmp_path) as movie:
        assert len(movie) == 3
        assert any("1 images of another kind" in line for line in movie.warnings)


def test_a_folder_of_movies_is_refused_with_their_names(samples, tmp_path):
    """A folder of videos or of stacks is not one movie."""
    shutil.copy(samples["mp4"], tmp_path / "one.mp4")
    with pytest.raises(MovieError, match=r"holds movies \(one.mp4\)"):
        open_movie(tmp_path)
    for name in ("a.tif", "b.tif"):
        shutil.copy(samples["tiff"], tmp_path / name)
    with pytest.raises(MovieError, match="holds 6 frames by itself"):
        open_movie(tmp_path)


def test_a_folder_without_images_says_what_was_expected(tmp_path):
    """Empty folders and folders of other things are told apart."""
    with pytest.raises(MovieError, match="holds no files"):
        open_movie(tmp_path)
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(MovieError, match="1 files but no image"):
        open_movie(tmp_path)
