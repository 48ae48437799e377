"""Grey levels for display: robust percentiles that follow the movie slowly, so that nothing flickers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.movie.base import Movie


@dataclass(frozen=True)
class Contrast:
    """Display limits as a function of the frame, linear between the frames that were sampled.

    Attributes
    ----------
    frames : numpy.ndarray
        Sampled frames, shape (k,), ascending.
    low, high : numpy.ndarray
        Grey values shown black and white at those frames, shape (k,).
    """

    frames: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def limits(self, frame: float) -> tuple[float, float]:
        """Return the grey values shown black and white in a frame."""
        low = float(np.interp(frame, self.frames, self.low))
        high = float(np.interp(frame, self.frames, self.high))
        return low, high

    def apply(self, pixels: NDArray[Any], frame: float) -> NDArray[np.uint8]:
        """Map a frame to 8-bit grey; pixels without data (NaN) are black.

        Parameters
        ----------
        pixels : numpy.ndarray
            Shape (Y, X), any real dtype.
        frame : float
            Its index, which selects the limits.

        Returns
        -------
        numpy.ndarray
            Shape (Y, X), uint8.
        """
        low, high = self.limits(frame)
        scale = 255.0 / (high - low)
        if pixels.dtype == np.uint8:
            table = np.rint(np.clip((np.arange(256) - low) * scale, 0, 255)).astype(np.uint8)
            looked_up: NDArray[np.uint8] = table[pixels]
            return looked_up
        grey = pixels.astype(np.float32)
        grey -= np.float32(low)
        grey *= np.float32(scale)
        np.rint(np.clip(grey, 0, 255, out=grey), out=grey)
        return np.nan_to_num(grey, copy=False, nan=0.0).astype(np.uint8)


def estimate_contrast(
    movie: Movie,
    *,
    start: int = 0,
    stop: int | None = None,
    samples: int = 24,
    percentiles: tuple[float, float] = (0.3, 99.7),
) -> Contrast:
    """Sample frames of a movie and return its display limits.

    A running median over five samples keeps a single odd frame (blank, saturated) from changing its
    neighbours' grey levels.

    Parameters
    ----------
    movie : Movie
    start, stop : int, optional
        Range of frames that will be shown.
    samples : int
        How many frames to look at.
    percentiles : tuple of float
        Shares of the pixels, in %, below which is black and above which is white.
    """
    chosen = np.unique(np.linspace(start, (len(movie) if stop is None else stop) - 1, samples).round().astype(int))
    pairs = [_percentiles(movie.read(int(frame)).pixels, percentiles) for frame in chosen]
    found = np.array([pair is not None for pair in pairs])
    if not found.any():
        return Contrast(np.zeros(1), np.zeros(1), np.ones(1))
    values = np.array([pair for pair in pairs if pair is not None])
    low, high = _running_median(values[:, 0]), _running_median(values[:, 1])
    least = max(1e-6 * float(np.abs(values).max()), 1e-12)
    return Contrast(chosen[found].astype(float), low, np.maximum(high, low + least))


def _percentiles(pixels: NDArray[Any], percentiles: tuple[float, float]) -> tuple[float, float] | None:
    step = max(1, int(np.sqrt(pixels.size / 250_000)))
    some = pixels[::step, ::step]
    some = some[np.isfinite(some)]
    if not some.size or some.min() == some.max():
        return None
    low, high = np.percentile(some, percentiles)
    return (float(low), float(high)) if high > low else (float(some.min()), float(some.max()))


def _running_median(values: NDArray[np.float64], width: int = 5) -> NDArray[np.float64]:
    padded = np.pad(values, width // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    medians: NDArray[np.float64] = np.median(windows, axis=1)
    return medians
