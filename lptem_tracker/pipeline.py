"""Movie + settings → run folder. Streams the movie; every stage is one call into its room."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from lptem_tracker.analysis import Measurement, measure, nothing_measured
from lptem_tracker.detect import Detector, describe_quality, make_detector
from lptem_tracker.job import Job, open_for
from lptem_tracker.link import WEAK_SHARE, link_from_settings, supported
from lptem_tracker.movie import Movie, fingerprint
from lptem_tracker.progress import Progress, Silent
from lptem_tracker.run import ChunkStore, Run, RunWriter, environment, read_rejected
from lptem_tracker.settings import Settings


def detect(
    source: str | Path | Movie, *, settings: Settings | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Find the particles in every frame of a movie.

    Parameters
    ----------
    source : path or Movie
        Anything that `open_movie` takes.
    settings : Settings, optional
    progress : Progress, optional

    Returns
    -------
    pandas.DataFrame
        The detections table: one row a particle and frame, positions in px of the whole frame.

    Raises
    ------
    MovieError, WeightsError, SettingsError
    """
    settings = settings or Settings()
    with open_for(source, settings) as movie:
        job = Job(movie, settings, progress or Silent())
        table = job.detect_all(make_detector(settings.detect))
        for sentence in job.warnings:
            job.progress.note(sentence)
        return job.in_frame(table)


def analyze(
    source: str | Path | Movie,
    output: str | Path,
    *,
    settings: Settings | None = None,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Find, follow and measure the particles of a movie, into a run folder.

    Parameters
    ----------
    source : path or Movie
        Anything that `open_movie` takes.
    output : path
        The run folder.
    settings : Settings, optional
    force : bool
        Replace an earlier run in that folder.
    resume : bool
        Go on with an interrupted run in that folder.
    progress : Progress, optional

    Returns
    -------
    Run
        The tables, summary and record; ``report`` draws them.

    Raises
    ------
    MovieError, WeightsError, SettingsError, OutputError
    """
    settings = settings or Settings()
    with open_for(source, settings) as movie:
        job = Job(movie, settings, progress or Silent())
        detector = _detector(settings)
        checksum = fingerprint(movie)
        with RunWriter(output, force=force, resume=resume) as writer:
            store = ChunkStore(writer.path, job.identity(detector, checksum))
            job.detect_missing(detector, store, job.start, job.stop)
            found = job.collect(store)
            with job.stage("link"):
                found, tracks = _link(found, settings)
            with job.stage("measure"):
                result = _measure(job, tracks, read_rejected(writer.path))
            quality = describe_quality(movie, found, detector)
            warnings = [*job.warnings, *quality.pop("warnings", [])]
            for sentence in warnings:
                job.progress.note(sentence)
            result.summary["quality"] = {**quality, "warnings": [*warnings, *result.summary["quality"]["warnings"]]}
            _write(writer, job, found, tracks, result)
            writer.write_json("run.json", _record(job, detector, tracks.attrs.get("link", {}), checksum))
            return writer.finish()


def detect_part(source: str | Path, output: str | Path, settings: Settings, first: int, stop: int) -> None:
    """Detect in a range of frames into the work folder of a run that `analyze` will resume.

    Several ranges of one movie can be detected at the same time, also on several machines.

    Parameters
    ----------
    source, output : path
    settings : Settings
    first, stop : int
        Range of frames; `first` lies a multiple of `CHUNK_FRAMES` after the first frame analysed.

    Raises
    ------
    MovieError, WeightsError, SettingsError, OutputError
    """
    with open_for(source, settings) as movie:
        job = Job(movie, settings, Silent())
        detector = _detector(settings)
        store = ChunkStore(Path(output), job.identity(detector, fingerprint(movie)))
        job.detect_missing(detector, store, first, min(stop, job.stop))


def _detector(settings: Settings) -> Detector:
    """Return the detector, with a lower threshold where the tracks will decide on faint detections."""
    chosen = settings.detect
    if chosen.detector == "yolo" and settings.link.faint:
        chosen = chosen.model_copy(update={"confidence": WEAK_SHARE * chosen.confidence})
    return make_detector(chosen)


def _link(found: pd.DataFrame, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the detections that count and their tracks."""
    tracks = link_from_settings(found, settings.link)
    if settings.detect.detector == "yolo" and settings.link.faint:
        tracks = tracks[supported(tracks, settings.detect.confidence)]
        found = found[found.index.isin(tracks.index[tracks["observed"]])].reset_index(drop=True)
    return found, tracks


def _measure(job: Job, tracks: pd.DataFrame, rejected: pd.DataFrame | None) -> Measurement:
    """Measure the tracks that are long enough; positions count from the region's corner."""
    counts = tracks.loc[tracks["observed"], "particle"].value_counts()
    shortest = min(job.settings.link.min_track_frames, job.stop - job.start)
    kept = counts.index[(counts >= shortest) & (counts.index >= 0)]
    chosen = tracks[tracks["particle"].isin(kept)]
    if chosen.empty:
        reason = f"No particle was followed for {shortest} frames, so nothing was measured; look at the overlay."
        return nothing_measured(job.movie.calibration, reason if len(tracks) else "No particle was found in the movie.")
    return measure(
        chosen,
        job.movie.calibration,
        settings=job.settings,
        field_px=job.field_px,
        n_frames=job.stop,
        rejected_events=rejected,
    )


def _write(writer: RunWriter, job: Job, found: pd.DataFrame, tracks: pd.DataFrame, result: Measurement) -> None:
    ordered = job.in_frame(tracks).sort_values(["particle", "frame"], kind="stable", ignore_index=True)
    writer.write_table("detections.parquet", job.in_frame(found))
    writer.write_table("tracks.parquet", ordered)
    writer.write_table("tracks.csv", ordered)
    writer.write_table("particles.csv", result.particles)
    writer.write_table("msd.csv", result.msd)
    writer.write_table("events.csv", job.in_frame(result.events))
    writer.write_json("summary.json", result.summary)
    writer.write_text("settings.toml", job.settings.to_toml())


def _record(job: Job, detector: Detector, link_report: dict[str, Any], checksum: str) -> dict[str, Any]:
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
            "times_s": movie.times_s,
            "sha256": checksum,
            "metadata": dict(movie.metadata),
        },
        "calibration": asdict(movie.calibration),
        "detector": detector.describe(),
        "link": link_report,
        "settings": job.settings.flat(),
        "origins": job.settings.origins,
        "stages": {name: {"seconds": seconds} for name, seconds in job.seconds.items()},
    }
