"""One movie on its way through the stages: what is analysed of it, chunk by chunk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from lptem_tracker.detect import Detector
from lptem_tracker.detect.chunks import FEWEST, detect_chunks, join_detections
from lptem_tracker.detect.refine import settle_profile
from lptem_tracker.errors import MovieError
from lptem_tracker.memory import give_back
from lptem_tracker.movie import Frame, Movie, open_movie
from lptem_tracker.movie.stream import FrameProblems, checked_roi, frame_range, stream_frames
from lptem_tracker.preprocess.drift import movie_drift
from lptem_tracker.progress import Progress
from lptem_tracker.run import Chunk, ChunkStore
from lptem_tracker.settings import Settings
from lptem_tracker.stored import StoredDetections

CHUNK_FRAMES = 64
LEAST_QUALITY = 0.1
"""Correlation of neighbouring frames from which a shift is looked at: noise leaves little of it in still frames too,
and what the particles contradict is not used."""
_UNREADABLE = "unreadable: "
_SCALE = "searched at a part of the resolution: "
"""Not a problem, but kept with these of a chunk: what a reader may want to know of its frames."""


class Stored(Protocol):
    """Detections found so far, as `ChunkStore` keeps them."""

    def tables(self, first: int, step: int) -> Iterator[pd.DataFrame]:
        """Yield the tables in order of frames."""

    def problems(self, first: int, step: int) -> Iterator[Mapping[str, list[int]]]:
        """Yield the frames that could not be used, by reason."""


def open_for(source: str | Path | Movie, settings: Settings) -> Movie:
    """Open a movie (or take an open one) with the scale that the settings give.

    Raises
    ------
    MovieError, CalibrationError
    """
    scale = settings.movie.model_dump(include={"pixel_size_nm", "frame_interval_s", "exposure_s"})
    if isinstance(source, Movie):
        source.calibration = source.calibration.with_user(**scale)
        return source
    return open_movie(source, **scale)


@dataclass
class Job:
    """A movie, the part of it that is analysed, and what was found wrong with its frames.

    Attributes
    ----------
    movie : Movie
    settings : Settings
    progress : Progress
    start, stop : int
        Range of frames.
    roi : tuple of int or None
        Region (x, y, width, height) in px.
    seconds : dict of str to float
        Time that each stage took.
    n_at : Counter of float
        Frames that were searched at less than their resolution, by the part of it.
    """

    movie: Movie
    settings: Settings
    progress: Progress
    problems: FrameProblems = field(default_factory=FrameProblems)
    seconds: dict[str, float] = field(default_factory=dict)
    n_at: Counter[float] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.start, self.stop = frame_range(self.settings.movie.frames, len(self.movie))
        self.roi = checked_roi(self.settings.movie.roi, self.movie)

    @property
    def field_px(self) -> tuple[int, int]:
        """(width, height) of what is analysed."""
        return (self.roi[2], self.roi[3]) if self.roi else (self.movie.shape[2], self.movie.shape[1])

    @property
    def warnings(self) -> list[str]:
        """What a reader of the results must know of the frames."""
        return [*self.movie.warnings, *self.clipped, *self.problems.sentences()]

    @property
    def clipped(self) -> list[str]:
        """A sentence where the range asked for reaches beyond the movie."""
        asked, n = self.settings.movie.frames, len(self.movie)
        last = asked.partition(":")[2] if asked else ""
        if not last or int(last) <= n:
            return []
        return [f"--frames {asked} reaches beyond the movie's {n} frames; {self.start}:{self.stop} was analysed."]

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Tell the user, and time it for the record."""
        self.progress.stage(name, total)
        begun = time.perf_counter()
        yield
        give_back()
        self.seconds[name] = round(time.perf_counter() - begun, 3)

    def identity(self, detector: Detector, checksum: str) -> dict[str, Any]:
        """Return all that the detections depend on."""
        relevant = {k: v for k, v in self.settings.flat().items() if k.startswith(("movie.", "detect."))}
        return {"movie": checksum, "detector": detector.describe(), **relevant}

    def chunks(self, detector: Detector, first: int, stop: int, *, adaptive: bool = True) -> Iterator[Chunk]:
        """Yield the chunks of a range; positions count from the region's corner.

        With `adaptive` each may be searched at a part of the resolution, as `detect_chunks` says.
        """
        if first > self.start:
            detector.prepare(self._frames(self.start, first, FrameProblems()))
        found = detect_chunks(
            self._read,
            detector,
            first,
            stop,
            chunk_frames=CHUNK_FRAMES,
            refined=self.settings.detect.refine,
            progress=self.progress,
            adaptive=adaptive,
        )
        for part in found:
            notes = self._problems_within(part.first, part.first + CHUNK_FRAMES)
            if part.scale < 1:
                notes[f"{_SCALE}{part.scale}"] = list(range(part.first, part.stop))
            yield Chunk(part.first, part.table, notes)

    def needs_full_resolution(self, detector: Detector, first: int, stop: int) -> bool | None:
        """Tell whether the first frames of a chunk ask for all scales, whatever the later ones show; None: too few."""
        if not detector.scales:
            return True
        head = list(islice(self._frames(first, stop, FrameProblems()), FEWEST))
        return None if len(head) < FEWEST else detector.compare(head[:2], detector.scales)[1] == 1

    def _read(self, first: int, stop: int) -> Iterator[Frame]:
        self.problems.forget(first)
        return self._frames(first, stop, self.problems)

    def _frames(self, first: int, stop: int, problems: FrameProblems) -> Iterator[Frame]:
        """Yield the usable frames of a range; a part of the movie may have none, the whole must have some."""
        after = first - 1 if first > self.start else None
        try:
            yield from stream_frames(self.movie, first, stop, roi=self.roi, problems=problems, after=after)
        except MovieError:
            part = (first, stop) != (self.start, self.stop)
            if not part or not all(index in self.movie.left_out for index in range(first, stop)):
                raise

    def detect_all(self, detector: Detector) -> pd.DataFrame:
        """Detect in every frame; positions count from the region's corner."""
        with self.stage("detect", self.stop - self.start):
            return settle_profile(
                join_detections([chunk.table for chunk in self.chunks(detector, self.start, self.stop)])
            )

    def detect_missing(self, detector: Detector, store: ChunkStore, first: int, stop: int) -> None:
        """Detect and store the chunks of a range that are not in the store yet."""
        starts = range(first, stop, CHUNK_FRAMES)
        missing = [begin for begin in starts if not store.has(begin)]
        with self.stage("detect", stop - first):
            self.progress.advance(stop - first - sum(min(CHUNK_FRAMES, stop - begin) for begin in missing))
            for begin, end in _runs(missing, stop):
                for chunk in self.chunks(detector, begin, end):
                    store.add(chunk)

    def recall(self, store: Stored) -> None:
        """Take what was wrong with the frames of all stored chunks, in their order, as what was met."""
        self.problems.frames.clear()
        self.n_at.clear()
        for problems in store.problems(self.start, CHUNK_FRAMES):
            self._remember(problems)

    def detections(self, store: Stored) -> StoredDetections:
        """Return a function that yields the stored detections in order of frames, whenever it is called."""
        return StoredDetections(store, self.start, CHUNK_FRAMES)

    def image_drift(self) -> pd.DataFrame:
        """Return how the content of the frames moves, as `movie_drift` does; reads the movie once more."""
        frames = self._frames(self.start, self.stop, FrameProblems())
        return movie_drift(((frame.index, frame.pixels) for frame in frames), min_quality=LEAST_QUALITY)

    def in_frame(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return positions counted from the corner of the whole frame."""
        if self.roi is None:
            return table
        return table.assign(x=table["x"] + self.roi[0], y=table["y"] + self.roi[1])

    def in_region(self, table: pd.DataFrame) -> pd.DataFrame:
        """Undo `in_frame`."""
        if self.roi is None:
            return table
        return table.assign(x=table["x"] - self.roi[0], y=table["y"] - self.roi[1])

    def _problems_within(self, first: int, stop: int) -> dict[str, list[int]]:
        found = self.problems.within(first, stop)
        # looked up one by one: all that were left out would be gone through again for every chunk
        for index in range(first, stop):
            reason = self.movie.left_out.get(index)
            if reason is not None:
                found.setdefault(_UNREADABLE + reason, []).append(index)
        return found

    def _remember(self, problems: Mapping[str, list[int]]) -> None:
        for reason, frames in problems.items():
            if reason.startswith(_SCALE):
                self.n_at[float(reason.removeprefix(_SCALE))] += len(frames)
                continue
            for index in frames:
                if reason.startswith(_UNREADABLE):
                    self.movie.leave_out(index, reason.removeprefix(_UNREADABLE))
                else:
                    self.problems.add(reason, index)


def _runs(starts: list[int], stop: int) -> Iterator[tuple[int, int]]:
    """Join chunks that follow each other, so that their frames are read in one go."""
    begin: int | None = None
    for at, start in enumerate(starts):
        begin = start if begin is None else begin
        end = min(start + CHUNK_FRAMES, stop)
        if at + 1 == len(starts) or starts[at + 1] != end:
            yield begin, end
            begin = None
