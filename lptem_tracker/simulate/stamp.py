"""Putting particles into a picture: small patches, compiled, with the exact area of each pixel covered."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

PARTICLE_DTYPE = np.dtype(
    [
        ("x", "f8"), ("y", "f8"), ("radius", "f8"), ("angle", "f8"), ("outline", "i8"),
        ("depth", "f8"),  # optical depth through the thickest part; negative brightens
        ("profile", "f8"),  # exponent p of the thickness (1 - q²)^p
        ("fringe", "f8"), ("fringe_px", "f8"),  # Fresnel fringe at the edge: depth and spacing
        ("mod1", "f8"), ("k1x", "f8"), ("k1y", "f8"), ("mod2", "f8"), ("k2x", "f8"), ("k2y", "f8"), ("phase", "f8"),
        ("tilt_x", "f8"), ("tilt_y", "f8"),  # diffraction contrast across the particle, relative
        ("rim", "f8"),  # extra depth at the edge, relative: shells and hollow particles
    ]
)  # fmt: skip
"""One particle as the renderer needs it; positions and lengths in px, wave numbers in rad/px."""

Pixels = NDArray[np.float32]


def new_particles(n: int) -> NDArray[Any]:
    """Return `n` blank records of PARTICLE_DTYPE."""
    out = np.zeros(n, PARTICLE_DTYPE)
    out["fringe_px"] = 2.0
    return out


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _turns(y, x):  # type: ignore[no-untyped-def]
    """Return atan2(y, x)/2π to 2e-6, several times faster than the library's."""
    ax, ay = abs(x), abs(y)
    t = min(ax, ay) / max(max(ax, ay), 1e-12)
    s = t * t
    # minimax polynomial of atan on [0, 1], Hastings 1955, sheet 11
    a = t * (0.9998660 + s * (-0.3302995 + s * (0.1801410 + s * (-0.0851330 + s * 0.0208351))))
    if ay > ax:
        a = 1.5707963267948966 - a
    if x < 0:
        a = 3.141592653589793 - a
    return (-a if y < 0 else a) * 0.15915494309189535


@numba.njit(cache=True, fastmath=True, nogil=True)
def _edge(dx, dy, r, radius, turned, rho_row, slope_row):  # type: ignore[no-untyped-def]
    """Return the outline's radius in this direction and the signed distance to it, negative inside."""
    n_angles = rho_row.shape[0]
    at = (_turns(dy, dx) - turned) * n_angles
    at -= n_angles * math.floor(at / n_angles)
    k = int(at)
    f = at - k
    k = k % n_angles
    k2 = (k + 1) % n_angles
    rho = radius * (rho_row[k] * (1 - f) + rho_row[k2] * f)
    return rho, (r - rho) * (slope_row[k] * (1 - f) + slope_row[k2] * f)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _thickness(q2, profile, rim):  # type: ignore[no-untyped-def]
    thick = 1.0
    if profile == 0.5:
        thick = math.sqrt(1 - q2)
    elif profile == 0.25:
        thick = math.sqrt(math.sqrt(1 - q2))
    elif profile != 0:
        thick = (1 - q2) ** profile
    if rim != 0:
        thick += rim * q2 * q2 * q2
    return thick


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fringe(sd, depth, spacing):  # type: ignore[no-untyped-def]
    s = sd / spacing
    if s < -1.2 or s > 3.2:
        return 0.0
    # a bright fringe just outside the edge, a weaker dark one after it
    return -depth * (math.exp(-0.5 * ((s - 0.7) / 0.55) ** 2) - 0.35 * math.exp(-0.5 * ((s - 2.1) / 0.7) ** 2))


