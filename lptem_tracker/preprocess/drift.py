"""Drift between two frames from their pixels, for scenes with too few particles to show it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from lptem_tracker.errors import MovieError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

FINE_PX, COARSE_PX = 1.5, 12.0
"""Widths of the two smoothings, px."""

MOVIE_FINE_PX = 3.0
"""Width of the finer one along a movie: where the contrast is the noise of a pixel, half of it errs twice as much."""


def image_drift(
    frame_a: NDArray[Any],
    frame_b: NDArray[Any],
    *,
    max_shift_px: float | None = None,
    fine_sigma_px: float = FINE_PX,
    coarse_sigma_px: float = COARSE_PX,
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
    a, b = (_bands(frame, fine_sigma_px, coarse_sigma_px) for frame in (frame_a, frame_b))
    return _shift(a, b, reach, 0.75 * coarse_sigma_px)


def movie_drift(
    frames: Iterable[tuple[int, NDArray[Any]]], *, min_quality: float = 0.5, max_side_px: int = 128
) -> pd.DataFrame:
    """Add up the drift from frame to frame.

    Parameters
    ----------
    frames : iterable of (int, array of shape (Y, X))
        Frame numbers and pixels, in order; two are held at a time.
    min_quality : float
        A pair of frames that fits worse than this is taken not to have moved.
    max_side_px : int
        Larger frames are compared after joining blocks of pixels, so that a side is no longer than this.

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
    before: _Bands | None = None
    shape: tuple[int, ...] = ()
    for number, pixels in frames:
        block = max(math.ceil(max(pixels.shape) / max_side_px), 1)
        here = _bands(_binned(pixels, block), max(MOVIE_FINE_PX / block, 1.0), COARSE_PX / block)
        if before is None:
            x, y, quality = 0.0, 0.0, 1.0
        else:
            if pixels.shape != shape:
                raise MovieError(f"The frames of a movie have one shape; {shape} is followed by {pixels.shape}.")
            dx, dy, quality = _shift(before, here, min(here.shape) / 4, 0.75 * COARSE_PX / block)
            good = quality >= min_quality
            x, y = x + block * dx * good, y + block * dy * good
        rows.append((number, x, y, quality))
        before, shape = here, pixels.shape
    return pd.DataFrame(rows, columns=["frame", "dx", "dy", "quality"]).astype({"frame": "int64"})


class _Bands(NamedTuple):
    """Spectra of a frame after both band-passes, padded, and the roots of their energies."""

    shape: tuple[int, ...]
    padded: tuple[int, ...]
    fine: Spectrum
    coarse: Spectrum
    fine_norm: float
    coarse_norm: float


def _bands(pixels: NDArray[Any], fine_sigma: float, coarse_sigma: float) -> _Bands:
    padded = tuple(fft.next_fast_len(2 * n, real=True) for n in pixels.shape)
    fine, coarse = _band(pixels, fine_sigma), _band(pixels, coarse_sigma)
    norms = (float(np.sqrt((band**2).sum())) for band in (fine, coarse))
    return _Bands(pixels.shape, padded, fft.rfft2(fine, padded), fft.rfft2(coarse, padded), *norms)


def _shift(a: _Bands, b: _Bands, reach: float, window: float) -> tuple[float, float, float]:
    """Return dx, dy and quality of the best fit within `reach`, at most `window` from where the coarse bands fit."""
    y, x = _lags(a.padded)
    near = np.hypot(y, x) <= max(reach, 1.0)
    coarse = _correlation(a.coarse, b.coarse, a.coarse_norm * b.coarse_norm, a.padded)
    guess = np.unravel_index(int(np.where(near, coarse, -np.inf).argmax()), coarse.shape)
    near &= np.hypot(y - y[guess[0], 0], x - x[0, guess[1]]) <= window
    fine = _correlation(a.fine, b.fine, a.fine_norm * b.fine_norm, a.padded)
    peak = np.unravel_index(int(np.where(near, fine, -np.inf).argmax()), fine.shape)
    dy = float(y[peak[0], 0]) + _vertex(fine, peak, 0)
    dx = float(x[0, peak[1]]) + _vertex(fine, peak, 1)
    return dx, dy, float(np.clip(fine[peak], -1.0, 1.0))


def _correlation(a: Spectrum, b: Spectrum, norm: float, shape: tuple[int, ...]) -> Floats:
    """Return the normalised circular cross-correlation of two padded frames."""
    return np.asarray(fft.irfft2(np.conj(a) * b, shape), float) / max(norm, 1e-300)


def _binned(pixels: NDArray[Any], block: int) -> Floats:
    """Return the means of blocks of pixels; rows and columns that fill none are left out, NaN is not counted."""
    if block == 1:
        return np.asarray(pixels, np.float64)
    ny, nx = (n // block for n in pixels.shape)
    blocks = np.asarray(pixels[: ny * block, : nx * block], np.float64).reshape(ny, block, nx, block)
    if np.isfinite(blocks).all():
        return np.asarray(blocks.mean((1, 3)))
    known = np.isfinite(blocks)
    n = known.sum((1, 3))
    return np.where(n > 0, np.where(known, blocks, 0.0).sum((1, 3)) / np.maximum(n, 1), np.nan)


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
