"""A stream of frames → detections, chunk by chunk; the network and the refinement work side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from lptem_tracker.detect.refine import refine
from lptem_tracker.detect.runtimes import cores
from lptem_tracker.tables import DETECTION_DTYPES, FRAME, empty_table

if TYPE_CHECKING:
    from lptem_tracker.detect.base import Detector
    from lptem_tracker.movie.base import Frame
    from lptem_tracker.progress import Progress

_Parts: TypeAlias = list[Future[pd.DataFrame]] | pd.DataFrame
"""The detections of a batch, or what will become those of each of its frames."""


def detect_chunks(
    frames: Iterator[Frame],
    detector: Detector,
    first: int,
    stop: int,
    *,
    chunk_frames: int,
    refined: bool,
    progress: Progress,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield (first frame, detections) of each chunk of `chunk_frames` frames from `first` to `stop`.

    Frames that the stream left out are simply absent; a chunk of none gives an empty table. The result
    does not depend on how frames are batched, nor on how many threads share the work.
    """
    done = _detected(_batches(frames, detector.batch_frames, first, chunk_frames), detector, refined)
    batch, table = next(done, (None, None)) if first < stop else (None, None)
    for begin in range(first, stop, chunk_frames):
        tables: list[pd.DataFrame] = []
        while batch is not None and batch[-1].index < begin + chunk_frames:
            tables.append(table)
            progress.advance(len(batch))
            batch, table = next(done, (None, None))
        yield begin, join_detections(tables)


def _batches(frames: Iterator[Frame], size: int, first: int, chunk_frames: int) -> Iterator[list[Frame]]:
    """Group frames; no batch reaches over the end of a chunk."""
    batch: list[Frame] = []
    for frame in frames:
        if batch and (
            len(batch) == size or (frame.index - first) // chunk_frames > _chunk_of(batch, first, chunk_frames)
        ):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def _chunk_of(batch: Sequence[Frame], first: int, chunk_frames: int) -> int:
    return (batch[0].index - first) // chunk_frames


def _detected(
    batches: Iterator[list[Frame]], detector: Detector, refined: bool
) -> Iterator[tuple[list[Frame], pd.DataFrame]]:
    """Yield each batch with its detections, in order, while the next ones are worked on.

    A bounded number of batches is under way: enough that neither kind of thread waits for the other. Beside a
    detector that takes one caller only nothing else runs: it may change what is the process's, as warnings' filters.
    """
    if detector.workers == 1:
        for batch in batches:
            found = detector.detect(batch)
            yield batch, join_detections([_refined(frame, found) for frame in batch]) if refined else found
        return
    network, fits = ThreadPoolExecutor(detector.workers, "network"), ThreadPoolExecutor(cores(), "refine")

    def one(batch: list[Frame]) -> _Parts:
        found = detector.detect(batch)
        return [fits.submit(_refined, frame, found) for frame in batch] if refined else found

    under_way: deque[tuple[list[Frame], Future[_Parts]]] = deque()
    try:
        for batch in batches:
            under_way.append((batch, network.submit(one, batch)))
            if len(under_way) > 2 * detector.workers + -(-cores() // detector.batch_frames):
                yield _finished(*under_way.popleft())
        while under_way:
            yield _finished(*under_way.popleft())
    finally:
        network.shutdown(cancel_futures=True)
        fits.shutdown(cancel_futures=True)


def _refined(frame: Frame, found: pd.DataFrame) -> pd.DataFrame:
    """Refine one frame's detections on this thread alone."""
    rows = found[found[FRAME] == frame.index]
    return refine([frame], rows, workers=1) if len(rows) else rows


def _finished(batch: list[Frame], result: Future[_Parts]) -> tuple[list[Frame], pd.DataFrame]:
    found = result.result()
    return batch, found if isinstance(found, pd.DataFrame) else join_detections([part.result() for part in found])


def join_detections(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Put tables one below the other; none gives an empty table with all columns."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty_table(DETECTION_DTYPES)