@numba.njit(cache=True, fastmath=True, nogil=True)
def _depth_at(dx, dy, radius, turned, profile, rim, round_, rho_row, slope_row, over):  # type: ignore[no-untyped-def]
    """Return relative thickness, averaged over the pixel where the edge or a steep flank passes, and edge distance."""
    r = math.sqrt(dx * dx + dy * dy)
    if round_:
        rho, sd = radius, r - radius
    else:
        rho, sd = _edge(dx, dy, r, radius, turned, rho_row, slope_row)
    if sd > 1:
        return 0.0, sd
    q2 = (r / rho) ** 2
    if over == 1 or (sd < -1 and q2 < 0.7) or sd < -4:
        cover = min(0.5 - sd, 1.0)
        return (cover * _thickness(min(q2, 0.9999), profile, rim) if cover > 0 else 0.0), sd
    total = 0.0
    for a in range(over):
        y = dy + (a + 0.5) / over - 0.5
        for b in range(over):
            x = dx + (b + 0.5) / over - 0.5
            rr = math.sqrt(x * x + y * y)
            if round_:
                rh, s = radius, rr - radius
            else:
                rh, s = _edge(x, y, rr, radius, turned, rho_row, slope_row)
            cover = min(0.5 - s * over, 1.0)
            if cover > 0:
                total += cover * _thickness(min((rr / rh) ** 2, 0.9999), profile, rim)
    return total / (over * over), sd


@numba.njit(cache=True, fastmath=True, nogil=True)
def _stamp(image, particles, rho, slope, longest, reach, sub_x, sub_y, additive, coarse):  # type: ignore[no-untyped-def]
    height, width = image.shape
    n_sub = sub_x.shape[1]
    for i in range(particles.shape[0]):
        p = particles[i]
        depth, fringe, fringe_px, radius, profile, rim = p.depth, p.fringe, p.fringe_px, p.radius, p.profile, p.rim
        if depth == 0 and fringe == 0:
            continue
        px, py, turned, mod1, mod2, tilt = (
            p.x,
            p.y,
            p.angle / (2 * math.pi),
            p.mod1,
            p.mod2,
            p.tilt_x != 0 or p.tilt_y != 0,
        )
        k1x, k1y, k2x, k2y, phase, tilt_x, tilt_y = (
            p.k1x,
            p.k1y,
            p.k2x,
            p.k2y,
            p.phase,
            p.tilt_x / radius,
            p.tilt_y / radius,
        )
        rho_row, slope_row = rho[p.outline], slope[p.outline]
        round_ = longest[p.outline] < 1.0000001
        pad = 1.5 + (3.2 * fringe_px if fringe != 0 else 0.0)
        far = (longest[p.outline] * radius + pad) ** 2
        lo_x, hi_x, lo_y, hi_y = 1e9, -1e9, 1e9, -1e9
        for k in range(n_sub):
            lo_x, hi_x = min(lo_x, sub_x[i, k]), max(hi_x, sub_x[i, k])
            lo_y, hi_y = min(lo_y, sub_y[i, k]), max(hi_y, sub_y[i, k])
        x0 = max(0, math.floor(px + lo_x + reach[i, 0] - pad))
        y0 = max(0, math.floor(py + lo_y + reach[i, 1] - pad))
        x1 = min(width, math.ceil(px + hi_x + reach[i, 2] + pad) + 1)
        y1 = min(height, math.ceil(py + hi_y + reach[i, 3] + pad) + 1)
        over = 1 if coarse else (4 if radius < 4 else (2 if radius < 40 else 1))
        for yy in range(y0, y1):
            for xx in range(x0, x1):
                total = 0.0
                for k in range(n_sub):
                    dx, dy = xx - px - sub_x[i, k], yy - py - sub_y[i, k]
                    if dx * dx + dy * dy > far:
                        continue
                    value, sd = _depth_at(dx, dy, radius, turned, profile, rim, round_, rho_row, slope_row, over)
                    if value != 0:
                        if mod1 != 0:
                            value *= 1 + mod1 * math.cos(k1x * dx + k1y * dy + phase)
                            if mod2 != 0:
                                value *= 1 + mod2 * math.cos(k2x * dx + k2y * dy - phase)
                        if tilt:
                            value *= max(0.0, 1 + tilt_x * dx + tilt_y * dy)
                        value *= depth
                    if fringe != 0:
                        value += _fringe(sd, fringe, fringe_px)
                    total += value if additive else 1 - math.exp(-value)
                if total != 0:
                    if additive:
                        image[yy, xx] += total / n_sub
                    else:
                        image[yy, xx] *= 1 - total / n_sub


