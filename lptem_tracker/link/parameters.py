"""What the linker believes about the movie, where each number comes from, and the costs that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.link.candidates import Costs

Origin = Literal["data", "user", "default"]

LEAN = 1.1
"""Steps are taken this much longer than estimated: too short costs 0.02–0.06 of F1 at a third, too long 0.008."""

GATE = 4.5
"""Search radius in standard deviations; at 3.5 one step in 460 is lost and its track with it."""

TAIL_SHARE, TAIL_SIGMA, TAIL_SPACING, TAIL_GATE = 0.01, 3.0, 0.3, 2.5
"""The wide mode: share of the steps, standard deviation over that of the widest mode and at most over the
neighbour spacing, and its search radius in its own standard deviations."""

DOUBT_MOST = 4.0
"""Bound of what a confidence may say for or against a detection, nats."""


@dataclass(frozen=True)
class Parameters:
    """Everything the costs are made of; `sources` says which of it was estimated.

    Attributes
    ----------
    step_sigma_px : tuple of float
        Standard deviation of a step per axis and frame in px, one for each mode of motion.
    mode_share : tuple of float
        Share of the steps in each mode.
    density_px2 : float
        Particles per px².
    miss_rate, death_rate : float
        Probability per frame that a particle there is not detected, or leaves for good.
    birth_density, false_density : float
        New particles and false detections per px² and frame.
    doubt_level, doubt_slope : float
        Log-likelihood ratio of a detection being false is ``level + slope · logit(confidence)``.
    """

    step_sigma_px: tuple[float, ...]
    mode_share: tuple[float, ...] = (1.0,)
    density_px2: float = 1e-3
    miss_rate: float = 0.05
    death_rate: float = 0.002
    birth_density: float = 2e-6
    false_density: float = 2e-5
    gate_sigma: float = GATE
    max_displacement_px: float | None = None
    look_change: tuple[float, ...] = ()
    look_mean: tuple[float, ...] = ()
    look_spread: tuple[float, ...] = ()
    doubt_level: float = 0.0
    doubt_slope: float = 0.0
    sources: Mapping[str, Origin] = field(default_factory=dict)

    def with_user(self, values: Mapping[str, float]) -> Parameters:
        """Return a copy in which `values` replace what was estimated.

        Raises
        ------
        SettingsError
            A name is unknown or a value out of its range.
        """
        new: dict[str, Any] = {}
        for name, value in values.items():
            if name not in UNITS or name.startswith(("look_", "mode_", "doubt_")):
                raise SettingsError(f"Unknown link parameter {name!r}; known: {', '.join(UNITS)}.")
            if not (math.isfinite(value) and value > 0 and (value < 1 or not name.endswith("_rate"))):
                raise SettingsError(f"The link parameter {name} must be positive (a rate below 1); got {value!r}.")
            new[name] = (float(value),) if name == "step_sigma_px" else float(value)
            if name == "step_sigma_px":
                new["mode_share"] = (1.0,)
        return replace(self, **new, sources={**self.sources, **dict.fromkeys(values, "user")})

    def report(self) -> dict[str, dict[str, Any]]:
        """Return each parameter as ``{"value", "unit", "source"}``, ready for JSON."""
        out = {}
        for name, unit in UNITS.items():
            value = getattr(self, name)
            if isinstance(value, tuple):
                value = [float(v) for v in value] if len(value) != 1 else float(value[0])
            elif value is not None:
                value = float(value)
            out[name] = {"value": value, "unit": unit, "source": self.sources.get(name, "default")}
        return out

    def costs(self, max_lag: int, window_frames: int) -> Costs:
        """Return the constants of the link weights.

        A window of one frame cannot wait to see whether a detection was false, so false detections and
        births are then one kind of start.
        """
        age = np.arange(max_lag + 1.0)
        unseen = np.exp(age * math.log(self.miss_rate))
        log_seen = math.log1p(-self.miss_rate)
        single = window_frames == 1
        start = np.log(self.birth_density + self.density_px2 * unseen + (self.false_density if single else 0.0))
        end = np.log(unseen + (1 - unseen) * self.death_rate)
        user = self.max_displacement_px
        share, step_var, once_var, gate = self._kernel()
        return Costs(
            max_lag,
            gate,
            math.inf if user is None else float(user),
            log_seen,
            math.log(self.miss_rate),
            start + log_seen,
            end,
            -math.inf if single else math.log(self.false_density),
            np.log(share),
            step_var,
            once_var,
            np.array(self.look_change),
            np.array(self.look_mean),
            np.array(self.look_spread),
            self.doubt_level,
            self.doubt_slope,
            DOUBT_MOST if self.doubt_slope != 0 else 0.0,
        )

    def _kernel(self) -> tuple[NDArray[np.float64], ...]:
        """Return share, variances by frame and by link, and gate of the modes, with a wide one for rare long steps.

        Real steps have heavier tails than any two Gaussians (kurtosis 8 in rods near a window). The wide mode
        stays below the neighbour spacing: farther off, a step is another particle's.
        """
        lean = 1.0 if self.sources.get("step_sigma_px") == "user" else LEAN
        share, sigma = np.array(self.mode_share), lean * np.array(self.step_sigma_px)
        gate = np.full(len(share), self.gate_sigma)
        tail = min(TAIL_SIGMA * sigma.max(), TAIL_SPACING / math.sqrt(self.density_px2))
        if tail > 1.5 * sigma.max():
            share = np.append(share * (1 - TAIL_SHARE), TAIL_SHARE)
            once = np.append(np.zeros(len(sigma)), tail**2 - sigma.max() ** 2)
            return share, np.append(sigma, sigma.max()) ** 2, once, np.append(gate, TAIL_GATE)
        return share, sigma**2, np.zeros(len(sigma)), gate


UNITS = {
    "step_sigma_px": "px per frame and axis",
    "mode_share": "1",
    "density_px2": "1/px^2",
    "miss_rate": "1/frame",
    "death_rate": "1/frame",
    "birth_density": "1/(px^2 frame)",
    "false_density": "1/(px^2 frame)",
    "look_change": "nats of log size, log aspect",
    "look_spread": "nats of log size, log aspect",
    "doubt_level": "nats",
    "doubt_slope": "nats per nat",
    "gate_sigma": "standard deviations",
    "max_displacement_px": "px",
}


def fallback_costs(reach: float, max_lag: int, max_step: float, looks: int = 0) -> Costs:
    """Costs for a handful of detections, from which nothing can be estimated.

    A link of length d is then worth ``(reach² − d²)·4.5/reach²``: all within reach are linked, and
    together they are as short as possible (Crocker & Grier 1996, eq. 5).
    """
    sigma = reach / 3.0
    start = np.full(1, -math.log(2 * math.pi * sigma**2) - 4.5 - 1e-6)
    nothing: NDArray[np.float64] = np.empty(0)
    return Costs(
        max_lag,
        np.full(1, 3.0 * (1 + 1e-9)),
        max_step,
        0.0,
        -0.5,
        start,
        np.zeros(1),
        -math.inf,
        np.zeros(1),
        np.array([sigma**2]),
        np.zeros(1),
        nothing,
        nothing,
        nothing,
    )
