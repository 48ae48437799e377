"""A stream of frames → detections, chunk by chunk; the network and the refinement work side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from lptem_tracker.detect.refine import Columns, refine_rows
from lptem_tracker.detect.runtimes import cores
from lptem_tracker.tables import DETECTION_DTYPES, FRAME, empty_table

if TYPE_CHECKING:
    from lptem_tracker.detect.base import Detector
    from lptem_tracker.movie.base import Frame
    from lptem_tracker.progress import Progress

    Reader: TypeAlias = Callable[[int, int], Iterator[Frame]]
    Answer: TypeAlias = tuple[list[Future[Columns]], float]
    How: TypeAlias = Callable[[Sequence[Frame]], tuple[pd.DataFrame | None, float]]

FEWEST = 4
"""Chunks of fewer frames are searched at all scales: too few to compare."""
LATER = 32
"""Frames after which the scales are compared again within a chunk."""


@dataclass
class Found:
    """The detections of a chunk.

    Attributes
    ----------
    first, stop : int
        Range of frames.
    scale : float
        The finest scale that was searched; 1: all were.
    parts : list of dict of str to numpy.ndarray
        Columns of its frames or batches, in order.
    under_way : int
        Batches that are not finished.
    seen, told : int
        Frames finished, and how many of these the progress knows of.
    refused : bool
        Whether a frame asked for all scales after all.
    complete : bool
        Whether every frame was handed on.
    """

    first: int
    stop: int
    scale: float = 1.0
    parts: list[Columns] = field(default_factory=list)
    under_way: int = 0
    seen: int = 0
    told: int = 0
    refused: bool = False
    complete: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """All of them in one table."""
        filled = [part for part in self.parts if len(part[FRAME])]
        if not filled:
            return empty_table(DETECTION_DTYPES)
        return pd.DataFrame({name: np.concatenate([part[name] for part in filled]) for name in filled[0]})


def detect_chunks(
    read: Reader,
    detector: Detector,
    first: int,
    stop: int,
    *,
    chunk_frames: int,
    refined: bool,
    progress: Progress,
    adaptive: bool = True,
) -> Iterator[Found]:
    """Yield the detections of each chunk of `chunk_frames` frames from `first` to `stop`.

    A chunk whose particles are all large is searched at the lower scales alone where the detector can do so. That is
    decided by its first two frames, two after `LATER`, and the last two: if in any of them full resolution shows
    more, or a frame between shows small particles, the whole chunk is searched at the next finer scale that its first
    two frames allow, in the end at all.

    Frames that the stream left out are simply absent; a chunk of none gives an empty table. The result
    does not depend on how frames are batched, nor on how many threads share the work, nor on other chunks.

    Parameters
    ----------
    read : callable
        Given a range (first, stop), its frames in order.
    detector : Detector
    first, stop : int
    chunk_frames : int
    refined : bool
        Whether every detection is fitted.
    progress : Progress
    adaptive : bool
        False: all chunks are searched at all scales.
    """
    with _Line(detector, progress, refined=refined) as line:
        frames = _Stream(read, first, stop)
        for begin in range(first, stop, chunk_frames):
            chunk = line.opened(begin, min(begin + chunk_frames, stop))
            after = min(chunk.stop + chunk_frames, stop)
            scales = detector.scales if adaptive else ()
            while scales:
                ahead = partial(frames.ahead, FEWEST, after)
                refused = yield from line.compare(chunk, frames.until(chunk.stop), scales, ahead)
                if refused == 1.0:
                    break
                frames.back_to(begin)
                line.forget(chunk)
                scales = tuple(scale for scale in scales if scale > refused)
            yield from line.search(chunk, frames.until(chunk.stop))
        yield from line.rest()


class _Stream:
    """Frames in order, up to a place and on from there, or again from an earlier one."""

    def __init__(self, read: Reader, first: int, stop: int) -> None:
        self._read, self._stop = read, stop
        self._frames = read(first, stop)
        self._next: deque[Frame] = deque()

    def back_to(self, first: int) -> None:
        """Read again; the reader before, which may be ahead on a thread, is ended first."""
        if isinstance(self._frames, Generator):
            self._frames.close()
        self._frames = self._read(first, self._stop)
        self._next.clear()

    def until(self, stop: int) -> Iterator[Frame]:
        """Yield the frames before frame `stop` that were not yielded yet."""
        while self.ahead(1, stop):
            yield self._next.popleft()

    def ahead(self, count: int, stop: int) -> list[Frame]:
        """Return the next frames before frame `stop`, at most `count`, which stay to be yielded."""
        self._next.extend(islice(self._frames, max(0, count - len(self._next))))
        return [frame for frame in islice(self._next, count) if frame.index < stop]


class _Here(Executor):
    """Runs what it is given at once, on the caller's thread."""

    def submit(self, task: Any, /, *args: Any, **options: Any) -> Future[Any]:
        """See `Executor.submit`."""
        future: Future[Any] = Future()
        future.set_result(task(*args, **options))
        return future


