"""Scale bar, time stamp and legend: what makes a frame a figure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.report.colouring import Legend
from lptem_tracker.report.drawing import Pen
from lptem_tracker.report.palette import DARKEST, Colour, plasma_table
from lptem_tracker.report.text import draw_text, text_size

WHITE: Colour = (255, 255, 255)
_TIME_UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def round_length(longest: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above `longest`.

    Examples
    --------
    >>> round_length(37.0)
    20.0
    """
    power = 10.0 ** math.floor(math.log10(longest))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= longest * (1 + 1e-9))


def length_text(length_nm: float) -> str:
    """Return a length with the unit in which it reads best.

    Examples
    --------
    >>> length_text(2000.0)
    '2 µm'
    """
    if length_nm >= 1000:
        return f"{length_nm / 1000:g} µm"
    return f"{length_nm:g} nm" if length_nm >= 1 else f"{length_nm * 1000:g} pm"


def draw_scale_bar(canvas: NDArray[np.uint8], pixel_size_nm: float | None, scale: float, pen: Pen) -> None:
    """Draw a bar of a round length into the lower left corner; in px where the scale is not known.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    pixel_size_nm : float or None
        Size of a frame pixel.
    scale : float
        Picture px per frame px.
    pen : Pen
    """
    height, width = canvas.shape[:2]
    per_px = (pixel_size_nm or 1.0) / scale
    length = round_length(width / 4 * per_px)
    bar, thick, margin = round(length / per_px), max(3, round(pen.font / 3)), pen.font
    x0, y1 = margin, height - margin
    canvas[y1 - thick - 1 : y1 + 1, x0 - 1 : x0 + bar + 1] = 12
    canvas[y1 - thick : y1, x0 : x0 + bar] = 255
    text = f"{length:g} px" if pixel_size_nm is None else length_text(length)
    draw_text(
        canvas, text, x0 + bar / 2, y1 - thick - pen.font / 4, size=round(1.15 * pen.font), colour=WHITE, anchor="mb"
    )


class Clock:
    """Writes the time of a frame in one unit and with as many digits as the whole movie needs.

    Parameters
    ----------
    times_s : numpy.ndarray or None
        Start of each frame in s, shape (T,); None where it is not known, and frames are counted.
    n_frames : int

    Examples
    --------
    >>> Clock(np.arange(5) * 0.0125, 5).text(2)
    '25.0 ms'
    """

    def __init__(self, times_s: NDArray[np.float64] | None, n_frames: int) -> None:
        self._times = times_s
        self._width = len(str(max(n_frames - 1, 0)))
        if times_s is None or len(times_s) == 0:
            return
        total = float(times_s[-1])
        self._unit_s, self._unit = next((u for u in _TIME_UNITS if total >= 1.5 * u[0]), _TIME_UNITS[-1])
        step = float(np.median(np.diff(times_s))) / self._unit_s if len(times_s) > 1 else 1.0
        self._digits = next((d for d in range(4) if abs(step * 10**d - round(step * 10**d)) < 0.02 * step * 10**d), 3)

    def text(self, frame: int) -> str:
        """Return the time of a frame with its unit, or its number."""
        if self._times is None or frame >= len(self._times):
            return f"frame {frame:>{self._width}d}"
        return f"{float(self._times[frame]) / self._unit_s:.{self._digits}f} {self._unit}"


def draw_time(canvas: NDArray[np.uint8], text: str, pen: Pen) -> None:
    """Write the time stamp into the upper left corner of a picture of shape (Y, X, 3)."""
    draw_text(canvas, text, pen.font * 0.7, pen.font * 0.7, size=round(1.25 * pen.font), colour=WHITE)


def draw_legend(canvas: NDArray[np.uint8], legend: Legend, pen: Pen) -> None:
    """Draw the meaning of the colours into the upper right corner.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    legend : Legend
    pen : Pen
    """
    right, top = canvas.shape[1] - pen.font, round(0.7 * pen.font)
    line = round(1.35 * pen.font)
    if legend.swatches:
        widest = max(text_size(f"{name} ●", pen.font)[0] for name, _ in legend.swatches)
        _plate(canvas, right - widest, right, top, top + len(legend.swatches) * line, pen)
        for n, (name, colour) in enumerate(legend.swatches):
            draw_text(canvas, f"{name} ●", right, top + n * line, size=pen.font, colour=colour, anchor="rt")
        return
    width, thick = 9 * pen.font, max(4, round(0.55 * pen.font))
    _plate(canvas, right - width, right, top, top + line + thick + pen.font, pen)
    draw_text(canvas, legend.title, right, top, size=pen.font, colour=WHITE, anchor="rt")
    y, x = top + line, right - width
    ramp = plasma_table()[np.linspace(DARKEST, 250, width).astype(int)]
    canvas[y - 1 : y + thick + 1, x - 1 : right + 1] = 12
    canvas[y : y + thick, x:right] = ramp[None]
    draw_text(canvas, legend.low, x, y + thick + 2, size=round(0.9 * pen.font), colour=WHITE)
    high = round(0.9 * pen.font)
    draw_text(canvas, legend.high, right - text_size(legend.high, high)[0], y + thick + 2, size=high, colour=WHITE)


def _plate(canvas: NDArray[np.uint8], left: int, right: int, top: int, bottom: int, pen: Pen) -> None:
    """Darken what is behind a legend, so that marks below it do not mix with it."""
    edge = pen.font // 2
    patch = canvas[max(top - edge, 0) : bottom + edge, max(left - edge, 0) : right + edge]
    patch[:] = patch // 3
