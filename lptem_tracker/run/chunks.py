"""Finished chunks of a run that may be interrupted at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lptem_tracker.errors import OutputError, SettingsError
from lptem_tracker.run.writer import WORK, RunWriter

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
    writer : RunWriter
    identity : mapping
        What the chunks depend on (movie checksum, settings); chunks of another identity are refused.

    Raises
    ------
    SettingsError
        The folder holds chunks of another movie or other settings.
    """

    def __init__(self, writer: RunWriter, identity: Mapping[str, Any]) -> None:
        self._writer = writer
        self._folder = writer.work
        text = json.dumps(dict(identity), sort_keys=True, default=str)
        mark = self._folder / "identity.json"
        if mark.exists() and mark.read_text(encoding="utf-8") != text:
            raise SettingsError(
                f"{writer.path} holds an interrupted run of another movie or with other settings; "
                "give the same ones again, or --force to start anew."
            )
        writer.write_text(f"{WORK}/identity.json", text)

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
        name = f"{WORK}/chunk-{chunk.first:09d}"
        self._writer.write_table(f"{name}.parquet", chunk.table)
        self._writer.write_json(f"{name}.json", dict(chunk.problems))
