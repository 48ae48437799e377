"""Where particles lie: at random with a hard core, in clusters and chains, or on lattices."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@numba.njit(cache=True)
def _insert(tries, radius, core, stick, turn, allowed, cell):  # type: ignore[no-untyped-def]
    n, n_try = radius.shape[0], tries.shape[1]
    height, width = allowed.shape
    out = np.full((n, 2), np.nan)
    # cells as large as the largest contact distance: only the nine around a point need a look
    pad = 2.0 * cell
    nx, ny = int((width + 2 * pad) / cell) + 3, int((height + 2 * pad) / cell) + 3
    head = np.full((ny, nx), -1, np.int64)
    following = np.full(n, -1, np.int64)
    placed = np.zeros(n, np.int64)
    n_placed = 0
    for i in range(n):
        for t in range(n_try):
            x, y = tries[i, t, 0], tries[i, t, 1]
            if stick[i] >= 0 and n_placed > 0:
                j = placed[int(turn[i, t, 0] * n_placed)]
                reach = (radius[i] + radius[j]) * max(core, 0.6) + stick[i]
                x = out[j, 0] + reach * math.cos(turn[i, t, 1])
                y = out[j, 1] + reach * math.sin(turn[i, t, 1])
                if x < -radius[i] or y < -radius[i] or x > width + radius[i] or y > height + radius[i]:
                    continue
            ix, iy = min(max(int(x), 0), width - 1), min(max(int(y), 0), height - 1)
            if allowed[iy, ix] == 0:
                continue
            cx = min(max(int((x + pad) / cell) + 1, 1), nx - 2)
            cy = min(max(int((y + pad) / cell) + 1, 1), ny - 2)
            free = True
            for b in range(cy - 1, cy + 2):
                for a in range(cx - 1, cx + 2):
                    j = head[b, a]
                    while j >= 0 and free:
                        apart = core * (radius[i] + radius[j]) - 1e-6
                        if (out[j, 0] - x) ** 2 + (out[j, 1] - y) ** 2 < apart * apart:
                            free = False
                        j = following[j]
            if free:
                out[i, 0], out[i, 1] = x, y
                following[i] = head[cy, cx]
                head[cy, cx] = i
                placed[n_placed] = i
                n_placed += 1
                break
    return out


def scatter(
    rng: np.random.Generator,
    radius: NDArray[np.float64],
    shape: tuple[int, int],
    *,
    core: float = 1.0,
    clustering: float = 0.0,
    gap_px: float = 0.5,
    allowed: NDArray[np.uint8] | None = None,
    margin: float = 1.0,
) -> Points:
    """Place particles at random.

    Parameters
    ----------
    rng : numpy.random.Generator
    radius : numpy.ndarray
        Shape (n,), contact radius of each in px.
    shape : tuple of int
        (Y, X).
    core : float
        Closest centre distance over the sum of the radii: 1 hard spheres, 0 free to overlap.
    clustering : float
        Share of particles put in contact with one that is there already, 0 to 1.
    gap_px : float
        Largest surface gap of such a contact.
    allowed : numpy.ndarray, optional
        Shape (Y, X), uint8; centres fall where it is not 0.
    margin : float
        How far outside the frame a centre may lie, in radii.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2), x and y; NaN where no place was found.
    """
    n, tries = len(radius), 12
    height, width = shape
    at = rng.random((n, tries, 2))
    at = at * (np.array([width, height]) + 2 * margin * radius[:, None, None]) - margin * radius[:, None, None] - 0.5
    stick = np.where(rng.random(n) < clustering, rng.uniform(0, max(gap_px, 1e-9), n), -1.0)
    turn = rng.random((n, tries, 2)) * (1.0, 2 * np.pi)
    where = np.ones(shape, np.uint8) if allowed is None else allowed
    cell = max(2.0 * float(radius.max(initial=1.0)) * max(core, 0.05), 4.0)
    result: Points = _insert(at, radius, float(core), stick, turn, where, cell)
    return result


def lattice(
    rng: np.random.Generator,
    shape: tuple[int, int],
    spacing_px: float,
    *,
    square: bool = False,
    jitter: float = 0.03,
    angle: float | None = None,
) -> Points:
    """Return the sites of a crystal over the whole frame and a little beyond.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (Y, X).
    spacing_px : float
        Distance of nearest neighbours.
    square : bool
        Square instead of hexagonal.
    jitter : float
        Standard deviation of each coordinate about its site, over the spacing.
    angle : float, optional
        Direction of a lattice row in rad; drawn at random otherwise.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2), x and y in px.
    """
    height, width = shape
    turn = rng.uniform(0, np.pi) if angle is None else angle
    half = int(np.hypot(height, width) / spacing_px / (1.0 if square else np.sqrt(0.75)) / 2) + 2
    i, j = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1))
    u = i.astype(float) if square else i + 0.5 * (j % 2)
    v = j.astype(float) if square else j * np.sqrt(0.75)
    origin = rng.uniform(0, 1, 2)
    u, v = (u.ravel() + origin[0]) * spacing_px, (v.ravel() + origin[1]) * spacing_px
    x = width / 2 + u * np.cos(turn) - v * np.sin(turn)
    y = height / 2 + u * np.sin(turn) + v * np.cos(turn)
    near = (np.abs(x - width / 2) < width / 2 + spacing_px) & (np.abs(y - height / 2) < height / 2 + spacing_px)
    points = np.stack([x, y], axis=1)[near]
    result: Points = points + jitter * spacing_px * rng.standard_normal(points.shape)
    return result
