"""An endless stream of simulated training images, drawn in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lptem_tracker.preprocess.normalise import normalise
from lptem_tracker.training.augment import Boxes, Image, augment, clip_boxes

Draw = Callable[[np.random.Generator, int], tuple[NDArray[Any], Any]]
"""(rng, size) -> pixels (Y, X) and a table of upright boxes `x, y, width, height` in px, `faint` if it likes."""

Sample = tuple[Tensor, Tensor]

_HIDDEN = 3.0
"""Visibility below which a particle is background."""
_MORE = {
    "well_dispersed": 0.22,
    "faint_film": 0.13,
    "speckled_film": 0.08,
    "no_particles": 0.07,
    "catalyst_dark_field": 0.15,
    "dense_film": 0.07,
    "": 0.28,
}
"""Kinds of picture shown more often than the simulator draws them by itself."""


def simulated(rng: np.random.Generator, size: int) -> tuple[NDArray[Any], Any]:
    """Draw from the simulator, with a column `faint`."""
    from lptem_tracker.simulate import random_training_image

    kind = str(rng.choice(list(_MORE), p=list(_MORE.values()))) or None
    pixels, table = random_training_image(rng, size=size, kind=kind, min_visibility=_HIDDEN)
    return pixels, table.assign(faint=faint(table))


def faint(table: Any) -> NDArray[np.bool_]:
    """Tell which simulated particles are too faint to be asked for, shape (N,).

    Below five standard deviations of the noise nobody can be sure of a particle. Of a support's texture it takes
    twice its standard deviation, a visibility of four: about half of what people mark on lumpy supports lies below
    six.
    """
    visibility = table["visibility"].to_numpy(np.float64)
    texture = table["integrated_snr"].to_numpy(np.float64) > 2.0 * visibility
    return np.asarray(visibility < np.where(texture, 4.0, 5.0), np.bool_)


def corner_boxes(table: Any) -> Boxes:
    """Return the upright boxes of a table `x, y, width, height` as left, top, right, bottom, and `faint` if it has it.

    A pixel centre at an integer becomes the middle of its cell: pixel i covers [i, i + 1).
    """
    x, y, width, height = (np.asarray(table[name], np.float64) for name in ("x", "y", "width", "height"))
    x, y = x + 0.5, y + 0.5
    sides = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    if "faint" in table:
        sides.append(np.asarray(table["faint"], np.float64))
    return np.stack(sides, 1).astype(np.float32)


class TrainingStream(IterableDataset[Sample]):
    """Endless (image (1, S, S) float16, boxes (N, 5) centre and size as fractions and whether it is faint) pairs.

    Parameters
    ----------
    size : int
        Side of the images in px.
    seed : int
        Workers and epochs of resuming derive theirs from it.
    repeats : int
        How often a simulated scene is shown, each time turned and recorded differently.
    draw : callable
        Source of scenes.
    """

    def __init__(self, size: int, seed: int, *, repeats: int = 2, draw: Draw = simulated) -> None:
        self.size, self.seed, self.repeats, self.draw = size, seed, repeats, draw

    def __iter__(self) -> Iterator[Sample]:
        import cv2

        cv2.setNumThreads(1)
        torch.set_num_threads(1 if get_worker_info() else torch.get_num_threads())
        info = get_worker_info()
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        shelf: list[tuple[Image, Boxes]] = []
        while True:
            pixels, table = self.draw(rng, self.size)
            scene = (np.asarray(pixels, np.float32), clip_boxes(corner_boxes(table), self.size, self.size))
            shelf.append(scene)
            yield to_sample(*augment(*scene, rng))
            for _ in range(self.repeats - 1):
                yield to_sample(*augment(*shelf[int(rng.integers(len(shelf)))], rng))
            if len(shelf) >= 24:
                shelf.pop(int(rng.integers(len(shelf))))


def to_sample(image: Image, boxes: Boxes) -> Sample:
    """Normalise an image and turn its boxes into fractions of it."""
    height, width = image.shape
    size = np.array([width, height], np.float32)
    centre, extent = (boxes[:, :2] + boxes[:, 2:4]) / 2 / size, (boxes[:, 2:4] - boxes[:, :2]) / size
    unsure = boxes[:, 4:] if boxes.shape[1] > 4 else np.zeros((len(boxes), 1))
    return torch.from_numpy(normalise(image))[None].half(), torch.from_numpy(
        np.concatenate([centre, extent, unsure], 1).astype(np.float32)
    )


def collate(samples: list[Sample]) -> dict[str, Tensor]:
    """Stack samples into the batch that the loss reads."""
    boxes = torch.cat([box for _, box in samples])
    index = torch.cat([torch.full((len(box),), float(i)) for i, (_, box) in enumerate(samples)])
    return {
        "img": torch.stack([image for image, _ in samples]),
        "bboxes": boxes[:, :4],
        "cls": boxes[:, 4:],
        "batch_idx": index,
    }


def batches(stream: TrainingStream, batch: int, workers: int, *, pin: bool) -> Iterator[dict[str, Tensor]]:
    """Yield batches without end."""
    loader = DataLoader(
        stream,
        batch_size=batch,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
        # a forked worker inherits the locks of OpenCV's and torch's threads and can wait on them for ever
        multiprocessing_context="spawn" if workers else None,
    )
    return iter(loader)
