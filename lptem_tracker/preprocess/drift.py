"""Drift between two frames from their pixels, for scenes with too few particles to show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from lptem_tracker.errors import MovieError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def image_drift(
    frame_a: NDArray[Any],
    frame_b: NDArray[Any],
    *,
    max_shift_px: float | None = None,
    fine_sigma_px: float = 1.5,
    coarse_sigma_px: float = 12.0,
) -> tuple[float, float, float]:
    """Return how far the content of `frame_b` has moved against `frame_a`.

    The cross-correlation of both frames after a band-pass, first smoothed so strongly that lattice fringes
    have no peaks of their own, then sharp within the coarse peak. It is not whitened: phase correlation errs
    by up to 2 px on blurred images.

    Parameters
    ----------
    frame_a, frame_b : array, shape (Y, X)
        NaN counts as no data.
    max_shift_px : float, optional
        Largest shift considered; a quarter of the smaller side if not given.
    fine_sigma_px, coarse_sigma_px : float
        Widths of the two smoothings, px.

    Returns
    -------
    dx, dy : float
        Displacement in px towards +x and +y.
    quality : float
        Correlation coefficient of the overlapping band-passed content at that shift, −1 to 1.

    Raises
    ------
    MovieError
        The frames differ in shape or have an empty axis.

    Notes
    -----
    Guizar-Sicairos, Thurman & Fienup 2008 refine the peak by a matrix Fourier transform; the parabola through
    the peak's neighbours used here is as good once the image is smoothed over more than a pixel.
    """
    if frame_a.shape != frame_b.shape or frame_a.ndim != 2 or 0 in frame_a.shape:
        raise MovieError(f"Two frames of one shape (Y, X) are compared; got {frame_a.shape} and {frame_b.shape}.")
    reach = max_shift_px if max_shift_px is not None else min(frame_a.shape) / 4
    coarse = _correlation(frame_a, frame_b, coarse_sigma_px)
    fine = _correlation(frame_a, frame_b, fine_sigma_px)
    y, x = _lags(coarse.shape)
    near = np.hypot(y, x) <= max(reach, 1.0)
    guess = np.unravel_index(int(np.where(near, coarse, -np.inf).argmax()), coarse.shape)
    window = np.hypot(y - y[guess[0], 0], x - x[0, guess[1]]) <= 0.75 * coarse_sigma_px
    peak = np.unravel_index(int(np.where(window & near, fine, -np.inf).argmax()), fine.shape)
    dy = float(y[peak[0], 0]) + _vertex(fine, peak, 0)
    dx = float(x[0, peak[1]]) + _vertex(fine, peak, 1)
    return dx, dy, float(np.clip(fine[peak], -1.0, 1.0))


def movie_drift(frames: Iterable[tuple[int, NDArray[Any]]], *, min_quality: float = 0.5) -> pd.DataFrame:
    """Add up the drift from frame to frame.

    Parameters
    ----------
    frames : iterable of (int, array of shape (Y, X))
        Frame numbers and pixels, in order; two are held at a time.
    min_quality : float
        A pair of frames that fits worse than this is taken not to have moved.

    Returns
    -------
    pandas.DataFrame
        `frame`, `dx, dy` (displacement of the content since the first frame, px), and `quality` of the last step.
        Its errors add up like a random walk, by some hundredths of a px a frame.

    Raises
    ------
    MovieError
        The frames differ in shape.
    """
    import pandas as pd

    rows: list[tuple[int, float, float, float]] = []
    before: NDArray[Any] | None = None
    for number, pixels in frames:
        x, y = (rows[-1][1], rows[-1][2]) if rows else (0.0, 0.0)
        dx, dy, quality = (0.0, 0.0, 1.0) if before is None else image_drift(before, pixels)
        good = quality >= min_quality
        rows.append((number, x + dx * good, y + dy * good, quality))
        before = pixels
    return pd.DataFrame(rows, columns=["frame", "dx", "dy", "quality"]).astype({"frame": "int64"})


def _correlation(a: NDArray[Any], b: NDArray[Any], sigma: float) -> Floats:
    """Return the normalised circular cross-correlation of two band-passed, tapered, padded frames."""
    one, two = _band(a, sigma), _band(b, sigma)
    shape = tuple(fft.next_fast_len(2 * n, real=True) for n in a.shape)
    spectrum = np.conj(fft.rfft2(one, shape)) * fft.rfft2(two, shape)
    scale = np.sqrt((one**2).sum() * (two**2).sum())
    return np.asarray(fft.irfft2(spectrum, shape), float) / max(float(scale), 1e-300)


def _band(pixels: NDArray[Any], sigma: float) -> Floats:
    image = np.asarray(pixels, np.float64)
    known = np.isfinite(image)
    image = np.where(known, image, image[known].mean() if known.any() else 0.0)
    band = ndimage.gaussian_filter(image, sigma, mode="nearest") - ndimage.gaussian_filter(
        image, 3 * sigma, mode="nearest"
    )
    taper = [np.hanning(n + 2)[1:-1] ** 0.5 for n in image.shape]
    band = band * taper[0][:, None] * taper[1][None]
    return np.asarray(band - band.mean(), float)


def _lags(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    y, x = (np.asarray(np.fft.fftfreq(n, 1 / n), np.float64) for n in shape)
    return y[:, None], x[None]


def _vertex(field: Floats, peak: tuple[Any, ...], axis: int) -> float:
    """Return the place of a parabola's top through the peak and its neighbours along `axis`."""
    at = list(peak)
    values = []
    for step in (-1, 0, 1):
        at[axis] = (peak[axis] + step) % field.shape[axis]
        values.append(float(field[tuple(at)]))
    curve = values[0] - 2 * values[1] + values[2]
    return 0.5 * (values[0] - values[2]) / curve if curve < 0 else 0.0
