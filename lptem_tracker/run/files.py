"""Single files: reproducible tables, plain JSON, and the disk's refusals in one sentence."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.errors import OutputError
from lptem_tracker.run.rows_as_text import csv_text

if TYPE_CHECKING:
    import pandas as pd

CSV_ROWS = 50_000
"""Rows that are made text of together, so that the text of a long table is never whole in memory."""


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet whose bytes depend on nothing but the table."""
    atomically(path, lambda part: table.to_parquet(part, index=False, compression="zstd"))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as UTF-8 CSV with full precision and ``\\n`` line ends."""
    atomically(path, lambda part: _write_rows(part, table))


def _write_rows(part: Path, table: pd.DataFrame) -> None:
    with part.open("wb") as file:
        for first in range(0, max(len(table), 1), CSV_ROWS):
            file.write(csv_text(table.iloc[first : first + CSV_ROWS], header=first == 0))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet or CSV, by the name's ending; the same table gives the same bytes."""
    (write_parquet if path.suffix == ".parquet" else write_csv)(path, table)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file."""
    atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file; numbers that are not finite become null."""
    write_text(path, json.dumps(jsonable(content), indent=2, ensure_ascii=False) + "\n")


def atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the final name, then rename: a file that exists is complete.

    Raises
    ------
    OutputError
        It cannot be written; what was there before is untouched.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give -o (output) the name of a file.")
    # processes on several machines may write the same file
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with writing(path):
        try:
            write(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into one sentence.

    Raises
    ------
    OutputError
        The disk is full, the place is read-only, or the name cannot be used.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC}:
            raise OutputError(
                f"The disk is full: {path} could not be written; free some space and {_remedy(path)}."
            ) from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise OutputError(f"{path} cannot be written (read-only or no permission); give another -o.") from None
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); give another -o.") from None


def _remedy(path: Path) -> str:
    """Return how to make a file that did not fit; drawings are made when a run is already whole."""
    if path.stem in {"overlay", "report"}:
        return f"make it with: lptem-tracker {path.stem} {path.parent}"
    return "go on with --resume"


def jsonable(value: Any) -> Any:
    """Return `value` with NumPy scalars and arrays, paths and tuples as plain JSON types."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [jsonable(v) for v in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
