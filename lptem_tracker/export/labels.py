"""Detections as training labels: YOLO's text files and COCO's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from lptem_tracker.export.outlines import bounding_boxes, outline_points
from lptem_tracker.movie.base import Movie


def write_yolo(
    folder: Path, detections: pd.DataFrame, shape: tuple[int, int, int], movie: Movie | None = None
) -> list[Path]:
    """Write one label file a frame, and the frames as 8-bit PNG where the movie is at hand.

    Parameters
    ----------
    folder : pathlib.Path
        Gets ``labels/``, ``images/`` and ``data.yaml``.
    detections : pandas.DataFrame
        In px, with `width`, `height`, `angle` or `radius`.
    shape : (T, Y, X)
    movie : Movie, optional

    Returns
    -------
    list of pathlib.Path
        The label files, then ``data.yaml``.
    """
    detections = _placed(detections)
    labels = folder / "labels"
    labels.mkdir(parents=True, exist_ok=True)
    n_frames, height, width = shape
    boxes = bounding_boxes(detections, (height, width))
    kind = detections["class_id"].to_numpy() if "class_id" in detections else np.zeros(len(detections), dtype=int)
    by_frame = detections.groupby("frame").indices
    paths = []
    for frame in range(n_frames):
        rows = by_frame.get(frame, np.array([], dtype=int))
        lines = [f"{int(kind[r])} " + " ".join(f"{v:.6f}" for v in _relative(boxes[r], width, height)) for r in rows]
        path = labels / f"frame_{frame:06d}.txt"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
        paths.append(path)
    if movie is not None:
        _write_images(folder / "images", movie)
    data = folder / "data.yaml"
    data.write_text(
        "path: .\ntrain: images\nval: images\nchannels: 1\nnames:\n  0: particle\n", encoding="utf-8", newline="\n"
    )
    return [*paths, data]


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have a position: a label without one is none."""
    return table[np.isfinite(table["x"]) & np.isfinite(table["y"])]


def _relative(box: np.ndarray[Any, Any], width: int, height: int) -> tuple[float, float, float, float]:
    """Return centre and size of a box as shares of the frame; the first pixel's corner is the origin."""
    x0, y0, x1, y1 = box
    return (x0 + x1 + 1) / 2 / width, (y0 + y1 + 1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height


def _write_images(folder: Path, movie: Movie) -> None:
    folder.mkdir(exist_ok=True)
    for frame in movie.frames():
        pixels = np.nan_to_num(frame.pixels.astype(np.float32))
        low, high = np.percentile(pixels, [0.1, 99.9])
        grey = np.clip((pixels - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
        encoded = cv2.imencode(".png", grey)[1]
        # OpenCV cannot open names outside the system's code page on Windows, so Python writes the bytes
        (folder / f"frame_{frame.index:06d}.png").write_bytes(encoded.tobytes())


def write_coco(path: Path, detections: pd.DataFrame, shape: tuple[int, int, int]) -> Path:
    """Write boxes and outlines as one COCO file; the tracks' numbers are kept as ``track_id``.

    Parameters
    ----------
    path : pathlib.Path
    detections : pandas.DataFrame
        In px; with `particle` where they are tracks.
    shape : (T, Y, X)

    Returns
    -------
    pathlib.Path
    """
    n_frames, height, width = shape
    detections = _placed(detections)
    boxes = bounding_boxes(detections, (height, width))
    images = [
        {"id": frame, "file_name": f"frame_{frame:06d}.png", "width": width, "height": height, "frame": frame}
        for frame in range(n_frames)
    ]
    annotations = []
    for n, row in enumerate(detections.itertuples()):
        x0, y0, x1, y1 = (float(v) for v in boxes[n])
        item: dict[str, Any] = {
            "id": n + 1,
            "image_id": int(row.frame),
            "category_id": int(getattr(row, "class_id", 0)) + 1,
        }
        item |= {"bbox": [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0], "iscrowd": 0}
        outline = outline_points(row)
        item["area"] = float(getattr(row, "area", (x1 - x0) * (y1 - y0)))
        item["segmentation"] = [np.round(outline + 0.5, 3).ravel().tolist()]
        if hasattr(row, "confidence"):
            item["score"] = float(row.confidence)
        if hasattr(row, "particle"):
            item["track_id"] = int(row.particle)
        annotations.append({k: v if not isinstance(v, float) or np.isfinite(v) else None for k, v in item.items()})
    kinds = sorted({int(k) + 1 for k in detections.get("class_id", pd.Series(dtype=int))} | {1})
    categories = [
        {"id": k, "name": "particle" if k == 1 else f"particle {k - 1}", "supercategory": "particle"} for k in kinds
    ]
    content = {
        "info": {"description": "lptem-tracker"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8", newline="\n")
    return path
