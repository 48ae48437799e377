"""A user's labelled frames: YOLO text files or COCO JSON, checked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import InputError
from lptem_tracker.training.augment import Boxes, Image

_PICTURES = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"}
MIN_IMAGES = 10


@dataclass(frozen=True)
class Labelled:
    """One frame with its boxes (left, top, right, bottom in px) and the movie it comes from."""

    name: str
    movie: str
    image: Image
    boxes: Boxes


def read_labels(data: str | Path) -> list[Labelled]:
    """Read labelled frames.

    Parameters
    ----------
    data : path
        A folder with `images/` and `labels/` (or pictures beside their `.txt`), one text file a picture with rows
        `class x y width height` as fractions of the picture; or a COCO `.json` beside its pictures. A picture whose
        text file is empty holds no particle.

    Raises
    ------
    InputError
        There are no labels or fewer than 10 labelled pictures, a picture is missing or cannot be read, a row is no
        label, a class is not 0, or a box lies outside its picture.
    """
    path = Path(data)
    if path.is_file() and path.suffix.lower() == ".json":
        found = _coco(path)
    elif path.is_dir():
        found = _yolo(path)
    else:
        raise InputError(f"{path} is neither a folder of YOLO labels nor a COCO .json file; check --data.")
    if len(found) < MIN_IMAGES:
        raise InputError(
            f"{path} has {len(found)} labelled pictures; fine-tuning needs at least {MIN_IMAGES}. Label some more."
        )
    if not any(len(item.boxes) for item in found):
        raise InputError(f"{path} has {len(found)} pictures and not one box; at least one particle must be labelled.")
    return found


def _movie_of(stem: str) -> str:
    """Take frames of one movie together: their names differ by a trailing number only."""
    return re.sub(r"[\s_\-.]*(frame)?[\s_\-.]*\d+$", "", stem, flags=re.IGNORECASE)


def _read_picture(path: Path) -> Image:
    # OpenCV's own reader does not open every path on Windows
    pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InputError(f"The picture {path} cannot be read; expected PNG, TIFF, JPEG or BMP.")
    grey = pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=2)
    return np.asarray(grey, np.float32)


def _yolo(folder: Path) -> list[Labelled]:
    pictures = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES)
    texts = [p for p in sorted(folder.rglob("*.txt")) if p.name.lower() not in {"classes.txt", "readme.txt"}]
    if not texts:
        raise InputError(f"{folder} has no label files (.txt) beside or in labels/; export labels in YOLO format.")
    pairs, orphans = _pairs(folder, pictures, texts)
    if orphans:
        raise InputError(f"{orphans[0]} labels a picture that is not there; {len(orphans)} such label files.")
    out = []
    for picture, text in pairs:
        image = _read_picture(picture)
        out.append(Labelled(picture.name, _movie_of(picture.stem), image, _rows(text, image.shape)))
    return out


def _pairs(folder: Path, pictures: list[Path], texts: list[Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Give each label file the picture of its name, beside it or in images/ for labels/; and tell which have none.

    A name that stands once only is found in any folder.
    """

    def place(path: Path) -> tuple[str, ...]:
        kinds = {"images", "labels"}
        return *(part for part in path.relative_to(folder).parts[:-1] if part.lower() not in kinds), path.stem

    at = {place(picture): picture for picture in pictures}
    named: dict[str, list[Path]] = {}
    for path in (*pictures, *texts):
        named.setdefault(path.stem, []).append(path)
    pairs, orphans = [], []
    for text in texts:
        others = [path for path in named[text.stem] if path != text]
        picture = at.get(place(text)) or (others[0] if len(others) == 1 and others[0] in pictures else None)
        if picture is None:
            orphans.append(text)
        else:
            pairs.append((picture, text))
    return sorted(pairs), orphans


def _rows(path: Path, shape: tuple[int, ...]) -> Boxes:
    boxes = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, *values = (float(v) for v in line.split())
        except ValueError:
            raise InputError(
                f"{path}, line {number}: expected `class x y width height`, got {line.strip()[:60]!r}."
            ) from None
        if len(values) != 4:
            raise InputError(f"{path}, line {number}: expected 5 numbers (upright boxes), got {len(values) + 1}.")
        x, y, w, h = np.array(values) * np.array([shape[1], shape[0], shape[1], shape[0]])
        boxes.append(_checked(f"{path}, line {number}", kind, x - w / 2, y - h / 2, x + w / 2, y + h / 2, shape))
    return np.array(boxes, np.float32).reshape(-1, 4)


def _checked(
    where: str, kind: float, left: float, top: float, right: float, bottom: float, shape: tuple[int, ...]
) -> list[float]:
    if kind != 0:
        raise InputError(
            f"{where}: class {kind:g}, but the detector knows one class, 0 (particle); map your classes to 0."
        )
    slack = 0.02 * max(shape) + 1
    inside = left >= -slack and top >= -slack and right <= shape[1] + slack and bottom <= shape[0] + slack
    if not (np.isfinite([left, top, right, bottom]).all() and right > left and bottom > top and inside):
        raise InputError(
            f"{where}: the box {left:.0f}, {top:.0f} to {right:.0f}, {bottom:.0f} px does not lie in the picture of "
            f"{shape[1]} by {shape[0]} px; do the labels belong to this picture?"
        )
    return [max(0.0, left), max(0.0, top), min(float(shape[1]), right), min(float(shape[0]), bottom)]


def _coco(path: Path) -> list[Labelled]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = {entry["id"]: entry["file_name"] for entry in content["images"]}
        rows = [(entry["image_id"], entry["category_id"], entry["bbox"]) for entry in content["annotations"]]
        kinds = sorted({entry["id"] for entry in content.get("categories", [])} | {kind for _, kind, _ in rows})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no COCO file with images and annotations ({type(error).__name__}: {error})."
        ) from None
    if len(kinds) > 1:
        raise InputError(f"{path} has {len(kinds)} categories; the detector knows one (particle): join them.")
    out = []
    for key, name in images.items():
        picture = next((p for p in (path.parent / name, path.parent / "images" / name) if p.is_file()), None)
        if picture is None:
            raise InputError(f"{path} names the picture {name}, which is not beside it or in images/.")
        image = _read_picture(picture)
        boxes = []
        for owner, _, (x, y, w, h) in rows:
            if owner == key:
                boxes.append(_checked(f"{path}, picture {name}", 0, x, y, x + w, y + h, image.shape))
        out.append(Labelled(picture.name, _movie_of(picture.stem), image, np.array(boxes, np.float32).reshape(-1, 4)))
    return out


def split(items: list[Labelled], share: float, rng: np.random.Generator) -> tuple[list[Labelled], list[Labelled]]:
    """Hold out whole movies for the score; the last frames where there is only one movie.

    Returns
    -------
    train, held_out
    """
    wanted = max(2, round(share * len(items)))
    movies = sorted({item.movie for item in items})
    if len(movies) < 2:
        return items[:-wanted], items[-wanted:]
    held: set[str] = set()
    for movie in rng.permutation(movies):
        rest = sum(item.movie not in held | {movie} for item in items)
        if sum(item.movie in held for item in items) < wanted and rest >= len(items) / 2:
            held.add(str(movie))
    if not held:
        return items[:-wanted], items[-wanted:]
    return [i for i in items if i.movie not in held], [i for i in items if i.movie in held]
