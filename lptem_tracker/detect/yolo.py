"""The trained network as a Detector: scales, tiles, batches, calibrated confidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect import members, message_passing
from lptem_tracker.detect.base import Detector
from lptem_tracker.detect.context import judge
from lptem_tracker.detect.decode import Float, decode
from lptem_tracker.detect.halves import join
from lptem_tracker.detect.pyramid import (
    DOUBLE,
    FULL,
    HALF_ALONE,
    MIDDLE_ALONE,
    Image,
    Level,
    levels_for,
    lower_levels,
    merge,
    render,
    tiles,
    untile,
)
from lptem_tracker.detect.runtimes import Runtime, cores, make_runtime
from lptem_tracker.detect.scales import LEAST, Rows, holds_small, suffices
from lptem_tracker.detect.weights import SHIPPED, file_sha256, read_record, shipped_weights
from lptem_tracker.movie.base import Frame
from lptem_tracker.tables import DETECTION_DTYPES, empty_table

Job = tuple[Frame, Level]
_FINEST = {level.scale: level for level in (HALF_ALONE, MIDDLE_ALONE)}
"""What may be the finest level looked at, by its scale."""
Answers = list[tuple[Level, Float, Float]]
"""Boxes and raw scores of one frame at each scale."""
_FLOOR = 0.02
"""Raw scores below this are never looked at."""
_BATCH_PX = {"cpu": 1, "cuda": 32 * 1024 * 1024}
"""Pixels shown to the network at once; one by one on the CPU, where nothing is gained by more."""
_REMEMBERED = 8
"""Frames compared at last of which the answers at all scales are kept."""
_HINT = 0.15
"""Raw score from which a box counts for that decision, whatever the confidence asked for."""
_TINY_RADIUS_PX = 3.0
"""Frames whose median particle is smaller than this are also searched at twice the size."""


class YoloDetector(Detector):
    """The network of this package.

    Parameters
    ----------
    weights : path, optional
        A `.safetensors` file written by this package; None: the shipped one.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    confidence : float
        Detections below this probability are dropped.
    batch_frames : int, optional
        Frames a batch; None: one on the CPU, many on a GPU.
    adaptive : bool
        Whether a movie of large particles may be searched at a part of its resolution; see `detect.scales`.

    Raises
    ------
    WeightsError
        The file is no detector of this package.
    SettingsError
        There is no such device.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        device: str = "auto",
        confidence: float = 0.5,
        batch_frames: int | None = None,
        adaptive: bool = True,
    ) -> None:
        self.path = shipped_weights() if weights is None else Path(weights)
        self.sha256 = file_sha256(self.path)
        self.record = read_record(self.path)
        self.record["context"] = message_passing.ready(self.record["context"]) if self.record.get("context") else None
        self.record["halves"] = members.ready(self.record.get("halves"))
        self.runtime: Runtime = make_runtime(self.path, self.sha256, device)
        self.confidence = confidence
        self._kind = "cuda" if "cuda" in self.runtime.name else "cpu"
        self.batch_frames = batch_frames or (16 if self._kind == "cuda" else 1)
        self.workers = self.runtime.workers
        self.scales = tuple(_FINEST) if adaptive else ()
        self._seen: dict[int, tuple[bytes, Answers, Rows]] = {}

    def detect(self, frames: Sequence[Frame]) -> pd.DataFrame:
        """Return the detections of a batch of frames; see `Detector.detect`."""
        return _table([rows for _, rows in self._whole(frames)], self.confidence)

    def compare(self, frames: Sequence[Frame], scales: tuple[float, ...]) -> tuple[pd.DataFrame, float]:
        """Look at two neighbouring frames at all scales and at the lower ones alone; see `Detector.compare`."""
        known = self._whole(frames)
        self._remember(frames, known)
        found, whole = [answers for answers, _ in known], [rows for _, rows in known]
        for scale in scales:
            levels = [lower_levels(frame.pixels.shape, _FINEST[scale]) for frame in frames]
            if not all(levels):
                break
            lower = self._judged_at(frames, levels, found)
            if suffices(whole, lower, scale, frames[0].pixels.shape):
                return _table(lower, self.confidence), scale
        return _table(whole, self.confidence), 1.0

    def _whole(self, frames: Sequence[Frame]) -> list[tuple[Answers, Rows]]:
        """Return what the network answers to each frame at all scales, and its detections."""
        known = [self._remembered(frame) for frame in frames]
        new = [frame for frame, have in zip(frames, known) if have is None]
        found, images = self._answers(new, [levels_for(frame.pixels.shape) for frame in new])
        fresh = iter([(each[1], self._judged(*each)) for each in zip(new, found, images)])
        return [have or next(fresh) for have in known]

    def _remember(self, frames: Sequence[Frame], known: Sequence[tuple[Answers, Rows]]) -> None:
        """Keep what was found at all scales: a chunk that is refused at a lower one is searched again."""
        for frame, (answers, rows) in zip(frames, known):
            self._seen[frame.index] = _digest(frame), answers, rows
        for index in list(self._seen)[:-_REMEMBERED]:
            self._seen.pop(index, None)

    def _remembered(self, frame: Frame) -> tuple[Answers, Rows] | None:
        have = self._seen.get(frame.index)
        return have[1:] if have is not None and have[0] == _digest(frame) else None

    def _judged_at(
        self, frames: Sequence[Frame], levels: Sequence[Sequence[Level]], known: Sequence[Answers]
    ) -> list[Rows]:
        """Return the detections at some levels; the network is only asked where `known` lacks a scale."""
        out = []
        for frame, some, answers in zip(frames, levels, known):
            have = {level.scale: (boxes, scores) for level, boxes, scores in answers}
            new = [(frame, level) for level in some if level.scale not in have]
            images = self._rendered(new)
            for (_, level), boxes, scores in self._search(new, images):
                have[level.scale] = boxes, scores
            finest = images[0] if new and new[0][1] is some[0] else render(frame.pixels, some[0])
            out.append(self._judged(frame, [(level, *have[level.scale]) for level in some], finest))
        return out

    def detect_coarse(self, frames: Sequence[Frame], scale: float) -> pd.DataFrame | None:
        """Return the detections at the lower scales; None where these show small particles."""
        found, images = self._answers(frames, [lower_levels(frame.pixels.shape, _FINEST[scale]) for frame in frames])
        rows = [self._judged(*each) for each in zip(frames, found, images)]
        small = any(holds_small(some, scale, frame.pixels.shape) for some, frame in zip(rows, frames))
        return None if small else _table(rows, self.confidence)

    def _answers(self, frames: Sequence[Frame], levels: Sequence[Sequence[Level]]) -> tuple[list[Answers], list[Image]]:
        """Return what the network answers to each frame at its scales, and the frame at the finest of them."""
        jobs = [(frame, level) for frame, some in zip(frames, levels) for level in some]
        images = self._rendered(jobs)
        found: dict[int, Answers] = {id(frame): [] for frame in frames}
        for (frame, level), boxes, scores in self._search(jobs, images):
            found[id(frame)].append((level, boxes, scores))
        tiny = [(frame, DOUBLE) for frame in frames if self._is_tiny(found[id(frame)])]
        for (frame, level), boxes, scores in self._search(tiny, self._rendered(tiny)):
            found[id(frame)].append((level, boxes, scores))
        finest = {id(frame): image for (frame, level), image in zip(jobs, images) if level in (FULL, *_FINEST.values())}
        return [found[id(frame)] for frame in frames], [finest[id(frame)] for frame in frames]

    def _judged(self, frame: Frame, found: Answers, image: Image) -> Rows:
        """Return frame, left, top, right, bottom and probability of what was found, the surest first."""
        boxes, scores = merge(found, frame.pixels.shape)
        if not image.any():  # a frame of one value holds nothing, whatever the network says of it
            boxes, scores = boxes[:0], scores[:0]
        scale = np.float32(found[0][0].scale)
        scores = judge(image, boxes * scale, scores, self.record.get("context"))
        boxes, scores = join(image, boxes * scale, scores, self.record.get("halves"))
        return self._rows(frame.index, boxes / scale, scores)

    def _search(self, jobs: list[Job], images: list[Image]) -> list[tuple[Job, Float, Float]]:
        """Run the network on frames at scales, tiles of one shape together."""
        parts = [(job, tile) for job, image in zip(jobs, images) for tile in tiles(image)]
        shapes: dict[tuple[int, ...], list[int]] = {}
        for k, (_, tile) in enumerate(parts):
            shapes.setdefault(tile.image.shape, []).append(k)
        raws: dict[int, NDArray[np.float32]] = {}
        for shape, rows in shapes.items():
            step = max(1, _BATCH_PX[self._kind] // (shape[0] * shape[1]))
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                raw = self.runtime.run(np.stack([parts[k][1].image for k in some])[:, None])
                raws.update(zip(some, raw))
        out: list[tuple[Job, Float, Float]] = []
        for job in jobs:
            pieces = [
                untile(*decode(raws[k], tile.image.shape, min_score=_FLOOR), tile)
                for k, (owner, tile) in enumerate(parts)
                if owner is job
            ]
            out.append((job, np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces])))
        return out

    def _rendered(self, jobs: list[Job]) -> list[Image]:
        """Return the normalised image of each job; for a GPU, which takes many frames at once, all cores work."""

        def one(job: Job) -> Image:
            return render(job[0].pixels, job[1])

        if self._kind == "cpu" or len(jobs) == 1:
            return [one(job) for job in jobs]
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(one, jobs))

    def _is_tiny(self, found: Answers) -> bool:
        level, boxes, scores = found[0]
        sure = boxes[scores >= _HINT]
        if len(sure) < 20 or level.scale != 1.0:
            return False
        return float(np.median(np.sqrt(np.prod(sure[:, 2:] - sure[:, :2], 1)))) / 2 < _TINY_RADIUS_PX

    def _probability(self, scores: Float) -> NDArray[np.float64]:
        curve = self.record.get("calibration")
        if not curve:
            return scores.astype(np.float64)
        return np.asarray(np.interp(scores, curve["score"], curve["probability"]), np.float64)

    def _rows(self, index: int, boxes: Float, scores: Float) -> Rows:
        """Return frame, left, top, right, bottom and probability of the boxes that may count, the surest first."""
        probability = self._probability(scores)
        keep = probability >= min(self.confidence, LEAST)
        sides, probability = boxes[keep].astype(np.float64), probability[keep]
        order = np.lexsort((sides[:, 0], sides[:, 1], -probability))
        return np.column_stack([np.full(len(order), float(index)), sides[order], probability[order]])

    def describe(self) -> dict[str, Any]:
        """Return name, weights, checksum, runtime and the range of radii the network was trained on."""
        return {
            "name": "yolo",
            "weights": "shipped" if self.path.name == SHIPPED else self.path.name,
            "sha256": self.sha256,
            "runtime": self.runtime.name,
            "confidence": self.confidence,
            "trained_radius_px": self.record.get("radius_px", [2.0, 60.0]),
        }


def _digest(frame: Frame) -> bytes:
    """Return a checksum of a frame's pixels."""
    pixels = np.asarray(frame.pixels)
    return hashlib.sha256(f"{pixels.shape} {pixels.dtype} ".encode() + pixels.tobytes()).digest()


def _table(parts: Sequence[Rows], confidence: float) -> pd.DataFrame:
    """Return the detections table of each frame's `YoloDetector._rows`, of those that are sure enough."""
    if not parts:
        return empty_table(DETECTION_DTYPES)
    rows = np.concatenate(parts)
    rows = rows[rows[:, 5] >= confidence]
    frame, left, top, right, bottom, probability = rows.T
    width, height = right - left, bottom - top
    area = np.pi / 4 * width * height
    unknown = np.full(len(rows), np.nan)
    return pd.DataFrame({
        "frame": frame.astype(np.int64), "x": (left + right) / 2 - 0.5, "y": (top + bottom) / 2 - 0.5,
        "x_std": unknown, "y_std": unknown, "width": width, "height": height, "angle": np.zeros(len(rows)),
        "area": area, "radius": np.sqrt(area / np.pi), "confidence": probability,
        "class_id": np.zeros(len(rows), np.int64),
    })  # fmt: skip
