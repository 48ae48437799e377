"""What a movie is, and how its pictures look, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.movie.base import Movie

_INNER_VARIANCE = 0.7588  # of a unit normal cut at its 95 % interval: 1 − 2 z φ(z) / 0.95, z = 1.96
_BLOCK_PX = 4
_LONGEST_PX = 2048


def describe_movie(movie: Movie, n_frames: int = 3) -> dict[str, Any]:
    """Return what ``info`` prints: format, shape, calibration, and figures of a few frames.

    Parameters
    ----------
    movie : Movie
    n_frames : int
        How many frames, spread evenly from the first to the last, are looked at.

    Returns
    -------
    dict
        Plain values, ready for JSON: ``source, format, shape`` ([T, Y, X]), ``dtype, frame_bytes, duration_s``
        (None where the interval is unknown), ``calibration`` (each quantity with ``value`` and ``source``),
        ``frames`` (see `frame_figures`, with ``frame`` and ``time_s``), ``warnings``.

    Raises
    ------
    MovieError
        Not one of the frames can be read.
    """
    known, wanted = movie.calibration, np.unique(np.linspace(0, len(movie) - 1, max(n_frames, 1)).astype(int))
    frames: list[dict[str, Any]] = []
    for index in map(int, wanted):
        for frame in movie.frames(index, index + 1):
            frames.append({"frame": index, "time_s": frame.time_s, **frame_figures(frame.pixels)})
    duration = None if known.frame_interval_s is None else len(movie) * known.frame_interval_s
    if duration is not None and movie.times_s is not None and known.frame_interval_s is not None:
        duration = float(movie.times_s[-1] - movie.times_s[0]) + known.frame_interval_s
    return {
        "source": movie.source,
        "format": movie.format,
        "shape": list(movie.shape),
        "dtype": str(movie.dtype),
        "frame_bytes": int(movie.shape[1] * movie.shape[2] * movie.dtype.itemsize),
        "duration_s": duration,
        "calibration": {
            "pixel_size_nm": {"value": known.pixel_size_nm, "source": known.pixel_size_source},
            "frame_interval_s": {"value": known.frame_interval_s, "source": known.frame_interval_source},
            "exposure_s": {"value": known.exposure_s, "source": known.exposure_source},
        },
        "frames": frames,
        "warnings": list(movie.warnings),
    }


def frame_figures(pixels: NDArray[Any]) -> dict[str, Any]:
    """Return noise and contrast of one frame, in its own grey values.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (Y, X); NaN and inf count as no data. Of frames beyond 2048 px the middle is looked at.

    Returns
    -------
    dict
        ``median``; ``noise_sd``, the noise per pixel (robust, from the differences of pixels two apart, which
        leave out what varies slowly and all but a little of the correlation); ``noise_correlation`` between
        neighbours, 0 for white noise; ``local_contrast``, by how much the 1 % of blocks of 4 × 4 px that differ
        most stand out from the background around them, as a fraction of it; ``saturated_share`` and ``dark_share``,
        the shares of pixels at the largest and smallest value, where more than one pixel in 10,000 sits there;
        ``nan_share``. None where a frame is constant or has no data.
    """
    middle = pixels[tuple(slice(max((n - _LONGEST_PX) // 2, 0), (n + _LONGEST_PX) // 2) for n in pixels.shape)]
    good = np.isfinite(middle) if middle.dtype.kind == "f" else np.ones(middle.shape, bool)
    figures: dict[str, Any] = dict.fromkeys(
        ("median", "noise_sd", "noise_correlation", "local_contrast", "saturated_share", "dark_share")
    )
    figures["nan_share"] = float(1 - good.mean())
    if not good.any():
        return figures
    values = middle[good].astype(np.float64)
    image = np.where(good, middle, np.median(values)).astype(np.float64)
    figures["median"] = float(np.median(values))
    figures["saturated_share"], figures["dark_share"] = (_share(values, end) for end in (values.max(), values.min()))
    if values.min() == values.max() or min(image.shape) < 16:
        return figures
    figures.update(_noise(image))
    height, width = (n // _BLOCK_PX * _BLOCK_PX for n in image.shape)
    blocks = image[:height, :width].reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX).mean((1, 3))
    background = _smooth(blocks, min(blocks.shape) / 8)
    level = np.median(np.abs(background))
    figures["local_contrast"] = float(np.percentile(np.abs(blocks - background), 99) / level) if level > 0 else None
    return figures


def _smooth(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian mean, over what there is of the neighbourhood at the border."""
    weights = []
    for n in image.shape:
        apart = np.subtract.outer(np.arange(n), np.arange(n)) / sigma
        weight = np.exp(-(apart**2) / 2)
        weights.append(weight / weight.sum(axis=1, keepdims=True))
    smooth: NDArray[np.float64] = weights[0] @ image @ weights[1].T
    return smooth


def _noise(image: NDArray[np.float64]) -> dict[str, float]:
    """Noise from differences of pixels one and two apart: var = 2 s² (1 − r) and 2 s² (1 − r₂), with r₂ ≈ 0."""
    one = np.concatenate([np.diff(image, axis=axis).ravel() for axis in (0, 1)])
    two = np.concatenate([(image[2:] - image[:-2]).ravel(), (image[:, 2:] - image[:, :-2]).ravel()])
    near, far = _spread(one) ** 2, _spread(two) ** 2
    return {
        "noise_sd": float(np.sqrt(far / 2)),
        "noise_correlation": float(1 - near / far) if far > 0 else 0.0,
    }


def _spread(values: NDArray[np.float64]) -> float:
    """Standard deviation from the inner 95 %: edges of particles fall out, and whole numbers do not quantise it."""
    size = np.abs(values)
    inner = size[size <= np.percentile(size, 95)]
    return float(np.sqrt(np.mean(inner**2) / _INNER_VARIANCE))


def _share(values: NDArray[np.float64], end: float) -> float:
    share = float(np.mean(values == end))
    return share if share > 1e-4 else 0.0
