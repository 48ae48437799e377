"""Fine-tune the detector on a user's own labelled frames, with a score before and after on frames held out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lptem_tracker.detect.weights import load_weights, save_weights, shipped_weights
from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.evaluate.detection import DetectionScore, average_precision, score_detections
from lptem_tracker.movie.base import Frame
from lptem_tracker.training.augment import Boxes, Image, clip_boxes
from lptem_tracker.training.from_simulation import Plan, Trainer
from lptem_tracker.training.labels import Labelled, read_labels, split
from lptem_tracker.training.stream import TrainingStream, batches, collate, to_sample

_PATIENCE = 6
"""Looks at the held-out loss without a better one before stopping."""


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning gave.

    Attributes
    ----------
    weights : pathlib.Path
        The new detector, or that of before where it did not get better.
    before, after : DetectionScore
        On the frames held out.
    ap50_before, ap50_after : float
    n_train, n_held_out : int
    improved : bool
    """

    weights: Path
    before: DetectionScore
    after: DetectionScore
    ap50_before: float
    ap50_after: float
    n_train: int
    n_held_out: int
    improved: bool


class _Crops:
    """Draws a crop of a labelled frame, in the table form of the simulator."""

    def __init__(self, items: list[Labelled]) -> None:
        self.items = items

    def __call__(self, rng: np.random.Generator, size: int) -> tuple[NDArray[Any], pd.DataFrame]:
        item = self.items[int(rng.integers(len(self.items)))]
        image, boxes = crop(item.image, item.boxes, size, rng)
        centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5, boxes[:, 2:] - boxes[:, :2]
        return image, pd.DataFrame(np.concatenate([centre, extent], 1), columns=["x", "y", "width", "height"])


