"""Detection figures: the shipped network without any parameter against trackpy with its parameters tuned on the truth.

    python tests/benchmarks/bench_detect.py [--data ../shared/data] [--weights FILE] [--quick] [--only simulated ...]

trackpy gets, for every single picture, the diameter, polarity and mass threshold that give the best F1 on that
picture's truth. The network gets nothing. A match is a centre within max(3 px, half the box's smaller side),
one to one.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import trackpy
from crowd_scenes import KINDS, crowd_scene
from plain_scenes import SHAPES, plain_scene
from scipy import ndimage

from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.evaluate.detection import (
    average_precision,
    best_threshold,
    calibration_curve,
    calibration_error,
    match,
    score_detections,
)
from lptem_tracker.movie.base import Frame
from lptem_tracker.pipeline import detect
from lptem_tracker.preprocess.normalise import normalise
from lptem_tracker.settings import Settings
from lptem_tracker.simulate import random_training_image

FIRST_SEED = 30_000
SETS = ["simulated", "plain", "crowds", "empty", "sintering", "catalysts", "rods"]
SNR_BINS = ((5, 8), (8, 12), (12, 20), (20, 50), (50, 2000))
TRUTH = ["frame", "x", "y", "width", "height"]

# The six rods that are in the film from its first to its last frame, found by eye on frames smoothed over 5 px:
# rough centres (x, y) in px, every twelfth frame. In between the darkest spot near the straight line is taken.
ROD_FRAMES = (0, 12, 24, 36, 48, 60)
ROD_PATHS = {
    "left border": ((16, 263), (18, 251), (20, 265), (16, 274), (18, 272), (18, 270)),
    "top": ((507, 309), (507, 304), (507, 302), (507, 302), (505, 302), (510, 304)),
    "left": ((279, 480), (279, 494), (277, 491), (251, 462), (247, 462), (251, 427)),
    "middle": ((587, 512), (585, 514), (594, 517), (597, 517), (606, 535), (606, 535)),
    "lower": ((688, 727), (688, 725), (690, 725), (697, 736), (709, 731), (713, 731)),
    "right border": ((1006, 860), (1015, 860), (1015, 857), (1015, 857), (1015, 857), (1015, 857)),
}


@dataclass
class Picture:
    """A picture with its truth; `ignore` holds particles that need not be found."""

    pixels: np.ndarray
    truth: pd.DataFrame
    ignore: pd.DataFrame | None = None


def simulated(n: int) -> Iterator[Picture]:
    """Held-out pictures of anything, every particle with its signal."""
    for k in range(n):
        pixels, boxes = random_training_image(np.random.default_rng(FIRST_SEED + k), size=384, min_visibility=1.5)
        yield Picture(pixels, boxes)


def sintering(data: Path) -> Iterator[Picture]:
    """Real films with masks: a particle is a connected component of at least 12 px."""
    for path in sorted((data / "msa_em_sintering" / "images").glob("*.png")):
        mask = cv2.imread(str(path.parents[1] / "labels" / path.name.replace("image", "label")), cv2.IMREAD_GRAYSCALE)
        label, _ = ndimage.label(mask > 127)
        rows = []
        for part in ndimage.find_objects(label):
            y, x = part
            if (x.stop - x.start) * (y.stop - y.start) >= 12:
                rows.append(
                    ((x.start + x.stop - 1) / 2, (y.start + y.stop - 1) / 2, x.stop - x.start, y.stop - y.start)
                )
        yield Picture(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), pd.DataFrame(rows, columns=TRUTH[1:]))


def catalysts(data: Path) -> Iterator[Picture]:
    """Real catalysts with boxes, bright or dark."""
    for path in sorted((data / "stem_catalyst_boxes" / "images").glob("*.jpg")):
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        rows = np.loadtxt(path.parents[1] / "labels" / f"{path.stem}.txt", ndmin=2)[:, 1:5]
        rows = rows * np.array(pixels.shape[::-1] * 2) - np.array([0.5, 0.5, 0, 0])
        yield Picture(pixels, pd.DataFrame(rows, columns=TRUTH[1:]))


def rods(data: Path, step: int) -> Iterator[Picture]:
    """The real rod film with the rods that persist."""
    for path in sorted((data / "sam4em_rods").glob("*.jpeg"))[::step]:
        index = int(path.stem)
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        smooth = cv2.GaussianBlur(normalise(pixels), (0, 0), 6)
        rows = []
        for anchors in ROD_PATHS.values():
            x, y = (np.interp(index, ROD_FRAMES, [a[axis] for a in anchors]) for axis in (0, 1))
            left, top = max(0, int(x) - 22), max(0, int(y) - 22)
            part = smooth[top : int(y) + 23, left : int(x) + 23]
            dy, dx = np.unravel_index(np.argmin(part), part.shape)
            rows.append((left + dx, top + dy, 30.0, 30.0))
        yield Picture(pixels, pd.DataFrame(rows, columns=TRUTH[1:]))


def tuned_trackpy(picture: Picture) -> pd.DataFrame:
    """Return trackpy's detections with the parameters that score best on this picture's truth."""
    if len(picture.truth) == 0:
        return pd.DataFrame(columns=["x", "y"], dtype=float)
    truth = picture.truth[TRUTH[1:]].assign(frame=0)
    size = float(np.sqrt(truth["width"] * truth["height"]).median())
    best: tuple[float, pd.DataFrame] = (-1.0, pd.DataFrame(columns=["x", "y"], dtype=float))
    for factor in (0.7, 1.0, 1.5):
        shrink = max(1, round(size * factor / 13))
        height, width = (side // shrink * shrink for side in picture.pixels.shape)
        image = picture.pixels[:height, :width].astype(float)
        image = image.reshape(height // shrink, shrink, width // shrink, shrink).mean(axis=(1, 3))
        diameter = max(3, 2 * int(size * factor / shrink / 2) + 1)
        for invert in (True, False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                spots = trackpy.locate(image, diameter, invert=invert, percentile=50, engine="python")
            if len(spots) == 0:
                continue
            found = pd.DataFrame(
                {"frame": 0, "x": shrink * (spots["x"] + 0.5) - 0.5, "y": shrink * (spots["y"] + 0.5) - 0.5}
            )
            threshold, f1 = best_threshold(found.assign(confidence=spots["mass"]).reset_index(drop=True), truth)
            if f1 > best[0]:
                best = (f1, found[spots["mass"] >= threshold][["x", "y"]])
    return best[1]


def collect(pictures: list[Picture], detector: YoloDetector, *, peer: bool) -> dict[str, pd.DataFrame | float]:
    """Run both on all pictures; frames are numbered by picture."""
    ours, theirs, spent = [], [], 0.0
    for k, picture in enumerate(pictures):
        begin = time.process_time()
        ours.append(detector.detect([Frame(k, picture.pixels)]))
        spent += time.process_time() - begin
        if peer:
            theirs.append(tuned_trackpy(picture).assign(frame=k))
    join = lambda parts: pd.concat(parts, ignore_index=True)  # noqa: E731
    truth = join([p.truth.assign(frame=k) for k, p in enumerate(pictures)])
    return {
        "ours": join(ours),
        "theirs": join(theirs) if peer else None,
        "truth": truth,
        "seconds": spent / len(pictures),
    }


def line(name: str, result: dict, n_frames: int, asked: str, *, confidence: float = 0.5) -> None:
    """Print one set."""
    ours = result["ours"]
    sure = ours[ours["confidence"] >= confidence].reset_index(drop=True)
    score = score_detections(sure, result["truth"], n_frames=n_frames)
    text = (
        f"{name:46s} F1 {score.f1:.3f}  precision {score.precision:.3f}  recall {score.recall:.3f}  AP50 "
        f"{average_precision(ours, result['truth']):.3f}  best F1 {best_threshold(ours, result['truth'])[1]:.3f}  "
        f"mean over pictures {mean_f1(sure, result['truth']):.3f}"
    )
    if result["theirs"] is not None:
        pooled = score_detections(result["theirs"], result["truth"]).f1
        text += f"   trackpy tuned F1 {pooled:.3f}, mean {mean_f1(result['theirs'], result['truth']):.3f}"
    print(
        f"{text}   (asked {asked}; {len(result['truth'])} particles, {result['seconds']:.2f} CPU s a frame)", flush=True
    )


def mean_f1(found: pd.DataFrame, truth: pd.DataFrame) -> float:
    """Return the mean over pictures, in which a picture of a thousand particles counts as much as one of ten."""
    frames = truth["frame"].unique()
    alone = [
        score_detections(
            found[found["frame"] == k].reset_index(drop=True), truth[truth["frame"] == k].reset_index(drop=True)
        ).f1
        for k in frames
    ]
    return float(np.mean(np.nan_to_num(alone)))


def simulated_lines(detector: YoloDetector, n: int, *, peer: bool) -> None:
    """Print the simulated figures: clear particles, faint ones, and calibration."""
    pictures = list(simulated(n))
    result = collect(pictures, detector, peer=peer)
    truth, ours = result["truth"], result["ours"]
    cases = {
        "simulated, SNR >= 1, r >= 3": (
            (truth["snr"] >= 1) & (truth["radius"] >= 3) & (truth["visibility"] >= 6),
            0.8,
            "F1 0.97, AP50 0.97",
        ),
        "simulated, integrated SNR 6-10": (truth["visibility"].between(6, 10), 0.5, "F1 0.90"),
        "simulated, all above 5": (truth["visibility"] >= 5, 0.0, "-"),
    }
    for name, (wanted, share, asked) in cases.items():
        # a test set of such particles: pictures of mostly others are left out, and the few others are not counted
        frames = wanted.groupby(truth["frame"]).mean()
        frames = frames.index[(frames >= share) & (wanted.groupby(truth["frame"]).sum() > 0)]
        inside = truth["frame"].isin(frames)
        mine, rest = truth[wanted & inside], truth[~wanted & inside]
        kept = {
            k: without(None if result[k] is None else result[k][result[k]["frame"].isin(frames)], mine, rest)
            for k in ("ours", "theirs")
        }
        line(
            f"{name} ({len(frames)} pictures)",
            {**kept, "truth": mine.reset_index(drop=True), "seconds": result["seconds"]},
            len(frames),
            asked,
        )
    clear = truth["visibility"] >= 5
    table = without(ours, truth[clear], truth[~clear])
    correct = np.zeros(len(table), bool)
    correct[match(table, truth[clear])["detection"].to_numpy(int)] = True
    rng = np.random.default_rng(0)
    some = np.concatenate([rng.permutation(np.flatnonzero(table["frame"] == k))[:100] for k in range(n)])
    curve = calibration_curve(table["confidence"].to_numpy()[some], correct[some])
    print(curve.round(3).to_string(index=False))
    print(f"calibration error {calibration_error(curve):.3f}")


def plain_lines(detector: YoloDetector, n: int, *, peer: bool) -> None:
    """Print the figures on pictures of another simulator, by how clear the particles are and by shape."""
    scenes = [plain_scene(np.random.default_rng(FIRST_SEED + 9_000 + k)) for k in range(n)]
    integrated = np.array([scene.integrated_snr for scene in scenes])
    groups = {f"plain, integrated SNR {a:g}-{b:g}": (integrated >= a) & (integrated < b) for a, b in SNR_BINS}
    shapes = np.array([scene.shape for scene in scenes])
    groups |= {f"plain {shape}s above 10": (shapes == shape) & (integrated >= 10) for shape in SHAPES}
    result = collect([Picture(scene.pixels, scene.truth) for scene in scenes], detector, peer=peer)
    for name, chosen in groups.items():
        frames = np.flatnonzero(chosen)
        part = {
            key: table[table["frame"].isin(frames)].reset_index(drop=True) if isinstance(table, pd.DataFrame) else table
            for key, table in result.items()
        }
        line(f"{name} ({len(frames)} pictures)", part, len(frames), "F1 0.97")


def crowd_lines(detector: YoloDetector, n: int, *, peer: bool) -> None:
    """Print the figures on films, crystals and growing particles of another simulator."""
    for number, kind in enumerate(KINDS):
        scenes = [crowd_scene(kind, np.random.default_rng(FIRST_SEED + 12_000 + 100 * number + k)) for k in range(n)]
        for name, low, high in (("SNR 1-2", 1, 2), ("SNR 2-5", 2, 5)):
            pictures = [Picture(scene.pixels, scene.truth) for scene in scenes if low <= scene.snr < high]
            if pictures:
                result = collect(pictures, detector, peer=peer)
                line(f"crowds, {kind}, {name} ({len(pictures)} pictures)", result, len(pictures), "-")


def without(found: pd.DataFrame | None, wanted: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame | None:
    """Drop detections of particles that are not asked for in this case."""
    if found is None:
        return None
    free = np.ones(len(found), bool)
    free[match(found, wanted)["detection"].to_numpy(int)] = False
    rest = np.flatnonzero(free)
    gone = rest[match(found.iloc[rest], other)["detection"].to_numpy(int)]
    return found.drop(index=found.index[gone]).reset_index(drop=True)


def empty_line(detector: YoloDetector, n: int) -> None:
    """Print false particles in frames without any: the camera's noise alone, liquid, and bare supports."""
    false: dict[str, list[int]] = {}
    for k in range(n):
        rng = np.random.default_rng(FIRST_SEED + 5_000 + k)
        if k % 2:
            name = "liquid, smears, films and bare supports"
            pixels = random_training_image(rng, size=384, kind="no_particles")[0]
        else:
            name = "noise of 2 to 3,000 electrons a pixel"
            level = np.exp(rng.uniform(np.log(2), np.log(3000))) * np.linspace(1, rng.uniform(1, 2), 384)[None]
            pixels = cv2.GaussianBlur(
                rng.poisson(np.broadcast_to(level, (384, 384))).astype(np.float32), (0, 0), rng.uniform(0.3, 0.9)
            )
        found = detector.detect([Frame(k, pixels)])
        false.setdefault(name, []).append(int((found["confidence"] >= 0.5).sum()))
    for name, counts in false.items():
        print(
            f"no particles: {name:40s} {np.mean(counts):.4f} false a frame, none in "
            f"{np.mean(np.array(counts) == 0):.2f} of the frames (asked 0.01; {len(counts)} frames)",
            flush=True,
        )


