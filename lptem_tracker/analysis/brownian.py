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
    # a copy: for arrays that may not be written to, the loop would be compiled a second time
    grid = np.array(np.broadcast_to(rho, (len(tracks), np.shape(rho)[-1])), dtype=np.float64)
    weight = tracks.weight if weighted else np.ones(len(tracks.frame))
    return np.asarray(_stats(tracks.offset, tracks.frame, tracks.xy, weight, grid, blur))


@nb.njit(cache=True, error_model="numpy")
def _stats(offset, frame, xy, weight, rho, blur):  # type: ignore[no-untyped-def]
    """Go through each track once, all reduced errors side by side; loops are short enough to vectorise."""
    n_tracks, n_rho = rho.shape
    out = np.zeros((n_tracks, n_rho, 6))
    inverse, low, product = np.empty(n_rho), np.empty(n_rho), np.empty(n_rho)
    zx, zy, zk = np.empty(n_rho), np.empty(n_rho), np.empty(n_rho)
    ld, xx, yy = np.empty(n_rho), np.empty(n_rho), np.empty(n_rho)
    xk, yk, kk = np.empty(n_rho), np.empty(n_rho), np.empty(n_rho)
    for p in range(n_tracks):
        a, b, r = offset[p], offset[p + 1], rho[p]
        for values in (ld, xx, yy, xk, yk, kk, zx, zy, zk):
            values[:] = 0.0
        product[:], inverse[:], largest, bound = 1.0, 1.0, r.max(), 1.0
        for i in range(a + 1, b):
            k, both = float(frame[i] - frame[i - 1]), weight[i - 1] + weight[i]
            x, y = xy[i, 0] - xy[i - 1, 0], xy[i, 1] - xy[i - 1, 1]
            shared_blur, shared = (2 * blur, weight[i - 1]) if i > a + 1 else (0.0, 0.0)
            for g in range(n_rho):
                off = shared_blur - r[g] * shared
                low[g] = off * inverse[g]
                inverse[g] = max(2 * k - 4 * blur + r[g] * both - low[g] * off, 1e-12)
            for g in range(n_rho):
                product[g] *= inverse[g]
            for g in range(n_rho):
                inverse[g] = 1 / inverse[g]
            for g in range(n_rho):
                zx[g] = x - low[g] * zx[g]
                xx[g] += zx[g] * zx[g] * inverse[g]
            for g in range(n_rho):
                zy[g] = y - low[g] * zy[g]
                yy[g] += zy[g] * zy[g] * inverse[g]
            for g in range(n_rho):
                zk[g] = k - low[g] * zk[g]
                kk[g] += zk[g] * zk[g] * inverse[g]
            for g in range(n_rho):
                xk[g] += zx[g] * zk[g] * inverse[g]
            for g in range(n_rho):
                yk[g] += zy[g] * zk[g] * inverse[g]
            # up to then no product can have left the range of numbers: no factor is below 1e-12
            bound *= max(2 * k + largest * both, 1.0)
            if bound > 1e100 or (i - a) % 8 == 0:
                bound = 1.0
                for g in range(n_rho):
                    if product[g] > 1e100 or product[g] < 1e-100:
                        ld[g] += math.log(product[g])
                        product[g] = 1.0
        for g in range(n_rho):
            out[p, g, 0] = ld[g] + math.log(product[g])
            out[p, g, 1], out[p, g, 2] = xx[g], yy[g]
            out[p, g, 3], out[p, g, 4], out[p, g, 5] = xk[g], yk[g], kk[g]
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