class _Line:
    """Batches under way through the network and the refinement, in order.

    Their number is bounded: enough that neither kind of thread waits for the other. Beside a detector that takes one
    caller only nothing else runs: it may change what is the process's, as warnings' filters.
    """

    def __init__(self, detector: Detector, progress: Progress, *, refined: bool) -> None:
        self._detector, self._progress, self._refined = detector, progress, refined
        self._size, alone = detector.batch_frames, detector.workers == 1
        self._most = 0 if alone else 2 * detector.workers + -(-cores() // self._size)
        self._network: Executor = _Here() if alone else ThreadPoolExecutor(detector.workers, "network")
        self._fits: Executor = _Here() if alone else ThreadPoolExecutor(cores(), "refine")
        self._under_way: deque[tuple[Found, int, Future[Answer]]] = deque()
        self._opening: tuple[int, tuple[float, ...], How] | None = None
        self._chunks: deque[Found] = deque()

    def __enter__(self) -> _Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network.shutdown(cancel_futures=True)
        self._fits.shutdown(cancel_futures=True)

    def opened(self, first: int, stop: int) -> Found:
        """Begin a chunk."""
        self._chunks.append(Found(first, stop))
        return self._chunks[-1]

    def compare(
        self, chunk: Found, frames: Iterator[Frame], scales: tuple[float, ...], ahead: Callable[[], list[Frame]]
    ) -> Generator[Found, None, float]:
        """Search a chunk at the first scale that its first frames allow; return it if a later frame does not, else 1.

        Where the first allow none, the rest of `frames` is searched at all scales. `ahead` gives the first frames of
        the next chunk, which are looked at while the last ones of this are under way.
        """
        head = list(islice(frames, FEWEST))
        if len(head) < FEWEST:
            yield from self.search(chunk, head)
            return 1.0
        how: How = partial(self._detector.compare, scales=scales)
        if self._opening is not None and self._is_begun(head, scales):
            how = self._opening[2]
        opening = self._submit(chunk, head[:2], how)
        rest = chain(head[2:], frames)
        scale = chunk.scale = opening.result()[1]
        if scale == 1.0:
            yield from self.search(chunk, rest)
            return 1.0
        answers = []
        check: How = partial(self._detector.compare, scales=(scale,))
        coarse: How = partial(self._coarse, scale=scale)
        for batch, checked in _batches_with_checks(rest, self._size, chunk.first + LATER):
            answers.append(self._submit(chunk, batch, check if checked else coarse))
            yield from self._shortened()
            if chunk.refused:
                return scale
        self._begin(ahead())
        return 1.0 if all(answer.result()[1] == scale for answer in answers) else scale

    def _begin(self, head: Sequence[Frame]) -> None:
        """Compare the first frames of a chunk before it is its turn."""
        scales = self._detector.scales
        if self._most and len(head) == FEWEST and not self._is_begun(head, scales):
            found = self._network.submit(self._detector.compare, head[:2], scales)
            self._opening = head[0].index, scales, lambda _: found.result()

    def _is_begun(self, head: Sequence[Frame], scales: tuple[float, ...]) -> bool:
        return self._opening is not None and self._opening[:2] == (head[0].index, scales)

    def forget(self, chunk: Found) -> None:
        """Drop what was found in the chunk opened last."""
        for owner, _, answer in self._under_way:
            if owner is chunk:
                answer.cancel()
        self._under_way = deque(each for each in self._under_way if each[0] is not chunk)
        chunk.scale, chunk.refused = 1.0, False
        chunk.under_way = chunk.seen = 0
        chunk.parts.clear()

    def search(self, chunk: Found, frames: Iterable[Frame]) -> Iterator[Found]:
        """Search the rest of a chunk at all scales."""
        for batch in _batches(frames, self._size):
            self._submit(chunk, batch, self._whole)
            yield from self._shortened()
        chunk.complete = True
        yield from self._shortened()

    def rest(self) -> Iterator[Found]:
        """Finish what is under way."""
        self._most = 0
        yield from self._shortened()

    def _whole(self, batch: Sequence[Frame]) -> tuple[pd.DataFrame | None, float]:
        return self._detector.detect(batch), 1.0

    def _coarse(self, batch: Sequence[Frame], scale: float) -> tuple[pd.DataFrame | None, float]:
        found = self._detector.detect_coarse(batch, scale)
        return found, 1.0 if found is None else scale

    def _submit(self, chunk: Found, batch: Sequence[Frame], how: How) -> Future[Answer]:
        def one() -> Answer:
            """Detect, and hand each frame on to be refined."""
            found, scale = how(batch)
            if found is None:
                return [], scale
            columns = {name: found[name].to_numpy() for name in found}
            if self._refined:
                return [self._fits.submit(_refined, frame, columns) for frame in batch], scale
            return [_Here().submit(lambda: columns)], scale

        answer: Future[Answer] = self._network.submit(one)
        self._under_way.append((chunk, len(batch), answer))
        chunk.under_way += 1
        return answer

    def _shortened(self) -> Iterator[Found]:
        """Wait until no more than the most is under way, and yield the chunks that are complete."""
        while len(self._under_way) > self._most:
            chunk, n_frames, answer = self._under_way.popleft()
            parts, scale = answer.result()
            chunk.refused |= scale != chunk.scale
            chunk.parts += [part.result() for part in parts]
            chunk.under_way -= 1
            chunk.seen += n_frames
            if chunk.seen > chunk.told:  # frames that are searched again are told once
                self._progress.advance(chunk.seen - chunk.told)
                chunk.told = chunk.seen
        while self._chunks and self._chunks[0].complete and not self._chunks[0].under_way:
            yield self._chunks.popleft()


def _batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    frames = iter(frames)
    while batch := list(islice(frames, size)):
        yield batch


def _batches_with_checks(frames: Iterator[Frame], size: int, later: int) -> Iterator[tuple[list[Frame], bool]]:
    """Group frames; two from frame `later` on, and the last two, are to be compared at all scales."""
    batch: list[Frame] = []
    pair: list[Frame] = []
    held: deque[Frame] = deque()
    for last in frames:
        held.append(last)
        if len(held) <= 2:
            continue
        frame = held.popleft()
        if len(pair) < 2 and frame.index >= later:
            if batch:
                yield batch, False
                batch = []
            pair.append(frame)
            if len(pair) == 2:
                yield pair, True
            continue
        batch.append(frame)
        if len(batch) == size:
            yield batch, False
            batch = []
    if len(pair) == 1:
        yield pair, False
    elif batch:
        yield batch, False
    yield list(held), True


def _refined(frame: Frame, found: Columns) -> Columns:
    """Refine one frame's detections among those of a batch."""
    here = found[FRAME] == frame.index
    rows = found if here.all() else {name: value[here] for name, value in found.items()}
    return refine_rows(frame, rows) if len(rows[FRAME]) else rows


def join_detections(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Put tables one below the other; none gives an empty table with all columns."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty_table(DETECTION_DTYPES)
