"""Finished chunks of a run that may be interrupted at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.errors import OutputError, SettingsError
from lptem_tracker.run.files import jsonable, write_json, write_parquet, write_text, writing
from lptem_tracker.run.writer import WORK

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
        mark = self._folder / "identity.json"
        if mark.exists() and mark.read_text(encoding="utf-8") != text:
            raise SettingsError(
                f"{output} holds an interrupted run of another movie or with other settings; "
                "give the same ones again, or --force to start anew."
            )
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_text(mark, text)

    def has(self, first: int) -> bool:
        """Return whether the chunk that begins at frame `first` is complete."""
        return (self._folder / f"chunk-{first:09d}.json").exists()

    def finished(self, first: int, step: int) -> list[Chunk]:
        """Return the complete chunks from frame `first` on, every `step` frames, without a hole."""
        import pandas as pd

        chunks: list[Chunk] = []
        while (mark := self._folder / f"chunk-{first:09d}.json").exists():
            try:
                table = pd.read_parquet(mark.with_suffix(".parquet"))
                problems = json.loads(mark.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise OutputError(
                    f"{mark} of the interrupted run is damaged ({error}); start anew with --force."
                ) from None
            chunks.append(Chunk(first, table, problems))
            first += step
        return chunks

    def add(self, chunk: Chunk) -> None:
        """Store a chunk; it counts once its JSON file, written last, is there."""
        name = f"chunk-{chunk.first:09d}"
        write_parquet(self._folder / f"{name}.parquet", chunk.table)
        write_json(self._folder / f"{name}.json", dict(chunk.problems))
