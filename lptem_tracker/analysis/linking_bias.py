"""What wrong links do to D: a correction from links drawn anew, and a step variance that needs no links as a check.

Pairs of positions in successive frames are the same particle (Rayleigh distributed distances) or different ones.
The distances of different ones follow from those within one frame, each widened by one step (Vineyard 1958; exact for
independent steps), so that the step variance is the only unknown of the shape: links do not enter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar, nnls
from scipy.spatial import cKDTree

from lptem_tracker.analysis.diffusion import Imaging, PooledFit
from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.quantiles import normal_quantile
from lptem_tracker.analysis.relinking import DRAWS, relink
from lptem_tracker.analysis.trackset import Floats, Ints, TrackSet
from lptem_tracker.calibration import Units

LONG_STEP = 0.2
"""Step over spacing from which on linkers confuse particles in earnest."""
DOUBTFUL = 0.05
"""Share of wrong links from which on Brownian particles seem to have other classes of motion."""
SHORT_STEP = 0.06
BINS = 40
MOST_PAIRS = 1_000_000


@dataclass(frozen=True)
class LinkCheck:
    """How far the links can be trusted for D.

    Attributes
    ----------
    step_over_spacing : float
        Standard deviation of one-frame steps per axis over the mean spacing 1/sqrt(density); NaN with one particle.
    wrong : float
        Expected share of wrong links: the linker's own confidence, or what drawn links say; NaN without both.
    correction, correction_std : float
        Factor that D of the linked tracks is multiplied by (`relinking`), and its standard deviation: that of the
        draws, and the share of wrong links times what is corrected (at a step of 0.4 of the spacing the corrected D
        is still a tenth too small).
    free, free_std : float
        Link-free D over that of the linked tracks, and its standard error; NaN where it cannot be told.
    d_free : float
        Link-free D in px² a frame.
    """

    step_over_spacing: float
    wrong: float
    correction: float = 1.0
    correction_std: float = 0.0
    free: float = math.nan
    free_std: float = math.nan
    d_free: float = math.nan

    @property
    def corrected(self) -> bool:
        """Whether links were drawn anew and D is corrected by them."""
        return self.correction != 1.0

    @property
    def disagrees(self) -> bool:
        """Whether the link-free D contradicts the corrected one."""
        return abs(self.free - self.correction) > 3 * math.hypot(self.free_std, self.correction_std) + 0.05

    def correct(self, d: Estimate) -> Estimate:
        """Return D corrected, its interval widened by what not knowing the links costs (Rubin 1987, eq. 3.1.5)."""
        if not self.corrected:
            return d
        z, c = normal_quantile(0.5 + d.level / 2), self.correction
        own, add = d.std / d.value, self.correction_std / c * math.sqrt(1 + 1 / DRAWS)
        widen = math.exp(z * (math.hypot(own, add) - own))
        return Estimate(
            d.value * c,
            d.value * c * math.hypot(own, add),
            d.ci_low * c / widen,
            d.ci_high * c * widen,
            d.unit,
            f"{d.method}; corrected for wrong links by links drawn anew",
            d.n_points,
            d.level,
        )

    def to_dict(self, scale: float, units: Units) -> dict[str, Any]:
        """Return the check as JSON values."""
        values = {
            f"D_link_free_{units.diffusion}": self.d_free * scale,
            "step_over_spacing": self.step_over_spacing,
            "expected_wrong_links": self.wrong,
            "link_correction": self.correction if self.corrected else math.nan,
            "link_correction_std": self.correction_std if self.corrected else math.nan,
            "link_free_over_linked": self.free,
            "link_free_over_linked_std": self.free_std,
        }
        return {key: value for key, value in values.items() if math.isfinite(value)}


SURE_LINKS = LinkCheck(math.nan, math.nan)
"""Nothing is known against the links."""


def check_links(
    every: TrackSet, pooled: PooledFit, imaging: Imaging, *, gaussian: bool, drift_varies: bool = False, seed: int = 0
) -> LinkCheck:
    """Ask how the links given bias D, and what D is without links.

    Parameters
    ----------
    every : TrackSet
        All tracks, however short.
    pooled : PooledFit
        Brownian D of the linked tracks.
    imaging : Imaging
    gaussian : bool
        Whether the ensemble is Brownian of one kind; only then can links be drawn anew.
    drift_varies : bool
        Whether common motion changes from frame to frame.
    seed : int
    """
    step, span, _ = every.steps()
    step = step[span == 1]
    confidence = every.link_confidence
    wrong = float(np.nanmean(1 - confidence)) if confidence is not None else math.nan
    position = every.xy + every.origin[every.index]
    n_frames = len(np.unique(every.frame))
    area = float(np.prod(np.ptp(position, axis=0)))
    if len(step) < 50 or not area > 0 or len(every) < 2:
        return LinkCheck(math.nan, wrong)
    linked = float((step**2).mean())
    ratio = math.sqrt(linked * len(position) / (area * n_frames))
    if not gaussian or ratio < SHORT_STEP or len(position) < 6 * n_frames:
        return LinkCheck(ratio, wrong)
    again = relink(every, imaging, drift_varies=drift_varies, seed=seed)
    if not math.isfinite(again.ratio):
        return LinkCheck(ratio, wrong)
    d_free, error = _link_free_d(position, every.frame, linked, pooled, imaging.blur)
    return LinkCheck(
        ratio,
        wrong if math.isfinite(wrong) else again.wrong,
        again.ratio,
        # with these links the model's own errors grow too: of the correction, as much is in doubt as of the links
        math.hypot(again.std, again.wrong * (again.ratio - 1)),
        d_free / pooled.d,
        error / pooled.d,
        d_free,
    )


def _link_free_d(position: Floats, frame: Ints, guess: float, pooled: PooledFit, blur: float) -> tuple[float, float]:
    """D and its standard error from link-free variances over one and two frames, localisation variance at least 0."""
    found = [link_free_variance(position, frame, guess + (lag - 1) * 2 * pooled.d, lag) for lag in (1, 2)]
    (v1, e1), (v2, e2) = found
    if not math.isfinite(v1):
        return math.nan, math.nan
    if math.isfinite(v2):
        free, error = (v2 - v1) / 2, math.hypot(e1, e2) / 2
        if v1 - 2 * free * (1 - 2 * blur) > 0:
            return free, error
    # no room for a localisation error: one parameter, a weighted mean
    parts = [
        (v / (2 * lag - 4 * blur), e / (2 * lag - 4 * blur)) for lag, (v, e) in zip((1, 2), found) if math.isfinite(v)
    ]
    weight = np.array([1 / e**2 for _, e in parts])
    mean = float((weight * np.array([v for v, _ in parts])).sum() / weight.sum())
    return mean, float(1 / math.sqrt(weight.sum()))


def link_free_variance(position: Floats, frame: Ints, guess: float, lag: int = 1) -> tuple[float, float]:
    """Variance of displacements over `lag` frames per axis without any links.

    Parameters
    ----------
    position : (M, 2) float
        px.
    frame : (M,) int
    guess : float
        px²; sets the range of distances looked at.
    lag : int

    Returns
    -------
    variance, std : float
        px²; NaN where the same particle's pairs do not stand out.
    """
    reach = 5 * math.sqrt(guess)
    across, within = _pair_histograms(position, frame, reach, lag)
    edges = np.linspace(0, reach, BINS + 1)
    if across.sum() < 200:
        return math.nan, math.nan

    def fit(log_s2: float) -> float:
        s2 = math.exp(log_s2)
        own = np.diff(-np.exp(-(edges**2) / (2 * s2)))
        others = _widened(within, reach, edges, s2)
        return _poisson(across, np.stack([own, others], 1))

    low, high = math.log(guess) - 1.5, math.log(guess) + 1.5
    best = minimize_scalar(fit, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    h = 0.05
    bend = (fit(best.x + h) - 2 * best.fun + fit(best.x - h)) / h**2
    if not (low + 0.05 < best.x < high - 0.05 and bend > 0):
        return math.nan, math.nan
    return math.exp(best.x), math.exp(best.x) / math.sqrt(bend)


def _pair_histograms(position: Floats, frame: Ints, reach: float, lag: int) -> tuple[Floats, Floats]:
    """Distances between successive frames up to `reach`, and within frames up to twice that."""
    order = np.argsort(frame, kind="stable")
    position, frame = position[order], frame[order]
    start = np.searchsorted(frame, np.arange(frame.min(), frame.max() + 2))
    last = len(start) - 1 - lag
    across, within = np.zeros(BINS), np.zeros(2 * BINS)
    for t in np.random.default_rng(0).permutation(max(last, 0)):
        here, there = position[start[t] : start[t + 1]], position[start[t + lag] : start[t + lag + 1]]
        if not len(here) or not len(there):
            continue
        one, two = cKDTree(here), cKDTree(there)
        across += np.histogram(_distances(one, two, reach), bins=BINS, range=(0, reach))[0]
        within += np.histogram(_distances(one, one, 2 * reach, apart=True), bins=2 * BINS, range=(0, 2 * reach))[0]
        if within.sum() + across.sum() > MOST_PAIRS:
            break
    return across, within


def _distances(one: cKDTree, two: cKDTree, reach: float, *, apart: bool = False) -> Floats:
    pairs = one.sparse_distance_matrix(two, reach, output_type="coo_matrix")
    keep = pairs.row != pairs.col if apart else slice(None)
    return np.asarray(pairs.data[keep])


def _widened(within: Floats, reach: float, edges: Floats, s2: float) -> Floats:
    """Distances within a frame after one particle of each pair made a step (Rice distribution)."""
    from scipy.stats import ncx2

    centre = (np.arange(len(within)) + 0.5) * (2 * reach / len(within))
    cdf = ncx2.cdf(edges[:, None] ** 2 / s2, 2, centre[None] ** 2 / s2)
    return np.asarray(np.diff(cdf, axis=0) @ within)


def _poisson(count: Floats, parts: Floats) -> float:
    """Least negative Poisson log-likelihood of counts as a non-negative sum of parts, by scoring."""
    mean = np.maximum(count, 1.0)
    for _ in range(30):
        root = 1 / np.sqrt(mean)
        weight, _ = nnls(parts * root[:, None], count * root)
        new = np.maximum(parts @ weight, 1e-9 * count.sum())
        if np.allclose(new, mean, rtol=1e-9):
            break
        mean = new
    return float((mean - count * np.log(mean)).sum())
