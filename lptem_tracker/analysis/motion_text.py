"""Words that go with the numbers: a methods paragraph and warnings, each with its remedy."""

from __future__ import annotations

import math

from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.hydrodynamics import WINDOW_WARNING
from lptem_tracker.analysis.linking_bias import DOUBTFUL, LONG_STEP, LinkCheck
from lptem_tracker.analysis.motion_fit import MotionFit
from lptem_tracker.analysis.motion_summary import anisotropy, reported_d
from lptem_tracker.analysis.trackset import TrackSet
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import MotionSettings

WORTH_SAYING = 0.02
"""Relative correction of D from which on it is named."""
_SURE_ERRORS = 3.0
"""Standard errors from which a difference between the axes is named."""

REFERENCES = (
    "Berglund, Phys. Rev. E 82, 011917 (2010); Relich et al., Phys. Rev. E 93, 042401 (2016); Michalet & Berglund, "
    "Phys. Rev. E 85, 061916 (2012); Vestergaard, Blainey & Flyvbjerg, Phys. Rev. E 89, 022726 (2014); Bullerjahn, "
    "von Bülow & Hummer, J. Chem. Phys. 153, 024116 (2020); Backlund, Joyner & Moerner, Phys. Rev. E 91, 062716 "
    "(2015); Blom & Bar-Shalom, IEEE Trans. Autom. Control 33, 780 (1988); Schwarz, Ann. Stat. 6, 461 (1978); "
    "Vineyard, Phys. Rev. 110, 999 (1958)."
)


_SHAPES = (
    " The anomalous exponent was estimated by the exact likelihood of fractional Brownian motion with localisation "
    "error and blur, the localisation variance being shared by all particles. Classes of motion (immobile, Brownian, "
    "trapped as an Ornstein-Uhlenbeck process, directed, fractional Brownian, two-state hidden Markov) were weighed by "
    "Schwarz's criterion with shares of classes estimated from the ensemble."
)
_REDRAWN = (
    " D was corrected for wrong links by the mean over sets of links drawn from their posterior by Metropolis moves "
    "(Oh, Russell & Sastry, IEEE Trans. Autom. Control 54, 481, 2009), and its interval widened by their spread "
    "(Rubin, Multiple Imputation, 1987)."
)


def methods_paragraph(fit: MotionFit, calibration: Calibration, settings: MotionSettings, links: LinkCheck) -> str:
    """Return how the numbers were made, for the methods section of a paper."""
    n, m = len(fit.tracks), int(fit.tracks.n_observed.sum())
    percent = f"{100 * settings.confidence_level:g} %"
    if calibration.exposure_s is None or calibration.frame_interval_s is None:
        blur = (
            "As the share of the frame that was exposed was not known, any motion blur up to that of a full-frame "
            "exposure was allowed for."
        )
    else:
        blur = f"Motion blur entered with R = {calibration.blur_coefficient:.4g} (uniform exposure)."
    drift = {
        "steady": "A drift velocity common to all particles was treated as unknown (restricted likelihood).",
        "frame by frame": "Common motion was removed frame by frame, with the particles' own share in it restored.",
        "none": "No common motion was removed.",
    }[fit.drift.kind]
    weights = (
        " Stated errors of single positions scaled the localisation variance, with a fitted factor."
        if fit.imaging.weighted
        else ""
    )
    pooled = reported_d(fit, links)
    shapes = "" if fit.shapes is None else _SHAPES
    redrawn = _REDRAWN if links.corrected else ""
    return (
        f"Motion was measured from {m} positions of {n} particles. Diffusion coefficients and localisation errors are "
        f"maximum-likelihood estimates from all displacements with their exact covariance, gaps included; intervals "
        f"({percent}) are profile-likelihood intervals for single particles, and for the pooled D ({pooled.method}) "
        f"{_interval_words(pooled.interval)}. {blur}{weights} {drift}{shapes}{redrawn} References: {REFERENCES}"
    )


def _interval_words(interval: str) -> str:
    """Return how the pooled interval was made, with its source where that is over tracks."""
    if "over" not in interval:
        return f"a {interval} interval"
    return f"a {interval} (Student's t, corrected for skewness; Hall, J. R. Stat. Soc. B 54, 221, 1992)"


