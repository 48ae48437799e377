"""How far a movie lies from what the detector knows: signal, contrast, size, doubtful detections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError

if TYPE_CHECKING:
    import pandas as pd

    from lptem_tracker.movie.base import Movie

_FRAMES = 8
_PARTICLES_A_FRAME = 60
_DOUBTFUL = 0.8
"""Detections below this confidence are called doubtful."""


def describe_quality(
    movie: Movie, detections: pd.DataFrame, described: Mapping[str, Any], *, n_frames: int | None = None
) -> dict[str, Any]:
    """Measure how trustworthy the detections of a movie are.

    Parameters
    ----------
    movie : Movie
        A few of its frames are read again.
    detections : pandas.DataFrame
        The detections table, or whole frames of it.
    described : mapping
        What the detector's `describe` returned; it may hold `trained_radius_px`, the smallest and largest radius that
        it was trained on.
    n_frames : int, optional
        Frames that the table stands for; None: all of the movie.

    Returns
    -------
    dict
        Ready for JSON: `particles_per_frame`, `snr` and `contrast` (medians over particles: (particle - surroundings)
        over the standard deviation, and over the level, of the surroundings; signed, dark is negative),
        `radius_px` (5, 50, 95 %), `trained_radius_px`, `doubtful_share`, `cover` (share of the field under
        particles), `bright_share`, and `warnings`, sentences with their remedy.
    """
    trained = [float(v) for v in described.get("trained_radius_px", (0.0, np.inf))]
    frames = max(1, len(movie) if n_frames is None else n_frames)
    quality: dict[str, Any] = {"particles_per_frame": round(len(detections) / frames, 3)}
    if np.isfinite(trained[1]):
        quality["trained_radius_px"] = trained
    if len(detections) == 0:
        quality["warnings"] = [
            "No particle was found. Check that the film shows particles and their size in px; lower --confidence, "
            "or try --detector blob."
        ]
        return quality
    radius = detections["radius"].to_numpy(float)
    quality["radius_px"] = [round(float(v), 2) for v in np.percentile(radius, [5, 50, 95])]
    quality["doubtful_share"] = round(float(np.mean(detections["confidence"].to_numpy(float) < _DOUBTFUL)), 4)
    frames_seen = max(1, detections["frame"].nunique())
    quality["cover"] = round(float(detections["area"].sum() / (frames_seen * movie.shape[1] * movie.shape[2])), 4)
    signals = _signals(movie, detections)
    if len(signals):
        quality["snr"] = round(float(np.median(np.abs(signals[:, 0]))), 3)
        quality["contrast"] = round(float(np.median(signals[:, 1])), 4)
        quality["bright_share"] = round(float(np.mean(signals[:, 0] > 0)), 3)
    quality["warnings"] = _warnings(quality, trained)
    return quality


def _warnings(quality: dict[str, Any], trained: list[float]) -> list[str]:
    _, middle, large = quality["radius_px"]
    out = []
    if middle < 1.25 * max(trained[0], 2.0):
        least = f"; trained from {trained[0]:.0f} px" if trained[0] > 0 else ""
        out.append(
            f"Particles are small (median radius {middle:.1f} px{least}): some will be missed and sizes are rough. "
            "Record at a higher magnification where possible."
        )
    if large > trained[1]:
        out.append(
            f"Particles are large (95 % below {large:.0f} px radius; trained up to {trained[1]:.0f} px): "
            "bin the movie by 2 or 4 and compare."
        )
    if quality["doubtful_share"] > 0.3:
        out.append(
            f"{100 * quality['doubtful_share']:.0f} % of the detections have a confidence below {_DOUBTFUL}: look at "
            "the overlay, raise --confidence, or fine-tune the detector on a few corrected frames "
            "of this movie (lptem-tracker train)."
        )
    integrated = quality.get("snr", np.inf) * np.sqrt(np.pi) * middle
    if integrated < 6.0:
        out.append(
            f"The signal is weak (per-pixel SNR {quality['snr']:.2f} at a radius of {middle:.1f} px, {integrated:.1f} "
            "over the particle's area): detections will be missed and false. A higher dose, or averaging "
            "neighbouring frames, helps."
        )
    if quality["cover"] > 0.6:
        out.append(
            f"{100 * quality['cover']:.0f} % of the field lies under particles: crowded or overlapping ones "
            "may be merged; check the overlay."
        )
    share = quality.get("bright_share")
    if share is not None and 0.15 < share < 0.85:
        out.append(
            f"{100 * share:.0f} % of the detections are brighter than their surroundings and the rest darker: holes, "
            "bubbles or two kinds of particles are mixed; check the overlay."
        )
    return out


def _signals(movie: Movie, detections: pd.DataFrame) -> NDArray[np.float64]:
    """Return (SNR, contrast), both signed, of some particles of some frames."""
    present = np.unique(detections["frame"].to_numpy())
    chosen = present[np.unique(np.linspace(0, len(present) - 1, min(_FRAMES, len(present))).round().astype(int))]
    out: list[tuple[float, float]] = []
    for index in chosen:
        try:
            pixels = np.asarray(movie.read(int(index)).pixels, np.float64)
        except MovieError:
            continue  # a damaged frame was reported when the movie was read
        rows = detections[detections["frame"] == index]
        some = rows.iloc[:: max(1, len(rows) // _PARTICLES_A_FRAME)]
        for x, y, width, height in some[["x", "y", "width", "height"]].to_numpy(float):
            signal = _signal(pixels, x, y, width, height)
            if signal is not None:
                out.append(signal)
    return np.array(out).reshape(-1, 2)


def _signal(pixels: NDArray[np.float64], x: float, y: float, width: float, height: float) -> tuple[float, float] | None:
    """Compare the core of a particle with a ring around it."""
    half = max(width, height)
    top, bottom = max(0, int(y - half)), min(pixels.shape[0], int(y + half) + 2)
    left, right = max(0, int(x - half)), min(pixels.shape[1], int(x + half) + 2)
    if bottom <= top or right <= left:
        return None
    part = pixels[top:bottom, left:right]
    u, v = np.arange(left, right), np.arange(top, bottom)[:, None]
    r = np.hypot((u - x) / (width / 2), (v - y) / (height / 2))
    good = np.isfinite(part)
    core, ring = part[(r < 0.6) & good], part[(r > 1.35) & (r < 2.0) & good]
    if len(core) == 0 or len(ring) < 5:
        return None
    level = _median(ring)
    spread = 1.4826 * _median(np.abs(ring - level))
    difference = float(core.mean()) - level
    if spread <= 0:
        return None
    return difference / spread, difference / abs(level) if level else 0.0


def _median(values: NDArray[np.float64]) -> float:
    """Return the median of some finite values; of so few `np.median` takes five times as long."""
    ordered = np.sort(values)
    return float(ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2
