"""One measured quantity with everything a paper needs to print it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value with its error, unit, origin and number of points.

    Attributes
    ----------
    value, std : float
        The estimate and its standard error; NaN where it cannot be estimated.
    ci_low, ci_high : float
        Ends of the interval at `level`.
    unit : str
    method : str
        How it was made, in words for a methods paragraph.
    n_points : int
        Displacements, pairs or tracks it rests on.
    level : float
        Confidence level of the interval.
    reason : str
        Why it is blank, where it is.

    Examples
    --------
    >>> str(Estimate(2.0, 0.1, 1.8, 2.2, "nm2/s", "maximum likelihood", 98))
    '2 [1.8, 2.2] nm2/s (maximum likelihood, n = 98)'
    """

    value: float
    std: float
    ci_low: float
    ci_high: float
    unit: str
    method: str
    n_points: int
    level: float = 0.95
    reason: str = ""

    @classmethod
    def blank(cls, unit: str, method: str, reason: str, n_points: int = 0) -> Estimate:
        """Return an estimate without a value, and say why there is none."""
        nan = math.nan
        return cls(nan, nan, nan, nan, unit, method, n_points, reason=reason)

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    def scaled(self, factor: float, unit: str) -> Estimate:
        """Return the same estimate in another unit."""
        return Estimate(
            self.value * factor,
            self.std * factor,
            self.ci_low * factor,
            self.ci_high * factor,
            unit,
            self.method,
            self.n_points,
            self.level,
            self.reason,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain JSON values (NaN and infinity as None)."""

        def number(x: float) -> float | None:
            return float(x) if math.isfinite(x) else None

        out: dict[str, Any] = {
            "value": number(self.value),
            "std": number(self.std),
            "ci": [number(self.ci_low), number(self.ci_high)],
            "level": self.level,
            "unit": self.unit,
            "method": self.method,
            "n_points": int(self.n_points),
        }
        return out | ({"reason": self.reason} if self.reason else {})

    def __str__(self) -> str:
        if not self.ok:
            return f"not estimated: {self.reason}"
        return (
            f"{self.value:.4g} [{self.ci_low:.4g}, {self.ci_high:.4g}] {self.unit} ({self.method}, n = {self.n_points})"
        )
