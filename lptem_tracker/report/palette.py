"""Colours that colour-blind readers can tell apart, as (R, G, B) of 0 to 255."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

# Okabe & Ito 2008, without black and with the blue lightened so that it shows on dark frames.
CATEGORICAL: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 190, 140),
    (240, 228, 66),
    (60, 130, 255),
    (233, 105, 25),
    (224, 130, 190),
)

MOTION: dict[str, Colour] = {
    "immobile": (170, 170, 170),
    "brownian": (86, 180, 233),
    "confined": (0, 190, 140),
    "directed": (233, 105, 25),
    "subdiffusive": (60, 130, 255),
    "superdiffusive": (230, 159, 0),
    "ctrw": (224, 130, 190),
    "switching": (240, 228, 66),
    "unknown": (225, 225, 225),
}

EVENT: dict[str, Colour] = {
    "attach": (0, 190, 140),
    "detach": (233, 105, 25),
    "coalesce": (224, 130, 190),
    "nucleate": (86, 180, 233),
    "dissolve": (230, 159, 0),
    "enter": (190, 190, 190),
    "leave": (190, 190, 190),
}

NO_VALUE: Colour = (200, 200, 200)
DARKEST = 70  # entry of the plasma map below which it vanishes on dark frames


def categorical(index: NDArray[Any]) -> NDArray[np.uint8]:
    """Return one colour for each whole number, the same number always the same colour.

    Parameters
    ----------
    index : numpy.ndarray
        Whole numbers, shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n, 3), R, G, B.
    """
    table = np.array(CATEGORICAL, dtype=np.uint8)
    colours: NDArray[np.uint8] = table[np.asarray(index).astype(np.int64) % len(table)]
    return colours


def continuous(fraction: NDArray[Any]) -> NDArray[np.uint8]:
    """Return colours of the plasma map, without its near-black end; NaN becomes grey.

    Parameters
    ----------
    fraction : numpy.ndarray
        Shape (n,), 0 to 1; values outside are clipped.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3), R, G, B.
    """
    values = np.asarray(fraction, dtype=float)
    known = np.isfinite(values)
    index = (DARKEST + (250 - DARKEST) * np.clip(np.where(known, values, 0.0), 0, 1)).astype(np.uint8)
    colours: NDArray[np.uint8] = plasma_table()[index]
    colours[~known] = NO_VALUE
    return colours


def plasma_table() -> NDArray[np.uint8]:
    """Return the 256 colours of the plasma map, shape (256, 3), R, G, B."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    table: NDArray[np.uint8] = cv2.applyColorMap(ramp, cv2.COLORMAP_PLASMA)[:, 0, ::-1].copy()
    return table
