"""`open_movie`: whatever a user names → the Movie that reads it."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Movie
from lptem_tracker.movie.images import ImageSequence
from lptem_tracker.movie.insitu import InsituMovie, find_tree, stamp
from lptem_tracker.movie.microscope import open_microscope
from lptem_tracker.movie.natural import natural_key
from lptem_tracker.movie.sniff import IMAGE, KNOWN, MICROSCOPE, TIFF, VIDEO, family
from lptem_tracker.movie.tiff import TiffMovie
from lptem_tracker.movie.video import VideoMovie

_SAME = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif", ".dib": ".bmp"}
_RARE_FRAMES = {".npy", ".zspy", ".rpl"}


def open_movie(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    pixel_size_nm: float | None = None,
    frame_interval_s: float | None = None,
    exposure_s: float | None = None,
) -> Movie:
    """Open a movie lazily, whatever its format.

    Parameters
    ----------
    source : path, or sequence of paths
        A video, TIFF or microscope file, a folder or glob of images, a Gatan in-situ tree, or a list of
        single images in the order of the frames.
    pixel_size_nm, frame_interval_s, exposure_s : float, optional
        Replace what the file says, with the source ``user``. A frame interval also sets the pace of `times_s`.

    Returns
    -------
    Movie
        Frames of shape (Y, X) in the depth of the file, read when asked for.

    Raises
    ------
    MovieError
        There is nothing there, it cannot be read, or it is no movie.
    CalibrationError
        A given value is not positive, or the exposure is longer than the interval.

    Examples
    --------
    >>> open_movie("no_such_file.mp4")
    Traceback (most recent call last):
    lptem_tracker.errors.MovieError: There is no file or folder no_such_file.mp4; check the path.
    """
    movie = _open(source)
    try:
        before = movie.calibration.frame_interval_s
        movie.calibration = movie.calibration.with_user(
            pixel_size_nm=pixel_size_nm, frame_interval_s=frame_interval_s, exposure_s=exposure_s
        )
    except Exception:
        movie.close()
        raise
    if frame_interval_s is not None and movie.times_s is not None and len(movie) > 1:
        step = before or float(np.median(np.diff(movie.times_s)))
        movie.times_s = movie.times_s * (frame_interval_s / step)
    return movie


def _open(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Movie:
    if not isinstance(source, str | os.PathLike):
        return _series([Path(item) for item in source], f"the list of {len(source)} files", keep_order=True)
    text = os.fspath(source)
    path = Path(text).expanduser()
    if not text.strip():
        raise MovieError(f"No movie was named; expected {KNOWN}.")
    try:
        if path.is_dir() and path.suffix.lower() != ".zspy":
            return _open_folder(path)
        if path.exists():
            return _open_file(path)
    except PermissionError:
        raise MovieError(f"{path} cannot be read: permission denied; check who may read it.") from None
    except (OSError, ValueError) as error:
        raise MovieError(f"{text!r} cannot be opened ({error}).") from None
    if glob.has_magic(text):
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
        if not matches:
            raise MovieError(f"No file matches {text}; check the pattern (and quote it for the shell).")
        return _open(matches[0]) if len(matches) == 1 else _series(matches, text)
    hint = "download it first" if "://" in text else "check the path"
    raise MovieError(f"There is no file or folder {text}; {hint}.")


def _open_file(path: Path) -> Movie:
    if path.is_dir():
        return open_microscope(path, MICROSCOPE[path.suffix.lower()])
    kind, module = family(path)
    movie: Movie
    if kind == "video":
        movie = VideoMovie(path)
    elif kind == "tiff":
        movie = TiffMovie(path)
    elif kind == "image":
        movie = ImageSequence([path], str(path))
    else:
        movie = open_microscope(path, module)
    suffix = path.suffix.lower()
    expected = {"video": VIDEO, "tiff": TIFF, "image": IMAGE, "microscope": set(MICROSCOPE)}[kind]
    known = suffix in VIDEO | TIFF | IMAGE | set(MICROSCOPE)
    if known and (suffix not in expected or MICROSCOPE.get(suffix, module) != module):
        movie.warnings.append(f"{path.name} is named like another format; by its content it is {movie.format}.")
    return movie


def _open_folder(folder: Path) -> Movie:
    frames = find_tree(folder)
    if len(frames) > 1:
        return InsituMovie(frames, str(folder))
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    return _series([folder / name for name in names], str(folder))


def _series(paths: list[Path], source: str, *, keep_order: bool = False) -> Movie:
    """Return the movie of the most frequent kind of image among the files."""
    missing = [path for path in paths if keep_order and not path.is_file()]
    if missing:
        raise MovieError(f"There is no file {missing[0]}; check the list.")
    if len(paths) > 1 and all(stamp(path) is not None for path in paths):
        return InsituMovie(paths, source)
    kinds = Counter(_kind(path) for path in paths)
    frames = {kind: n for kind, n in kinds.items() if kind in TIFF | IMAGE | (set(MICROSCOPE) - _RARE_FRAMES)}
    if not frames:
        raise _no_images(paths, source)
    kind, n = max(frames.items(), key=lambda item: (item[1], item[0]))
    chosen = [path for path in paths if _kind(path) == kind]
    if not keep_order:
        chosen.sort(key=lambda path: natural_key(str(path)))
    movie = ImageSequence(chosen, source)
    others = sum(frames.values()) - n
    if others:
        movie.warnings.append(f"{others} images of another kind than {kind} in {source} were left aside.")
    return movie


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return _SAME.get(suffix, suffix)


def _no_images(paths: list[Path], source: str) -> MovieError:
    movies = sorted(path.name for path in paths if path.suffix.lower() in VIDEO)
    if movies:
        more = ", …" if len(movies) > 3 else ""
        return MovieError(
            f"{source} holds movies ({', '.join(movies[:3])}{more}), not the frames of one; give one of these files."
        )
    what = f"holds {len(paths)} files but no image" if paths else "holds no files"
    return MovieError(f"{source} {what}; expected the frames of one movie (tif, png, jpg, dm4, …) in one folder.")
