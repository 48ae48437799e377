"""Small pictures of particles and events, cut from the movie and kept in the page."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.movie.base import Movie
from lptem_tracker.report.contrast import Contrast
from lptem_tracker.report.source import pixels_of

CELL_PX = 72
STRIP_OFFSETS = (-8, -3, -1, 0, 1, 3, 8)
MOST_STRIPS = 120
MOST_WITH_THREE = 250


@dataclass(frozen=True)
class Cut:
    """A square to cut: where it goes, its frame, its centre and half side in px."""

    key: tuple[str, int, int]
    frame: int
    x: float
    y: float
    half: float


def particle_cuts(tracks: pd.DataFrame, frames: Iterable[int]) -> list[Cut]:
    """Return what to cut for each particle: its first, middle and last picture, or one where there are many.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Sorted by particle and frame.
    frames : iterable of int
        Frames that may be read; the nearest in a particle's life is taken.
    """
    allowed = np.unique(np.asarray(list(frames), dtype=np.int64))
    seen = tracks[tracks["observed"]]
    shares = (0.0, 0.5, 1.0) if seen["particle"].nunique() <= MOST_WITH_THREE else (0.5,)
    cuts = []
    for particle, rows in seen.groupby("particle"):
        mine = rows["frame"].to_numpy()
        usable = np.flatnonzero(np.isin(mine, allowed))
        if not usable.size:
            continue
        chosen = np.unique(usable[np.round(np.array(shares) * (usable.size - 1)).astype(int)])
        half = _half_side(rows)
        for n, row in enumerate(rows.iloc[chosen].itertuples()):
            cuts.append(Cut(("particle", int(str(particle)), n), int(row.frame), float(row.x), float(row.y), half))
    return cuts


def event_cuts(events: pd.DataFrame, tracks: pd.DataFrame, n_frames: int) -> list[Cut]:
    """Return what to cut for each event: frames before and after it, at its place.

    Parameters
    ----------
    events : pandas.DataFrame
    tracks : pandas.DataFrame
    n_frames : int
    """
    half = 2.2 * _half_side(tracks) if len(tracks) else 24.0
    inner = events[~events["kind"].isin(["enter", "leave"])]
    chosen = pd.concat([inner, events.drop(inner.index)])[:MOST_STRIPS]
    cuts = []
    for event in chosen.itertuples():
        if not (np.isfinite(event.x) and np.isfinite(event.y)):
            continue
        for n, offset in enumerate(STRIP_OFFSETS):
            frame = int(event.frame) + offset
            if 0 <= frame < n_frames:
                cuts.append(Cut(("event", int(event.Index), n), frame, float(event.x), float(event.y), half))
    return cuts


def _half_side(rows: pd.DataFrame) -> float:
    sizes = [rows[name].to_numpy(dtype=float) for name in ("width", "height") if name in rows]
    if "radius" in rows:
        sizes.append(2 * rows["radius"].to_numpy(dtype=float))
    known = np.concatenate(sizes) if sizes else np.array([])
    known = known[np.isfinite(known) & (known > 0)]
    return float(np.clip(1.1 * np.median(known), 8, 200)) if known.size else 16.0


def cut_all(movie: Movie, contrast: Contrast, cuts: Iterable[Cut]) -> dict[tuple[str, int, int], NDArray[np.uint8]]:
    """Return the square pictures of `CELL_PX`, reading each frame once and in order.

    Parameters
    ----------
    movie : Movie
    contrast : Contrast
    cuts : iterable of Cut
    """
    by_frame: dict[int, list[Cut]] = defaultdict(list)
    for cut in cuts:
        by_frame[cut.frame].append(cut)
    out = {}
    for frame in sorted(by_frame):
        pixels = pixels_of(movie, frame) if frame < len(movie) else None
        if pixels is None:
            continue
        grey = contrast.apply(pixels, frame)
        for cut in by_frame[frame]:
            out[cut.key] = _square(grey, cut)
    return out


def _square(grey: NDArray[np.uint8], cut: Cut) -> NDArray[np.uint8]:
    scale = CELL_PX / (2 * cut.half)
    # warpAffine maps pixel centres, so the half pixel of the picture is put back by hand
    matrix = np.array([[scale, 0, -(cut.x - cut.half) * scale - 0.5], [0, scale, -(cut.y - cut.half) * scale - 0.5]])
    method = cv2.INTER_LINEAR if scale < 3 else cv2.INTER_NEAREST
    picture: NDArray[np.uint8] = cv2.warpAffine(
        grey, matrix, (CELL_PX, CELL_PX), flags=method, borderMode=cv2.BORDER_CONSTANT, borderValue=128
    )
    return picture


def strip(pictures: dict[tuple[str, int, int], NDArray[np.uint8]], event: int) -> NDArray[np.uint8] | None:
    """Return an event's pictures side by side; frames outside the movie are grey. None where there are none."""
    cells = [pictures.get(("event", event, n)) for n in range(len(STRIP_OFFSETS))]
    if not any(cell is not None for cell in cells):
        return None
    empty = np.full((CELL_PX, CELL_PX), 128, np.uint8)
    gap = np.full((CELL_PX, 4), 255, np.uint8)
    row: list[NDArray[np.uint8]] = []
    for cell in cells:
        row += [empty if cell is None else cell, gap]
    return np.concatenate(row[:-1], axis=1)


def reduced(picture: NDArray[np.uint8], most_px: int) -> NDArray[np.uint8]:
    """Return a picture no larger than `most_px`, averaged by a whole number of pixels."""
    step = max(1, -(-max(picture.shape) // most_px))
    if step == 1:
        return picture
    size = (picture.shape[1] // step, picture.shape[0] // step)
    small: NDArray[np.uint8] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small


def data_uri(picture: NDArray[Any], quality: int = 72) -> str:
    """Return a picture as a JPEG in a ``data:`` address."""
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
