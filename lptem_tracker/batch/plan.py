"""Which movies a batch holds, where each one's run goes, and which sample it belongs to."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lptem_tracker.errors import MovieError, TableError

_IN_SITU_FRAME = re.compile(r"_Frame_\d+\.\w+$")
_IN_SITU_LEVEL = re.compile(r"^(Hour|Minute|Second)_\d+$")


@dataclass(frozen=True)
class Item:
    """One movie of a batch.

    Attributes
    ----------
    source : str
        Path of the movie.
    name : str
        Name of its run folder, relative to the batch's, with ``/`` between levels.
    sample : str
        The sample it belongs to.
    """

    source: str
    name: str
    sample: str = "all"


def plan_batch(patterns: Sequence[str], conditions: Path | None = None) -> list[Item]:
    """Find the movies that patterns name.

    Parameters
    ----------
    patterns : sequence of str
        Paths and globs (``**`` for any depth). The frames of an in-situ tree count as one movie.
    conditions : pathlib.Path, optional
        CSV with the columns `movie` (a path, file name or its stem) and `sample`.

    Returns
    -------
    list of Item
        In natural order of their paths.

    Raises
    ------
    MovieError
        A pattern matches nothing.
    TableError
        The conditions cannot be read, or name a movie that is not in the batch.
    """
    sources: dict[str, None] = {}
    for pattern in patterns:
        matches = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise MovieError(f"Nothing matches {pattern}; give paths or a quoted glob such as 'DATA/**/*.dm4'.")
        sources |= dict.fromkeys(_movie_of(match) for match in matches)
    names = _names(list(sources))
    samples = _samples(conditions, list(sources)) if conditions else {}
    return [Item(source, name, samples.get(source, "all")) for source, name in zip(sources, names)]


def _movie_of(path: str) -> str:
    """Return the in-situ tree that a frame file belongs to, or the path itself."""
    place = Path(path)
    if not _IN_SITU_FRAME.search(place.name):
        return path
    folder = place.parent
    while _IN_SITU_LEVEL.match(folder.name):
        folder = folder.parent
    return str(folder)


def _names(sources: list[str]) -> list[str]:
    absolute = [Path(os.path.abspath(source)) for source in sources]
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    bare = [path.relative_to(root).with_suffix("").as_posix() for path in absolute]
    many = {name for name, count in Counter(bare).items() if count > 1}
    return [f"{name}_{path.suffix[1:]}" if name in many else name for name, path in zip(bare, absolute)]


def _samples(conditions: Path, sources: list[str]) -> dict[str, str]:
    try:
        table = pd.read_csv(conditions, dtype=str)
    except (OSError, ValueError) as error:
        raise TableError(f"The table of conditions {conditions} cannot be read ({error}).") from None
    missing = {"movie", "sample"} - set(table.columns)
    if missing:
        raise TableError(
            f"The table of conditions needs the columns movie and sample; {conditions} has {', '.join(table.columns)}."
        )
    found: dict[str, str] = {}
    for movie, sample in zip(table["movie"], table["sample"]):
        named = [s for s in sources if movie in (s, Path(s).name, Path(s).stem)]
        if not named:
            raise TableError(f"The table of conditions names {movie!r}, which is no movie of this batch.")
        found |= dict.fromkeys(named, str(sample))
    return found
