"""Plates and domes: whether particles are equally thick or thin out towards their rim, as spheres do.

A blurred sphere looks much like a smaller blurred plate: of radius 4 px under a blur of 1 px it differs by
0.0024 in χ² per particle at a per-pixel SNR of 1, and by a fifth in radius. So every fit of a plate says what the
nearest dome would be, and by how much the residuals prefer it; these log-likelihood ratios add up over all
particles of a frame, and of a movie. What they leave open goes into the sizes' errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import inlined
from lptem_tracker.detect.refine.pixels import DX, DY, WEIGHT

PLATE, DOME = "plate", "dome"

# The dome nearest to a plate, by least squares over the picture's area (first block) and across a straight strip
# (second): blur over half width of the plate; then, over the plate's, half width, blur and contrast of the dome.
_NEAREST = np.array([
    [[0.05, 1.0916, 0.4152, 1.2312], [0.08, 1.1091, 0.4170, 1.2055], [0.12, 1.1302, 0.4937, 1.1697],
     [0.16, 1.1481, 0.5771, 1.1374], [0.20, 1.1628, 0.6506, 1.1097], [0.25, 1.1765, 0.7268, 1.0812],
     [0.30, 1.1852, 0.7868, 1.0582], [0.36, 1.1892, 0.8418, 1.0360], [0.43, 1.1862, 0.8888, 1.0154],
     [0.52, 1.1708, 0.9320, 0.9942], [0.65, 1.1239, 0.9776, 0.9694], [0.80, 1.0215, 1.0218, 0.9420]],
    [[0.05, 1.1110, 0.4696, 1.1126], [0.08, 1.1277, 0.3927, 1.1070], [0.12, 1.1482, 0.4302, 1.0936],
     [0.16, 1.1657, 0.4983, 1.0784], [0.20, 1.1799, 0.5683, 1.0638], [0.25, 1.1933, 0.6509, 1.0474],
     [0.30, 1.2014, 0.7240, 1.0333], [0.36, 1.2039, 0.7980, 1.0194], [0.43, 1.1968, 0.8659, 1.0064],
     [0.52, 1.1718, 0.9303, 0.9936], [0.65, 1.0974, 0.9994, 0.9807], [0.80, 0.9363, 1.0614, 0.9616]],
])  # fmt: skip
# A dome's blur acts in both directions; the rim's profile leaves this share of blur²/half width out of its size
# (found by fits to exactly blurred spheres and cylinders).
_CURVATURE = np.array([0.74, 0.22])
# sums over 100 to 800 simulated particles scatter about twice as much as independent ratios would: a frame's blur is
# itself estimated from them
_TRUST = 0.5
_SIZES = ("width", "height", "area", "radius", "aspect_ratio", "circularity")
_MOST_DEVIATION, _MOST_EVIDENCE = 3.0, 32.0  # of one particle: what looks otherwise is no question of plate or dome


@inlined
def dome_column(kind, p, origin, px, n, table, scaled, column):  # type: ignore[no-untyped-def]
    """Write the weighted difference of the nearest dome from a plate; `scaled` is scratch for 12 parameters."""
    block = 0 if kind <= sh.ELLIPSE else 1
    b, s = (p[sh.A] if kind == sh.DISK else p[sh.B]), math.exp(p[sh.LOG_S])
    x = min(max(s / b, _NEAREST[block, 0, 0]), _NEAREST[block, -1, 0])
    t = 0
    while t < _NEAREST.shape[1] - 2 and x > _NEAREST[block, t + 1, 0]:
        t += 1
    w = (x - _NEAREST[block, t, 0]) / (_NEAREST[block, t + 1, 0] - _NEAREST[block, t, 0])
    wider = (1 - w) * _NEAREST[block, t, 1] + w * _NEAREST[block, t + 1, 1]
    softer = (1 - w) * _NEAREST[block, t, 2] + w * _NEAREST[block, t + 1, 2]
    darker = (1 - w) * _NEAREST[block, t, 3] + w * _NEAREST[block, t + 1, 3]
    grown, s_dome = (wider - 1) * b, softer * s
    for k in range(sh.N_PARAMS):
        scaled[k] = p[k]
    scaled[sh.A], scaled[sh.B], scaled[sh.CORNER] = p[sh.A] + grown, b + grown, p[sh.CORNER] + grown
    scaled[sh.Q] = 1.0
    cos, sin = math.cos(p[sh.THETA]), math.sin(p[sh.THETA])
    ox, oy = origin[sh.X] - p[sh.X], origin[sh.Y] - p[sh.Y]
    for j in range(n):
        dx, dy = px[DX, j] + ox, px[DY, j] + oy
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        d = sh.distance(kind, u, v, scaled[sh.A], scaled[sh.B], scaled[sh.CORNER])
        dome = sh.fraction(kind, u, v, d, scaled, s_dome, table)
        d = sh.distance(kind, u, v, p[sh.A], b, p[sh.CORNER])
        cdf, _, _, _ = sh.edge(d / s, table)
        column[j] = -px[WEIGHT, j] * p[sh.CONTRAST] * (darker * dome - cdf)


def nearest_dome(kinds: NDArray[np.int64], params: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the parameters of the domes nearest to plates, shape (n, 12)."""
    out = params.copy()
    b = np.where(kinds == sh.DISK, params[:, sh.A], params[:, sh.B])
    blur = np.exp(params[:, sh.LOG_S])
    for block, rows in enumerate((kinds <= sh.ELLIPSE, kinds > sh.ELLIPSE)):
        x = (blur / np.maximum(b, 1e-9))[rows]
        wider, softer, darker = (np.interp(x, _NEAREST[block, :, 0], _NEAREST[block, :, k]) for k in (1, 2, 3))
        for entry in (sh.A, sh.B, sh.CORNER):
            out[rows, entry] += (wider - 1) * b[rows]
        out[rows, sh.LOG_S] += np.log(softer)
        out[rows, sh.CONTRAST] *= darker
    out[:, sh.Q] = 1.0
    return out


