"""From trained weights to the shipped file: confidence calibrated on simulated images, graph exported, checksums.

Run as ``python -m lptem_tracker.training.calibrate --weights DIR/weights.safetensors --out weights``.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect import message_passing
from lptem_tracker.detect.context import POLARITY, features
from lptem_tracker.detect.message_passing import judged_together, neighbour_graph
from lptem_tracker.detect.runtimes import export_onnx
from lptem_tracker.detect.weights import SHIPPED, load_weights, save_weights
from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.evaluate.detection import match
from lptem_tracker.movie.base import Frame
from lptem_tracker.preprocess.normalise import normalise
from lptem_tracker.training.halves import examples, fit_halves
from lptem_tracker.training.message_passing import Answers, fit_graph_networks
from lptem_tracker.training.stream import faint

Float = NDArray[np.float64]

SEED = 20_000
"""First seed of the calibration images: training draws from spawned seeds, the benchmarks from 30,000 on."""
_MEMBERS = 6
"""Judges: what one of them makes of kinds of picture that the simulator lacks is a matter of chance."""
_PER_IMAGE = 120
"""Detections an image contributes at most, so that crowded films do not outweigh the rest."""
_KINDS = (
    "well_dispersed", None, "faint_film", None, "no_particles",
    None, "well_dispersed", None, "faint_film", None,
    "speckled_film", None, "catalyst_dark_field", None, "noisy_rods",
    None, "well_dispersed", None, "faint_film", "no_particles",
)  # fmt: skip
"""Kinds of image in turn; None is what the simulator draws by itself, which holds too few of the others."""


class Seen(NamedTuple):
    """What a detector answers to simulated pictures.

    Attributes
    ----------
    pictures : list of Answers
        Of each picture with detections; those of particles too faint to be labelled count nothing, and crowds
        together no more than `_PER_IMAGE` detections.
    pairs, one : numpy.ndarray
        Shapes (P, F), the `halves.features` of pairs of detections, and (P,), whether they lie on one particle.
    """

    pictures: list[Answers]
    pairs: Float
    one: NDArray[np.bool_]


def isotonic(
    score: Float, correct: NDArray[np.bool_], weight: Float | None = None, *, knots: int = 24
) -> tuple[list[float], list[float]]:
    """Fit the share that is real as a rising function of the score.

    Pool-adjacent-violators (Barlow 1972) on `knots` groups of equal weight, each counted with one real and one false
    detection more, so that no probability is exactly 0 or 1.

    Parameters
    ----------
    score, correct : numpy.ndarray
        Shape (N,).
    weight : numpy.ndarray, optional
        Shape (N,), how much each counts; None: all alike.
    knots : int

    Returns
    -------
    score, probability : list of float
        Rising knots for linear interpolation.
    """
    counts = np.ones(len(score)) if weight is None else weight
    order = np.argsort(score, kind="stable")
    n_groups = min(knots, max(1, int(counts.sum()) // 10))
    before = np.cumsum(counts[order]) - counts[order] / 2
    groups = np.split(order, np.searchsorted(before, np.arange(1, n_groups) / n_groups * counts.sum()))
    groups = [group for group in groups if len(group)]
    middle = [float(np.average(score[g], weights=counts[g])) for g in groups]
    number = [float(counts[g].sum()) for g in groups]
    value = [(float(counts[g] @ correct[g]) + 1.0) / (n + 2.0) for g, n in zip(groups, number)]
    blocks: list[list[float]] = []
    for v, w in zip(value, number):
        blocks.append([v, w, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            b = blocks.pop()
            a = blocks[-1]
            blocks[-1] = [(a[0] * a[1] + b[0] * b[1]) / (a[1] + b[1]), a[1] + b[1], a[2] + b[2]]
    rising = [b[0] for b in blocks for _ in range(int(b[2]))]
    return [0.0, *middle, 1.0], [0.0, *rising, max(rising[-1], 0.99)]


def see_simulated(weights: Path, n_images: int, *, size: int = 384, seed: int = SEED) -> Seen:
    """Detect in simulated images and tell which detections are real, and which pairs of them one particle."""
    from lptem_tracker.simulate import random_training_image

    detector = YoloDetector(weights, device="cpu", confidence=0.0)
    for entry in ("calibration", "context", "halves"):
        detector.record.pop(entry, None)
    pictures: list[Answers] = []
    pairs = []
    for k in range(n_images):
        rng = np.random.default_rng(seed + k)
        pixels, everything = random_training_image(rng, size=size, kind=_KINDS[k % len(_KINDS)], min_visibility=1.5)
        everything = everything.assign(frame=0)
        found = detector.detect([Frame(0, pixels)])
        if len(found) == 0:
            continue
        clear = ~faint(everything)
        correct = np.zeros(len(found), bool)
        correct[match(found, everything[clear])["detection"].to_numpy(int)] = True
        doubtful = _on_faint(found, everything[~clear], correct)
        centre, side = found[["x", "y"]].to_numpy() + 0.5, found[["width", "height"]].to_numpy()
        boxes = np.hstack([centre - side / 2, centre + side / 2])
        score, picture = found["confidence"].to_numpy(), normalise(pixels)
        value = features(picture, boxes.astype(np.float32), score.astype(np.float32))
        weight = np.where(doubtful, 0.0, min(1.0, _PER_IMAGE / max(1, int((~doubtful).sum()))))
        pictures.append(Answers(value, neighbour_graph(boxes, value[:, POLARITY]), correct, weight))
        pairs += examples(picture, boxes, score, everything, rng)
    joined = [np.concatenate(part) for part in zip(*pairs)] if pairs else [np.zeros((0, 0)), np.zeros(0, bool)]
    return Seen(pictures, *joined)


def _on_faint(found: pd.DataFrame, few: pd.DataFrame, correct: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rest = np.flatnonzero(~correct)
    out = np.zeros(len(found), bool)
    out[rest[match(found.iloc[rest], few)["detection"].to_numpy(int)]] = True
    return out


def ship(weights: str | Path, output: str | Path, *, n_images: int = 200, say: Any = print) -> Path:
    """Calibrate trained weights and write the shipped files: weights, exported graph, checksums.

    Parameters
    ----------
    weights : path
        From `train_from_simulation`.
    output : path
        Folder for `lptem-yolo26-p2.safetensors`, its `.onnx` and `SHA256SUMS`.
    n_images : int
        Simulated images to calibrate on.
    say : callable
        Takes a line of progress.

    Raises
    ------
    WeightsError
        The file holds no detector of this package.
    """
    trained, folder = load_weights(Path(weights)), Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    seen = see_simulated(trained.path, n_images)
    # the curve is fitted on pictures that the judges have not seen
    context = fit_graph_networks([answers for k, answers in enumerate(seen.pictures) if k % 3 != 2], members=_MEMBERS)
    others = seen.pictures[2::3]
    score, correct, weight = _scored(others, message_passing.ready(context))
    knots, probability = isotonic(score, correct, weight)
    record = {
        **trained.record,
        "radius_px": [2.0, 60.0],
        "context": context,
        "halves": fit_halves(seen.pairs, seen.one) if seen.one.any() else None,
        "calibration": {"score": knots, "probability": probability, "images": n_images, "seed": SEED},
    }
    target = folder / SHIPPED
    description = trained.record["training"]["settings"]["architecture"]
    save_weights(target, trained.network, description, record)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_onnx(load_weights(target), target.with_suffix(".onnx"))
    files = sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".onnx"})
    sums = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")
    names = ", ".join(p.name for p in files)
    say(f"{sum(len(each.correct) for each in seen.pictures)} detections, {len(seen.one)} pairs; wrote {names}")
    return target


def _scored(pictures: list[Answers], rule: dict[str, Any]) -> tuple[Float, NDArray[np.bool_], Float]:
    """Return score, correct and weight of all detections that count."""
    parts = []
    for value, seen, correct, weight in pictures:
        counts = weight > 0
        parts.append((judged_together(value, seen, rule)[counts], correct[counts], weight[counts]))
    score, correct, weight = (np.concatenate(part) for part in zip(*parts))
    return score, correct, weight


def main() -> None:
    """Run with options from the command line."""
    parser = argparse.ArgumentParser(description="Calibrate trained weights and write the shipped files.")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    ship(options.weights, options.out, n_images=options.images)


if __name__ == "__main__":
    main()
