"""What a file says of its scale and timing → Calibration; what it says badly → a warning, never a guess."""

from __future__ import annotations

import math

import numpy as np

from lptem_tracker.calibration import Calibration

_NM = {
    "pm": 1e-3, "picometer": 1e-3, "a": 0.1, "å": 0.1, "angstrom": 0.1, "angstroms": 0.1, "ångström": 0.1,
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00b5m": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3,
    "micrometers": 1e3, "micrometre": 1e3, "mm": 1e6, "millimeter": 1e6, "cm": 1e7, "centimeter": 1e7,
    "inch": 2.54e7, "in": 2.54e7, "m": 1e9, "meter": 1e9, "meters": 1e9, "metre": 1e9,
}  # fmt: skip
_S = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0,
    "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip

SQUARE_WITHIN = 0.10
"""Sides that differ by up to a tenth become their geometric mean. That keeps areas exact and is off by at most
5 % along an axis and by 0.5 % in an isotropic diffusion coefficient; beyond, one number would mislead (D is off
by 2.6 times for sides of 0.2 and 1 nm), so the pixel size stays unknown."""


def to_nm(value: object, unit: object) -> float | None:
    """Return a length in nm, or None where the unit is no length (``1/nm``, ``eV``, none)."""
    return _convert(value, unit, _NM)


def to_s(value: object, unit: object) -> float | None:
    """Return a duration in s, or None where the unit is no time."""
    return _convert(value, unit, _S)


def _convert(value: object, unit: object, table: dict[str, float]) -> float | None:
    factor = table.get(_plain(unit)) if unit else None
    if factor is None:
        return None
    try:
        number = float(str(value))
        short = float(str(np.float32(number)))
        # a step stored in single precision is the short number that it was typed as: 0.2, not 0.200000003
        return (short if np.float32(number) == number else number) * factor
    except ValueError:
        return None


def _plain(unit: object) -> str:
    # NCEM's EMD writes [n_m], TIA spells out and others capitalise
    return str(unit).strip().strip("[]").replace("_", "").lower()


def is_time(unit: object) -> bool:
    """Return whether a unit is one of time."""
    return _plain(unit or "") in _S


def square_pixel(x_nm: float | None, y_nm: float | None, warnings: list[str]) -> float | None:
    """Return the one pixel size of a movie from those along x and y, or None with a warning.

    Parameters
    ----------
    x_nm, y_nm : float or None
        Extent of a pixel along each axis in nm.
    warnings : list of str
        Appended to where the sides differ or make no sense.

    Returns
    -------
    float or None
        The geometric mean where the sides differ by up to `SQUARE_WITHIN`.
    """
    if x_nm is None or y_nm is None:
        return None
    if not (math.isfinite(x_nm) and math.isfinite(y_nm) and x_nm > 0 and y_nm > 0):
        if x_nm or y_nm:
            warnings.append(
                f"The file gives a pixel size of {x_nm:g} × {y_nm:g} nm, which no pixel has; it was ignored."
            )
        return None
    ratio = max(x_nm, y_nm) / min(x_nm, y_nm)
    if ratio > 1 + SQUARE_WITHIN:
        warnings.append(
            f"Pixels are not square in this file ({x_nm:.6g} nm along x, {y_nm:.6g} nm along y), so no one pixel size "
            "is right and results stay in px; resample the movie to square pixels, or give --pixel-size-nm if the file "
            "is wrong."
        )
        return None
    if ratio > 1.001:
        warnings.append(
            f"Pixels are {x_nm:.6g} nm along x and {y_nm:.6g} nm along y; their geometric mean is used, which is off "
            f"by {100 * (math.sqrt(ratio) - 1):.1f} % along an axis."
        )
    return math.sqrt(x_nm * y_nm)


def from_metadata(
    warnings: list[str],
    *,
    pixel_size_nm: float | None = None,
    frame_interval_s: float | None = None,
    exposure_s: float | None = None,
) -> Calibration:
    """Return a Calibration of what the metadata say; values that cannot be are left out with a warning."""
    values = {"pixel_size_nm": pixel_size_nm, "frame_interval_s": frame_interval_s, "exposure_s": exposure_s}
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            if value != 0:
                warnings.append(f"The file gives {name} = {value:g}, which cannot be; it was ignored.")
            values[name] = None
    interval, exposure = values["frame_interval_s"], values["exposure_s"]
    if interval is not None and exposure is not None and exposure > interval * (1 + 1e-6):
        if exposure <= interval * 1.01:  # rounded differently in two places of the file
            values["exposure_s"] = interval
        else:
            warnings.append(
                f"The file gives an exposure of {exposure:g} s, longer than its frame interval of {interval:g} s; "
                "the exposure was ignored."
            )
            values["exposure_s"] = None
    return Calibration(
        **values,
        pixel_size_source="metadata" if values["pixel_size_nm"] is not None else "unknown",
        frame_interval_source="metadata" if values["frame_interval_s"] is not None else "unknown",
        exposure_source="metadata" if values["exposure_s"] is not None else "unknown",
    )
