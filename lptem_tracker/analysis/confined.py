"""Motion in a harmonic trap: exact Ornstein–Uhlenbeck likelihood with localisation error, blur and gaps."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from lptem_tracker.analysis.diffusion import Imaging
from lptem_tracker.analysis.family import Family, build_family
from lptem_tracker.analysis.trackset import Floats, TrackSet


def exposure_factors(rate: float, exposure: float) -> tuple[float, float]:
    """How averaging over the exposure changes a trapped particle's covariance.

    Parameters
    ----------
    rate : float
        Relaxation rate times the frame interval.
    exposure : float
        Exposure over frame interval.

    Returns
    -------
    later, same : float
        Factors of the covariance between different frames, and of the variance in one frame: averages of
        ``exp(-rate |t - s|)`` over two exposures, or over one.
    """
    h = rate * exposure / 2
    if h < 1e-3:
        return 1 + h * h / 3, 1 - 2 * h / 3 + h * h / 3
    return (math.sinh(h) / h) ** 2, (2 * h - 1 + math.exp(-2 * h)) / (2 * h * h)


def trap_family(tracks: TrackSet, imaging: Imaging, nodes: int = 14) -> Family:
    """Tables of trapped motion over log(relaxation rate); K is D, the variance per axis D/rate.

    Parameters
    ----------
    tracks : TrackSet
        Free of drift; the centre of each trap is unknown (flat prior).
    imaging : Imaging
    nodes : int
        Rates, from a tenth of the inverse length of the longest track to 3 a frame.
    """
    span = float((tracks.frame_last - tracks.frame_first).max())
    m = 2 * (tracks.n_observed.astype(np.float64) - 1)
    exposure = 6 * imaging.blur

    def evaluate(log_rate: float, rho: float) -> tuple[Floats, Floats, Floats]:
        rate = math.exp(log_rate)
        later, same = exposure_factors(rate, exposure)
        out = _trap(tracks.offset, tracks.frame, tracks.xy, rate, later / rate, rho + (same - later) / rate)
        return out[:, 0], out[:, 1], m

    return build_family(np.linspace(math.log(0.1 / span), math.log(3.0), nodes), evaluate)


@nb.njit(cache=True)
def _trap(offset, frame, xy, rate, variance, nugget):  # type: ignore[no-untyped-def]
    """Quadratic form and log determinant of contrasts of an AR(1) process with a nugget, by Kalman filter."""
    n_tracks = len(offset) - 1
    out = np.zeros((n_tracks, 2))
    usual = math.exp(-rate)
    for p in range(n_tracks):
        a, b = offset[p], offset[p + 1]
        ld = xx = yy = x1 = y1 = one = 0.0
        mx = my = m1 = 0.0
        cov, product = variance, 1.0
        for i in range(a, b):
            if i > a:
                gap = frame[i] - frame[i - 1]
                decay = usual if gap == 1 else math.exp(-rate * gap)
                mx, my, m1 = decay * mx, decay * my, decay * m1
                cov = variance + decay * decay * (cov - variance)
            s = max(cov + nugget, 1e-12)
            inverse = 1 / s
            ex, ey, e1 = xy[i, 0] - mx, xy[i, 1] - my, 1.0 - m1
            product *= s
            if product > 1e100 or product < 1e-100:
                ld += math.log(product)
                product = 1.0
            xx += ex * ex * inverse
            yy += ey * ey * inverse
            x1 += ex * e1 * inverse
            y1 += ey * e1 * inverse
            one += e1 * e1 * inverse
            gain = cov * inverse
            mx, my, m1 = mx + gain * ex, my + gain * ey, m1 + gain * e1
            cov -= gain * cov
        out[p, 0] = max(xx + yy - (x1 * x1 + y1 * y1) / one, 1e-300)
        out[p, 1] = 2 * (ld + math.log(product) + math.log(one))
    return out
