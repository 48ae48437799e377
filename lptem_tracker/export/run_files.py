"""A run in the formats of other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lptem_tracker.errors import InputError, OutputError, SettingsError
from lptem_tracker.export.geff_files import write_geff
from lptem_tracker.export.imagej_roi import write_imagej_roi
from lptem_tracker.export.labels import write_coco, write_yolo
from lptem_tracker.export.napari_files import write_napari
from lptem_tracker.export.trackmate_write import write_trackmate
from lptem_tracker.movie.base import Movie
from lptem_tracker.report.source import open_run_movie
from lptem_tracker.run import Run, atomically, write_csv, write_parquet, writing

TABLES = ("tracks", "detections", "particles", "msd", "events")


def export_run(
    run: Run, format: str, output: str | Path | None = None, *, movie: Movie | None = None, force: bool = False
) -> list[Path]:
    """Write a run in the format of another tool.

    Parameters
    ----------
    run : Run
    format : {'csv', 'parquet', 'trackmate', 'geff', 'napari', 'imagej-roi', 'yolo', 'coco'}
    output : path, optional
        The file, or the folder for formats of several files. Default: in ``export`` of the run folder.
    movie : Movie, optional
        Used by ``yolo`` for the images; opened from the run's record where not given.
    force : bool
        Replace what is there: labels that were exported before may have been corrected since.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    SettingsError
        The format is not known.
    InputError
        The run lacks the tables.
    MissingExtraError
        The format needs a library that is not installed.
    OutputError
        The place cannot be written, or holds something and `force` was not given.
    """
    if format not in FORMATS:
        raise SettingsError(f"Runs are exported as {', '.join(FORMATS)}; got {format!r}.")
    name, write = FORMATS[format]
    target = Path(output) if output is not None else run.path / "export" / name
    with writing(target):
        in_a_folder = Path(name).suffix in {"", ".geff"}
        if not force and (target.is_file() or (in_a_folder and target.is_dir() and any(target.iterdir()))):
            raise OutputError(
                f"{target} exists and is not empty; give another -o (output), or --force (force=True in Python) to "
                "replace what is in it."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        return write(run, target, movie)


def run_shape(run: Run, tracks: pd.DataFrame) -> tuple[int, int, int]:
    """Return (T, Y, X) of the movie, or the extent of the positions where the run was made from a table."""
    shape = run.record.get("movie", {}).get("shape")
    if shape:
        return int(shape[0]), int(shape[1]), int(shape[2])
    if tracks.empty:
        return 1, 1, 1
    return int(tracks["frame"].max()) + 1, int(tracks["y"].max()) + 2, int(tracks["x"].max()) + 2


def _tables(run: Run, folder: Path, suffix: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in TABLES:
        if not any((run.path / f"{name}{ending}").exists() for ending in (".csv", ".parquet")):
            continue
        path = folder / f"{name}{suffix}"
        (write_csv if suffix == ".csv" else write_parquet)(path, getattr(run, name))
        paths.append(path)
    if not paths:
        raise InputError(f"The run {run.path} holds no tables to export.")
    return paths


def _csv(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    return _tables(run, target, ".csv")


def _parquet(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    return _tables(run, target, ".parquet")


def _trackmate(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    source = str(run.record.get("movie", {}).get("source") or "")
    shape = run_shape(run, run.tracks)
    atomically(target, lambda part: write_trackmate(part, run.tracks, run.calibration, shape=shape, source=source))
    return [target]


def _geff(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    return [write_geff(target, run.tracks, run.calibration)]


def _napari(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    return write_napari(target, run.tracks)


def _imagej_roi(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    atomically(target, lambda part: write_imagej_roi(part, run.tracks))
    return [target]


def _yolo(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    shape = run_shape(run, run.detections)
    if movie is not None:
        return write_yolo(target, run.detections, shape, movie)
    try:
        opened = open_run_movie(run)
    except InputError:
        return write_yolo(target, run.detections, shape)
    with opened:
        return write_yolo(target, run.detections, shape, opened)


def _coco(run: Run, target: Path, movie: Movie | None) -> list[Path]:
    tracks = run.tracks
    seen = tracks[tracks["observed"]] if "observed" in tracks else tracks
    atomically(target, lambda part: write_coco(part, seen, run_shape(run, seen)))
    return [target]


FORMATS: dict[str, tuple[str, Callable[[Run, Path, Movie | None], list[Path]]]] = {
    "csv": ("csv", _csv),
    "parquet": ("parquet", _parquet),
    "trackmate": ("tracks.trackmate.xml", _trackmate),
    "geff": ("tracks.geff", _geff),
    "napari": ("napari", _napari),
    "imagej-roi": ("outlines.zip", _imagej_roi),
    "yolo": ("yolo", _yolo),
    "coco": ("coco.json", _coco),
}
"""For each format: the default name in ``export`` and what writes it."""
