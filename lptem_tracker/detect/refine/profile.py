"""Plates, domes and what lies between: whether particles are equally thick or thin out towards their rim.

A blurred sphere looks much like a smaller blurred plate: of radius 4 px under a blur of 1 px it differs by
0.0024 in χ² per particle at a per-pixel SNR of 1, and by a fifth in radius. So every fit of a plate says how well a
share of the way to the nearest dome (0: plate, 1: a sphere's dome; facetted crystals lie between) agrees with the
residuals. These log-likelihoods are parabolas; they add up over all particles of a frame, and of a movie. What they
leave open goes into the sizes' errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import inlined
from lptem_tracker.detect.refine.pixels import DX, DY, WEIGHT

PLATE, BETWEEN, DOME = PROFILES = "plate", "between", "dome"
_PRIOR = np.array([0.5, 0.15, 0.35])  # of the three; between, every share alike

Evidence: TypeAlias = tuple[float, float]
"""Score S and weight W of a log-likelihood q S - q² W/2 of the share q of the way from plate to dome."""

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
# no share q is known better than 0.01 + 0.04 q: thickness (1 - ρ²/R²)^p moves residuals nearly, but not exactly, as a
# share of 2p does, and outlines in the middle lie by up to 0.08 of the way elsewhere
_LEAST_SPREAD, _BEND = (0.01, 0.04), 0.08
_SIZES = ("width", "height", "area", "radius", "aspect_ratio", "circularity")
# of one particle: what looks otherwise is no question of plate or dome; and what one among others may weigh
_MOST_DEVIATION, _MOST_WEIGHT, _MOST_RATIO = 3.0, 64.0, 4.0


@inlined
def dome_column(kind, p, origin, px, n, table, scratch, scaled, by_contrast, column):  # type: ignore[no-untyped-def]
    """Write the weighted difference of the nearest dome from a plate; `scaled` is scratch for 12 parameters.

    `by_contrast` holds the derivatives by the contrast, which are the plate itself.
    """
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
    if kind == sh.DISK:
        _dome_of_disk(p, origin, px, n, table, b + grown, s_dome, darker, by_contrast, scratch, column)
        return
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
        dome = darker * sh.fraction(kind, u, v, d, scaled, s_dome, table)
        column[j] = -p[sh.CONTRAST] * (px[WEIGHT, j] * dome + by_contrast[j])


@inlined
def _dome_of_disk(p, origin, px, n, table, radius, s, darker, by_contrast, scratch, column):  # type: ignore[no-untyped-def]
    """`dome_column` of a disk, each loop short enough to vectorise."""
    x, y, w, inside, at, scale = px[DX], px[DY], px[WEIGHT], scratch[0], scratch[1], scratch[2]
    ox, oy, c = origin[sh.X] - p[sh.X], origin[sh.Y] - p[sh.Y], p[sh.CONTRAST]
    end = sh.Z_MAX * (1 - 1e-9)
    for j in range(n):
        inside[j] = radius - math.sqrt((x[j] + ox) ** 2 + (y[j] + oy) ** 2)
    for j in range(n):
        # beyond the table's end G rises as in `shapes.edge`
        z = max(inside[j] / s, end)
        scale[j] = math.sqrt(z / end) * (1 - 0.125 / (z * z)) / (1 - 0.125 / (end * end))
    for j in range(n):
        at[j] = (min(max(inside[j] / s, -sh.Z_MAX), end) + sh.Z_MAX) * sh.PER_UNIT
    for j in range(n):
        i = np.uint32(at[j])
        part = at[j] - i
        at[j] = (1 - part) * table[i, 2] + part * table[i + 1, 2]
    for j in range(n):
        at[j] *= scale[j] * math.sqrt(max((2 - inside[j] / radius) / radius * s, 0.0))
    for j in range(n):
        column[j] = -c * (w[j] * darker * at[j] + by_contrast[j])


def nearest_dome(kinds: NDArray[np.int64], params: NDArray[np.float64], share: float = 1.0) -> NDArray[np.float64]:
    """Return the parameters of the domes nearest to plates, or of a share of the way there, shape (n, 12)."""
    out = params.copy()
    b = np.where(kinds == sh.DISK, params[:, sh.A], params[:, sh.B])
    blur = np.exp(params[:, sh.LOG_S])
    for block, rows in enumerate((kinds <= sh.ELLIPSE, kinds > sh.ELLIPSE)):
        x = (blur / np.maximum(b, 1e-9))[rows]
        wider, softer, darker = (np.interp(x, _NEAREST[block, :, 0], _NEAREST[block, :, k]) for k in (1, 2, 3))
        for entry in (sh.A, sh.B, sh.CORNER):
            out[rows, entry] += share * (wider - 1) * b[rows]
        out[rows, sh.LOG_S] += share * np.log(softer)
        out[rows, sh.CONTRAST] *= darker**share
    out[:, sh.Q] = share
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
    """Return score and weight of the log-likelihood of the share of the way to a dome, shape (n, 2).

    Of the particles of one frame, none of which outweighs the others.

    For residuals r of the plate and the difference Δ of the dome, free of what the other parameters can take up, it
    is q Σ r Δ - q² Σ Δ²/2 (Rao 1948), over the noise's power at long wavelengths where it is correlated.
    """
    good = np.isfinite(score) & np.isfinite(weight)
    score, weight = (np.where(good, value, 0.0) / max(kappa, 1.0) for value in (score, weight))
    # at any share the score has the variance `weight` and a mean between 0 and `weight`
    tail = _MOST_DEVIATION * np.sqrt(weight)
    most = max(_MOST_WEIGHT, _MOST_RATIO * float(np.median(weight))) if len(weight) else _MOST_WEIGHT
    cut = np.minimum(1.0, most / np.maximum(weight, 1e-300))
    out: NDArray[np.float64] = np.column_stack([cut * np.clip(score, -tail, weight + tail), cut * weight])
    return out


def pooled_evidence(tables: Iterable[pd.DataFrame]) -> Evidence:
    """Return the summed score and weight of the profile of all refined detections in some tables.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
        From `refine`. The sums are exact, so that they do not depend on how a movie was cut.
    """
    found = [table[["dome_score", "dome_weight"]].to_numpy(float) for table in tables if "dome_score" in table]
    pairs = np.concatenate([*found, np.zeros((0, 2))])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return math.fsum(pairs[:, 0]), math.fsum(pairs[:, 1])


@dataclass(frozen=True)
class Profile:
    """What is known of the thickness profile that particles share.

    Attributes
    ----------
    name : str
        The most probable of `PROFILES`.
    probability : float
        Of that.
    share, spread : float
        Of the way from plate to dome: 0 of plates, 1 of domes, the mean of what lies between; and the root mean
        square by which the truth may be off, the other profiles included.
    """

    name: str
    probability: float
    share: float
    spread: float


def most_probable(found: Evidence) -> Profile:
    """Return the most probable profile, from the summed score and weight of all particles."""
    score, weight = found
    top = min(max(score / weight, 0.0), 1.0) if weight > 0 else 0.0
    trust = min(_TRUST, (_LEAST_SPREAD[0] + _LEAST_SPREAD[1] * top) ** -2 / max(weight, 1e-300))
    q = np.linspace(0.0, 1.0, 401)
    log = trust * (q * score - 0.5 * q**2 * weight)
    likely = np.exp(log - log.max())
    density = likely / likely.sum()
    mean = float((q * density).sum())
    mass = _PRIOR * np.array([likely[0], likely.mean(), likely[-1]])
    mass /= mass.sum()
    best = int(np.argmax(mass))
    share = (0.0, mean, 1.0)[best]
    apart = float(((q - share) ** 2 * density).sum()) + (4 * _BEND * mean * (1 - mean)) ** 2
    spread = math.sqrt(float(mass @ np.array([share**2, apart, (1 - share) ** 2])))
    return Profile(PROFILES[best], float(mass[best]), share, spread)


def settle_profile(table: pd.DataFrame, total: Evidence | None = None) -> pd.DataFrame:
    """Bring the sizes of refined detections to the most probable profile of all of them.

    Parameters
    ----------
    table : pandas.DataFrame
        From `refine`; any number of frames.
    total : tuple of two floats, optional
        Score and weight of the whole movie, for its parts, from `pooled_evidence`; by default this table's.

    Returns
    -------
    pandas.DataFrame
        The same rows with `width, height, area, radius` and their errors under that profile; `profile` and
        `profile_share` say which, `profile_probability` how sure it is. Errors hold the other profiles' share.
    """
    if "dome_score" not in table or not len(table):
        return table
    names = [*_SIZES, *(f"{name}_std" for name in _SIZES[:4]), "profile", "profile_std", "profile_share", "dome_growth"]
    found = pooled_evidence([table]) if total is None else total
    return table.assign(**settled({name: table[name].to_numpy() for name in names}, found))


def settled(columns: Mapping[str, NDArray[Any]], found: Evidence) -> dict[str, NDArray[Any]]:
    """Return the columns that `settle_profile` changes, from a summed score and weight."""
    likeliest, profile = most_probable(found), columns["profile"]
    known = np.isin(profile.astype(str), PROFILES)
    grown = np.nan_to_num(columns["dome_growth"].astype(np.float64))
    was = np.nan_to_num(columns["profile_share"].astype(np.float64))
    move = np.where(known, (likeliest.share - was) * grown, 0.0)
    new = _grown(columns, move, np.where(known, likeliest.spread * np.abs(grown), 0.0))
    new["profile"] = np.where(known, likeliest.name, profile).astype(object)
    new["profile_share"] = np.where(known, likeliest.share, np.nan)
    new["profile_probability"] = np.where(known, likeliest.probability, np.nan)
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
