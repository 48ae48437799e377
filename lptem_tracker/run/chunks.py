"""Finished chunks of a run that may be interrupted at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.errors import OutputError, SettingsError
from lptem_tracker.run.files import jsonable, write_json, write_parquet, write_text, writing
from lptem_tracker.run.writer import IDENTITY, WORK

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Chunk:
    """The detections of a range of frames.

    Attributes
    ----------
    first : int
        First frame of the range.
    table : pandas.DataFrame
    problems : mapping of str to list of int
        Frames that could not be used, by reason.
    """

    first: int
    table: pd.DataFrame
    problems: Mapping[str, list[int]]


class ChunkStore:
    """Keeps chunks in the work folder of a run; a chunk that is listed is complete.

    Parameters
    ----------
    output : pathlib.Path
        The run folder.
    identity : mapping
        What the chunks depend on (movie checksum, settings); chunks of another identity are refused.

    Raises
    ------
    SettingsError
        The folder holds chunks of another movie or other settings.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any]) -> None:
        self._folder = output / WORK
        text = json.dumps(jsonable(dict(identity)), sort_keys=True)
        mark = self._folder / IDENTITY
        if not mark.exists():
            self.drop(0)  # a run that was stopped while it cleaned up
        elif mark.read_text(encoding="utf-8") != text:
            raise SettingsError(
                f"{output} holds an interrupted run of another movie or with other settings; "
                "give the same ones again, or --force to start anew."
            )
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_text(mark, text)

    def has(self, first: int) -> bool:
        """Return whether the chunk that begins at frame `first` is complete."""
        return self._mark(first).exists()

    def problems(self, first: int, step: int) -> Iterator[Mapping[str, list[int]]]:
        """Yield the frames that could not be used, by reason, of each complete chunk as in `tables`."""
        while self.has(first):
            with self._intact(first):
                found: dict[str, list[int]] = json.loads(self._mark(first).read_text(encoding="utf-8"))
            yield found
            first += step

    def tables(self, first: int, step: int) -> Iterator[pd.DataFrame]:
        """Yield the tables of the complete chunks from frame `first` on, every `step` frames, up to the first hole."""
        import pyarrow.parquet as pq

        while self.has(first):
            with self._intact(first), pq.ParquetFile(self._mark(first).with_suffix(".parquet")) as file:
                # threads take longer to start than such a file takes to read, and memory of their own
                table = file.read(use_threads=False).to_pandas(use_threads=False)
            yield table
            first += step

    def drop(self, first: int) -> None:
        """Forget the chunks that begin at frame `first` or later."""
        for mark in self._folder.glob("chunk-*.json"):
            if int(mark.stem.removeprefix("chunk-")) >= first:
                mark.unlink()

    def _mark(self, first: int) -> Path:
        return self._folder / f"chunk-{first:09d}.json"

    @contextmanager
    def _intact(self, first: int) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{self._mark(first)} of the interrupted run is damaged ({error}); start anew with --force."
            ) from None

    def add(self, chunk: Chunk) -> None:
        """Store a chunk; it counts once its JSON file, written last, is there."""
        name = f"chunk-{chunk.first:09d}"
        write_parquet(self._folder / f"{name}.parquet", chunk.table)
        write_json(self._folder / f"{name}.json", dict(chunk.problems))
