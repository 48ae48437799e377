"""Text on frames: any Unicode character, outlined so that it can be read on any grey."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lptem_tracker.report.palette import Colour

_EDGE_GREY = 12


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


@lru_cache(maxsize=4096)
def _stamp(text: str, size: int, bold: bool) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the coverage of the glyphs and of their dark outline, each (height, width, 1), 0 to 256."""
    font = _font(size, bold)
    edge = max(1, round(size / 9))
    left, top, right, bottom = font.getbbox(text, stroke_width=edge)
    shape = (int(np.ceil(right - left)) + 1, int(np.ceil(bottom - top)) + 1)
    masks = []
    for width in (0, edge):
        image = Image.new("L", shape)
        ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font, stroke_width=width)
        coverage = np.asarray(image, dtype=np.uint16)[:, :, None]
        masks.append((coverage * 256 + 127) // 255)
    return masks[0], masks[1]


@lru_cache(maxsize=4096)
def _coloured(text: str, size: int, bold: bool, colour: Colour) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return a text as a share of the picture to keep (height, width, 1) and a colour to add, both times 256."""
    glyphs, outline = (mask.astype(np.uint32) for mask in _stamp(text, size, bold))
    keep = (256 - outline) * (256 - glyphs) >> 8
    dark = outline * (256 - glyphs) >> 8
    add = dark * _EDGE_GREY + glyphs * np.array(colour, dtype=np.uint32)
    return keep.astype(np.uint16), np.minimum(add, 65_535 - 255 * keep).astype(np.uint16)


def text_size(text: str, size: int, *, bold: bool = False) -> tuple[int, int]:
    """Return (width, height) in px of a text with its outline."""
    glyphs, _ = _stamp(text, size, bold)
    return glyphs.shape[1], glyphs.shape[0]


def draw_text(
    canvas: NDArray[np.uint8],
    text: str,
    x: float,
    y: float,
    *,
    size: int,
    colour: Colour,
    bold: bool = False,
    anchor: str = "lt",
) -> None:
    """Draw a line of text with a dark outline; what falls outside the canvas is cut.

    Parameters
    ----------
    canvas : numpy.ndarray
        Shape (Y, X, 3), uint8, changed in place.
    text : str
    x, y : float
        Anchor in px.
    size : int
        Font size in px.
    colour : (R, G, B)
    bold : bool
    anchor : str
        Two letters: l, m or r (left, middle, right) and t, m or b (top, middle, bottom).
    """
    keep, add = _coloured(text, size, bold, colour)
    height, width = keep.shape[:2]
    left = round(x - {"l": 0, "m": width / 2, "r": width}[anchor[0]])
    top = round(y - {"t": 0, "m": height / 2, "b": height}[anchor[1]])
    y0, y1 = max(top, 0), min(top + height, canvas.shape[0])
    x0, x1 = max(left, 0), min(left + width, canvas.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    cut = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    patch = canvas[y0:y1, x0:x1]
    mixed = patch * keep[cut]
    mixed += add[cut]
    mixed >>= 8
    patch[:] = mixed
