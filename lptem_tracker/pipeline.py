"""Movie + settings → run folder. Streams the movie; every stage is one call into its room."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lptem_tracker.analysis import Measurement, measure, nothing_measured
from lptem_tracker.detect import Detector, describe_quality, make_detector
from lptem_tracker.detect.chunks import detect_chunks, join_detections
from lptem_tracker.link import link_from_settings
from lptem_tracker.movie import Movie, fingerprint, open_movie
from lptem_tracker.movie.stream import FrameProblems, checked_roi, frame_range, stream_frames
from lptem_tracker.progress import Progress, Silent
from lptem_tracker.run import Chunk, ChunkStore, Run, RunWriter, environment
from lptem_tracker.settings import Settings

CHUNK_FRAMES = 64
_UNREADABLE = "unreadable: "


@dataclass
class _Job:
    """One movie on its way through the stages."""

    movie: Movie
    settings: Settings
    progress: Progress
    problems: FrameProblems = field(default_factory=FrameProblems)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start, self.stop = frame_range(self.settings.movie.frames, len(self.movie))
        self.roi = checked_roi(self.settings.movie.roi, self.movie)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Tell the user, and time it for the record."""
        self.progress.stage(name, total)
        begun = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begun, 3)

    def detections(self, detector: Detector, first: int) -> Iterator[tuple[int, pd.DataFrame]]:
        """Yield the chunks from frame `first` on; positions count from the region's corner."""
        frames = stream_frames(self.movie, first, self.stop, roi=self.roi, problems=self.problems)
        refined = self.settings.detect.refine
        yield from detect_chunks(
            frames, detector, first, self.stop, chunk_frames=CHUNK_FRAMES, refined=refined, progress=self.progress
        )

    def problems_within(self, first: int, stop: int) -> dict[str, list[int]]:
        """Return what was wrong with the frames of a chunk, by reason."""
        found = self.problems.within(first, stop)
        for index, reason in self.movie.left_out.items():
            if first <= index < stop:
                found.setdefault(_UNREADABLE + reason, []).append(index)
        return found

    def remember(self, problems: Mapping[str, list[int]]) -> None:
        """Take over what an interrupted run had found."""
        for reason, frames in problems.items():
            for index in frames:
                if reason.startswith(_UNREADABLE):
                    self.movie.leave_out(index, reason.removeprefix(_UNREADABLE))
                else:
                    self.problems.add(reason, index)

    def in_frame(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return positions counted from the corner of the whole frame."""
        if self.roi is None:
            return table
        return table.assign(x=table["x"] + self.roi[0], y=table["y"] + self.roi[1])


def open_for(source: str | Path | Movie, settings: Settings) -> Movie:
    """Open a movie (or take an open one) with the scale that the settings give."""
    scale = settings.movie.model_dump(include={"pixel_size_nm", "frame_interval_s", "exposure_s"})
    if isinstance(source, Movie):
        source.calibration = source.calibration.with_user(**scale)
        return source
    return open_movie(source, **scale)


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
        job = _Job(movie, settings, progress or Silent())
        detector = make_detector(settings.detect)
        with job.stage("detect", job.stop - job.start):
            table = join_detections([table for _, table in job.detections(detector, job.start)])
        for sentence in (*movie.warnings, *job.problems.sentences()):
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
        job = _Job(movie, settings, progress or Silent())
        detector = make_detector(settings.detect)
        checksum = fingerprint(movie)
        with RunWriter(output, force=force, resume=resume) as writer:
            found = _detect_into(writer, job, detector, checksum)
            with job.stage("link"):
                tracks = link_from_settings(found, settings.link)
            with job.stage("measure"):
                result = _measure(job, tracks)
            quality = describe_quality(movie, found, detector)
            warnings = [*movie.warnings, *job.problems.sentences(), *quality.pop("warnings", [])]
            for sentence in warnings:
                job.progress.note(sentence)
            result.summary["quality"] = {**quality, "warnings": [*warnings, *result.summary["quality"]["warnings"]]}
            _write(writer, job, found, tracks, result)
            writer.write_json("run.json", _record(job, detector, tracks.attrs.get("link", {}), checksum))
            return writer.finish()


def _detect_into(writer: RunWriter, job: _Job, detector: Detector, checksum: str) -> pd.DataFrame:
    """Detect chunk by chunk; what an interrupted run has finished is read, not computed."""
    relevant = {k: v for k, v in job.settings.flat().items() if k.startswith(("movie.", "detect."))}
    store = ChunkStore(writer, {"movie": checksum, "detector": detector.describe(), **relevant})
    done = store.finished(job.start, CHUNK_FRAMES)
    for chunk in done:
        job.remember(chunk.problems)
    tables = [chunk.table for chunk in done]
    first = job.start + len(done) * CHUNK_FRAMES
    with job.stage("detect", job.stop - job.start):
        job.progress.advance(min(first, job.stop) - job.start)
        for begin, table in job.detections(detector, first):
            store.add(Chunk(begin, table, job.problems_within(begin, begin + CHUNK_FRAMES)))
            tables.append(table)
    return join_detections(tables)


def _measure(job: _Job, tracks: pd.DataFrame) -> Measurement:
    """Measure the tracks that are long enough; positions count from the region's corner."""
    counts = tracks.loc[tracks["observed"], "particle"].value_counts()
    shortest = min(job.settings.link.min_track_frames, job.stop - job.start)
    kept = counts.index[(counts >= shortest) & (counts.index >= 0)]
    chosen = tracks[tracks["particle"].isin(kept)]
    if chosen.empty:
        reason = f"No particle was followed for {shortest} frames, so nothing was measured; look at the overlay."
        return nothing_measured(job.movie.calibration, reason if len(tracks) else "No particle was found in the movie.")
    shape = job.movie.shape
    field_px = (job.roi[2], job.roi[3]) if job.roi else (shape[2], shape[1])
    return measure(chosen, job.movie.calibration, settings=job.settings, field_px=field_px, n_frames=job.stop)


def _write(writer: RunWriter, job: _Job, found: pd.DataFrame, tracks: pd.DataFrame, result: Measurement) -> None:
    ordered = job.in_frame(tracks).sort_values(["particle", "frame"], kind="stable", ignore_index=True)
    writer.write_table("detections.parquet", job.in_frame(found))
    writer.write_table("tracks.parquet", ordered)
    writer.write_table("tracks.csv", ordered)
    writer.write_table("particles.csv", result.particles)
    writer.write_table("msd.csv", result.msd)
    writer.write_table("events.csv", job.in_frame(result.events))
    writer.write_json("summary.json", result.summary)
    writer.write_text("settings.toml", job.settings.to_toml())


def _record(job: _Job, detector: Detector, link_report: dict[str, Any], checksum: str) -> dict[str, Any]:
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
        "origins": job.settings.origins,
        "stages": {name: {"seconds": seconds} for name, seconds in job.seconds.items()},
    }
