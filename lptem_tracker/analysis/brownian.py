"""Exact likelihood of Brownian tracks with localisation error, motion blur and any gaps.

A displacement over k frames has variance ``D (2k - 4R) + e_i + e_j`` and its neighbour shares ``-e + 2RD``
(Berglund 2010, eq. 8 and 11; Relich 2016, eq. 12), in px² with D in px² a frame: the covariance is
tridiagonal, and its LDL factors give every quadratic form in O(N).
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from lptem_tracker.analysis.trackset import Floats, TrackSet

LOGDET, XX, YY, XK, YK, KK = range(6)
BLUR_MAX = 1 / 6  # a shutter that is open all the time, Berglund 2010, eq. 8


def stats(tracks: TrackSet, rho: Floats, blur: float, *, weighted: bool = True) -> Floats:
    """Sufficient statistics of every track at every reduced localisation error.

    Parameters
    ----------
    tracks : TrackSet of P particles
    rho : (G,) or (P, G) float
        sigma²/(D dt).
    blur : float
        R, 0 to 1/6 (Berglund 2010).
    weighted : bool
        Whether `tracks.weight` scales sigma² of each position.

    Returns
    -------
    (P, G, 6) float
        With C = covariance / D: log det C, and the forms x'C⁻¹x, y'C⁻¹y, x'C⁻¹k, y'C⁻¹k, k'C⁻¹k where k
        are the frames that each displacement spans.
    """
    grid = np.ascontiguousarray(np.broadcast_to(rho, (len(tracks), np.shape(rho)[-1])), dtype=np.float64)
    weight = tracks.weight if weighted else np.ones(len(tracks.frame))
    return np.asarray(_stats(tracks.offset, tracks.frame, tracks.xy, weight, grid, blur))


@nb.njit(cache=True)
def _stats(offset, frame, xy, weight, rho, blur):  # type: ignore[no-untyped-def]
    n_tracks, n_rho = rho.shape
    out = np.zeros((n_tracks, n_rho, 6))
    for p in range(n_tracks):
        a, b = offset[p], offset[p + 1]
        for g in range(n_rho):
            r = rho[p, g]
            ld = xx = yy = xk = yk = kk = 0.0
            inverse, zx, zy, zk, product = 1.0, 0.0, 0.0, 0.0, 1.0
            for i in range(a + 1, b):
                k = float(frame[i] - frame[i - 1])
                off = 2 * blur - r * weight[i - 1]
                if i == a + 1:
                    off = 0.0
                low = off * inverse
                pivot = max(2 * k - 4 * blur + r * (weight[i - 1] + weight[i]) - low * off, 1e-12)
                inverse = 1 / pivot
                zx = xy[i, 0] - xy[i - 1, 0] - low * zx
                zy = xy[i, 1] - xy[i - 1, 1] - low * zy
                zk = k - low * zk
                product *= pivot
                if product > 1e100 or product < 1e-100:
                    ld += math.log(product)
                    product = 1.0
                xx += zx * zx * inverse
                yy += zy * zy * inverse
                xk += zx * zk * inverse
                yk += zy * zk * inverse
                kk += zk * zk * inverse
            out[p, g, 0] = ld + math.log(product)
            out[p, g, 1] = xx
            out[p, g, 2] = yy
            out[p, g, 3] = xk
            out[p, g, 4] = yk
            out[p, g, 5] = kk
    return out


def crlb(d: float, sigma2: float, n_steps: int, blur: float, *, dims: int = 2) -> float:
    """Cramér–Rao bound of the standard error of D with sigma free, complete track (Michalet & Berglund 2012).

    Parameters
    ----------
    d, sigma2 : float
        D in px² a frame and sigma² in px².
    n_steps : int
        Displacements.
    blur : float
        R.
    dims : int
        Axes used.
    """
    t = np.pi * np.arange(1, n_steps + 1) / (n_steps + 1)
    gd, gs = 2 - 4 * blur + 4 * blur * np.cos(t), 2 - 2 * np.cos(t)
    lam = d * gd + sigma2 * gs
    info = dims / 2 * np.array([[gd * gd, gd * gs], [gd * gs, gs * gs]] / lam**2).sum(-1)
    return float(np.sqrt(np.linalg.inv(info)[0, 0]))
