"""Reading a run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import InputError, TableError
from lptem_tracker.settings import Settings
from lptem_tracker.tables import (
    FRAME,
    OBSERVED,
    PARTICLE,
    validate_detections,
    validate_events,
    validate_msd,
    validate_part,
    validate_particles,
    validate_tracks,
)

if TYPE_CHECKING:
    import pandas as pd

REJECTED = "rejected_events.csv"


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
        return validate_detections(read_table(self.path / "detections.parquet"))

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """Detections with `particle` and `observed`; positions in px, sorted by particle and frame."""
        table = validate_tracks(read_table(self.path / "tracks.parquet"))
        return table.sort_values([PARTICLE, FRAME], kind="stable", ignore_index=True)

    @cached_property
    def track_lengths(self) -> pd.Series[int]:
        """Observed positions of each particle; reads no more of the tracks than that."""
        names = (PARTICLE, OBSERVED)
        table = validate_part(read_table(self.path / "tracks.parquet", columns=list(names)), names, "tracks")
        return table.loc[table[OBSERVED], PARTICLE].value_counts(sort=False)

    @cached_property
    def particles(self) -> pd.DataFrame:
        """One row a particle: what was measured of it."""
        return validate_particles(read_table(self.path / "particles.csv"))

    @cached_property
    def msd(self) -> pd.DataFrame:
        """Mean-square displacement against lag, a block of rows a particle."""
        return validate_msd(read_table(self.path / "msd.csv"))

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row an assembly event."""
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
    if folder.is_file():
        raise InputError(f"{folder} is a file; a run folder was expected, as analyze writes it with -o.")
    if not folder.is_dir():
        raise InputError(
            f"A run folder was expected at {folder}; there is none. "
            f"Make one with: lptem-tracker analyze MOVIE -o {folder}"
        )
    if not any((folder / name).exists() for name in ("run.json", "tracks.parquet", "tracks.csv", "detections.parquet")):
        raise InputError(f"{folder} holds no run (no run.json and no tables); give the folder named by -o of analyze.")
    return Run(folder)


def read_rejected(folder: Path, name: str = REJECTED) -> pd.DataFrame | None:
    """Read the events that a person has rejected in a run's report; None where there is no such file.

    Raises
    ------
    TableError
        It is no table, or lacks one of `kind, frame, particle_a, particle_b`.
    """
    import pandas as pd

    path = folder / name
    if name == REJECTED and not path.is_file():
        return None
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise TableError(f"The rejected events {path} cannot be read ({_first_line(error)}).") from None
    missing = {"kind", "frame", "particle_a", "particle_b"} - set(table.columns)
    if missing:
        raise TableError(
            f"The rejected events {path} need the columns kind, frame, particle_a, particle_b; "
            f"found {', '.join(map(str, table.columns))}."
        )
    return table


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read one of a run's own tables (Parquet or CSV), or some columns of it.

    Raises
    ------
    InputError
        It is absent or cannot be read.
    """
    import pandas as pd

    with _told(path):
        if path.suffix == ".parquet":
            return pd.read_parquet(path, columns=columns)
        return pd.read_csv(path, usecols=columns)


def read_blocks(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield those of some columns that a run's Parquet table has, as many rows at a time as were written together.

    Raises
    ------
    InputError
        It is absent or cannot be read.
    TableError
        A column is missing or malformed.
    """
    import pyarrow.parquet as pq

    with _told(path), pq.ParquetFile(path) as file:
        present = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            block = file.read_row_group(group, columns=present, use_threads=False).to_pandas(use_threads=False)
            yield validate_part(block, columns, path.stem)


def read_csv_blocks(path: Path, rows: int = 50_000) -> Iterator[pd.DataFrame]:
    """Yield a run's CSV table, so many rows at a time; at least one block, whose index counts on over all.

    Raises
    ------
    InputError
        It is absent or cannot be read.
    TableError
        A column is missing or malformed.
    """
    import pandas as pd

    check = {"particles": validate_particles, "msd": validate_msd, "events": validate_events}.get(path.stem)
    with _told(path), pd.read_csv(path, chunksize=rows) as blocks:
        yield from blocks if check is None else map(check, blocks)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in a sentence why a table of a run cannot be read."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise InputError(f"The run {path.parent} has no {path.name}; run the stage that writes it.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read ({_first_line(error)}); it may be damaged. Run the stage again."
        ) from None


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