def true_size(kinds: NDArray[np.int64], params: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many px the outlines of domes lie outside of those fitted to their rims, shape (n,)."""
    b = np.where(kinds == sh.DISK, params[:, sh.A], params[:, sh.B])
    share = _CURVATURE[(kinds > sh.ELLIPSE).astype(np.int64)]
    blur2 = np.exp(2 * params[:, sh.LOG_S])
    out: NDArray[np.float64] = params[:, sh.Q] * np.minimum(share * blur2 / np.maximum(b, 0.3), 0.3 * b)
    return out


def growth(kinds: NDArray[np.int64], params: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many px a plate's half width would grow if it were a dome, shape (n,)."""
    dome = nearest_dome(kinds, params)
    out: NDArray[np.float64] = dome[:, sh.A] + true_size(kinds, dome) - params[:, sh.A]
    return out


def evidence(score: NDArray[np.float64], weight: NDArray[np.float64], kappa: float) -> NDArray[np.float64]:
    """Return the log-likelihood ratio of dome to plate of each particle, shape (n,).

    For residuals r of the plate and the difference Δ of the dome, free of what the other parameters can take up, it
    is Σ r Δ - Σ Δ²/2 (Neyman & Pearson 1933), over the noise's power at long wavelengths where it is correlated.
    """
    good = np.isfinite(score) & np.isfinite(weight)
    score, weight = (np.where(good, value, 0.0) / max(kappa, 1.0) for value in (score, weight))
    # under either the score has the variance `weight` and a mean between 0 and `weight`
    tail = _MOST_DEVIATION * np.sqrt(weight)
    out: NDArray[np.float64] = np.clip(score, -tail, weight + tail) - 0.5 * weight
    return np.clip(out, -_MOST_EVIDENCE, _MOST_EVIDENCE)


def pooled_evidence(tables: Iterable[pd.DataFrame]) -> float:
    """Return the log-likelihood ratio of domes to plates of all refined detections in some tables, 0 without any.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
        From `refine`. The sum is exact, so that it does not depend on how a movie was cut.
    """
    found = (table["dome_evidence"].to_numpy(float) for table in tables if "dome_evidence" in table)
    return math.fsum(value for column in found for value in column[np.isfinite(column)])


def settle_profile(table: pd.DataFrame, total: float | None = None) -> pd.DataFrame:
    """Bring the sizes of refined detections to the likelier profile of all of them: plates or domes.

    Parameters
    ----------
    table : pandas.DataFrame
        From `refine`; any number of frames.
    total : float, optional
        Log-likelihood ratio of domes to plates of the whole movie, for its parts, from `pooled_evidence`; by
        default this table's.

    Returns
    -------
    pandas.DataFrame
        The same rows with `width, height, area, radius` and their errors under the likelier profile; `profile`
        says which, `profile_probability` how sure it is. Errors hold the other profile's share.
    """
    if "dome_evidence" not in table or not len(table):
        return table
    names = [*_SIZES, *(f"{name}_std" for name in _SIZES[:4]), "profile", "profile_std", "dome_growth"]
    ratio = pooled_evidence([table]) if total is None else total
    return table.assign(**settled({name: table[name].to_numpy() for name in names}, ratio))


def settled(columns: Mapping[str, NDArray[Any]], ratio: float) -> dict[str, NDArray[Any]]:
    """Return the columns that `settle_profile` changes, from a log-likelihood ratio of domes to plates."""
    dome = ratio > 0
    other = 1.0 / (1.0 + math.exp(min(_TRUST * abs(ratio), 700.0)))
    profile = columns["profile"]
    known = (profile == PLATE) | (profile == DOME)
    grown = np.nan_to_num(columns["dome_growth"].astype(np.float64))
    move = np.where(known & ((profile == DOME) != dome), grown if dome else -grown, 0.0)
    new = _grown(columns, move, np.where(known, math.sqrt(other) * np.abs(grown), 0.0))
    new["profile"] = np.where(known, DOME if dome else PLATE, profile).astype(object)
    new["profile_probability"] = np.where(known, 1.0 - other, np.nan)
    return new


def _grown(
    columns: Mapping[str, NDArray[Any]], move: NDArray[np.float64], open_share: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Return sizes with outlines moved outwards by some px (Steiner 1840) and the profile's share of their errors."""
    width, height, area, radius, aspect, round_ = (columns[name].astype(np.float64) for name in _SIZES)
    with np.errstate(divide="ignore", invalid="ignore"):
        around = np.sqrt(4 * np.pi * area / np.where(round_ > 0, round_, 1.0))
        slopes = {"width": 2.0, "height": 2.0, "area": around, "radius": around / (2 * np.sqrt(np.pi * area))}
        renewed = open_share**2 - columns["profile_std"] ** 2
        var = {name: columns[f"{name}_std"] ** 2 + slope**2 * renewed for name, slope in slopes.items()}
        new = {f"{name}_std": np.sqrt(np.maximum(value, 0.0)) for name, value in var.items()}
        larger = area + around * move + np.pi * move**2
        values = (
            width + 2 * move, height + 2 * move, larger, np.sqrt(larger / np.pi),
            (width + 2 * move) / (height + 2 * move), 4 * np.pi * larger / (around + 2 * np.pi * move) ** 2,
        )  # fmt: skip
    new["profile_std"] = open_share
    old = (width, height, area, radius, aspect, round_)
    return new | {n: np.where(move != 0, value, was) for n, value, was in zip(_SIZES, values, old)}
