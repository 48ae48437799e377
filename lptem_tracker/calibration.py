"""Pixels to nanometres and frames to seconds: the only place where either is converted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from lptem_tracker.errors import CalibrationError

Source = Literal["metadata", "user", "unknown"]

_OPTION = {
    "pixel_size_nm": "--pixel-size-nm",
    "frame_interval_s": "--frame-interval-s",
    "exposure_s": "--exposure-s",
}


@dataclass(frozen=True)
class Units:
    """The units in which results are given.

    Attributes
    ----------
    length : {'nm', 'px'}
    time : {'s', 'frame'}
    nm_per_px, s_per_frame : float
        Factors from px and frames to `length` and `time`; 1 where not calibrated.
    """

    length: Literal["nm", "px"]
    time: Literal["s", "frame"]
    nm_per_px: float
    s_per_frame: float

    @property
    def diffusion(self) -> str:
        """Suffix of a diffusion coefficient's column: ``nm2_s`` when fully calibrated."""
        return f"{self.length}2_{self.time}"

    @property
    def speed(self) -> str:
        """Suffix of a speed's column: ``nm_s`` when fully calibrated."""
        return f"{self.length}_{self.time}"


@dataclass(frozen=True)
class Calibration:
    """Scale and timing of a movie, each with where it is known from.

    Nothing is ever guessed: a missing value is None with the source ``unknown``, and results
    are then in px or frames.

    Parameters
    ----------
    pixel_size_nm : float, optional
        Side of a square pixel in nm.
    frame_interval_s : float, optional
        Time from the start of one frame to the start of the next, in s.
    exposure_s : float, optional
        Time during which a frame collects electrons, in s; at most the frame interval.
    pixel_size_source, frame_interval_source, exposure_source : {'metadata', 'user', 'unknown'}

    Raises
    ------
    CalibrationError
        A value is not a positive finite number, or the exposure is longer than the interval.

    Examples
    --------
    >>> Calibration(pixel_size_nm=2.0, frame_interval_s=0.0125).units.diffusion
    'nm2_s'
    >>> Calibration().units.diffusion
    'px2_frame'
    """

    pixel_size_nm: float | None = None
    frame_interval_s: float | None = None
    exposure_s: float | None = None
    pixel_size_source: Source = "unknown"
    frame_interval_source: Source = "unknown"
    exposure_source: Source = "unknown"

    def __post_init__(self) -> None:
        for name, option in _OPTION.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise CalibrationError(
                    f"{name} must be a positive number, got {value!r}; give {option} a value above 0."
                )
            source = f"{name.removesuffix('_nm').removesuffix('_s')}_source"
            if value is None:
                object.__setattr__(self, source, "unknown")
            elif getattr(self, source) == "unknown":
                object.__setattr__(self, source, "user")
        exposure, interval = self.exposure_s, self.frame_interval_s
        if exposure is not None and interval is not None and exposure > interval * (1 + 1e-6):
            raise CalibrationError(
                f"The exposure ({exposure:g} s) cannot be longer than the frame interval ({interval:g} s); "
                "check --exposure-s and --frame-interval-s."
            )

    @property
    def units(self) -> Units:
        """Units that results can be given in with what is known."""
        px, s = self.pixel_size_nm, self.frame_interval_s
        return Units("px" if px is None else "nm", "frame" if s is None else "s", px or 1.0, s or 1.0)

    @property
    def blur_coefficient(self) -> float:
        """Motion-blur coefficient R of a uniform exposure, f/6 with f = exposure/interval.

        Without a known exposure R is 0 (no blur); the analysis says so. Berglund 2010, eq. 8.
        """
        if self.exposure_s is None or self.frame_interval_s is None:
            return 0.0
        return self.exposure_s / self.frame_interval_s / 6

    def require(self, name: Literal["pixel_size_nm", "frame_interval_s", "exposure_s"]) -> float:
        """Return one value in its unit, or say which option gives it.

        Raises
        ------
        CalibrationError
            It is not known.
        """
        value: float | None = getattr(self, name)
        if value is None:
            raise CalibrationError(f"This needs {name}, and the movie's metadata do not hold it; give {_OPTION[name]}.")
        return value

    def with_user(
        self,
        *,
        pixel_size_nm: float | None = None,
        frame_interval_s: float | None = None,
        exposure_s: float | None = None,
    ) -> Calibration:
        """Return a copy in which the given values replace those of the metadata."""
        out = self
        if pixel_size_nm is not None:
            out = replace(out, pixel_size_nm=pixel_size_nm, pixel_size_source="user")
        if frame_interval_s is not None:
            if exposure_s is None and out.exposure_source == "metadata":
                keep = out.exposure_s is not None and out.exposure_s <= frame_interval_s
                out = out if keep else replace(out, exposure_s=None)
            out = replace(
                out,
                frame_interval_s=frame_interval_s,
                frame_interval_source="user",
                exposure_s=exposure_s if exposure_s is not None else out.exposure_s,
            )
        if exposure_s is not None:
            out = replace(out, exposure_s=exposure_s, exposure_source="user")
        return out
