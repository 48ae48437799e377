"""Outlines as a zip of ImageJ regions of interest, one a particle and frame, on its slice of the stack."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.export.outlines import outline_points

_POLYGON, _SUB_PIXEL, _VERSION = 0, 128, 228
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def write_imagej_roi(path: Path, tracks: pd.DataFrame) -> Path:
    """Write the outlines of a table as polygons for ImageJ's ROI manager.

    Parameters
    ----------
    path : pathlib.Path
        A zip file.
    tracks : pandas.DataFrame
        In px; with `particle` where they are tracks.

    Returns
    -------
    pathlib.Path
        The same table gives the same bytes.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, row in enumerate(tracks.itertuples()):
            particle = getattr(row, "particle", n)
            name = f"{int(row.frame) + 1:06d}-p{int(particle)}"
            # ImageJ measures from the corner of the first pixel
            content = polygon_roi(outline_points(row) + 0.5, name, position=int(row.frame) + 1)
            archive.writestr(zipfile.ZipInfo(f"{name}.roi", _NO_DATE), content)
    return path


def polygon_roi(points: NDArray[np.float64], name: str, position: int) -> bytes:
    """Return a polygon in ImageJ's binary form, with sub-pixel corners.

    Parameters
    ----------
    points : numpy.ndarray
        x and y from the corner of the first pixel, shape (n, 2).
    name : str
    position : int
        Slice of the stack, from 1.
    """
    n = len(points)
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    header = bytearray(64)
    header[0:4] = b"Iout"
    struct.pack_into(">hBB", header, 4, _VERSION, _POLYGON, 0)
    struct.pack_into(">hhhhH", header, 8, *(_short(v) for v in (low[1], low[0], high[1], high[0])), n)
    struct.pack_into(">h", header, 50, _SUB_PIXEL)
    struct.pack_into(">i", header, 56, position)
    whole = np.clip(np.round(points - low), -32768, 32767).astype(">i2")
    body: bytes = whole[:, 0].tobytes() + whole[:, 1].tobytes()
    body += points[:, 0].astype(">f4").tobytes() + points[:, 1].astype(">f4").tobytes()
    struct.pack_into(">i", header, 60, 64 + len(body))
    second = bytearray(64)
    struct.pack_into(">i", second, 12, position)
    struct.pack_into(">ii", second, 16, 64 + len(body) + 64, len(name))
    return bytes(header) + body + bytes(second) + name.encode("utf-16-be")


def _short(value: float) -> int:
    return int(np.clip(value, -32768, 32767))
