"""How an overlay is drawn, and how fast it plays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.report.drawing import Outline


@dataclass(frozen=True, kw_only=True)
class OverlayOptions:
    """How an overlay is drawn.

    Attributes
    ----------
    colour_by : {'particle', 'speed', 'D', 'motion', 'cluster'}
    trail_frames : int
        Length of the trails.
    outline : {'box', 'ellipse', 'point', 'none'}
        Boxes and ellipses are turned by the particle's angle.
    ids, events, scale_bar, time_stamp : bool
        Whether they are drawn.
    side_by_side : bool
        The bare frame to the left of the drawn one.
    crop : (x, y, width, height), optional
        Part of the frame in px.
    follow : int, optional
        A particle to keep in the centre.
    zoom : float, optional
        Picture px per frame px; chosen to suit where not given.
    binning : int
        Frame px averaged to one, each way.
    smooth_px : float, optional
        Standard deviation of the smoothing for display in px; 0 shows the pixels as they are. Where not
        given, frames in which noise hides the particles are smoothed a little; positions are not touched.
    frames : (start, stop), optional
    every : int
        One picture for that many frames (the first of them, or their mean with `average`).
    average : bool
    fps : float, optional
        Pictures a second; where not given the movie's own rate between 8 and 60, else 25.
    speed : float, optional
        Playback in multiples of real time; needs the frame interval, excludes `fps`.
    quality : int, optional
        H.264's constant rate factor, 20 where not given: 18 looks lossless, 26 is small. For ``.mp4`` only.
    """

    colour_by: str = "particle"
    trail_frames: int = 40
    outline: Outline = "box"
    ids: bool = True
    events: bool = True
    scale_bar: bool = True
    time_stamp: bool = True
    side_by_side: bool = False
    crop: tuple[int, int, int, int] | None = None
    follow: int | None = None
    zoom: float | None = None
    binning: int = 1
    smooth_px: float | None = None
    frames: tuple[int, int] | None = None
    every: int = 1
    average: bool = False
    fps: float | None = None
    speed: float | None = None
    quality: int | None = None

    def __post_init__(self) -> None:
        for name in ("binning", "every"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} of an overlay is a whole number of at least 1; got {getattr(self, name)}.")
        for name in ("fps", "speed", "zoom"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SettingsError(f"{name} of an overlay is a number above 0; got {value}.")
        if self.smooth_px is not None and not 0 <= self.smooth_px <= 1000:
            raise SettingsError(f"smooth_px of an overlay is 0 (as recorded) to 1000 px; got {self.smooth_px:g}.")
        if self.quality is not None and not 0 <= self.quality <= 51:
            raise SettingsError(f"quality of an overlay is H.264's 0 (best) to 51; got {self.quality}.")
        if self.average and self.every == 1:
            raise SettingsError("average of an overlay needs every (frames for one picture) of at least 2; got 1.")
        if self.fps is not None and self.speed is not None:
            raise SettingsError("An overlay takes fps or speed, not both: each sets how fast it plays.")


def playback(
    times_s: NDArray[np.float64] | None,
    shown: NDArray[np.int64],
    options: OverlayOptions,
    *,
    clock_s: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return when each picture is shown in s; unequal intervals stay unequal.

    Parameters
    ----------
    times_s : numpy.ndarray or None
        Start of each frame of the movie.
    shown : numpy.ndarray
        Frames that are shown, shape (k,).
    options : OverlayOptions
    clock_s : numpy.ndarray, optional
        When a video shows each of its frames: its pauses are kept where `times_s` is not known.

    Raises
    ------
    SettingsError
        A speed is asked for and the frame interval is not known.
    """
    if times_s is None:
        if options.speed is not None:
            raise SettingsError("A playback speed needs the frame interval; give --frame-interval-s, or fps instead.")
        if clock_s is None:
            return np.arange(len(shown)) / (options.fps or 25.0)
        times_s = clock_s
    real = times_s[shown] - times_s[shown[0]]
    if options.speed is not None:
        return np.asarray(real / options.speed)
    step = float(np.median(np.diff(real))) if len(real) > 1 else 0.0
    if step <= 0:
        return np.arange(len(shown)) / (options.fps or 25.0)
    natural = 1 / step
    fps = options.fps or (natural if 8 <= natural <= 60 else 25.0)
    return np.asarray(real / step / fps)
