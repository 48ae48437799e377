"""Which frames a video holds, when each is shown and where decoding can start, without decoding any."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.movie.ffv1 import slices_are_whole

SCAN_S = 1.2
"""Time to read through the packets of a file; a longer file is opened by its own index or by its duration."""
_PROBED = 4


@dataclass(frozen=True)
class VideoIndex:
    """The frames of one video stream in the order in which they are shown.

    Attributes
    ----------
    count : int
        Number of frames.
    pts : numpy.ndarray or None
        Presentation time stamp of each frame in units of the stream's time base, ascending, shape
        (count,). None where the container holds none that can be trusted: frames are then counted.
    key_pts : numpy.ndarray
        Time stamps at which decoding can start, ascending.
    exact : bool
        Whether every packet was seen; otherwise count and time stamps are what the container announces.
    checked : bool
        Whether packets carry checksums that must hold.
    warnings : list of str
    """

    count: int
    pts: NDArray[np.int64] | None
    key_pts: NDArray[np.int64]
    exact: bool
    checked: bool
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def step(self) -> float:
        """Usual distance of two time stamps."""
        return 0.0 if self.pts is None or self.count < 2 else float(np.median(np.diff(self.pts)))


def scan(container: Any, stream: Any, *, budget_s: float = SCAN_S) -> VideoIndex:
    """Return the index of a stream from its packets, or from the container's tables where that takes long.

    Parameters
    ----------
    container : av.container.InputContainer
    stream : av.video.stream.VideoStream
    budget_s : float
        Time after which the tables are used instead, in s.
    """
    announced = int(stream.frames)
    table = _container_table(stream) if announced else None
    stamps: list[int | None] = []
    keys: list[int] = []
    end = time.monotonic() + budget_s
    broken = checked = False
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.is_corrupt:
                broken = True
                continue
            stamps.append(packet.pts)
            if len(stamps) <= _PROBED and stream.codec_context.name == "ffv1":
                checked = checked or slices_are_whole(bytes(packet))
            if packet.is_keyframe and packet.pts is not None:
                keys.append(packet.pts)
            if len(stamps) % 256 == 0 and time.monotonic() > end:
                return _from_tables(container, stream, announced, table, stamps, keys, checked)
    except av.FFmpegError:
        broken = True
    warnings = []
    if broken or announced > len(stamps):
        of = f" of the {announced} it announces" if announced > len(stamps) else ""
        warnings.append(f"The video is damaged or incomplete: {len(stamps)} frames{of} were found and are used.")
    pts = _ordered(container, stream, stamps)
    if not warnings and (missing_s := _missing_end_s(container, stream, pts)):
        warnings.append(f"The video is incomplete: it ends {missing_s:.3g} s before the length that it announces.")
    if not warnings and pts is not None:
        warnings += told_gaps(pts)
    return VideoIndex(len(stamps), pts, np.array(sorted(keys), np.int64), True, checked, warnings)


def told_gaps(pts: NDArray[np.int64]) -> list[str]:
    """Return a sentence where the times of an otherwise even video leave room for frames that are not there.

    Parameters
    ----------
    pts : numpy.ndarray
        Time stamps, ascending, shape (count,).

    Examples
    --------
    >>> told_gaps(np.array([0, 40, 80, 200, 240]))[0].partition(" that")[0]
    'The times of the video leave room for 2 frames'
    """
    steps = np.diff(pts)
    usual = float(np.median(steps)) if len(steps) else 0.0
    gaps = np.flatnonzero(steps > 1.5 * usual)
    even = np.abs(np.delete(steps, gaps) - usual) <= max(1.0, 0.05 * usual)
    # many gaps are a recorder that leaves out what did not change
    if usual <= 0 or not len(gaps) or 3 * len(gaps) > len(steps) or not even.all():
        return []
    # 800 frames a second in a container that counts milliseconds go on by 1, 1, 1 and 2
    if len(gaps) > 1 and np.abs(pts - np.linspace(pts[0], pts[-1], len(pts))).max() <= 1.0:
        return []
    n = int(np.rint(steps[gaps] / usual - 1).sum())
    places = ", ".join(map(str, gaps[:8])) + (", …" if len(gaps) > 8 else "")
    return [
        f"The times of the video leave room for {n} frame{'s' * (n != 1)} that it does not hold "
        f"(after frame {places}): they were not recorded, or the file is damaged; frames are counted as if none were "
        "missing."
    ]


def _missing_end_s(container: Any, stream: Any, pts: NDArray[np.int64] | None) -> float:
    """Return how much is missing at the end of a Matroska file, which announces its length but no number of frames."""
    if pts is None or not len(pts) or not container.duration or len(container.streams) > 1:
        return 0.0
    if "matroska" not in container.format.name or not stream.average_rate:
        return 0.0
    step = float(np.median(np.diff(pts)) * stream.time_base) if len(pts) > 1 else 1 / float(stream.average_rate)
    end = float((pts[-1] - min(int(pts[0]), 0)) * stream.time_base) + step
    missing = container.duration / av.time_base - end
    return missing if missing > 0.5 * step else 0.0


def _ordered(container: Any, stream: Any, stamps: list[int | None]) -> NDArray[np.int64] | None:
    # AVI stores no presentation times: those that libavformat makes up are wrong once frames are reordered
    if container.format.name == "avi" and stream.codec_context.has_b_frames:
        return None
    if any(stamp is None for stamp in stamps):
        return None
    pts = np.sort(np.array(stamps, np.int64))
    return pts if np.all(np.diff(pts) > 0) else None


def _container_table(stream: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    entries = stream.index_entries
    n = len(entries)
    if n < int(stream.frames):
        return None
    stamps, keys = np.empty(n, np.int64), []
    for i in range(n):
        entry = entries[i]
        stamps[i] = entry.timestamp
        if entry.is_keyframe:
            keys.append(entry.timestamp)
    return stamps, np.array(keys, np.int64)


def _from_tables(
    container: Any,
    stream: Any,
    announced: int,
    table: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    stamps: list[int | None],
    keys: list[int],
    checked: bool,
) -> VideoIndex:
    known = [stamp for stamp in stamps if stamp is not None]
    if table is not None and known and len(np.unique(table[0])) == len(table[0]):
        # the table holds decoding times, which run ahead of the presentation by a constant
        lead = min(known) - int(table[0].min())
        pts: NDArray[np.int64] | None = np.sort(table[0]) + lead
        if container.format.name == "avi" and stream.codec_context.has_b_frames:
            pts = None
        return VideoIndex(len(table[0]), pts, np.sort(table[1]) + lead, False, checked)
    rate = stream.average_rate or stream.guessed_rate
    length_s = (
        float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / av.time_base
    )
    count = max(announced or round(length_s * float(rate or 0)), len(stamps))
    pts = None
    if rate and known:
        pts = min(known) + np.rint(np.arange(count) / float(rate * stream.time_base)).astype(np.int64)
    warning = f"The video is long: its number of frames ({count}) is the one that the file announces, not counted."
    return VideoIndex(count, pts, np.array(sorted(keys), np.int64), False, checked, [warning])
