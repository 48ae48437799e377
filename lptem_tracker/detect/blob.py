"""The classical control: trackpy's bright-spot finder, its diameter and polarity found from the image."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.base import Detector
from lptem_tracker.movie.base import Frame
from lptem_tracker.preprocess.normalise import normalise
from lptem_tracker.tables import DETECTION_DTYPES, empty_table

Image = NDArray[np.float32]

_WORKING_PX = 11
"""Larger particles are found on the binned frame: trackpy's time grows with the square of the diameter."""

_SIGNAL = 5.0
"""Blobs stand out of the noise of the filtered frame by at least this."""


class BlobDetector(Detector):
    """Crocker and Grier's (1996) feature finding as trackpy does it, on the normalised frame.

    Parameters
    ----------
    diameter_px : float, optional
        Particle diameter in px; None: the scale at which blobs stand out most in the first frame that has any.
    """

    batch_frames = 1

    def __init__(self, *, diameter_px: float | None = None) -> None:
        self.diameter_px = diameter_px
        self._found_px: float | None = None
        self._polarity = 0

    def detect(self, frames: Sequence[Frame]) -> pd.DataFrame:
        """Return the detections of a batch of frames; see `Detector.detect`."""
        tables = [table for frame in frames if len(table := self._one(frame))]
        return pd.concat(tables, ignore_index=True) if tables else empty_table(DETECTION_DTYPES)

    def prepare(self, frames: Iterator[Frame]) -> None:
        """Find diameter and polarity in the first frame that shows them; see `Detector.prepare`."""
        while self._found_px is None and (frame := next(frames, None)) is not None:
            self._learn(normalise(frame.pixels))

    def _learn(self, image: Image) -> None:
        if self._found_px is None and (scale := find_scale(image, self.diameter_px)) is not None:
            self._found_px, self._polarity = scale

    def _one(self, frame: Frame) -> pd.DataFrame:
        image = normalise(frame.pixels)
        self._learn(image)
        if self._found_px is None:
            return empty_table(DETECTION_DTYPES)
        diameter = self._found_px
        shrink = max(1, int(diameter // _WORKING_PX))
        small = _bin(image, shrink)
        odd = max(3, 2 * round(0.4 * diameter / shrink) + 1)
        response, noise = blob_response(self._polarity * small, diameter / shrink / 2)
        spots = _locate(response / noise, odd)
        x, y = (shrink * (spots[name].to_numpy() + 0.5) - 0.5 for name in ("x", "y"))
        radius = np.full(len(spots), diameter / 2)
        rows, columns = (np.clip(np.rint(spots[name].to_numpy()).astype(int), 0, None) for name in ("y", "x"))
        signal = (response / noise)[rows, columns]
        n = len(spots)
        columns = {
            "frame": frame.index, "x": x, "y": y, "x_std": np.nan, "y_std": np.nan,
            "width": 2 * radius, "height": 2 * radius, "angle": 0.0, "area": np.pi * radius**2, "radius": radius,
            "confidence": 1.0 / (1.0 + np.exp(-np.clip(signal - _SIGNAL, -30, 30))), "class_id": 0,
        }  # fmt: skip
        table = pd.DataFrame({k: np.broadcast_to(np.asarray(v), n) for k, v in columns.items()}).astype(
            DETECTION_DTYPES
        )
        return table[signal >= _SIGNAL].reset_index(drop=True)

    def describe(self) -> dict[str, Any]:
        """Return the method, its diameter and polarity."""
        polarity = {1: "bright", -1: "dark", 0: "unknown"}[self._polarity]
        return {"name": "blob", "diameter_px": self._found_px or self.diameter_px, "particles": polarity}


def _bin(image: Image, shrink: int) -> Image:
    if shrink == 1:
        return image
    height, width = (side // shrink * shrink for side in image.shape)
    whole = image[:height, :width].reshape(height // shrink, shrink, width // shrink, shrink)
    return np.asarray(whole.mean(axis=(1, 3)), np.float32)


def _locate(image: Image, diameter: int) -> pd.DataFrame:
    import trackpy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # trackpy 0.7 warns of pandas' future on every call
        spots: pd.DataFrame = trackpy.locate(
            np.clip(image, 0, None), diameter, percentile=64, preprocess=False, engine="python"
        )
    return spots


def blob_response(image: Image, radius: float) -> tuple[Image, float]:
    """Filter a frame for bright blobs of a radius by a difference of Gaussians.

    Returns
    -------
    response : numpy.ndarray
        Shape (Y, X); about the contrast at the centre of a disk of that radius, times a constant of all scales.
    noise : float
        Its standard deviation where there are no blobs.
    """
    inner, outer = radius / np.sqrt(2), 1.26 * radius / np.sqrt(2)
    response = np.asarray(cv2.GaussianBlur(image, (0, 0), inner) - cv2.GaussianBlur(image, (0, 0), outer), np.float32)
    spread = 1.4826 * float(np.median(np.abs(response - np.median(response))))
    # a crowded frame widens the spread: white noise of unit variance, allowed to be correlated, bounds it
    white = np.sqrt((inner**-2 + outer**-2 - 4.0 / (inner**2 + outer**2)) / (4.0 * np.pi))
    return response, min(spread, 2.5 * float(white)) + 1e-9


def find_scale(image: Image, diameter_px: float | None = None) -> tuple[float, int] | None:
    """Return the diameter (px) and polarity (1 bright, -1 dark) at which blobs stand out most.

    The response is the scale-normalised Laplacian of Gaussian (Lindeberg 1998), whose extremum over scale lies at a
    radius of sqrt(2) sigma for a disk; scales are compared by how far their extremes lie beyond the noise.

    Parameters
    ----------
    image : numpy.ndarray
        Normalised frame, shape (Y, X).
    diameter_px : float, optional
        Only this diameter is looked at.

    Returns
    -------
    tuple or None
        None where nothing stands out.
    """
    largest = min(image.shape) / 6
    radii = [diameter_px / 2] if diameter_px else [r for r in 2.0 * 1.3 ** np.arange(16) if r <= max(2.0, largest)]
    best: tuple[float, float, int] | None = None
    for radius in radii:
        response, noise = blob_response(image, radius)
        tail = 100.0 * min(0.5, 3.0 / (image.size / (4 * radius**2) + 6.0))
        low, high = np.percentile(response, [tail * 0.2, 100 - tail * 0.2])
        for strength, polarity in ((high, 1), (-low, -1)):
            if best is None or strength > best[0]:
                best = (float(strength), float(radius), polarity) if strength > 4.0 * noise else best
    return None if best is None else (2.0 * best[1], best[2])