def stamp(
    image: Pixels,
    particles: NDArray[Any],
    outlines: NDArray[np.float64],
    slope: NDArray[np.float64],
    reach: NDArray[np.float64],
    *,
    sub_x: NDArray[np.float64] | None = None,
    sub_y: NDArray[np.float64] | None = None,
    additive: bool = False,
    coarse: bool = False,
) -> None:
    """Draw particles into a picture of the beam, in place.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (Y, X), float32. Bright field: the intensity, multiplied by exp(-depth). Dark field
        (`additive`): the depth is added.
    particles : numpy.ndarray
        Shape (n,), PARTICLE_DTYPE.
    outlines, slope : numpy.ndarray
        Shape (m, N_ANGLES); `particles["outline"]` picks the row.
    reach : numpy.ndarray
        Shape (n, 4), from `shapes.extents`.
    sub_x, sub_y : numpy.ndarray, optional
        Shape (n, k): positions relative to x, y within the exposure, in px; the picture is their mean.
    additive : bool
        Add scattered intensity (dark field) instead of taking transmission (bright field).
    coarse : bool
        One sample a pixel, for supports that are blurred afterwards.
    """
    if len(particles) == 0:
        return
    still = np.zeros((len(particles), 1))
    longest = outlines.max(axis=1)
    dx, dy = still if sub_x is None else sub_x, still if sub_y is None else sub_y
    _stamp(image, particles, outlines, slope, longest, reach, dx, dy, additive, coarse)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _inside(p, dx, dy, rho_row, slope_row):  # type: ignore[no-untyped-def]
    return _edge(dx, dy, math.sqrt(dx * dx + dy * dy), p.radius, p.angle / (2 * math.pi), rho_row, slope_row)[1] <= 0


@numba.njit(cache=True, fastmath=True, nogil=True)
def label_image(shape, particles, ids, rho, reach):  # type: ignore[no-untyped-def]
    """Return an int32 (Y, X) picture of `ids`; where particles overlap the later one is on top."""
    height, width = shape
    out = np.zeros((height, width), np.int32)
    for i in range(particles.shape[0]):
        p = particles[i]
        x0, y0 = max(0, math.floor(p.x + reach[i, 0])), max(0, math.floor(p.y + reach[i, 1]))
        x1, y1 = min(width, math.ceil(p.x + reach[i, 2]) + 1), min(height, math.ceil(p.y + reach[i, 3]) + 1)
        for yy in range(y0, y1):
            for xx in range(x0, x1):
                if _inside(p, xx - p.x, yy - p.y, rho[p.outline], rho[p.outline]):
                    out[yy, xx] = ids[i]
    return out


@numba.njit(cache=True, fastmath=True, nogil=True)
def under(clean, rough, particles, rho, reach):  # type: ignore[no-untyped-def]
    """Measure what lies under each outline, large ones on a coarser raster.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3): area within the frame in px², mean of `clean`, mean of `rough`.
    """
    height, width = clean.shape
    n = particles.shape[0]
    out = np.zeros((n, 3))
    for i in range(n):
        p = particles[i]
        step = max(1, int(p.radius / 6))
        turned, radius, row = p.angle / (2 * math.pi), p.radius, rho[p.outline]
        x0, y0 = max(0, math.floor(p.x + reach[i, 0])), max(0, math.floor(p.y + reach[i, 1]))
        x1, y1 = min(width, math.ceil(p.x + reach[i, 2]) + 1), min(height, math.ceil(p.y + reach[i, 3]) + 1)
        count, s_clean, s_rough = 0, 0.0, 0.0
        for yy in range(y0, y1, step):
            for xx in range(x0, x1, step):
                dx, dy = xx - p.x, yy - p.y
                if _edge(dx, dy, math.sqrt(dx * dx + dy * dy), radius, turned, row, row)[1] <= 0:
                    count += 1
                    s_clean += clean[yy, xx]
                    s_rough += rough[yy, xx]
        if count:
            out[i, 0], out[i, 1], out[i, 2] = count * step * step, s_clean / count, s_rough / count
    return out
