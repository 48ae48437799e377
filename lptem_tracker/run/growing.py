"""Tables that are longer than memory: written block by block, complete under their name or not there at all."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lptem_tracker.run.files import writing
from lptem_tracker.run.rows_as_text import csv_text

if TYPE_CHECKING:
    import pandas as pd

BLOCK_ROWS = 16_384
"""Rows of a Parquet row group; blocks are cut to it, so that the bytes do not depend on how the rows came."""


class GrowingTable:
    """One table, as Parquet and as CSV or as one of them, that rows are appended to.

    Used as a context: the files get their names when it ends well, and what was there before stays otherwise.

    Parameters
    ----------
    *paths : pathlib.Path
        Ending in ``.parquet`` or ``.csv``.

    Attributes
    ----------
    n_rows : int
        Rows taken in.

    Raises
    ------
    OutputError
        The disk is full, or the place cannot be written.
    """

    def __init__(self, *paths: Path) -> None:
        self._parts = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.part") for path in paths}
        self._waiting: list[pd.DataFrame] = []
        self._columns: pd.DataFrame | None = None
        self._open: dict[Path, Any] = {}
        self._schema: Any = None
        self.n_rows = 0

    def add(self, table: pd.DataFrame) -> None:
        """Append rows with the columns of the rows before; the index is not kept."""
        import pandas as pd

        self.n_rows += len(table)
        if self._columns is None:
            self._columns = table.iloc[:0]
        if len(table):
            self._waiting.append(table)
        if sum(map(len, self._waiting)) < BLOCK_ROWS:
            return
        rows = pd.concat(self._waiting, ignore_index=True)
        whole = len(rows) // BLOCK_ROWS * BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            self._write(rows.iloc[start : start + BLOCK_ROWS])
        self._waiting = [rows.iloc[whole:]] if whole < len(rows) else []

    def _write(self, rows: pd.DataFrame) -> None:
        for path, part in self._parts.items():
            with writing(path):
                if path.suffix == ".parquet":
                    self._write_parquet(path, part, rows)
                else:
                    self._write_csv(path, part, rows)

    def _write_parquet(self, path: Path, part: Path, rows: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        block = pa.Table.from_pandas(rows, schema=self._schema, preserve_index=False)
        if path not in self._open:
            self._schema = block.schema
            self._open[path] = pq.ParquetWriter(part, block.schema, compression="zstd")
        self._open[path].write_table(block, row_group_size=BLOCK_ROWS)

    def _write_csv(self, path: Path, part: Path, rows: pd.DataFrame) -> None:
        first = path not in self._open
        if first:
            self._open[path] = part.open("wb")
        self._open[path].write(csv_text(rows, header=first))

    def __enter__(self) -> GrowingTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._abandon()

    def _finish(self) -> None:
        import pandas as pd

        if self._waiting:
            self._write(pd.concat(self._waiting, ignore_index=True))
        elif self._columns is not None and not self._open:
            self._write(self._columns)
        for path, file in self._open.items():
            with writing(path):
                file.close()
        for path, part in self._parts.items():
            with writing(path):
                part.replace(path)

    def _abandon(self) -> None:
        """Let go of what is open, and remove what did not become a file."""
        for file in self._open.values():
            try:
                file.close()
            except OSError:
                continue  # a full disk was reported when the rows were written
        for part in self._parts.values():
            part.unlink(missing_ok=True)
