"""Axes, units and acquisition metadata of RosettaSciIO's dictionaries → shape and Calibration of a movie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import MovieError
from lptem_tracker.movie.scale import from_metadata, is_time, square_pixel, to_nm, to_s


@dataclass(frozen=True)
class Axes:
    """How the axes of one data set make a movie.

    Attributes
    ----------
    dataset : int
        Its position in the file.
    shape : tuple of int
        (T, Y, X).
    time, y, x : int or None
        Which axis of the array is which.
    steps : mapping
        'time', 'y', 'x' → (step, unit) as the file gives them.
    """

    dataset: int
    shape: tuple[int, int, int]
    time: int | None
    y: int
    x: int
    steps: Mapping[str, tuple[Any, Any]]

    @property
    def interval_s(self) -> float | None:
        """Step of the time axis in s, where its unit is one of time and the step makes sense."""
        step = to_s(*self.steps.get("time", (None, None)))
        return step if step is not None and np.isfinite(step) and step > 0 else None

    def in_order(self, ndim: int) -> bool:
        """Return whether the array lies in the file as (T, Y, X), whatever axes of length 1 go before."""
        return (self.y, self.x) == (ndim - 2, ndim - 1) and (self.time is None or self.time < self.y)

    def as_movie(self, data: Any) -> Any:
        """Return the array with its axes in the order (T, Y, X)."""
        order = ([] if self.time is None else [self.time]) + [self.y, self.x]
        rest = [axis for axis in range(data.ndim) if axis not in order]
        return data.transpose(rest + order).reshape(self.shape) if rest or self.time is None else data.transpose(order)


def arrange(number: int, dataset: Mapping[str, Any]) -> Axes:
    """Return how a data set is a movie.

    Raises
    ------
    MovieError
        It is a spectrum, has complex pixels, or more than one axis besides y and x. The sentence does not
        name the file.
    """
    data, axes = dataset["data"], list(dataset["axes"])
    if data.dtype.kind not in "buif" and not data.dtype.names:
        raise MovieError(f"its pixels are {data.dtype}, expected real numbers (take the modulus of complex data first)")
    if any(str(axis.get("units") or "").strip().lower() in {"ev", "kev"} for axis in axes):
        raise MovieError("it holds spectra, expected pictures")
    y, x = _picture_axes(axes, data.ndim)
    others = [axis for axis in range(data.ndim) if axis not in (y, x) and data.shape[axis] > 1]
    if len(others) > 1:
        raise MovieError(
            f"its shape {tuple(map(int, data.shape))} has {2 + len(others)} axes, expected pictures in time "
            "(4-D STEM data must be reduced to one picture a frame first)"
        )
    time = others[0] if others else None
    steps = {
        name: (axes[at].get("scale"), axes[at].get("units"))
        for name, at in (("time", time), ("y", y), ("x", x))
        if at is not None and at < len(axes)
    }
    shape = (1 if time is None else int(data.shape[time]), int(data.shape[y]), int(data.shape[x]))
    return Axes(number, shape, time, y, x, steps)


def _picture_axes(axes: list[dict[str, Any]], ndim: int) -> tuple[int, int]:
    if ndim < 2:
        raise MovieError("it holds a spectrum or a single row, expected pictures")
    names = [str(axis.get("name") or "").lower() for axis in axes]
    if names.count("x") == 1 and names.count("y") == 1:
        return names.index("y"), names.index("x")
    signal = [i for i, axis in enumerate(axes) if not axis.get("navigate", False)]
    if len(signal) == 2:
        return signal[0], signal[1]
    times = [i for i, axis in enumerate(axes) if is_time(axis.get("units"))]
    rest = [i for i in range(ndim) if i not in times[:1]]
    return rest[-2], rest[-1]


def read_calibration(dataset: Mapping[str, Any], axes: Axes, warnings: list[str]) -> Calibration:
    """Return the calibration that the axes and the acquisition metadata give."""
    sizes = {}
    for name in "yx":
        step, unit = axes.steps.get(name, (None, None))
        sizes[name] = to_nm(step, unit)
        if sizes[name] is None and unit and str(unit).strip().lower() not in {"px", "pixel", "pixels", "<undefined>"}:
            warnings.append(f"The file's scale is in {unit}, which is no length: the pixel size is unknown.")
            break
    step, unit = axes.steps.get("time", (None, None))
    if unit and not is_time(unit) and str(unit) != "<undefined>":
        warnings.append(f"The third axis of the stack is in {unit}, not in time; its pictures are taken as frames.")
    return from_metadata(
        warnings,
        pixel_size_nm=square_pixel(sizes.get("x"), sizes.get("y"), warnings),
        frame_interval_s=to_s(step, unit),
        exposure_s=_exposure(dataset),
    )


_EXPOSURE = {"exposure (s)": 1.0, "exposure time (s)": 1.0, "exposuretime": 1.0}


def _exposure(dataset: Mapping[str, Any]) -> float | None:
    """Return the exposure in s that the file gives, where all places that give one agree."""
    tem = dataset.get("metadata", {}).get("Acquisition_instrument", {}).get("TEM", {})
    camera = tem.get("Camera", {}) if isinstance(tem, Mapping) else {}
    found = {float(camera["exposure"])} if isinstance(camera.get("exposure"), int | float) else set()
    for key, value in _walk(dataset.get("original_metadata", {})):
        factor = _EXPOSURE.get(key.lower())
        if factor is not None and isinstance(value, int | float | str):
            try:
                found.add(round(float(value) * factor, 9))
            except ValueError:
                continue
    found.discard(0.0)
    return found.pop() if len(found) == 1 else None


def _walk(tree: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and depth < 12:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                yield from _walk(value, depth + 1)
            else:
                yield str(key), value


def record(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the title, the axes and the general metadata of a data set as plain values for a run's record."""
    axes = [
        {"name": str(axis.get("name")), "size": int(axis.get("size", 0)), "scale": _plain(axis.get("scale")),
         "units": None if axis.get("units") is None else str(axis.get("units"))}
        for axis in dataset["axes"]
    ]  # fmt: skip
    general = dataset.get("metadata", {}).get("General", {})
    return {"axes": axes, "general": {str(key): str(value) for key, value in general.items()}}


def _plain(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) or hasattr(value, "__float__") else None
