"""Grey levels for display: robust percentiles that follow the movie slowly, so that nothing flickers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.movie.base import Movie
from lptem_tracker.report.source import pixels_of

NOISY_SMOOTH_PX = 1.5


@dataclass(frozen=True)
class Contrast:
    """Display limits as a function of the frame, linear between the frames that were sampled.

    Attributes
    ----------
    frames : numpy.ndarray
        Sampled frames, shape (k,), ascending.
    low, high : numpy.ndarray
        Grey values shown black and white at those frames, shape (k,).
    smooth_px : float
        Standard deviation in px of the smoothing before display; 0 shows the pixels as they are.
    """

    frames: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    smooth_px: float = 0.0

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
        pixels = smoothed(pixels, self.smooth_px)
        if pixels.dtype == np.uint8:
            table = np.rint(np.clip((np.arange(256) - low) * scale, 0, 255)).astype(np.uint8)
            looked_up: NDArray[np.uint8] = table[pixels]
            return looked_up
        grey = pixels if self.smooth_px > 0 else without_nan(pixels, low)
        # the one call of OpenCV that scales, shifts and saturates at both ends
        shown: NDArray[np.uint8] = cv2.addWeighted(grey, scale, grey, 0.0, -low * scale, dtype=cv2.CV_8U)
        return shown


def estimate_contrast(
    movie: Movie,
    *,
    start: int = 0,
    stop: int | None = None,
    samples: int = 24,
    percentiles: tuple[float, float] = (0.3, 99.7),
    smooth_px: float | None = 0.0,
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
    smooth_px : float, optional
        Standard deviation in px of the smoothing before display; None: `NOISY_SMOOTH_PX` where the noise of
        single pixels hides what is there, else 0.
    """
    chosen = np.unique(np.linspace(start, (len(movie) if stop is None else stop) - 1, samples).round().astype(int))
    if smooth_px is None:
        middle = pixels_of(movie, int(chosen[len(chosen) // 2]))
        smooth_px = NOISY_SMOOTH_PX if middle is not None and _is_noisy(middle, percentiles) else 0.0
    pairs = [_limits(movie, int(frame), smooth_px, percentiles) for frame in chosen]
    found = np.array([pair is not None for pair in pairs])
    if not found.any():
        return Contrast(np.zeros(1), np.zeros(1), np.ones(1))
    values = np.array([pair for pair in pairs if pair is not None])
    low, high = _running_median(values[:, 0]), _running_median(values[:, 1])
    least = max(1e-6 * float(np.abs(values).max()), 1e-12)
    return Contrast(chosen[found].astype(float), low, np.maximum(high, low + least), smooth_px)


def _limits(movie: Movie, frame: int, smooth_px: float, percentiles: tuple[float, float]) -> tuple[float, float] | None:
    """Return black and white of a frame; None where it cannot be read or has one grey level."""
    pixels = pixels_of(movie, frame)
    return None if pixels is None else _percentiles(smoothed(pixels, smooth_px), percentiles)


def smoothed(pixels: NDArray[Any], smooth_px: float) -> NDArray[Any]:
    """Return a frame (Y, X) smoothed by a Gaussian of `smooth_px`, float32; as it is where that is 0."""
    if smooth_px <= 0:
        return pixels
    taps = 2 * int(np.ceil(3 * smooth_px)) + 1
    blurred: NDArray[np.float32] = cv2.GaussianBlur(without_nan(pixels, 0.0), (taps, taps), smooth_px)
    return blurred


def without_nan(pixels: NDArray[Any], value: float) -> NDArray[np.float32]:
    """Return a frame as float32 in which `value` stands where there are no data."""
    grey = pixels.astype(np.float32)
    if pixels.dtype.kind == "f":
        np.nan_to_num(grey, copy=False, nan=value)
    return grey


def _is_noisy(pixels: NDArray[Any], percentiles: tuple[float, float]) -> bool:
    """Whether smoothing takes away most of a frame's range of greys: then it was noise."""
    before, after = _percentiles(pixels, percentiles), _percentiles(smoothed(pixels, NOISY_SMOOTH_PX), percentiles)
    return before is not None and after is not None and before[1] - before[0] > 1.8 * (after[1] - after[0])


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
