"""One sentence for everything that is no movie, and the right reader for what is."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lptem_tracker.errors import CalibrationError, MovieError
from lptem_tracker.movie import open_movie


def sentence(source, **options):
    """Return the error of opening something, which is one line."""
    with pytest.raises(MovieError) as caught:
        open_movie(source, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


def test_what_is_not_there_is_named(tmp_path):
    """A missing file, a web address and an empty name are told apart."""
    assert "check the path" in sentence(tmp_path / "nothing.mp4")
    assert "download it first" in sentence("https://example.org/film.mp4")
    assert "expected" in sentence(" ")


@pytest.mark.parametrize("suffix", [".mp4", ".tif", ".dm4", ".mrc", ".png", ".emd", ".ser", ".xyz"])
def test_empty_files_are_called_empty(tmp_path, suffix):
    """0 bytes are no movie, whatever the name."""
    path = tmp_path / f"a{suffix}"
    path.touch()
    assert "empty" in sentence(path)


@pytest.mark.parametrize(
    "suffix", [".mp4", ".avi", ".mkv", ".tif", ".dm3", ".dm4", ".mrc", ".png", ".jpg", ".emd", ".ser", ".tvips", ".blo",
               ".hspy", ".npy", ".unf", ".mib", ".nxs", ".gif", ".emi", ".prz", ".rpl", ".zspy"]
)  # fmt: skip
def test_a_text_with_the_name_of_a_movie_is_refused(tmp_path, suffix):
    """A wrongly named file gives a sentence with its name, for every suffix that is known."""
    path = tmp_path / f"notes_000{suffix}"
    path.write_text("These are notes on the experiment. " * 40, encoding="utf-8")
    assert path.name in sentence(path)


def test_an_unknown_suffix_lists_what_can_be_opened(tmp_path):
    """The sentence says what would have been a movie."""
    path = tmp_path / "data.xyz"
    path.write_bytes(bytes(range(256)) * 4)
    assert "TIFF" in sentence(path)
    assert "mp4" in sentence(path)


@pytest.mark.parametrize(
    ("sample", "wrong"), [("tiff", ".mp4"), ("mp4", ".tif"), ("mrc", ".dm4"), ("dm4", ".ser"), ("ser", ".mrc")]
)
def test_a_wrong_name_is_seen_through(samples, tmp_path, sample, wrong):
    """The content decides, with a warning on the name."""
    path = tmp_path / f"a{wrong}"
    shutil.copy(samples[sample], path)
    with open_movie(path) as movie, open_movie(samples[sample]) as right:
        assert np.array_equal(movie.read(0).pixels, right.read(0).pixels)
        assert any("named like another format" in line for line in movie.warnings)


def test_a_single_frame_is_a_movie_of_one(samples):
    """One picture opens; what needs more says so later."""
    with open_movie(samples["dm4"]) as movie:
        assert len(movie) == 1


def test_permission_denied_is_said(samples, monkeypatch):
    """A file that may not be read is not called damaged."""

    def denied(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "permission denied" in sentence(samples["tiff"])
    monkeypatch.setattr(os, "scandir", denied)
    assert "permission denied" in sentence(samples["png"])


def test_complex_and_four_dimensional_data_are_refused(tmp_path):
    """The sentence says what to do with each."""
    np.save(tmp_path / "complex.npy", np.zeros((3, 16, 16), complex))
    np.save(tmp_path / "scan.npy", np.zeros((3, 4, 16, 16)))
    np.save(tmp_path / "line.npy", np.zeros(16))
    assert "modulus" in sentence(tmp_path / "complex.npy")
    assert "4 axes" in sentence(tmp_path / "scan.npy")
    assert "expected pictures" in sentence(tmp_path / "line.npy")


def test_pickled_arrays_are_not_loaded(tmp_path):
    """An array of objects could run code: it is refused."""
    np.save(tmp_path / "a.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    assert "a.npy" in sentence(tmp_path / "a.npy")


def test_given_values_replace_those_of_the_file(samples):
    """User values win, carry their source, and move the times along."""
    with open_movie(samples["imagej"], pixel_size_nm=3, exposure_s=0.1) as movie:
        assert (movie.calibration.pixel_size_nm, movie.calibration.pixel_size_source) == (3, "user")
        assert (movie.calibration.frame_interval_s, movie.calibration.frame_interval_source) == (0.25, "metadata")
        assert movie.calibration.exposure_s == 0.1


def test_impossible_values_are_refused_as_settings(samples):
    """A negative pixel size is the user's mistake, not the movie's."""
    with pytest.raises(CalibrationError):
        open_movie(samples["imagej"], pixel_size_nm=-1)


def test_closed_movies_say_so(samples):
    """Reading after `close` is an error, not a crash."""
    for name in ("tiff", "mp4", "mrc", "emd_ncem"):
        movie = open_movie(samples[name])
        movie.close()
        with pytest.raises(MovieError, match="closed"):
            movie.read(1)


def test_a_header_that_announces_the_impossible_is_refused(tmp_path):
    """A page of 10⁵ × 10⁵ px in a small file asks for no memory."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["ImageWidth"].overwrite(100_000)
        tif.pages[0].tags["ImageLength"].overwrite(100_000)
    assert "damaged" in sentence(path)