def collect_warnings(
    every: TrackSet,
    fit: MotionFit,
    estimates: dict[str, Estimate],
    calibration: Calibration,
    settings: MotionSettings,
    links: LinkCheck,
) -> list[str]:
    """Return reservations, each with what to do about it."""
    out = _calibration_warnings(calibration, settings)
    pooled = reported_d(fit, links)
    if pooled.differ:
        times = f" ({pooled.overdispersion:.1f} times the variance of equal ones)" if pooled.overdispersion > 1 else ""
        out.append(
            f"Particles differ more than their errors let them{times}, and the interval of the pooled D was widened; "
            "report the distribution of D over particles (particles.csv) or its components, not one value."
        )
    out += _direction_warning(fit)
    short = int((every.n_observed < settings.min_points).sum())
    if short:
        out.append(
            f"{short} of {len(every)} tracks have fewer than {settings.min_points} positions and get no D of "
            "their own; link with longer gaps, or film longer. Those with three or more count in the ensemble."
        )
    if fit.drift.kind == "none" and settings.remove_drift:
        out.append("With one particle drift cannot be told from directed motion; film a fixed mark along with it.")
    if fit.drift.kind == "frame by frame":
        out.append(
            "Common motion changes from frame to frame and was removed; with few particles part of the "
            "information goes with it. Fix the stage, or keep more particles in view."
        )
    out += _link_warnings(links)
    if "hydrodynamic_radius_nm" in estimates:
        out.append(WINDOW_WARNING)
    return out


def _direction_warning(fit: MotionFit) -> list[str]:
    ratio = anisotropy(fit)
    if ratio is None or not 0 < ratio[1] < ratio[2]:
        return []
    # an interval of 95 % would warn of every twentieth movie
    if abs(math.log(ratio[0])) < _SURE_ERRORS * math.log(ratio[2] / ratio[1]) / (2 * 1.96):
        return []
    return [
        f"D differs along x and y by a factor of {ratio[0]:.3g} (95 % interval {ratio[1]:.3g} to {ratio[2]:.3g}): "
        "drift, flow, a wall or the scan direction; find out which, and report D along each axis, not one value."
    ]


def _calibration_warnings(calibration: Calibration, settings: MotionSettings) -> list[str]:
    out = []
    units = calibration.units
    if units.diffusion != "nm2_s":
        missing = [
            option
            for option, value in (
                ("--pixel-size-nm", calibration.pixel_size_nm),
                ("--frame-interval-s", calibration.frame_interval_s),
            )
            if value is None
        ]
        out.append(f"Results are in {units.length} and {units.time}: give {' and '.join(missing)} for physical units.")
    if calibration.exposure_s is None:
        out.append(
            "The exposure is not known: D allows for any motion blur, the localisation error is a lower bound; "
            "give --exposure-s."
        )
    elif calibration.frame_interval_s is None:
        out.append(
            "The exposure says nothing without the frame interval: D allows for any motion blur, the localisation "
            "error is a lower bound; give --frame-interval-s."
        )
    asked = settings.temperature_k is not None or settings.viscosity_pa_s is not None
    if asked and (settings.temperature_k is None or settings.viscosity_pa_s is None or units.diffusion != "nm2_s"):
        out.append(
            "No hydrodynamic radius: it needs --temperature-k, --viscosity-pa-s, --pixel-size-nm and "
            "--frame-interval-s together."
        )
    return out


def _link_warnings(links: LinkCheck) -> list[str]:
    out = []
    if links.step_over_spacing > LONG_STEP:
        out.append(
            f"Steps are long for this density (step/spacing = {links.step_over_spacing:.2f}; above {LONG_STEP:g} "
            "linkers confuse particles): film faster or at lower density; compare D with the link-free one in `checks`."
        )
    if abs(links.correction - 1) > WORTH_SAYING:
        out.append(
            f"Some links are wrong, and too short: the pooled D was multiplied by {links.correction:.3f} ± "
            f"{links.correction_std:.3f}, which drawing all links anew gives, and its interval widened; D of single "
            "particles likewise, each by its own share of doubtful links; alpha is not corrected. Film faster or at "
            "lower density."
        )
    if links.disagrees:
        out.append(
            f"D without links disagrees with D of the links (ratio {links.free / links.correction:.2f} ± "
            f"{links.free_std / links.correction:.2f}): particles are not Brownian of one kind, or most links are "
            "wrong; do not report this D before filming faster or at lower density."
        )
    if links.wrong > DOUBTFUL:
        known = "D of single particles rests on the correction" if links.corrected else "D and alpha are not corrected"
        out.append(
            f"{100 * links.wrong:.0f} % of the links are expected to be wrong, which looks like bending back or "
            f"switching: such classes of motion are not told (motion unknown), and {known}. Film faster or at lower "
            "density."
        )
    return out
