"""Checksums of inputs."""

import hashlib
import shutil

import numpy as np
import tifffile

from lptem_tracker.movie import ArrayMovie, fingerprint, open_movie


def of(path):
    """Return the fingerprint of what a path opens."""
    with open_movie(path) as movie:
        return fingerprint(movie)


def test_a_file_has_the_sha256_of_its_bytes(samples):
    """Small files can be checked with any tool."""
    expected = hashlib.sha256(samples["tiff"].read_bytes()).hexdigest()
    assert of(samples["tiff"]) == f"sha256:{expected}"


def test_copies_agree_and_changes_show(samples, tmp_path):
    """A folder copied elsewhere is the same movie; one changed byte in one frame is not."""
    copy = tmp_path / "copy"
    shutil.copytree(samples["bmp"], copy)
    assert of(copy) == of(samples["bmp"])
    data = bytearray((copy / "frame3.bmp").read_bytes())
    data[-1] ^= 1
    (copy / "frame3.bmp").write_bytes(data)
    assert of(copy) != of(samples["bmp"])


def test_the_order_of_frames_counts(samples):
    """The same files in another order are another movie."""
    files = sorted(samples["png"].iterdir())
    assert of(files) != of(files[::-1])


def test_large_files_are_sampled_and_told_apart_by_size(tmp_path):
    """Beyond 256 MiB pieces are hashed: the length, the start and the end count."""
    path, found = tmp_path / "a.tif", []
    for frames, last in ((150, 0), (151, 0), (151, 1)):
        text = f"ImageJ=1.54f\nimages={frames}\n"
        tifffile.imwrite(path, np.zeros((1024, 1024), np.uint16), description=text, metadata=None)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size + (frames - 1) * 2**21)
            file.seek(-1, 2)
            file.write(bytes([last]))
        found.append(of(path))
    assert len(set(found)) == 3
    assert all(text.startswith("sha256-sampled:") for text in found)


def test_a_movie_in_memory_is_its_pixels():
    """Shape, dtype and values decide."""
    zeros = np.zeros((2, 4, 4), np.uint8)
    assert fingerprint(ArrayMovie(zeros)) == fingerprint(ArrayMovie(zeros.copy()))
    assert fingerprint(ArrayMovie(zeros)) != fingerprint(ArrayMovie(zeros.astype(np.int8)))
