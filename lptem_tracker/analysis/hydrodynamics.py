"""Apparent size of a sphere from how it diffuses."""

from __future__ import annotations

import math

from scipy.constants import Boltzmann

from lptem_tracker.analysis.estimate import Estimate

WINDOW_WARNING = (
    "The hydrodynamic radius is apparent: near a window a particle diffuses up to a thousand times slower than "
    "Stokes-Einstein says (Verch 2015), so that the radius is an upper bound; compare it with the radius in the images."
)

SMALLEST = 1e-12
"""nm² a second; below it D is zero for every purpose."""


def hydrodynamic_radius(d: Estimate, temperature_k: float, viscosity_pa_s: float) -> Estimate:
    """Stokes–Einstein radius ``kT / (6 pi eta D)``.

    Parameters
    ----------
    d : Estimate
        Diffusion coefficient in nm² a second.
    temperature_k, viscosity_pa_s : float
        Of the bulk liquid.

    Returns
    -------
    Estimate
        In nm; its interval is that of D, turned over.

    Examples
    --------
    >>> d = Estimate(2.45e6, 1e5, 2.3e6, 2.6e6, "nm2/s", "example", 100)
    >>> round(hydrodynamic_radius(d, 298.15, 0.89e-3).value, 1)
    100.2
    """
    method = f"Stokes-Einstein at {temperature_k:g} K and {viscosity_pa_s:g} Pa s"
    if not (d.ok and d.value > SMALLEST):
        return Estimate.blank("nm", method, "D is not known or is zero", d.n_points)
    factor = Boltzmann * temperature_k / (6 * math.pi * viscosity_pa_s) * 1e27  # m³/s to nm³/s
    return Estimate(
        factor / d.value,
        factor / d.value * (d.std / d.value),
        factor / d.ci_high,
        factor / d.ci_low if d.ci_low > SMALLEST else math.inf,
        "nm",
        method,
        d.n_points,
        d.level,
    )
