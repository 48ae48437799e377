"""From fitted parameters and covariances to the columns of the detections table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh

# standard deviation of an angle of which nothing is known: uniform over a half turn
UNKNOWN_ANGLE_STD = np.pi / np.sqrt(12)

SIZES = ("width", "height", "area", "radius", "aspect_ratio", "circularity")


def sizes(kind: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns `SIZES` of the fitted outlines, shape (n, 6)."""
    b = np.where(kind == sh.DISK, p[:, sh.A], p[:, sh.B])
    area = sh.area(kind, p)
    around = sh.perimeter(kind, p)
    return np.column_stack(
        [2 * p[:, sh.A], 2 * b, area, np.sqrt(area / np.pi), p[:, sh.A] / b, 4 * np.pi * area / around**2]
    )


def sizes_std(kind: NDArray[np.int64], p: NDArray[np.float64], cov: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard errors of `sizes` by linear propagation, shape (n, 6)."""
    radius_std = np.sqrt(np.maximum(cov[:, sh.A, sh.A], 0.0))
    out: NDArray[np.float64] = radius_std[:, None] * np.array([2.0, 2.0, 0.0, 1.0, 0.0, 0.0])
    out[:, 2] = 2 * np.pi * p[:, sh.A] * radius_std
    long = np.flatnonzero(kind != sh.DISK)
    if len(long):
        out[long] = _propagated(kind[long], p[long], cov[long])
    return out


def _propagated(kind: NDArray[np.int64], p: NDArray[np.float64], cov: NDArray[np.float64]) -> NDArray[np.float64]:
    entries = [sh.A, sh.B, sh.CORNER]
    jac = np.zeros((len(p), len(SIZES), len(entries)))
    for k, entry in enumerate(entries):
        step = 1e-4 * np.maximum(p[:, entry], 1.0)
        up, down = p.copy(), p.copy()
        up[:, entry] += step
        down[:, entry] -= step
        jac[:, :, k] = (sizes(kind, up) - sizes(kind, down)) / (2 * step[:, None])
    sub = cov[:, entries][:, :, entries]
    var = np.einsum("nik,nkl,nil->ni", jac, sub, jac)
    out: NDArray[np.float64] = np.sqrt(np.maximum(var, 0.0))
    return out


def roundness_std(
    p: NDArray[np.float64], cov: NDArray[np.float64], elongation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return by how much aspect ratio and circularity of particles taken for disks may differ from 1, shape (n, 2).

    A twofold wave of amplitude e on the rim is known as well as the place is, which is a onefold wave: from a score
    of `elongation` (two degrees of freedom) the mean of e² is (elongation + 2) σ². The aspect ratio is then
    1 + 2e/R, the circularity 1 - 3e²/(2R²).
    """
    place = 0.5 * (cov[:, sh.X, sh.X] + cov[:, sh.Y, sh.Y])
    wave = np.sqrt(np.maximum(place * (elongation + 2), 0.0)) / np.maximum(p[:, sh.A], 1e-9)
    return np.column_stack([2 * wave, np.minimum(1.5 * wave**2, 1.0)])


def canonical(kind: NDArray[np.int64], p: NDArray[np.float64], cov: NDArray[np.float64]) -> None:
    """Make `A` the longer half axis and bring angles into [-π/2, π/2), in place."""
    swap = (kind != sh.DISK) & (p[:, sh.B] > p[:, sh.A])
    order = np.arange(sh.N_PARAMS)
    order[[sh.A, sh.B]] = [sh.B, sh.A]
    p[swap] = p[swap][:, order]
    cov[swap] = cov[swap][:, order][:, :, order]
    p[swap, sh.THETA] += np.pi / 2
    p[:, sh.THETA] = wrap(p[:, sh.THETA], np.pi)
    p[kind == sh.DISK, sh.THETA] = 0.0


def wrap(angle: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """Return angles in [-period/2, period/2)."""
    out: NDArray[np.float64] = (np.asarray(angle) + period / 2) % period - period / 2
    return out


def unwrap_angles(angle: NDArray[np.float64], period: float = np.pi) -> NDArray[np.float64]:
    """Follow an orientation through frames without jumps of its period.

    Parameters
    ----------
    angle : array_like
        Of one particle, in frame order, in rad, shape (T,); NaN where unknown.
    period : float
        Rotation after which the particle looks the same: π of a rod or ellipse, π/2 of a square.

    Returns
    -------
    numpy.ndarray
        Shape (T,): angles whose known neighbours differ by at most half a period; NaN stays NaN.
    """
    out = np.array(angle, dtype=np.float64)
    known = np.isfinite(out)
    out[known] = np.unwrap(out[known], period=period)
    return out
