"""Tables of very many tracks that lie on the disk and are read some tracks at a time."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from lptem_tracker.analysis.trackset import Floats
from lptem_tracker.errors import OutputError

IN_MEMORY = 4_000_000
"""Numbers up to which a table stays in memory, 32 MB."""
AHEAD = 1_000_000
"""Numbers that are read from the disk together."""

_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def shelves_in(folder: Path) -> Iterator[None]:
    """Lay down tables in a folder that exists: that of the system for temporary files may be memory itself.

    Parameters
    ----------
    folder : pathlib.Path
    """
    before = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(before)


class Shelf:
    """A table (P, A, N) that is filled column by column and read row by row.

    It lies in a file without a name, in the folder of `shelves_in` or else that of the system for temporary files,
    which is gone when nothing refers to it any more.

    Parameters
    ----------
    shape : tuple of int
        (P, A, N).

    Raises
    ------
    OutputError
        There is no folder for temporary files.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        with _told():
            self._file = tempfile.TemporaryFile(dir=_FOLDER.get())  # noqa: SIM115 - it lives as long as the table
        weakref.finalize(self, self._file.close)
        self._first, self._ahead = 0, np.empty((0, *shape[1:]))

    def put(self, i: int, j: int, values: Floats) -> None:
        """Fill column (i, j) with `values`, shape (P,).

        Raises
        ------
        OutputError
            The disk is full.
        """
        with _told():
            self._file.seek(self._place(i, j, 0))
            self._file.write(np.ascontiguousarray(values, np.float64).tobytes())
            self._file.flush()

    def column(self, i: int, j: int) -> Floats:
        """Return column (i, j), shape (P,)."""
        return self._stretch(i, j, 0, self.shape[0])

    def rows(self, first: int, stop: int) -> Floats:
        """Return rows, shape (stop - first, A, N)."""
        if first < self._first or stop > self._first + len(self._ahead):
            n_tracks, shapes, nodes = self.shape
            last = min(max(stop, first + max(AHEAD // (shapes * nodes), 1)), n_tracks)
            table = np.empty((last - first, shapes, nodes))
            for i in range(shapes):
                for j in range(nodes):
                    table[:, i, j] = self._stretch(i, j, first, last)
            self._first, self._ahead = first, table
        return self._ahead[first - self._first : stop - self._first]

    def _stretch(self, i: int, j: int, first: int, stop: int) -> Floats:
        self._file.seek(self._place(i, j, first))
        return np.frombuffer(self._file.read((stop - first) * 8), np.float64)

    def _place(self, i: int, j: int, first: int) -> int:
        return ((i * self.shape[2] + j) * self.shape[0] + first) * 8


@contextmanager
def _told() -> Iterator[None]:
    """Say in one sentence where there was no room."""
    try:
        yield
    except OSError as error:
        folder = _FOLDER.get()
        other = "give another -o" if folder else "name another folder in the variable TMPDIR"
        raise OutputError(
            f"Tables of many tracks could not be laid down in "
            f"{folder or tempfile.tempdir or 'a folder of temporary files'} "
            f"({error.strerror or error}); free some space there, or {other}."
        ) from None
