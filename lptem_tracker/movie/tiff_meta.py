"""Pixel size and timing from the tags of a TIFF: OME-XML, ImageJ, Micro-Manager, DigitalMicrograph, resolution."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.movie.guard import first_line
from lptem_tracker.movie.scale import square_pixel, to_nm, to_s

_FINEST_PRINT_NM = 1000.0  # 25,400 dots per inch: a finer resolution tag describes a specimen, not paper


@dataclass
class TiffScale:
    """What a TIFF says of its scale.

    Attributes
    ----------
    format : str
    pixel_size_nm, frame_interval_s, exposure_s : float or None
    times_s : numpy.ndarray or None
        Start of each frame since the first, shape (T,).
    metadata : dict
    """

    format: str = "TIFF"
    pixel_size_nm: float | None = None
    frame_interval_s: float | None = None
    exposure_s: float | None = None
    times_s: NDArray[np.float64] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def read_scale(tif: Any, n_frames: int, warnings: list[str]) -> TiffScale:
    """Return the scale and timing that a TIFF's tags give, from the most to the least explicit.

    Parameters
    ----------
    tif : tifffile.TiffFile
    n_frames : int
    warnings : list of str
        Appended to where a tag cannot be understood.
    """
    big = "BigTIFF" if tif.is_bigtiff else "TIFF"
    try:
        if tif.is_ome:
            return _ome(tif.ome_metadata, n_frames, warnings)
        if tif.is_imagej:
            return _imagej(tif, warnings)
        if tif.is_micromanager:
            return _micromanager(tif, warnings)
        scale = _private_tags(tif.pages[0], warnings)
    except Exception as error:  # noqa: BLE001 - a damaged tag must not keep the pixels from being read
        warnings.append(f"The scale in the TIFF's tags cannot be read ({first_line(error)}).")
        scale = TiffScale()
    scale.format = big
    return scale


def _ome(xml: str, n_frames: int, warnings: list[str]) -> TiffScale:
    root = ElementTree.fromstring(xml)
    pixels = next((node for node in root.iter() if node.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return TiffScale("OME-TIFF")
    get = pixels.attrib.get
    x, y = (to_nm(get(f"PhysicalSize{axis}"), get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY")
    times, exposures = [], set()
    for plane in (node for node in pixels if node.tag.rpartition("}")[2] == "Plane"):
        times.append(to_s(plane.get("DeltaT"), plane.get("DeltaTUnit", "s")))
        exposures.add(to_s(plane.get("ExposureTime"), plane.get("ExposureTimeUnit", "s")))
    scale = TiffScale(
        "OME-TIFF", square_pixel(x, y, warnings), to_s(get("TimeIncrement"), get("TimeIncrementUnit", "s"))
    )
    scale.exposure_s = exposures.pop() if len(exposures) == 1 else None
    scale.metadata = {"ome": dict(pixels.attrib)}
    _add_times(scale, times, n_frames, warnings)
    return scale


def _add_times(scale: TiffScale, times: list[float | None], n_frames: int, warnings: list[str]) -> None:
    if len(times) != n_frames or n_frames < 2 or any(time is None for time in times):
        return
    since = np.array(times, np.float64)
    since -= since[0]
    if not np.all(np.diff(since) > 0):
        if np.any(since):
            warnings.append("The times of the frames in the file do not increase; they were ignored.")
        return
    scale.times_s = since
    if scale.frame_interval_s is None:
        scale.frame_interval_s = float(np.median(np.diff(since)))


def _imagej(tif: Any, warnings: list[str]) -> TiffScale:
    tags = tif.imagej_metadata or {}
    unit = tags.get("unit")
    x, y = (_per_unit(tif.pages[0], axis, unit) for axis in "XY")
    scale = TiffScale("ImageJ TIFF", square_pixel(x, y, warnings))
    # fps is how fast ImageJ plays the stack; only finterval is the time between two frames
    if tags.get("finterval"):
        scale.frame_interval_s = to_s(tags["finterval"], tags.get("tunit") or "s")
    keep = ("ImageJ", "images", "frames", "slices", "channels", "unit", "finterval", "tunit", "fps", "spacing", "Info")
    scale.metadata = {"imagej": {key: tags[key] for key in keep if key in tags}}
    return scale


def _per_unit(page: Any, axis: str, unit: object) -> float | None:
    tag = page.tags.get(f"{axis}Resolution")
    if tag is None or not tag.value[0] or not tag.value[1]:
        return None
    return to_nm(tag.value[1] / tag.value[0], unit)


def _micromanager(tif: Any, warnings: list[str]) -> TiffScale:
    summary = (tif.micromanager_metadata or {}).get("Summary", {})
    size_um = summary.get("PixelSize_um") or summary.get("PixelSizeUm")
    scale = TiffScale("Micro-Manager TIFF", to_nm(size_um, "um") if size_um else None)
    interval = summary.get("Interval_ms") or summary.get("WaitInterval")
    scale.frame_interval_s = to_s(interval, "ms") if interval else None
    scale.metadata = {"micromanager": json.loads(json.dumps(summary, default=str))}
    return scale


def _private_tags(page: Any, warnings: list[str]) -> TiffScale:
    """Read the tags of DigitalMicrograph (65003 and on), FEI and SIS, then a resolution too fine for paper."""
    tags = page.tags
    if all(code in tags for code in (65003, 65004, 65009, 65010)):
        x, y = (to_nm(tags[65009 + i].value, tags[65003 + i].value) for i in (0, 1))
        return TiffScale(pixel_size_nm=square_pixel(x, y, warnings), metadata={"tags": "DigitalMicrograph"})
    for code, name in ((34682, "FEI"), (34680, "FEI")):
        scan = tags[code].value.get("Scan", {}) if code in tags and isinstance(tags[code].value, dict) else {}
        if "PixelWidth" in scan and "PixelHeight" in scan:
            x, y = to_nm(scan["PixelWidth"], "m"), to_nm(scan["PixelHeight"], "m")
            return TiffScale(pixel_size_nm=square_pixel(x, y, warnings), metadata={"tags": name})
    unit = {2: "inch", 3: "cm"}.get(int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 0)
    x, y = (_per_unit(page, axis, unit) for axis in "XY")
    if x is None or y is None or max(x, y) > _FINEST_PRINT_NM:
        return TiffScale()
    return TiffScale(pixel_size_nm=square_pixel(x, y, warnings))
