"""The vocabulary in which a plot is handed to the page: axes and series as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

BLUE, ORANGE, GREEN, PINK, GREY, YELLOW, VERMILION = (
    "#3b82d6", "#e69f00", "#009e73", "#cc79a7", "#8a8f98", "#d1b800", "#d55e00",
)  # fmt: skip
Kind = Literal["line", "points", "bars", "band", "errors", "steps", "marks", "span"]


def numbers(values: Iterable[Any], digits: int = 6) -> list[float | None]:
    """Return numbers rounded to significant digits, None where they are not finite."""
    array = np.asarray(list(values) if not isinstance(values, np.ndarray) else values, dtype=float)
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in array]


def axis(
    label: str,
    *,
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
    names: list[str] | None = None,
) -> dict[str, Any]:
    """Return an axis: its label with unit, its scale, its range where it is fixed, its names where it has lanes."""
    whole = label in {"particles", "clusters", "frame", "particle, by value", "hops"}
    return {"label": label, "log": log, "min": low, "max": high, "names": names, "whole": whole}


def series(
    kind: Kind, x: Iterable[Any], y: Iterable[Any], *, name: str = "", colour: str = BLUE, **more: Any
) -> dict[str, Any]:
    """Return a series.

    Parameters
    ----------
    kind : {'line', 'points', 'bars', 'band', 'errors', 'steps', 'marks', 'span'}
        `band`, `errors` and `bars` take `low` and `high`; a `span` lies between its two `x` from top to bottom,
        with a line at `value`.
    x, y : iterable of float
    name : str
        Shown in the legend; without one the series is not listed.
    colour : str
    **more
        `low`, `high`, `width`, `ids` (particle of each point), `particle` (of the whole series), `text`,
        `opacity`, `dash`, `value`.
    """
    out: dict[str, Any] = {"kind": kind, "name": name, "colour": colour, "x": numbers(x), "y": numbers(y)}
    for key in ("low", "high"):
        if key in more:
            more[key] = numbers(more[key])
    return out | {key: value for key, value in more.items() if value is not None}


def plot(
    key: str,
    title: str,
    x: dict[str, Any],
    y: dict[str, Any],
    content: list[dict[str, Any]],
    *,
    caption: str = "",
    height: int = 300,
    width: int = 460,
) -> dict[str, Any]:
    """Return a plot: its key in the page, title, axes, series and what a reader should know of it."""
    return {
        "key": key,
        "title": title,
        "x": x,
        "y": y,
        "series": content,
        "caption": caption,
        "height": height,
        "width": width,
    }


def span(value: Any, interval: Any, name: str) -> list[dict[str, Any]]:
    """Return a value with its interval as an upright band over a histogram; nothing where either is not known.

    Parameters
    ----------
    value : float or None
    interval : (low, high) or None
    name : str
    """
    known = isinstance(interval, list | tuple) and len(interval) == 2
    if not known or not all(isinstance(v, int | float) and np.isfinite(v) for v in (value, *interval)):
        return []
    return [series("span", interval, [0, 0], name=name, colour=VERMILION, value=float(value))]


def histogram(
    values: Iterable[Any], *, log: bool = False, most: int = 40
) -> tuple[list[float], list[float], list[int]]:
    """Return left edges, right edges and counts; as many bins as the data bear (Freedman & Diaconis 1981).

    Parameters
    ----------
    values : iterable of float
        Values that are not finite are left out; so are those of 0 and below with `log`.
    log : bool
        Bins of equal ratio.
    most : int
        Largest number of bins.
    """
    array = np.asarray(values if hasattr(values, "__array__") else list(values), dtype=float)
    array = array[np.isfinite(array) & ((array > 0) | (not log))]
    if not array.size:
        return [], [], []
    shown = np.log10(array) if log else array
    spread = float(np.subtract(*np.percentile(shown, [75, 25])))
    span = float(np.ptp(shown))
    wanted = span / (2 * spread / array.size ** (1 / 3)) if spread > 0 else 1.0
    bins = int(np.clip(np.ceil(wanted), 5 if span > 0 else 1, most))
    counts, edges = np.histogram(shown, bins=bins)
    edges = 10**edges if log else edges
    return edges[:-1].tolist(), edges[1:].tolist(), counts.tolist()


def histogram_bars(values: Iterable[Any], colour: str, *, log: bool = False) -> tuple[dict[str, Any], int]:
    """Return the bars of a `histogram` as a series, and how many values they hold.

    Parameters
    ----------
    values : iterable of float
    colour : str
    log : bool
        Bins of equal ratio; a bar then stands at the geometric mean of its edges.
    """
    left, right, counts = histogram(values, log=log)
    a, b = np.array(left), np.array(right)
    centre = np.sqrt(a * b) if log else (a + b) / 2
    return series("bars", centre, counts, colour=colour, low=left, high=right), sum(counts)
