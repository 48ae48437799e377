"""D of the ensemble under its own class of motion, with an interval that knows that particles may differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.between_tracks import between, log_std, without_each
from lptem_tracker.analysis.classify import Classification
from lptem_tracker.analysis.diffusion import MIN_BOOTSTRAP, MIN_SPREAD, Imaging, PooledFit, fit_pooled
from lptem_tracker.analysis.family import Family, pool
from lptem_tracker.analysis.scale import profile_scale
from lptem_tracker.analysis.shared_noise import SharedNoise
from lptem_tracker.analysis.trackset import TrackSet

ML = "exact maximum likelihood of all tracks"


@dataclass(frozen=True)
class EnsembleD:
    """D of many tracks together, in px² a frame (K in px² a frame^alpha for fractional motion).

    Attributes
    ----------
    value, std, low, high : float
    method : str
    interval : str
        How the interval was made.
    n_points : int
        Displacements it rests on.
    overdispersion : float
        Variance over tracks relative to what one common D would give; NaN with fewer than 3 tracks.
    differ : bool
        Whether particles differ more than their errors let them.
    """

    value: float
    std: float
    low: float
    high: float
    method: str
    interval: str
    n_points: int
    overdispersion: float = math.nan
    differ: bool = False


def brownian_d(tracks: TrackSet, p: PooledFit, method: str = ML) -> EnsembleD:
    """Return what a pooled Brownian fit of these tracks says."""
    n = int(tracks.n_observed.sum() - len(tracks))
    return EnsembleD(p.d, p.std, p.low, p.high, method, p.method, n, p.overdispersion, p.differ)


def class_d(
    tracks: TrackSet,
    imaging: Imaging,
    families: tuple[Family, Family, Family, Family],
    noise: SharedNoise,
    classes: Classification,
    *,
    level: float,
    bootstrap: int,
    seed: int,
) -> EnsembleD | None:
    """D of the particles that move as the ensemble does: one D, one shape, one localisation error.

    Parameters
    ----------
    tracks : TrackSet
        Without drift.
    imaging : Imaging
    families : tuple of Family
        Brownian, directed, trapped and fractional, of these tracks.
    noise : SharedNoise
    classes : Classification
    level : float
    bootstrap, seed : int
        As in `fit_pooled`.

    Returns
    -------
    EnsembleD or None
        None where the ensemble's class has no D other than the Brownian one.
    """
    motion = classes.pooled
    at = np.array(classes.motion) == motion
    if not at.any() or motion not in ("confined", "directed", "subdiffusive", "superdiffusive"):
        return None
    kept = tracks.select(at)
    method = f"maximum likelihood of all {motion} tracks together"
    if motion == "directed":
        joint = fit_pooled(kept, imaging, level=level, own_velocity=True, bootstrap=bootstrap, seed=seed)
        return brownian_d(kept, joint, method)
    return _of_family(families[2 if motion == "confined" else 3], noise, at, kept, method, level)


def _of_family(
    family: Family, noise: SharedNoise, at: npt.NDArray[np.bool_], kept: TrackSet, method: str, level: float
) -> EnsembleD:
    """Profile interval, or a jackknife over tracks where there are many or they seem to differ."""
    one = profile_scale(pool(family, at[None].astype(np.float64)), noise, level, free=True)
    value, low, high = float(one.k[0]), float(one.low[0]), float(one.high[0])
    steps, expected = int(kept.n_observed.sum() - len(kept)), log_std(low, high, level)
    if len(kept) < MIN_SPREAD:
        return EnsembleD(value, value * expected, low, high, method, "profile likelihood", steps)
    left = without_each(len(kept))
    counts = np.zeros((len(left), len(at)))
    counts[:, at] = left
    found = between(np.log(profile_scale(pool(family, counts), noise, level, free=True).k), expected)
    if len(kept) < MIN_BOOTSTRAP and not found.doubtful:
        std, interval = expected, "profile likelihood"
    else:
        below, above = found.ends(level, least=expected)
        low, high = min(low, value * math.exp(-below)), max(high, value * math.exp(above))
        std, interval = max(found.std, expected), f"jackknife over {len(kept)} tracks"
    return EnsembleD(value, value * std, low, high, method, interval, steps, found.overdispersion, found.differ)
