"""Stored detections → everything else of a run: tracks, measurements, record. Reads them block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lptem_tracker.analysis import Measurement, measure_columns, nothing_measured
from lptem_tracker.analysis.shelf import shelves_in
from lptem_tracker.detect import describe_quality
from lptem_tracker.job import Job, Stored
from lptem_tracker.link import LinkOptions, link_stream
from lptem_tracker.memory import give_back
from lptem_tracker.run import GrowingTable, RunWriter, TracksByParticle, environment, read_blocks, read_rejected
from lptem_tracker.tables import FRAME, OBSERVED

QUALITY_ROWS = 100_000
"""About how many detections the quality figures are taken from; whole frames, evenly spread."""
MOST_TIMES = 20_000
"""Frames up to which the record of a run lists the time of each."""
TIMES = "times.csv"
_QUALITY_COLUMNS = [FRAME, "x", "y", "width", "height", "area", "radius", "confidence"]


@dataclass(frozen=True)
class Linked:
    """What linking told beside the tables.

    Attributes
    ----------
    report : mapping
        Parameters and drift.
    n_detections : int
        Detections that count.
    """

    report: Mapping[str, Any]
    n_detections: int


def conclude(writer: RunWriter, job: Job, described: Mapping[str, Any], store: Stored, checksum: str) -> None:
    """Link and measure what is in the store, and write every file of the run but the drawings.

    Parameters
    ----------
    writer : RunWriter
    job : Job
        `detections` of the store are linked in their order; the whole table of a long movie is never in memory.
    described : mapping
        What the detector's `describe` returned; the detector itself would only take memory here.
    store : Stored
    checksum : str
        Of the movie, for the record.

    Raises
    ------
    OutputError, TableError
    """
    job.recall(store)
    with job.stage("link"):
        linked = _link(writer, job, store)
    with job.stage("measure"), shelves_in(writer.work):
        result = _measure(job, writer.path)
    quality = _quality(job, described, writer.path, linked.n_detections)
    warnings = [*job.warnings, *quality.pop("warnings", [])]
    result.summary["quality"] = {**quality, "warnings": [*warnings, *result.summary["quality"]["warnings"]]}
    writer.write_table("particles.csv", result.particles)
    writer.write_table("msd.csv", result.msd)
    writer.write_table("events.csv", job.in_frame(result.events))
    if result.clusters is not None:
        writer.write_table("clusters.csv", result.clusters)
    writer.write_json("summary.json", result.summary)
    writer.write_text("settings.toml", job.settings.to_toml())
    record = _record(job, described, linked.report, checksum, _times(writer, job.movie.times_s))
    writer.write_json("run.json", record)


def _link(writer: RunWriter, job: Job, store: Stored) -> Linked:
    """Write the detections that count, and the tracks."""
    settings = job.settings
    weak = settings.detect.detector == "yolo" and settings.link.faint
    detections = job.detections(store)
    stream = link_stream(
        detections,
        LinkOptions.from_settings(settings.link, image_drift=job.image_drift),
        sure_confidence=settings.detect.confidence if weak else None,
    )
    columns = next(detections()).columns
    path = writer.path
    with (
        GrowingTable(path / "detections.parquet") as found,
        GrowingTable(path / "tracks.parquet", path / "tracks.csv") as tracks,
    ):
        for block in stream:
            rows = job.in_frame(block)
            found.add(rows.loc[rows[OBSERVED], columns])
            tracks.add(rows)
    return Linked(stream.report, found.n_rows)


def _measure(job: Job, folder: Path) -> Measurement:
    """Measure the tracks that are long enough; positions count from the region's corner."""
    tracks = TracksByParticle(folder / "tracks.parquet")
    shortest = min(job.settings.link.min_track_frames, job.stop - job.start)
    kept = tracks.lengths >= max(shortest, 1)
    if not kept.any():
        reason = f"No particle was followed for {shortest} frames, so nothing was measured; look at the overlay."
        if not tracks.n_rows:
            reason = "No particle was found in the movie."
        return nothing_measured(job.movie.calibration, reason)

    def read(names: Sequence[str]) -> pd.DataFrame:
        table = job.in_region(tracks.read(names, kept))
        give_back()
        return table

    return measure_columns(
        read,
        job.movie.calibration,
        settings=job.settings,
        field_px=job.field_px,
        n_frames=job.stop,
        first_frame=job.start,
        rejected_events=read_rejected(folder),
    )


def _quality(job: Job, described: Mapping[str, Any], folder: Path, n_detections: int) -> dict[str, Any]:
    step = max(1, n_detections // QUALITY_ROWS)
    blocks = read_blocks(folder / "detections.parquet", _QUALITY_COLUMNS)
    some = pd.concat([block[(block[FRAME] - job.start) % step == 0] for block in blocks], ignore_index=True)
    frames = len(range(job.start, job.stop, step))
    return describe_quality(job.movie, some, described, n_frames=frames)


def _times(writer: RunWriter, times: npt.NDArray[np.float64] | None) -> dict[str, Any]:
    """Return what the record says of when the frames were taken; a long movie's times are a table of their own.

    `times_s` lists them up to `MOST_TIMES` frames. Of a longer movie they are `times_first_s` plus multiples of
    `times_step_s` where they are even, to a thousandth of a step, and else stand in the file `times_file`.
    """
    if times is None or len(times) <= MOST_TIMES:
        return {"times_s": times}
    first, step = float(times[0]), float(times[-1] - times[0]) / (len(times) - 1)
    if float(np.abs(times - (first + step * np.arange(len(times)))).max()) <= 1e-3 * step:
        return {"times_s": None, "times_first_s": first, "times_step_s": step}
    writer.write_table(TIMES, pd.DataFrame({FRAME: np.arange(len(times)), "time_s": times}))
    return {"times_s": None, "times_file": TIMES}


def _record(
    job: Job, described: Mapping[str, Any], link_report: Mapping[str, Any], checksum: str, times: Mapping[str, Any]
) -> dict[str, Any]:
    movie = job.movie
    return {
        **environment(),
        "movie": {
            "source": movie.source,
            "format": movie.format,
            "shape": movie.shape,
            "dtype": str(movie.dtype),
            "frames": [job.start, job.stop],
            "roi": job.roi,
            **times,
            "sha256": checksum,
            "metadata": dict(movie.metadata),
        },
        "calibration": asdict(movie.calibration),
        "detector": {
            **described,
            "frames_by_resolution": {f"{scale:g}": job.n_at[scale] for scale in sorted(job.n_at)},
        },
        "link": dict(link_report),
        "settings": job.settings.flat(),
        "origins": job.settings.origins,
        "stages": {name: {"seconds": seconds} for name, seconds in job.seconds.items()},
    }
