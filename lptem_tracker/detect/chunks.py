"""A stream of frames → detections, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lptem_tracker.detect.refine import refine
from lptem_tracker.tables import DETECTION_DTYPES, empty_table

DIGITS = 8

if TYPE_CHECKING:
    from lptem_tracker.detect.base import Detector
    from lptem_tracker.movie.base import Frame
    from lptem_tracker.progress import Progress


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
    does not depend on how frames are batched.
    """
    pending = next(frames, None) if first < stop else None
    for begin in range(first, stop, chunk_frames):
        end = min(begin + chunk_frames, stop)
        tables: list[pd.DataFrame] = []
        batch: list[Frame] = []
        while pending is not None and pending.index < end:
            batch.append(pending)
            pending = next(frames, None)
            if len(batch) >= detector.batch_frames or pending is None or pending.index >= end:
                found = detector.detect(batch)
                # one thread: with several, neighbours may see each other's fits in different orders
                tables.append(settled(refine(batch, found, workers=1) if refined and len(found) else found))
                progress.advance(len(batch))
                batch = []
        yield begin, join_detections(tables)


def settled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its real numbers to `DIGITS` significant digits.

    The order in which a processor adds numbers can differ from run to run in the last bits; cut to what is
    meant, the same input gives the same bytes.
    """
    out = table.copy()
    for name in out.columns:
        if out[name].dtype.kind == "f":
            values = out[name].to_numpy(float)
            with np.errstate(divide="ignore", invalid="ignore"):
                unit = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values))))
                out[name] = np.where(np.isfinite(unit) & (values != 0), np.round(values * unit) / unit, values)
    return out


def join_detections(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Put tables one below the other; none gives an empty table with all columns."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty_table(DETECTION_DTYPES)
