"""A checksum of a movie's bytes for the record of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import ArrayMovie, Movie

_WHOLE_BYTES = 2**28
_PIECE_BYTES = 2**20
_PIECES = 32


def fingerprint(movie: Movie) -> str:
    """Return what identifies the bytes of a movie, ``"sha256:…"`` or ``"sha256-sampled:…"``.

    Up to 256 MiB in all, every byte of every file is hashed. Beyond, the number of files, their names and
    sizes and 32 MiB spread evenly over them (first and last piece included) are: enough to tell one recording
    from another in a second, not to prove that not a bit has changed. Neither dates nor folders enter, so that
    a copy has the fingerprint of its original.

    Parameters
    ----------
    movie : Movie
        A movie in memory is hashed by shape, dtype and pixels.

    Raises
    ------
    MovieError
        A file cannot be read (any more).
    """
    paths = movie_files(movie)
    if not paths:
        return _of_pixels(movie)
    try:
        sizes = [path.stat().st_size for path in paths]
        if sum(sizes) <= _WHOLE_BYTES:
            return "sha256:" + _hash(paths, sizes, [(i, 0, size) for i, size in enumerate(sizes)])
        return "sha256-sampled:" + _hash(paths, sizes, list(_samples(sizes)))
    except OSError as error:
        raise MovieError(f"{movie.source} cannot be read for its checksum ({error.strerror or error}).") from None


def movie_files(movie: Movie) -> list[Path]:
    """Return the files that a movie was opened from, in the order of its frames; none for one in memory."""
    paths = getattr(movie, "paths", None)
    if paths is not None:
        return list(paths)
    path = Path(movie.source)
    if isinstance(movie, ArrayMovie) or not path.exists():
        return []
    return sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]


def _hash(paths: list[Path], sizes: list[int], pieces: list[tuple[int, int, int]]) -> str:
    digest = hashlib.sha256()
    if len(paths) > 1:
        for path, size in zip(paths, sizes, strict=True):
            digest.update(f"{path.name}\0{size}\n".encode())
    elif pieces and pieces[0][2] != sizes[0]:
        digest.update(f"{sizes[0]}\n".encode())
    for which, offset, length in pieces:
        with paths[which].open("rb") as file:
            file.seek(offset)
            while length > 0:
                block = file.read(min(length, _PIECE_BYTES))
                if not block:
                    break
                digest.update(block)
                length -= len(block)
    return digest.hexdigest()


def _samples(sizes: list[int]) -> Iterator[tuple[int, int, int]]:
    total, which, before = sum(sizes), 0, 0
    for piece in range(_PIECES):
        at = piece * (total - _PIECE_BYTES) // (_PIECES - 1)
        while at >= before + sizes[which]:
            before += sizes[which]
            which += 1
        yield which, at - before, min(_PIECE_BYTES, sizes[which] - (at - before))


def _of_pixels(movie: Movie) -> str:
    digest = hashlib.sha256(f"{movie.shape} {movie.dtype.str}".encode())
    for frame in movie.frames():
        digest.update(frame.pixels.tobytes())
    return "sha256:" + digest.hexdigest()
