"""A folder that a camera is still writing into: its frames are analysed as they come, the results kept current."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import pandas as pd

from lptem_tracker.conclude import conclude
from lptem_tracker.detect import Detector
from lptem_tracker.detect.chunks import join_detections
from lptem_tracker.errors import LptemError, MovieError, SettingsError
from lptem_tracker.job import CHUNK_FRAMES, Job, open_for
from lptem_tracker.movie import Movie, fingerprint, open_movie
from lptem_tracker.movie.fingerprint import movie_files
from lptem_tracker.pipeline import chosen_detector
from lptem_tracker.progress import Progress, Silent
from lptem_tracker.run import Chunk, ChunkStore, Run, RunWriter
from lptem_tracker.settings import Settings

POLL_S = 0.5
PATIENCE_S = 10.0
"""A file that cannot be opened this long after it last grew counts as damaged, and the frames after it are taken."""


def follow(
    folder: str | Path,
    output: str | Path,
    *,
    settings: Settings | None = None,
    timeout_s: float = 60.0,
    interval_s: float = 30.0,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    told: Callable[[Run], None] | None = None,
    poll_s: float = POLL_S,
) -> Run:
    """Analyse the frames of a folder while a camera writes them, one file a frame.

    A file counts when its size is the same twice and it can be read. Detections are kept chunk by chunk; every
    `interval_s` tracks, tables and summary are made anew from all frames so far. The end comes when no frame has
    come for `timeout_s`, or with Ctrl-C; the run is then that of `analyze` on the folder, byte for byte in its tables.

    Parameters
    ----------
    folder : path
        May still be empty. Frames in natural order of their names, or an in-situ tree.
    output : path
        The run folder.
    settings : Settings, optional
    timeout_s : float
        Seconds without a new frame after which the recording is over.
    interval_s : float
        Seconds between two updates of the results.
    force, resume : bool
        As of `analyze`.
    progress : Progress, optional
    told : callable, optional
        Called with the run after each update, to draw it.
    poll_s : float
        Seconds between two looks at the folder.

    Returns
    -------
    Run

    Raises
    ------
    MovieError
        No frame ever came.
    SettingsError, WeightsError, OutputError
        As of `analyze`.
    """
    settings, progress = settings or Settings(), progress or Silent()
    place = Path(folder)
    if not place.is_dir():
        raise SettingsError(
            f"--follow takes a folder into which a camera writes one file a frame; {place} is none. "
            "A file that is still growing is analysed when it is complete, without --follow."
        )
    arrivals = Arrivals(place, poll_s)
    detector = chosen_detector(settings)
    with RunWriter(output, force=force, resume=resume) as writer:
        recording = _Recording(place, settings, detector, writer, progress)
        try:
            _watch(recording, arrivals, timeout_s, interval_s, told)
        except KeyboardInterrupt:
            progress.note("Stopped; the frames that have come are analysed to the end (Ctrl-C again to leave it).")
        recording.complete()
        return writer.finish()


def _watch(
    recording: _Recording, arrivals: Arrivals, timeout_s: float, interval_s: float, told: Callable[[Run], None] | None
) -> None:
    """Take frames and update the results until no more come; only a look that finds nothing new can be the last."""
    recording.progress.stage("follow", None)
    came = updated = time.monotonic()
    before, shown = 0, 0
    while not recording.is_over:
        files = arrivals.ready()
        if len(files) != before:
            recording.take(files)
        if len(files) != before or arrivals.changed:
            came, before = time.monotonic(), len(files)
        elif time.monotonic() - came >= timeout_s:
            break
        if recording.n_done != shown and time.monotonic() - updated >= interval_s:
            run = recording.update()
            if told is not None:
                told(run)
            shown, updated = recording.n_done, time.monotonic()
        arrivals.wait()
    recording.reason = arrivals.reason


class Arrivals:
    """Which files of a folder are complete frames.

    Parameters
    ----------
    folder : pathlib.Path
    poll_s : float

    Attributes
    ----------
    changed : bool
        Whether any file came or grew since the look before.
    reason : str
        Why the folder cannot be read as a movie yet.
    """

    def __init__(self, folder: Path, poll_s: float) -> None:
        self._folder, self._poll_s = folder, poll_s
        self._sizes: dict[Path, int] = {}
        self._since: dict[Path, float] = {}
        self._good: set[Path] = set()
        self._cost = 0.0
        self.changed, self.reason = False, ""

    def ready(self) -> list[Path]:
        """Return the frames that are complete, in order, up to the first that is not."""
        begun = time.monotonic()
        self.changed, self.reason = False, ""
        files: list[Path] = []
        try:
            with open_movie(self._folder) as movie:
                files = movie_files(movie)
        except MovieError as error:
            self.reason = str(error)
        complete = list(takewhile(self._is_complete, files))
        # files behind the first incomplete one are looked at too: they age
        for path in files[len(complete) + 1 :]:
            self._settled(path)
        self._cost = time.monotonic() - begun
        return complete

    def wait(self) -> None:
        """Wait until the next look; a folder that takes long to read is looked at less often."""
        time.sleep(max(self._poll_s, 5 * self._cost))

    def _is_complete(self, path: Path) -> bool:
        if path in self._good:
            return True
        if not self._settled(path):
            return False
        late = time.monotonic() - self._since[path] > PATIENCE_S
        if late or _opens(path):
            self._good.add(path)
            return True
        return False

    def _settled(self, path: Path) -> bool:
        """Note a file's size, and tell whether it was the same at the look before."""
        if path in self._good:
            return True
        try:
            size = path.stat().st_size
        except OSError:
            return False
        if self._sizes.get(path) == size:
            return size > 0
        self._sizes[path], self._since[path], self.changed = size, time.monotonic(), True
        return False


