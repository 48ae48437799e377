"""The names of measured quantities as a reader knows them, with their units."""

from __future__ import annotations

import math
import re

_STEMS = {
    "motion": "Class of motion",
    "motion_weight": "Probability of this class",
    "reason": "Not measured because",
    "D": "Diffusion D",
    "D_slow": "D of the slow state",
    "D_fast": "D of the fast state",
    "alpha": "Anomalous exponent α",
    "Dr": "Rotational diffusion",
    "v": "Speed of directed motion",
    "confinement_rms": "Size of the trap (rms)",
    "localization": "Localisation error",
    "non_gaussian": "Non-Gaussian parameter",
    "step_correlation": "Correlation of steps",
    "change_points": "Motion switches at frames",
    "radius": "Radius",
    "length": "Length",
    "width": "Width",
    "aspect_ratio": "Aspect ratio",
    "circularity": "Circularity",
    "trend": "Size over time",
    "fate": "Fate",
    "n_observed": "Frames observed",
    "frame_first": "First frame",
    "frame_last": "Last frame",
}
_GROWTH = {"": "Growth of the radius", "2": "Growth of the area", "3": "Growth of the volume"}
_UNIT = re.compile(r"^(?P<stem>.+?)_(?P<unit>(?:nm|px|rad)[23]?(?:_(?:s|frame))?)$")
ORDER = tuple(_STEMS)
_RAISED = str.maketrans("23", "²³")
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def unit_text(unit: str) -> str:
    """Return a unit as it stands in column names in print.

    Examples
    --------
    >>> unit_text("nm2_s")
    'nm²/s'
    """
    return unit.translate(_RAISED).replace("_", "/")


def figure(value: float, digits: int = 3) -> str:
    """Return a number with a few significant digits, as it is printed.

    Examples
    --------
    >>> figure(1596.8), figure(0.25), figure(-4.2e-6)
    ('1600', '0.25', '−4.2·10⁻⁶')
    """
    text = f"{value:.{digits}g}"
    if value and math.isfinite(value) and not 1e-4 <= abs(value) < 1e6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        text = f"{float(mantissa):g}·10{str(int(power)).translate(_POWERS)}"
    elif "e" in text:
        text = f"{float(text):.0f}"
    return text.replace("-", "−")


def amount(value: float, unit: str) -> str:
    """Return a number with its unit; frames are counted.

    Examples
    --------
    >>> amount(4.0, "frame"), amount(0.1, "s")
    ('4 frames', '0.1 s')
    """
    return f"{figure(value)} {unit}" + ("s" if unit == "frame" and value != 1 else "")


def column_label(name: str) -> tuple[str, str]:
    """Return the label and the unit of a column of particles.csv; unknown names are only spelt out.

    Examples
    --------
    >>> column_label("D_nm2_s")
    ('Diffusion D', 'nm²/s')
    >>> column_label("edge_share")
    ('Edge share', '')
    """
    found = _UNIT.match(name)
    stem, unit = (found["stem"], found["unit"]) if found else (name, "")
    if stem == "growth" and unit:
        return _GROWTH[unit[2:3].replace("_", "")], unit_text(unit)
    label = _STEMS.get(stem)
    return label or stem.replace("_", " ").capitalize(), unit_text(unit)


def labels(names: list[str]) -> dict[str, tuple[str, str]]:
    """Return (label, unit) of each column, motion first, then size, what is unknown after it.

    Parameters
    ----------
    names : list of str
    """
    order = {stem: n for n, stem in enumerate(ORDER)}

    def place(name: str) -> int:
        found = _UNIT.match(name)
        stem = found["stem"] if found else name
        return order.get("circularity" if stem == "growth" else stem, len(order))

    return {name: column_label(name) for name in sorted(names, key=place)}
