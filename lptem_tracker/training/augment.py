"""What happens to a frame between the camera and the analysis: turned, inverted, rescaled, compressed, written on."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Boxes = NDArray[np.float32]
"""Shape (N, 4): left, top, right, bottom in px, where pixel i covers [i, i + 1); or (N, 5), 1 last where faint."""

_Step = Callable[[Image, Boxes, np.random.Generator], tuple[Image, Boxes]]


def augment(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Draw one of the ways in which the same scene could have been recorded.

    Parameters
    ----------
    image : numpy.ndarray
        float32, shape (S, S).
    boxes : numpy.ndarray
        Shape (N, 4) or (N, 5), left, top, right, bottom in px; further columns go along.
    rng : numpy.random.Generator

    Returns
    -------
    image, boxes
        Of the same size; boxes that left the image are gone.
    """
    for probability, step in _STEPS:
        if rng.random() < probability:
            image, boxes = step(image, boxes, rng)
    return np.ascontiguousarray(image, dtype=np.float32), boxes


def clip_boxes(boxes: Boxes, width: int, height: int, *, keep: float = 0.3) -> Boxes:
    """Cut boxes at the frame and drop those of which less than `keep` of the area is left."""
    if len(boxes) == 0:
        return boxes.astype(np.float32)
    cut = boxes.copy()
    cut[:, 0:4:2] = cut[:, 0:4:2].clip(0, width)
    cut[:, 1:4:2] = cut[:, 1:4:2].clip(0, height)
    area = np.prod(boxes[:, 2:4] - boxes[:, :2], 1)
    left = np.prod(cut[:, 2:4] - cut[:, :2], 1)
    return np.asarray(cut[(left >= keep * area) & (left >= 2.0)], np.float32)


def turn(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Turn by a multiple of 90 degrees and mirror."""
    width = image.shape[1]
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = _turned(boxes, width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3])
    for _ in range(int(rng.integers(4))):
        width = image.shape[1]
        image = np.rot90(image)
        boxes = _turned(boxes, boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0])
    return image, boxes


def _turned(boxes: Boxes, *sides: Boxes) -> Boxes:
    return np.concatenate([np.stack(sides, 1), boxes[:, 4:]], 1)


def invert(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Swap bright and dark."""
    return image.max() + image.min() - image, boxes


def uneven_support(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Lay a lumpy or hard-edged support under the particles, as catalysts and membranes have."""
    size = image.shape[0]
    field = np.zeros_like(image)
    scale = float(np.exp(rng.uniform(np.log(12), np.log(120))))
    for octave in range(int(rng.integers(1, 4))):
        coarse = max(2, int(size / scale * 2**octave))
        noise = rng.standard_normal((coarse, coarse)).astype(np.float32) / 1.8**octave
        field += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        edge = float(np.exp(rng.uniform(-3, 1)))
        field = np.tanh((field - rng.uniform(-1, 1)) / edge) * (1.0 + 0.5 * field)
    low, middle, high = np.percentile(image[::4, ::4], [2, 50, 98])
    amount = float(np.exp(rng.uniform(np.log(0.05), np.log(0.8)))) * rng.choice([-1.0, 1.0])
    if rng.random() < 0.5 and middle > 0:
        return np.asarray(image * np.clip(1.0 + amount * field, 0.15, 4.0), np.float32), boxes
    return np.asarray(image + amount * (high - low) * field, np.float32), boxes


def zoom(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Enlarge a part of the frame: the noise becomes correlated, as in resampled films."""
    size = image.shape[0]
    part = int(size / rng.uniform(1.1, 2.0))
    y, x = (int(v) for v in rng.integers(0, size - part + 1, 2))
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)[int(rng.integers(3))]
    enlarged = cv2.resize(np.ascontiguousarray(image[y : y + part, x : x + part]), (size, size), interpolation=how)
    moved = boxes.copy()
    moved[:, :4] = (boxes[:, :4] - np.array([x, y, x, y], np.float32)) * (size / part)
    return np.asarray(enlarged, np.float32), clip_boxes(moved, size, size)


def soften(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Blur a little, as a denoised or drifting film is."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.3))), np.float32), boxes


def gamma(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Bend the grey values, as a display setting saved with the film does."""
    low, high = np.percentile(image[::4, ::4], [0.1, 99.9])
    unit = np.clip((image - low) / max(float(high - low), 1e-6), 0, None)
    return np.asarray(unit ** float(np.exp(rng.uniform(-0.6, 0.6))), np.float32), boxes


def eight_bits(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Store in 8 bits with clipped ends, often through lossy compression."""
    low, high = np.percentile(image[::4, ::4], [rng.uniform(0, 2), rng.uniform(98, 100)])
    grey = np.clip((image - low) / max(float(high - low), 1e-6) * 255.0, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(45, 99))
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        grey = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return grey.astype(np.float32), boxes


def write_on(image: Image, boxes: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Burn in a scale bar or a caption: no particle."""
    size = image.shape[0]
    image = np.ascontiguousarray(image)
    grey = float(image.max() if rng.random() < 0.5 else image.min())
    x, y = int(rng.integers(4, size // 2)), int(rng.choice([rng.integers(14, 40), size - rng.integers(6, 40)]))
    if rng.random() < 0.6:
        length, thick = int(rng.integers(size // 12, size // 3)), int(rng.integers(2, 9))
        cv2.rectangle(image, (x, y - thick), (x + length, y), grey, -1)
        hidden = (x, y - thick, x + length, y)
    else:
        text = "".join(rng.choice(list("0123456789.: snmtkV"), int(rng.integers(3, 12))))
        letter = float(rng.uniform(0.4, 1.2))
        ink = np.zeros(image.shape, np.uint8)  # OpenCV writes on 8-bit images only
        cv2.putText(ink, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, letter, 255, int(rng.integers(1, 3)), cv2.LINE_AA)
        image = image + (grey - image) * (ink.astype(np.float32) / 255.0)
        hidden = (x, int(y - 24 * letter), x + int(18 * letter * len(text)), y + 4)
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    under = (centre > hidden[:2]).all(1) & (centre < hidden[2:]).all(1)
    return image, boxes[~under]


_STEPS: tuple[tuple[float, _Step], ...] = (
    (1.0, turn),
    (0.08, uneven_support),
    (0.08, zoom),
    (0.15, invert),
    (0.05, soften),
    (0.08, gamma),
    (0.2, eight_bits),
    (0.03, write_on),
)
