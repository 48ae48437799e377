"""A run folder: what is written where, atomically, and how it is read again.

Every file is written beside its final name and then renamed, so that a file that exists is complete.
A run that was interrupted keeps its finished chunks in ``.work`` and can be resumed.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import InputError, OutputError
from lptem_tracker.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

RESULT_FILES = (
    "detections.parquet",
    "tracks.parquet",
    "tracks.csv",
    "particles.csv",
    "msd.csv",
    "events.csv",
    "summary.json",
    "settings.toml",
    "run.json",
    "overlay.mp4",
    "report.html",
)
WORK = ".work"
LOCK = ".lock"


class Run:
    """The results in a run folder, read when they are first asked for.

    Attributes
    ----------
    path : pathlib.Path
    detections, tracks, particles, msd, events : pandas.DataFrame
    summary, record : dict
        ``summary.json`` and ``run.json``; empty where the file is absent.
    settings : Settings
    calibration : Calibration
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def detections(self) -> pd.DataFrame:
        """One row a particle and frame; positions in px."""
        return read_table(self.path / "detections.parquet")

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """Detections with `particle` and `observed`; positions in px."""
        return read_table(self.path / "tracks.parquet")

    @cached_property
    def particles(self) -> pd.DataFrame:
        """One row a particle: what was measured of it."""
        return read_table(self.path / "particles.csv")

    @cached_property
    def msd(self) -> pd.DataFrame:
        """Mean-square displacement against lag, a block of rows a particle."""
        return read_table(self.path / "msd.csv")

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row an assembly event."""
        from lptem_tracker.tables import validate_events

        return validate_events(read_table(self.path / "events.csv"))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Pooled results, structure, kinetics, population and quality."""
        return _read_json(self.path / "summary.json")

    @cached_property
    def record(self) -> dict[str, Any]:
        """How the run was made: versions, movie, calibration, detector, linker, stages."""
        return _read_json(self.path / "run.json")

    @cached_property
    def settings(self) -> Settings:
        """The settings of the run."""
        file = self.path / "settings.toml"
        return Settings.load(file) if file.exists() else Settings()

    @cached_property
    def calibration(self) -> Calibration:
        """Scale and timing, with sources."""
        return Calibration(**self.record.get("calibration", {}))


def open_run(path: str | Path) -> Run:
    """Open a run folder written by ``analyze`` or ``measure``.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Run

    Raises
    ------
    InputError
        There is no such folder, or it holds no run.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(
            f"A run folder was expected at {folder}; there is none. "
            f"Make one with: lptem-tracker analyze MOVIE -o {folder}"
        )
    if not any((folder / name).exists() for name in ("run.json", "tracks.parquet", "tracks.csv", "detections.parquet")):
        raise InputError(f"{folder} holds no run (no run.json and no tables); give the folder named by -o of analyze.")
    return Run(folder)


def read_table(path: Path) -> pd.DataFrame:
    """Read one of a run's own tables (Parquet or CSV).

    Raises
    ------
    InputError
        It is absent or cannot be read.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"The run {path.parent} has no {path.name}; run the stage that writes it.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read ({_first_line(error)}); it may be damaged. Run the stage again."
        ) from None


class RunWriter:
    """Writes one run folder; only one writer at a time may hold it.

    Parameters
    ----------
    path : pathlib.Path
    force : bool
        Replace the results of an earlier run in this folder; other files there are left alone.
    resume : bool
        Go on with the finished chunks of an interrupted run.

    Raises
    ------
    OutputError
        The folder holds something and neither `force` nor `resume` was given, cannot be written, or
        another run is writing it.
    """

    def __init__(self, path: str | Path, *, force: bool = False, resume: bool = False) -> None:
        import filelock

        self.path = Path(path)
        self.work = self.path / WORK
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"The output {self.path} is a file; give -o a folder.")
        held = sorted(p.name for p in self.path.iterdir() if p.name != LOCK) if self.path.exists() else []
        if held and not force and not (resume and WORK in held):
            if resume:
                raise OutputError(
                    f"{self.path} holds no interrupted run to resume; give another -o, or --force to replace it."
                )
            hint = "--resume to go on with it, " if WORK in held else ""
            raise OutputError(
                f"The output folder {self.path} is not empty; give another -o, {hint}or --force to replace its results."
            )
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.path / LOCK)
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                raise OutputError(f"Another run is writing into {self.path}; wait for it or give another -o.") from None
            if force and not (resume and WORK in held):
                self._clear()
            self.work.mkdir(exist_ok=True)

    def _clear(self) -> None:
        for name in RESULT_FILES:
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def write_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write a table as Parquet or CSV, by the name's ending; the same table gives the same bytes."""
        if name.endswith(".parquet"):
            return self._atomic(name, lambda part: write_parquet(part, table))
        return self._atomic(name, lambda part: write_csv(part, table))

    def write_json(self, name: str, content: dict[str, Any]) -> Path:
        """Write a JSON file; numbers that are not finite become null."""
        text = json.dumps(jsonable(content), indent=2, ensure_ascii=False) + "\n"
        return self.write_text(name, text)

    def write_text(self, name: str, text: str) -> Path:
        """Write a UTF-8 text file."""
        return self._atomic(name, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))

    def _atomic(self, name: str, write: Callable[[Path], object]) -> Path:
        final = self.path / name
        part = final.with_name(f".{final.name}.part")
        with writing(final):
            try:
                write(part)
                os.replace(part, final)
            finally:
                part.unlink(missing_ok=True)
        return final

    def finish(self) -> Run:
        """Drop the chunks of the finished run, release the folder and open it for reading."""
        shutil.rmtree(self.work, ignore_errors=True)
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


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet whose bytes depend on nothing but the table."""
    table.to_parquet(path, index=False, compression="zstd")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as UTF-8 CSV with full precision and ``\\n`` line ends."""
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


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
                f"The disk is full: {path} could not be written; free some space and go on with --resume."
            ) from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise OutputError(f"{path} cannot be written (read-only or no permission); give another -o.") from None
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); give another -o.") from None


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


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({_first_line(error)}); it may be damaged. Run the stage again."
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path} should hold a JSON object; it may be damaged. Run the stage again.")
    return content


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


__all__ = [
    "RESULT_FILES",
    "Run",
    "RunWriter",
    "jsonable",
    "open_run",
    "read_table",
    "write_csv",
    "write_parquet",
    "writing",
]
