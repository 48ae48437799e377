"""Single particles whose links may be wrong: D corrected like all, classes refused that wrong links imitate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.ensemble_d import brownian_d
from lptem_tracker.analysis.linking_bias import DOUBTFUL, LinkCheck
from lptem_tracker.analysis.motion_fit import MotionFit, Shapes
from lptem_tracker.analysis.quantiles import normal_quantile
from lptem_tracker.analysis.trackset import Floats, TrackSet

IMITATED = ("confined", "subdiffusive", "superdiffusive", "ctrw", "switching")
"""Classes that Brownian particles seem to have whose links are wrong."""
SURE = 0.01
"""Share of wrong links up to which a particle keeps its class although those of others are doubtful."""


def wrong_links(tracks: TrackSet, links: LinkCheck) -> Floats:
    """Expected share of wrong links of each particle (P,): its own links' where the linker states it, else all's."""
    everyone = np.nan_to_num(links.wrong)
    if tracks.link_confidence is None:
        return np.full(len(tracks), everyone)
    known = np.isfinite(tracks.link_confidence)
    doubt = np.where(known, 1 - np.nan_to_num(tracks.link_confidence), 0.0)
    count = np.bincount(tracks.index, known, len(tracks))
    mean = np.bincount(tracks.index, doubt, len(tracks)) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, everyone))


def doubtful_particles(tracks: TrackSet, links: LinkCheck) -> npt.NDArray[np.bool_]:
    """Whether so many links of each particle (P,) may be wrong that its class of motion cannot be told."""
    own = wrong_links(tracks, links)
    return np.asarray((own > DOUBTFUL) | ((links.wrong > DOUBTFUL) & (own > SURE)))


def refuse_classes(fit: MotionFit, links: LinkCheck) -> MotionFit:
    """Return the fit with the motion of particles ``unknown`` where wrong links would look the same.

    Parameters
    ----------
    fit : MotionFit
    links : LinkCheck
    """
    if fit.shapes is None:
        return fit
    shapes = fit.shapes
    doubtful = doubtful_particles(shapes.tracks, links)
    motion = ["unknown" if doubt and name in IMITATED else name for doubt, name in zip(doubtful, shapes.classes.motion)]
    pooled, components = shapes.classes.pooled, shapes.components
    if links.wrong > DOUBTFUL:
        pooled, components = "unknown" if pooled in (*IMITATED, "mixture") else pooled, None
    classes = replace(shapes.classes, motion=motion, pooled=pooled)
    ensemble = fit.ensemble if pooled == shapes.classes.pooled else brownian_d(fit.tracks, fit.pooled)
    return replace(fit, shapes=replace(shapes, classes=classes, components=components), ensemble=ensemble)


def correct_particles(
    values: tuple[Floats, Floats, Floats, Floats], shapes: Shapes, links: LinkCheck, level: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Multiply D of single particles by the ensemble's correction, in proportion to their own wrong links.

    Parameters
    ----------
    values : tuple of (P,) float
        D, ends of its interval and standard error of the particles in `shapes`.
    shapes : Shapes
    links : LinkCheck
    level : float
        Of the interval, which is widened on both sides by the correction's uncertainty and by what the particle's own
        number of wrong links may differ from that expected.
    """
    if not links.corrected:
        return values
    d, low, high, std = values
    wrong = wrong_links(shapes.tracks, links)
    ratio = np.minimum(wrong / max(links.wrong, 1e-9), 3.0)
    factor = links.correction**ratio
    n = np.maximum(shapes.tracks.n_observed - 1, 1)
    # the number of wrong links is binomial
    chance = np.sqrt((1 - np.minimum(wrong, 1)) / np.maximum(wrong * n, 1e-9))
    add = ratio * np.hypot(links.correction_std / links.correction, np.log(links.correction) * chance)
    widen = np.exp(normal_quantile(0.5 + level / 2) * add)
    return d * factor, low * factor / widen, high * factor * widen, factor * np.hypot(std, d * add)
