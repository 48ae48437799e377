"""All fits of motion in the order in which they need each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lptem_tracker.analysis.anomalous import AlphaFit, fbm_family, fit_alpha
from lptem_tracker.analysis.brownian import BLUR_MAX, KK, XK, stats
from lptem_tracker.analysis.classify import Classification, brownian_family, classify, directed_family
from lptem_tracker.analysis.components import Components, find_components
from lptem_tracker.analysis.confined import trap_family
from lptem_tracker.analysis.diffusion import (
    Imaging,
    PooledFit,
    Velocity,
    fit_pooled,
    fit_tracks,
    imaging_of,
)
from lptem_tracker.analysis.drift_removal import Drift, remove_drift
from lptem_tracker.analysis.ensemble_d import EnsembleD, brownian_d, class_d
from lptem_tracker.analysis.profile import ProfileFit
from lptem_tracker.analysis.rotation import angle_imaging, angle_tracks
from lptem_tracker.analysis.scale import ScaleFit, profile_scale
from lptem_tracker.analysis.shared_noise import SharedNoise, shared_noise
from lptem_tracker.analysis.switching import TwoStates, fit_two_states
from lptem_tracker.analysis.trackset import Floats, TrackSet
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import MotionSettings

SHORTEST = 3
STILL = 1e-20
"""Mean square step in px² below which nothing but the rounding of numbers is left."""


@dataclass(frozen=True)
class Rotation:
    """Rotational diffusion: `tracks.particle` names the particles that `each` has rows for."""

    tracks: TrackSet
    each: ProfileFit
    pooled: PooledFit


@dataclass(frozen=True)
class Shapes:
    """Fits that need more than a few positions, of the particles in `tracks`."""

    tracks: TrackSet
    noise: SharedNoise
    alpha: AlphaFit
    states: TwoStates
    classes: Classification
    trap: ScaleFit
    fractional: ScaleFit
    directed: ProfileFit
    velocity: Floats
    components: Components | None
    ensemble: EnsembleD | None


@dataclass(frozen=True)
class MotionFit:
    """Everything fitted, in px and frames.

    Attributes
    ----------
    tracks : TrackSet
        Of at least 3 positions, drift still in.
    imaging : Imaging
    drift : Drift
    each : ProfileFit
        Brownian D of each of `tracks`.
    pooled, pooled_x, pooled_y : PooledFit
    ensemble : EnsembleD
        D of all together, under their own class of motion where that has one.
    shapes : Shapes or None
        None where no track is long enough.
    rotation : Rotation or None
    """

    tracks: TrackSet
    imaging: Imaging
    drift: Drift
    each: ProfileFit
    pooled: PooledFit
    pooled_x: PooledFit
    pooled_y: PooledFit
    ensemble: EnsembleD
    shapes: Shapes | None
    rotation: Rotation | None


def fit_motion(every: TrackSet, calibration: Calibration, settings: MotionSettings) -> MotionFit | None:
    """Fit all models; None where no track has three positions."""
    tracks = movable(every)
    if not len(tracks):
        return None
    imaging = _weighted(tracks, imaging_of(calibration))
    drift = remove_drift(tracks, imaging, wanted=settings.remove_drift)
    level = settings.confidence_level
    each = fit_tracks(drift.tracks, imaging, level=level, velocity=drift.velocity)
    pooled, pooled_x, pooled_y = (
        fit_pooled(
            drift.tracks if drift.kind == "frame by frame" else tracks,
            imaging,
            level=level,
            drift=drift.kind == "steady",
            own_velocity=drift.velocities_differ,
            axes=axes,
            share=drift.share,
            bootstrap=settings.bootstrap,
            seed=settings.seed,
        )
        for axes in ((0, 1), (0,), (1,))
    )
    shapes = _fit_shapes(drift, each, pooled, imaging, settings)
    return MotionFit(
        tracks,
        imaging,
        drift,
        each,
        pooled,
        pooled_x,
        pooled_y,
        (shapes.ensemble if shapes else None) or brownian_d(tracks, pooled),
        shapes,
        _fit_rotation(tracks, imaging, settings),
    )


def movable(every: TrackSet) -> TrackSet:
    """Return the tracks that say anything of motion: three positions or more, not all the same."""
    moved = np.array([np.ptp(every.xy[rows], axis=0).max() > 0 for rows in every], dtype=bool)
    return every.select((every.n_observed >= SHORTEST) & moved)


def _weighted(tracks: TrackSet, imaging: Imaging) -> Imaging:
    """Use stated errors of single positions where the likelihood is higher with them."""
    if not np.isfinite(tracks.sigma2) or np.ptp(tracks.weight) < 1e-9:
        return imaging
    # an unknown blur must not make the variance of the least certain position negative
    stated = replace(imaging, weighted=True, lowest=imaging.lowest / max(float(tracks.weight.max()), 1.0))
    plain = fit_pooled(tracks, imaging, drift=True, bootstrap=0).fit.loglik[0]
    return stated if fit_pooled(tracks, stated, drift=True, bootstrap=0).fit.loglik[0] > plain else imaging


def effective_blur(imaging: Imaging, pooled: PooledFit) -> Imaging:
    """Where the exposure is unknown, the least blur that leaves no negative localisation variance."""
    if imaging.lowest >= 0:
        return imaging
    return Imaging(float(np.clip(-pooled.fit.rho[0] / 2, 0.0, BLUR_MAX)), 0.0, imaging.weighted)


def _fit_shapes(
    drift: Drift, each: ProfileFit, pooled: PooledFit, imaging: Imaging, settings: MotionSettings
) -> Shapes | None:
    keep = drift.tracks.n_observed >= settings.min_points
    if not keep.any():
        return None
    tracks, level = drift.tracks.select(keep), settings.confidence_level
    step, span, _ = tracks.steps()
    single = span == 1
    step2 = float((step[single] ** 2).mean() if single.any() else (step**2).mean())
    if step2 < STILL:
        return None
    prior = drift.velocity
    velocity = None if prior is None else Velocity(prior.mean[keep], prior.variance[keep])
    scale, imaging = each.d[keep], effective_blur(imaging, pooled)
    floor = np.maximum(scale, 1e-6 * max(float(np.median(scale)), 1e-12))
    families = (
        brownian_family(tracks, imaging, velocity, floor),
        directed_family(tracks, imaging),
        trap_family(tracks, imaging),
        fbm_family(tracks, imaging, velocity, floor),
    )
    noise = shared_noise([families[3], families[2]], step2, families[1])
    states = fit_two_states(tracks, scale, np.full(len(tracks), noise.best), imaging.blur)
    classes = classify(tracks, imaging, families, noise, states, min_points=max(settings.min_points, 15))
    one_scale = not (pooled.differ and pooled.overdispersion > 2.5)
    alpha = fit_alpha(
        families[3], noise, one_scale=one_scale, level=level, bootstrap=settings.bootstrap, seed=settings.seed
    )
    flat = Velocity(np.zeros((len(tracks), 2)), np.full((len(tracks), 2), np.inf))
    directed = fit_tracks(tracks, imaging, level=level, velocity=flat)
    simple = classes.fraction[:2].sum() >= 0.7  # immobile or Brownian
    return Shapes(
        tracks,
        noise,
        alpha,
        states,
        classes,
        profile_scale(families[2], noise, level),
        profile_scale(families[3], noise, level),
        directed,
        mean_velocity(tracks, imaging, directed.rho),
        find_components(families[0], noise.best, floor) if simple and len(tracks) >= 8 else None,
        class_d(
            tracks, imaging, families, noise, classes, level=level, bootstrap=settings.bootstrap, seed=settings.seed
        ),
    )


def mean_velocity(tracks: TrackSet, imaging: Imaging, rho: Floats) -> Floats:
    """Mean velocity (P, 2) in px a frame by generalised least squares."""
    stat = stats(tracks, rho[:, None], imaging.blur, weighted=imaging.weighted)[:, 0]
    return np.asarray(stat[:, XK : XK + 2] / np.maximum(stat[:, KK, None], 1e-300))


def _fit_rotation(tracks: TrackSet, imaging: Imaging, settings: MotionSettings) -> Rotation | None:
    turned = angle_tracks(tracks)
    if turned is None:
        return None
    way = angle_imaging(imaging)
    each = fit_tracks(turned, way, level=settings.confidence_level, axes=(0,))
    pooled = fit_pooled(
        turned, way, level=settings.confidence_level, axes=(0,), bootstrap=settings.bootstrap, seed=settings.seed
    )
    return Rotation(turned, each, pooled)
