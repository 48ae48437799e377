"""Where a stage writes: a run folder, or one table when the name ends in .csv or .parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.errors import OutputError
from lptem_tracker.run import RunWriter, write_table

if TYPE_CHECKING:
    import pandas as pd

    from lptem_tracker.settings import Settings

TABLE_ENDINGS = (".csv", ".parquet")
_OTHER_FILES = frozenset({".xlsx", ".xls", ".ods", ".json", ".xml", ".txt", ".tsv", ".feather", ".h5", ".pq", ".geff"})


class Target:
    """The output of one stage.

    Parameters
    ----------
    output : pathlib.Path
        A run folder, or a file ending in ``.csv`` or ``.parquet``.
    names : tuple of str
        Files that the stage makes; the first is the table that a file name stands for.
    force : bool
        Replace them if they exist.

    Raises
    ------
    OutputError
        They exist and `force` was not given, or cannot be written; or the name is that of a file of another kind.
    """

    def __init__(self, output: Path, names: tuple[str, ...], *, force: bool) -> None:
        self.output = output
        self._main = names[0]
        self._writer: RunWriter | None = None
        if output.suffix.lower() in TABLE_ENDINGS and not output.is_dir():
            if output.exists() and not force:
                raise OutputError(f"{output} exists; give another -o, or --force to replace it.")
            if not output.parent.is_dir():
                raise OutputError(f"The folder {output.parent} does not exist; make it, or give another -o.")
        elif output.suffix.lower() in _OTHER_FILES and not output.exists():
            raise OutputError(
                f"A table is written as .csv or .parquet; got {output.name!r}. For a run folder, drop the ending."
            )
        else:
            self._writer = RunWriter(output, force=force, only=names)

    @property
    def is_folder(self) -> bool:
        """Whether more than one table can be written."""
        return self._writer is not None

    @property
    def scratch(self) -> Path:
        """Folder for what is laid down on the way."""
        return self.output.parent if self._writer is None else self._writer.work

    def write(self, name: str, table: pd.DataFrame) -> None:
        """Write a table; beside the main one only a folder takes others."""
        if self._writer is not None:
            self._writer.write_table(name, table)
        elif name == self._main:
            write_table(self.output, table)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file into a folder."""
        if self._writer is not None:
            self._writer.write_json(name, content)

    def write_record(self, record: dict[str, Any], settings: Settings) -> None:
        """Write how the tables were made into a folder, over an older record's entries."""
        if self._writer is None:
            return
        older = self._writer.path / "run.json"
        known: dict[str, Any] = {}
        if older.exists():
            from lptem_tracker.run import Run

            known = Run(self._writer.path).record
        self._writer.write_json("run.json", {**known, **record})
        self._writer.write_text("settings.toml", settings.to_toml())

    def __enter__(self) -> Target:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._writer is not None:
            if kind is None:
                self._writer.finish()
            else:
                self._writer.close()
