"""Writing a run folder: every file beside its final name first, then renamed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.errors import OutputError
from lptem_tracker.run import files
from lptem_tracker.run.files import writing
from lptem_tracker.run.folder import Run

if TYPE_CHECKING:
    import pandas as pd

RESULT_FILES = (
    "detections.parquet",
    "tracks.parquet",
    "tracks.csv",
    "particles.csv",
    "msd.csv",
    "events.csv",
    "clusters.csv",
    "times.csv",
    "summary.json",
    "settings.toml",
    "run.json",
    "overlay.mp4",
    "report.html",
)
WORK = ".work"
LOCK = ".lock"
IDENTITY = "identity.json"
"""In the work folder: what its chunks depend on."""
_FORCE = "--force (force=True in Python)"


class RunWriter:
    """Writes one run folder; only one writer at a time may hold it.

    Parameters
    ----------
    path : pathlib.Path
    force : bool
        Replace the results of an earlier run in this folder; other files there are left alone.
    resume : bool
        Go on with the finished chunks of an interrupted run.
    only : tuple of str, optional
        The result files that this writer makes: other results in the folder may stay beside them. By
        default a whole run is written, into a folder that must be empty.

    Raises
    ------
    OutputError
        The folder holds something and neither `force` nor `resume` was given, cannot be written, or
        another run is writing it.
    """

    def __init__(
        self, path: str | Path, *, force: bool = False, resume: bool = False, only: tuple[str, ...] | None = None
    ) -> None:
        import filelock

        self.path = Path(path)
        self.work = self.path / WORK
        self._lock = filelock.FileLock(self.path / LOCK)
        with writing(self.path):
            self._keep_inside()
            if (self.path / LOCK).is_file():
                # what a run that goes on has written so far is nothing to resume or to replace
                self._take()
                self._lock.release()
            resuming = self._check(force=force, resume=resume, only=only)
            self.path.mkdir(parents=True, exist_ok=True)
            self._take()
            if force and not resuming:
                self._clear(only or RESULT_FILES)
            for part in self.path.iterdir():
                if _is_part(part.name):
                    part.unlink(missing_ok=True)
            self.work.mkdir(exist_ok=True)

    def _take(self) -> None:
        """Lock the folder, or say that another run holds it."""
        import filelock

        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise OutputError(f"Another run is writing into {self.path}; wait for it or give another -o.") from None

    def _keep_inside(self) -> None:
        """Refuse a folder whose own files are links: what is written through them would land elsewhere."""
        for name in (WORK, LOCK):
            if (self.path / name).is_symlink():
                raise OutputError(f"{self.path / name} is a link to another place; remove it or give another -o.")

    def _check(self, *, force: bool, resume: bool, only: tuple[str, ...] | None) -> bool:
        """Return whether an interrupted run is gone on with, or refuse the folder."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"The output {self.path} is a file; give -o a folder.")
        names = (p.name for p in self.path.iterdir()) if self.path.exists() else ()
        held = sorted(name for name in names if name != LOCK and not _is_part(name))
        if resume and WORK in held:
            return True
        in_the_way = held if only is None else sorted(set(held) & set(only))
        if not in_the_way or force:
            return False
        if resume:
            raise OutputError(
                f"{self.path} holds no interrupted run to go on with; "
                f"give another -o (output), or {_FORCE} to replace its results."
            )
        hint = "--resume (resume=True in Python) to go on with it, " if WORK in held else ""
        raise OutputError(
            f"The output folder {self.path} already holds {', '.join(in_the_way[:3])}"
            f"{' …' if len(in_the_way) > 3 else ''}; "
            f"give another -o (output), {hint}or {_FORCE} to replace its results."
        )

    def _clear(self, names: tuple[str, ...]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)
        self._drop_work()

    def _drop_work(self) -> None:
        # without its identity what is left of a folder whose removal was interrupted is not taken up again
        (self.work / IDENTITY).unlink(missing_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def write_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write a table as Parquet or CSV, by the name's ending; the same table gives the same bytes."""
        files.write_table(self.path / name, table)
        return self.path / name

    def write_json(self, name: str, content: dict[str, Any]) -> Path:
        """Write a JSON file; numbers that are not finite become null."""
        files.write_json(self.path / name, content)
        return self.path / name

    def write_text(self, name: str, text: str) -> Path:
        """Write a UTF-8 text file."""
        files.write_text(self.path / name, text)
        return self.path / name

    def finish(self) -> Run:
        """Drop the chunks of the finished run, release the folder and open it for reading."""
        self._drop_work()
        self.close()
        return Run(self.path)

    def close(self) -> None:
        """Release the folder; an unfinished run stays resumable."""
        self._lock.release()
        (self.path / LOCK).unlink(missing_ok=True)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_part(name: str) -> bool:
    """Tell whether a file is one that a killed run had not finished."""
    return name.startswith(".") and name.endswith(".part")