def _opens(path: Path) -> bool:
    try:
        with open_movie(path) as movie:
            movie.read(0)
    except LptemError:
        return False
    return True


@dataclass
class _Recording:
    """The frames taken so far and what was found in them."""

    folder: Path
    settings: Settings
    detector: Detector
    writer: RunWriter
    progress: Progress
    taken: list[Path] = field(default_factory=list)
    reason: str = ""
    _store: ChunkStore | None = None
    _tail: Chunk | None = None
    _final: bool | None = None
    _at: int = 0
    _kind: tuple[object, ...] = ()

    @property
    def n_done(self) -> int:
        """Frames that were searched, and are part of the next update."""
        return self._at if self._store is not None else 0

    @property
    def is_over(self) -> bool:
        """Whether all frames that `--frames` asks for have come."""
        _, _, last = (self.settings.movie.frames or ":").partition(":")
        return bool(last) and len(self.taken) >= int(last)

    def take(self, files: list[Path]) -> None:
        """Detect in the frames that are new."""
        first, _, _ = (self.settings.movie.frames or ":").partition(":")
        if len(files) <= int(first or 0):
            return
        with self._open(files) as movie:
            kind = (movie.shape[1:], movie.dtype)
            same = next((i for i, (a, b) in enumerate(zip(self.taken, files)) if a != b), len(self.taken))
            if kind != self._kind:
                same = 0
            job = Job(movie, self.settings, _Advancing(self.progress))
            store = self._opened(job, movie)
            self._go_back(job, store, min(same, len(files)))
            self.taken, self._kind = files, kind
            self._detect(job, store)

    def _open(self, files: list[Path]) -> Movie:
        scale = self.settings.movie.model_dump(include={"pixel_size_nm", "frame_interval_s", "exposure_s"})
        movie = open_movie(files, **scale)
        movie.source = str(self.folder)
        return movie

    def _opened(self, job: Job, movie: Movie) -> ChunkStore:
        if self._store is None:
            with open_movie(movie_files(movie)[:1]) as beginning:
                mark = f"followed from {fingerprint(beginning)}"
            self._store = ChunkStore(self.writer.path, job.identity(self.detector, mark))
            self._at = job.start
        return self._store

    def _go_back(self, job: Job, store: ChunkStore, same: int) -> None:
        """Forget what was found from frame `same` on: an earlier frame came late."""
        if self.taken and same < self._at:
            self._tail, self._final = None, None
            self._at = max(job.start, job.start + (same - job.start) // CHUNK_FRAMES * CHUNK_FRAMES)
            store.drop(self._at)

    def _detect(self, job: Job, store: ChunkStore) -> None:
        """Go on from the last frame done to the last one there; whole chunks are stored.

        What came piece by piece was searched at all scales. It stays where the first frames of the chunk ask for
        that; otherwise the chunk is searched once more when it is whole, as `analyze` does.
        """
        while self._at < job.stop:
            begin = job.start + (self._at - job.start) // CHUNK_FRAMES * CHUNK_FRAMES
            whole = begin + (job.stop - begin) // CHUNK_FRAMES * CHUNK_FRAMES
            if self._at == begin < whole:
                job.detect_missing(self.detector, store, begin, whole)
                self._at = whole
                continue
            end = min(begin + CHUNK_FRAMES, job.stop)
            (new,) = job.chunks(self.detector, self._at, end, adaptive=False)
            self._tail, self._at = _joined(begin, self._tail, new), end
            if self._final is None:
                self._final = job.needs_full_resolution(self.detector, begin, end)
            if end == begin + CHUNK_FRAMES:
                if self._final:
                    store.add(self._tail)
                else:
                    job.detect_missing(self.detector, store, begin, end)
                self._tail, self._final = None, None

    def update(self) -> Run:
        """Make tracks, tables and summary of all frames so far."""
        assert self._store is not None
        with self._open(self.taken) as movie:
            job = Job(movie, self.settings, Silent())
            conclude(self.writer, job, self.detector.describe(), _WithTail(self._store, self._tail), "")
        return Run(self.writer.path)

    def complete(self) -> None:
        """Make the run that `analyze` makes of the folder."""
        if self._store is None:
            why = f" ({self.reason})" if self.reason else ""
            raise MovieError(
                f"No frame came into {self.folder}{why}; check the folder, or give a longer --follow-timeout."
            )
        with open_for(self.folder, self.settings) as movie:
            job = Job(movie, self.settings, self.progress)
            if movie_files(movie)[: len(self.taken)] != self.taken or (movie.shape[1:], movie.dtype) != self._kind:
                self._store.drop(job.start)
            elif self._tail is not None and self._at == job.stop and self._final:
                self._store.add(self._tail)
            job.detect_missing(self.detector, self._store, job.start, job.stop)
            conclude(self.writer, job, self.detector.describe(), self._store, fingerprint(movie))


def _joined(begin: int, before: Chunk | None, new: Chunk) -> Chunk:
    if before is None:
        return Chunk(begin, new.table, new.problems)
    problems: dict[str, list[int]] = {reason: list(frames) for reason, frames in before.problems.items()}
    for reason, frames in new.problems.items():
        problems.setdefault(reason, []).extend(frames)
    return Chunk(begin, join_detections([before.table, new.table]), problems)


@dataclass(frozen=True)
class _Advancing(Silent):
    """Passes on how many frames are done, within the one stage that is following."""

    progress: Progress

    def advance(self, steps: int = 1) -> None:
        """Some frames are done."""
        self.progress.advance(steps)


@dataclass(frozen=True)
class _WithTail:
    """The stored chunks and the one that is still growing."""

    store: ChunkStore
    tail: Chunk | None

    def tables(self, first: int, step: int) -> Iterator[pd.DataFrame]:
        """As of `ChunkStore`."""
        yield from self.store.tables(first, step)
        if self.tail is not None and self.tail.first >= first:
            yield self.tail.table

    def problems(self, first: int, step: int) -> Iterator[Mapping[str, list[int]]]:
        """As of `ChunkStore`."""
        yield from self.store.problems(first, step)
        if self.tail is not None and self.tail.first >= first:
            yield self.tail.problems
