"""Movie + settings → run folder. Streams the movie; every stage is one call into its room."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lptem_tracker.conclude import conclude
from lptem_tracker.detect import Detector, make_detector
from lptem_tracker.job import Job, open_for
from lptem_tracker.link import WEAK_SHARE
from lptem_tracker.movie import Movie, fingerprint
from lptem_tracker.progress import Progress, Silent
from lptem_tracker.run import ChunkStore, Run, RunWriter
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
        detector = chosen_detector(settings)
        checksum = fingerprint(movie)
        with RunWriter(output, force=force, resume=resume) as writer:
            store = ChunkStore(writer.path, job.identity(detector, checksum))
            job.detect_missing(detector, store, job.start, job.stop)
            described = detector.describe()
            del detector  # its network takes more memory than all that follows
            conclude(writer, job, described, store, checksum)
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
        detector = chosen_detector(settings)
        store = ChunkStore(Path(output), job.identity(detector, fingerprint(movie)))
        job.detect_missing(detector, store, first, min(stop, job.stop))


def chosen_detector(settings: Settings) -> Detector:
    """Return the detector, with a lower threshold where the tracks will decide on faint detections."""
    chosen = settings.detect
    if chosen.detector == "yolo" and settings.link.faint:
        chosen = chosen.model_copy(update={"confidence": WEAK_SHARE * chosen.confidence})
    return make_detector(chosen)