def rod_line(detector: YoloDetector, data: Path, step: int) -> None:
    """Print recall of the rods that persist, and spurious detections."""
    pictures = list(rods(data, step))
    result = collect(pictures, detector, peer=True)
    ours = result["ours"]
    score = score_detections(
        ours[ours["confidence"] >= 0.5].reset_index(drop=True), result["truth"], n_frames=len(pictures)
    )
    peer = score_detections(result["theirs"], result["truth"], n_frames=len(pictures))
    print(
        f"{'rods that persist':34s} recall {score.recall:.3f} at {score.false_per_frame:.2f} spurious a frame   "
        f"trackpy tuned {peer.recall:.3f} at {peer.false_per_frame:.2f}   (asked 0.97 at 0.5; {len(pictures)} frames, "
        f"{result['seconds']:.2f} CPU s a frame)",
        flush=True,
    )
    found = detect(data / "sam4em_rods", settings=Settings(detect={"refine": False}))
    truth = pd.concat([picture.truth.assign(frame=k * step) for k, picture in enumerate(pictures)], ignore_index=True)
    seen = (found["confidence"] >= 0.5) & (found["frame"] % step == 0)
    score = score_detections(found[seen].reset_index(drop=True), truth, n_frames=len(pictures))
    print(
        f"{'the same, as one movie':34s} recall {score.recall:.3f} at {score.false_per_frame:.2f} spurious a frame   "
        "(the scale searched is chosen by the movie)",
        flush=True,
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--weights")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--only", nargs="*", default=["simulated", "plain", "crowds", "empty", "sintering", "catalysts", "rods"]
    )
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    detector = YoloDetector(options.weights, device="cpu", confidence=0.02)
    print(detector.describe())
    if "simulated" in options.only:
        simulated_lines(detector, 24 if options.quick else 120, peer=not options.no_peer)
    if "plain" in options.only:
        plain_lines(detector, 30 if options.quick else 150, peer=not options.no_peer)
    if "crowds" in options.only:
        crowd_lines(detector, 6 if options.quick else 16, peer=not options.no_peer)
    if "empty" in options.only:
        empty_line(detector, 20 if options.quick else 200)
    if not options.data.is_dir():
        print(f"no real data at {options.data}: those sets are left out")
        return
    for name, source, asked in (
        ("sintering", sintering, "F1 0.93 and ahead"),
        ("catalysts", catalysts, "F1 0.80 and ahead"),
    ):
        if name in options.only:
            pictures = list(source(options.data))[:: 3 if options.quick else 1]
            line(name, collect(pictures, detector, peer=not options.no_peer), len(pictures), asked)
    if "rods" in options.only:
        rod_line(detector, options.data, 10 if options.quick else 3)


if __name__ == "__main__":
    main()