def crop(image: Image, boxes: Boxes, size: int, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Cut a square of `size` px from anywhere in a frame, mirrored outwards where the frame is smaller."""
    pad = [max(0, size - side) for side in image.shape]
    if any(pad):
        image = np.asarray(cv2.copyMakeBorder(image, 0, pad[0], 0, pad[1], cv2.BORDER_REPLICATE), np.float32)
    y, x = (int(rng.integers(side - size + 1)) for side in image.shape)
    moved = boxes - np.array([x, y, x, y], np.float32)
    return np.ascontiguousarray(image[y : y + size, x : x + size]), clip_boxes(moved, size, size)


def fine_tune(
    data: str | Path, output: str | Path, *, start: str | Path = "shipped", minutes: float = 10.0,
    held_out: float = 0.2, size: int = 256, batch: int = 8, learning_rate: float = 3e-4, seed: int = 0,
    device: str = "auto", say: Callable[[str], None] = print,
) -> Path:  # fmt: skip
    """Go on training the detector on labelled frames of one's own.

    Parameters
    ----------
    data : path
        Labels as `read_labels` takes them: at least 10 pictures.
    output : path
        Folder for `weights.safetensors` and `report.json`; made where missing.
    start : path
        Weights to start from, or `shipped`.
    minutes : float
        Longest time; it stops earlier once the loss on the frames held out no longer falls.
    held_out : float
        Share of the pictures held out, by whole movies where there are several.
    size, batch : int
        Side of the training crops in px, and how many a step.
    learning_rate : float
    seed : int
    device : str
    say : callable
        Takes a line of progress.

    Returns
    -------
    pathlib.Path
        The new weights file; that of the start where fine-tuning made the score on the held-out frames no better.
        `report.json` beside it holds a `FineTuned`.

    Raises
    ------
    InputError
        The labels are missing, too few, or do not fit their pictures.
    WeightsError
        `start` is no detector of this package.
    """
    items, rng = read_labels(data), np.random.default_rng(seed)
    train, held = split(items, held_out, rng)
    folder = Path(output)
    old = load_weights(shipped_weights() if str(start) == "shipped" else Path(start))
    folder.mkdir(parents=True, exist_ok=True)
    before, ap_before = _score(old.path, held, device)
    say(f"{len(train)} pictures to train on, {len(held)} held out; before: F1 {before.f1:.3f}, AP50 {ap_before:.3f}")
    settings = old.record["training"]["settings"]
    plan = Plan(minutes=minutes, total_minutes=minutes, size=size, batch=batch, model=settings["model"],
                learning_rate=learning_rate, seed=seed, device=device)  # fmt: skip
    trainer = Trainer(plan, started=time.monotonic())
    trainer.network.load_state_dict(old.network.state_dict())
    trainer.average = {k: v.detach().clone() for k, v in trainer.network.state_dict().items()}
    best = _fit(trainer, train, held, say)
    trainer.average = best
    record = {**old.record, "fine_tuned": {"pictures": len(train), "plan": asdict(plan), "from": old.sha256}}
    path = folder / "weights.safetensors"
    save_weights(path, trainer.averaged(), trainer.description, record)
    after, ap_after = _score(path, held, device)
    improved = (after.f1, ap_after) > (before.f1, ap_before)
    say(
        f"after: F1 {after.f1:.3f}, AP50 {ap_after:.3f}"
        + ("" if improved else "; no better: keep using the old weights")
    )
    result = FineTuned(
        path if improved else old.path, before, after, ap_before, ap_after, len(train), len(held), improved
    )
    text = json.dumps({**asdict(result), "weights": result.weights.name}, indent=1)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return result.weights


def _fit(
    trainer: Trainer, train: list[Labelled], held: list[Labelled], say: Callable[[str], None]
) -> dict[str, torch.Tensor]:
    """Train until the held-out loss stops falling; returns the best weights, at first those of the start."""
    size = trainer.plan.size
    stream = TrainingStream(size, trainer.plan.seed, repeats=1, draw=_Crops(train))
    source = batches(stream, trainer.plan.batch, 0, pin=False)
    fixed = np.random.default_rng(1)
    looks = [collate([to_sample(*crop(item.image, item.boxes, size, fixed)) for item in held]) for _ in range(2)]
    best = {k: v.clone() for k, v in trainer.average.items()}
    lowest, since = _loss(trainer, looks), 0
    while trainer.elapsed() < 60 * trainer.plan.minutes and since < _PATIENCE:
        for _ in range(20):
            trainer.step(next(source))
        loss = _loss(trainer, looks)
        say(f"step {trainer.progress.step}: held-out loss {loss:.4f} (lowest {min(lowest, loss):.4f})")
        if loss < lowest:
            lowest, since, best = loss, 0, {k: v.clone() for k, v in trainer.average.items()}
        else:
            since += 1
    return best


@torch.no_grad()
def _loss(trainer: Trainer, looks: list[dict[str, torch.Tensor]]) -> float:
    """Return the loss of the averaged weights on the held-out crops."""
    network = trainer.network
    live = {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(trainer.average)
    network.eval()
    try:
        total = 0.0
        for look in looks:
            batch = {k: v.to(trainer.device) for k, v in look.items()}
            _, maps = network(batch["img"].float())
            total += float(trainer.loss(maps, batch)[0])
    finally:
        network.load_state_dict(live)
        network.train()
    return total / len(looks)


def _score(weights: Path, items: list[Labelled], device: str) -> tuple[DetectionScore, float]:
    detector = YoloDetector(weights, device=device, confidence=0.02)
    found = detector.detect([Frame(k, item.image) for k, item in enumerate(items)])
    parts = []
    for k, item in enumerate(items):
        x, y = ((item.boxes[:, a] + item.boxes[:, a + 2]) / 2 - 0.5 for a in (0, 1))
        w, h = (item.boxes[:, a + 2] - item.boxes[:, a] for a in (0, 1))
        parts.append(pd.DataFrame({"frame": k, "x": x, "y": y, "width": w, "height": h}))
    truth = pd.concat(parts, ignore_index=True)
    sure = found[found["confidence"] >= 0.5].reset_index(drop=True)
    return score_detections(sure, truth, n_frames=len(items)), average_precision(found, truth)
