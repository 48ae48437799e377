"""A simulated movie and its truth as files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import tifffile

from lptem_tracker.errors import OutputError
from lptem_tracker.simulate.movie import SimulatedMovie

_IMAGEJ_BYTES = 3_900_000_000
"""Larger stacks do not fit into the ImageJ format and become OME-TIFF."""


def write_simulation(movie: SimulatedMovie, folder: str | Path) -> list[Path]:
    """Write a movie and its truth, one frame in memory at a time.

    Parameters
    ----------
    movie : SimulatedMovie
    folder : path
        Made where it does not exist; files of the same names are replaced.

    Returns
    -------
    list of pathlib.Path
        ``movie.tif`` (a stack with scale and frame interval; ImageJ's format up to 4 GB, OME above),
        ``truth_tracks.csv``, ``truth_events.csv``, ``truth_particles.csv`` and ``scene.json``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    folder = Path(folder)
    names = ("movie.tif", "truth_tracks.csv", "truth_events.csv", "truth_particles.csv", "scene.json")
    paths = [folder / name for name in names]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_stack(movie, paths[0])
        for path, table in zip(paths[1:4], (movie.truth, movie.events, movie.particles)):
            table.to_csv(path, index=False, encoding="utf-8")
        record = {
            "seed": movie.seed,
            "D_nm2_s": movie.mean_D_nm2_s if len(movie.truth) else None,
            "scene": movie.scene.model_dump(mode="json"),
        }
        paths[4].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The simulation cannot be written to {folder} ({error.strerror or error}); give another -o."
        ) from None
    return paths


def _write_stack(movie: SimulatedMovie, path: Path) -> None:
    scene = movie.scene
    pages = (frame.pixels for frame in movie.frames())
    n_bytes = math.prod(movie.shape) * movie.dtype.itemsize
    if n_bytes > _IMAGEJ_BYTES:
        metadata = {
            "axes": "TYX",
            "PhysicalSizeX": scene.pixel_size_nm,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": scene.pixel_size_nm,
            "PhysicalSizeYUnit": "nm",
            "TimeIncrement": scene.frame_interval_s,
            "TimeIncrementUnit": "s",
        }
        tifffile.imwrite(path, pages, shape=movie.shape, dtype=movie.dtype, bigtiff=True, ome=True, metadata=metadata)
        return
    metadata = {"axes": "TYX", "unit": "nm", "finterval": scene.frame_interval_s, "tunit": "s"}
    tifffile.imwrite(
        path,
        pages,
        shape=movie.shape,
        dtype=movie.dtype,
        imagej=True,
        resolution=(1 / scene.pixel_size_nm, 1 / scene.pixel_size_nm),
        metadata=metadata,
    )
