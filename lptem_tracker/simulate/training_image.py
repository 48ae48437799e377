"""Pictures without end for training and testing a detector, each with its true boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.simulate.camera import apply_mtf, count_electrons, fast_generator, jpeg, mtf_noise_factor
from lptem_tracker.simulate.canvas import Canvas, loguniform
from lptem_tracker.simulate.population import Population
from lptem_tracker.simulate.recipes import RECIPES
from lptem_tracker.simulate.stamp import stamp, under

Pixels = NDArray[np.float32]

BOX_COLUMNS = (
    "x", "y", "width", "height", "angle", "radius", "area", "long_px", "short_px", "centre_x", "centre_y",
    "visible", "snr", "integrated_snr", "visibility", "shape",
)  # fmt: skip

_RECIPE_NAMES = tuple(recipe.__name__ for recipe, _ in RECIPES)
_MIN_VISIBLE = 0.3
# how many independent looks at the background's texture a particle's area holds, as a square root
_TEXTURE_LOOKS = 2.0


@dataclass(frozen=True)
class _Depth:
    """How electrons become grey levels: black at `low`, white at `high`, `levels` in between (0: not stretched)."""

    low: float
    high: float
    levels: float
    black: float = 0.0
    gamma: float = 1.0


def random_training_image(
    rng: np.random.Generator, size: int = 512, *, kind: str | None = None, min_visibility: float = 5.0
) -> tuple[Pixels, pd.DataFrame]:
    """Draw a picture of anything the field films, and the boxes of the particles that can be seen in it.

    Parameters
    ----------
    rng : numpy.random.Generator
        The picture is fixed by its state.
    size : int
        Side of the picture in px, at least 64.
    kind : str, optional
        Name of a function of `recipes`; drawn at random otherwise.
    min_visibility : float
        Particles whose signal stands out less from the noise and from the background's texture get no box.

    Returns
    -------
    pixels : numpy.ndarray
        Shape (size, size), float32, in the counts of some camera (any gain, offset and depth).
    boxes : pandas.DataFrame
        One row a visible particle: `x, y, width, height` is the axis-aligned box of its part within the frame in
        px (centre and extents); `centre_x, centre_y` its centroid, `angle` (rad) and `long_px, short_px` its
        orientation and axes, `area` in px², `radius` that of the disk of equal area, all of the whole particle;
        `visible` the share within the frame; `snr` the signal over the noise of a pixel, `integrated_snr`
        that over its area, and `visibility` the same where the background's texture counts as noise; `shape` its
        name.

    Raises
    ------
    SettingsError
        The size is below 64 px, or there is no such kind.
    """
    if size < 64:
        raise SettingsError(f"A training picture needs a size of at least 64 px, got {size}.")
    fast = fast_generator(rng)
    names = [recipe for recipe, _ in RECIPES]
    if kind is None:
        weights = np.array([weight for _, weight in RECIPES])
        recipe = names[int(fast.choice(len(names), p=weights / weights.sum()))]
    elif kind in _RECIPE_NAMES:
        recipe = names[_RECIPE_NAMES.index(kind)]
    else:
        raise SettingsError(f"Unknown kind of picture {kind!r}; expected one of {', '.join(_RECIPE_NAMES)}.")
    zoom = float(fast.choice([1.0, 1.0, 1.0, 1.0, fast.uniform(1.1, 3.0), fast.uniform(0.6, 0.95)]))
    inner = max(64, int(np.ceil(size / zoom)))
    canvas = recipe(fast, (inner, inner))
    picture, clean, dose = _photograph(canvas, fast)
    depth = _draw_depth(picture, fast)
    boxes = _boxes(canvas, clean, dose, depth, min_visibility)
    if inner != size:
        scale = size / inner
        flags = cv2.INTER_AREA if scale < 1 else int(fast.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        picture = np.asarray(cv2.resize(picture, (size, size), interpolation=flags), np.float32)
        boxes = _rescale(boxes, scale)
    picture = _file(picture, depth, fast)
    return _furniture(picture, fast), boxes


def _photograph(canvas: Canvas, rng: np.random.Generator) -> tuple[Pixels, Pixels, float]:
    """Return the picture in electrons, the noiseless picture in relative intensity, and the dose."""
    clean = canvas.background.copy()
    for population in canvas.populations:
        _draw(clean, population, canvas, rng)
    np.maximum(clean, 1e-3, out=clean)
    if canvas.blur_px > 0.2:
        clean = np.asarray(cv2.GaussianBlur(clean, (0, 0), canvas.blur_px), np.float32)
    level = float(np.median(canvas.background[::4, ::4])) + (0.5 * canvas.signal if canvas.additive else 0.0)
    difference = canvas.signal if canvas.additive else canvas.signal * level
    # per-pixel SNR = difference·dose / sqrt(level·dose) / noise factor, solved for the dose
    dose = level * (canvas.snr * mtf_noise_factor(canvas.lag1) / max(difference, 1e-3)) ** 2
    dose = float(np.clip(dose, 0.5 / level, 2e4 / level))
    picture = apply_mtf(count_electrons(clean * np.float32(dose), rng, exact_below=3.0), canvas.lag1)
    readout = loguniform(rng, 0.02, 0.5) * np.sqrt(dose * level) * mtf_noise_factor(canvas.lag1)
    picture += np.float32(readout) * rng.standard_normal(picture.shape, dtype=np.float32)
    if rng.random() < 0.15:  # lines of a scan, or columns of a readout
        lines = rng.standard_normal((picture.shape[0], 1), dtype=np.float32) * np.float32(rng.uniform(0.02, 0.25))
        lines *= np.float32(np.sqrt(dose * level) * mtf_noise_factor(canvas.lag1))
        picture += lines if canvas.additive or rng.random() < 0.5 else lines.T
    return picture, clean, dose


def _draw(clean: Pixels, population: Population, canvas: Canvas, rng: np.random.Generator) -> None:
    n = len(population.particles)
    sub_x = sub_y = None
    if canvas.motion_px > 0.3 and n:
        steps = rng.standard_normal((2, n, 6)) * (canvas.motion_px / np.sqrt(6))
        walk = np.cumsum(steps, axis=2)
        walk -= walk.mean(axis=2, keepdims=True)
        sub_x, sub_y = walk[0], walk[1]
    stamp(
        clean,
        population.particles,
        population.outlines,
        population.slope,
        population.reach,
        sub_x=sub_x,
        sub_y=sub_y,
        additive=canvas.additive,
    )


def _texture(background: Pixels, radius: float) -> Pixels:
    """Return the local standard deviation of the background at the scale of a particle, (Y, X)."""
    shrink = int(np.clip(radius / 3, 1, 8))
    small = (
        background
        if shrink == 1
        else cv2.resize(background, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    )
    r = radius / shrink
    band = cv2.GaussianBlur(small, (0, 0), max(0.5 * r, 0.4)) - cv2.GaussianBlur(small, (0, 0), 1.6 * r)
    spread = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 3 * r))
    return np.asarray(
        spread if shrink == 1 else cv2.resize(spread, background.shape[::-1], interpolation=cv2.INTER_LINEAR),
        np.float32,
    )


def _boxes(canvas: Canvas, clean: Pixels, dose: float, depth: _Depth, min_visibility: float) -> pd.DataFrame:
    """Return the truth of every particle that can be seen."""
    tables = [
        _truth(canvas, population, clean, dose, depth) for population in canvas.populations if len(population.particles)
    ]
    if not tables:
        return pd.DataFrame({name: pd.Series(dtype="object" if name == "shape" else "float64") for name in BOX_COLUMNS})
    truth = pd.concat(tables, ignore_index=True)
    cut_little = truth["visible"] >= _MIN_VISIBLE
    large = (np.minimum(truth["width"], truth["height"]) >= 6) & (truth["visible"] * truth["area"] >= 60)
    seen = (truth["visibility"] >= min_visibility) & (cut_little | (truth["visible"] >= 0.1) & large)
    seen &= (truth["width"] >= 2) & (truth["height"] >= 2) & (truth["snr"] >= 0.35)
    truth = truth[seen]
    return truth[_distinct(truth)][list(BOX_COLUMNS)].reset_index(drop=True)


def _truth(canvas: Canvas, population: Population, clean: Pixels, dose: float, depth: _Depth) -> pd.DataFrame:
    p, reach = population.particles, population.reach
    rough = _texture(canvas.background, float(np.median(p["radius"])))
    seen: NDArray[Any] = under(clean, rough, p, population.outlines, reach)
    area = np.pi * p["radius"] ** 2
    mean_depth = np.abs(p["depth"]) / (p["profile"] + 1)
    level = np.maximum(seen[:, 1], 1e-3)
    # bright field: what the particle took (or added) relative to what is left under it
    signal = mean_depth if canvas.additive else level * np.abs(np.expm1(np.sign(p["depth"]) * mean_depth))
    blur = p["radius"] ** 2 / (p["radius"] ** 2 + 2 * canvas.blur_px**2 + 0.5 * canvas.motion_px**2)
    signal = signal * blur
    darker = -1.0 if canvas.additive else np.sign(p["depth"])
    around = np.maximum(level + darker * signal, 1e-3)
    # what a stretch into 8 bits cuts off at black or white cannot be seen, nor what it rounds away
    signal_e = np.abs(np.clip(level * dose, depth.low, depth.high) - np.clip(around * dose, depth.low, depth.high))
    grey = (depth.high - depth.low) / depth.levels if depth.levels else 0.0
    snr_raw = signal_e / np.sqrt(level * dose + (grey / mtf_noise_factor(canvas.lag1)) ** 2 / 12)
    integrated = snr_raw * np.sqrt(seen[:, 0])
    texture = _TEXTURE_LOOKS * signal / np.maximum(seen[:, 2], 1e-6)
    left, right = np.maximum(p["x"] + reach[:, 0], -0.5), np.minimum(p["x"] + reach[:, 2], clean.shape[1] - 0.5)
    top, bottom = np.maximum(p["y"] + reach[:, 1], -0.5), np.minimum(p["y"] + reach[:, 3], clean.shape[0] - 0.5)
    outlines = population.outlines[p["outline"]]
    half = outlines + np.roll(outlines, outlines.shape[1] // 2, axis=1)
    return pd.DataFrame(
        {
            "x": (left + right) / 2, "y": (top + bottom) / 2, "width": right - left, "height": bottom - top,
            "angle": (p["angle"] + np.pi / 2) % np.pi - np.pi / 2, "radius": p["radius"], "area": area,
            "long_px": p["radius"] * half.max(axis=1), "short_px": p["radius"] * half.min(axis=1),
            "centre_x": p["x"], "centre_y": p["y"], "visible": np.minimum(seen[:, 0] / area, 1.0),
            "snr": snr_raw / mtf_noise_factor(canvas.lag1), "integrated_snr": integrated,
            "shape": population.kinds[p["outline"]],
            "visibility": 1 / np.sqrt(1 / np.maximum(integrated, 1e-6) ** 2 + 1 / texture**2),
        }
    )  # fmt: skip


def _distinct(truth: pd.DataFrame) -> NDArray[np.bool_]:
    """Keep one of any two particles that lie so much on one another that nobody could tell them apart."""
    keep = np.ones(len(truth), bool)
    order = np.argsort(-truth["integrated_snr"].to_numpy())
    x, y, r = (truth[name].to_numpy() for name in ("centre_x", "centre_y", "radius"))
    near = _pairs_within(x, y, 0.45 * r)
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    for i, j in near:
        small, large = sorted((r[i], r[j]))
        if small > 0.6 * large and np.hypot(x[i] - x[j], y[i] - y[j]) < 0.45 * large:
            keep[i if rank[i] > rank[j] else j] = False
    return keep


def _pairs_within(x: NDArray[np.float64], y: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    if len(x) < 2:
        return np.zeros((0, 2), np.int64)
    return np.asarray(cKDTree(np.c_[x, y]).query_pairs(float(reach.max()), output_type="ndarray"), np.int64)


def _rescale(boxes: pd.DataFrame, scale: float) -> pd.DataFrame:
    out = boxes.copy()
    for name in ("x", "y", "centre_x", "centre_y"):
        out[name] = (out[name] + 0.5) * scale - 0.5
    for name in ("width", "height", "radius", "long_px", "short_px"):
        out[name] *= scale
    out["area"] *= scale**2
    return out


def _draw_depth(picture: Pixels, rng: np.random.Generator) -> _Depth:
    """Choose how the picture will be stored: stretched into 8 bits, whole counts of a camera, or as it is."""
    kind = rng.random()
    if kind < 0.6:
        cut = float(rng.choice([0.0, 0.0005, 0.005])), float(rng.choice([1.0, 0.9995, 0.995]))
        low, high = np.quantile(picture[::4, ::4], cut)
        black, white = rng.uniform(0, 60), rng.uniform(140, 255)
        gamma = float(rng.uniform(0.5, 1.7)) if rng.random() < 0.25 else 1.0
        return _Depth(float(low), max(float(high), float(low) + 1e-3), white - black, black, gamma)
    if kind < 0.85:
        return _Depth(-np.inf, np.inf, 0.0, gamma=loguniform(rng, 1, 60), black=float(rng.uniform(0, 500)))
    return _Depth(-np.inf, np.inf, 0.0)


def _file(picture: Pixels, depth: _Depth, rng: np.random.Generator) -> Pixels:
    """Filter, stretch, quantise and compress as cameras, programs and journals do."""
    if rng.random() < 0.15:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.3)), np.float32)
    elif rng.random() < 0.06:
        picture = np.asarray(cv2.medianBlur(picture, 3), np.float32)
    if rng.random() < 0.3:
        n = int(rng.integers(1, 40))
        spot = picture.max() if rng.random() < 0.7 else picture.min()
        picture[rng.integers(0, picture.shape[0], n), rng.integers(0, picture.shape[1], n)] = spot * rng.uniform(
            0.8, 1.5
        )
    if depth.levels:
        picture = np.clip((picture - np.float32(depth.low)) / np.float32(depth.high - depth.low), 0, 1)
        if depth.gamma != 1:
            picture = picture ** np.float32(depth.gamma)
        picture = np.rint(np.float32(depth.black) + picture * np.float32(depth.levels))
        if rng.random() < 0.45:
            picture = jpeg(picture, int(rng.integers(50, 97)))
    elif depth.black:
        picture = np.rint(picture * np.float32(depth.gamma) + np.float32(depth.black))
    return np.asarray(picture, np.float32)


def _furniture(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Burn in a scale bar, at times."""
    if rng.random() > 0.06:
        return picture
    height, width = picture.shape
    low, high = float(picture.min()), float(picture.max())
    value = high if rng.random() < 0.6 else low
    long, thick = int(width * rng.uniform(0.08, 0.3)), max(2, int(height * rng.uniform(0.004, 0.02)))
    x = int(rng.choice([width * 0.03, width * 0.95 - long]))
    y = int(height * rng.uniform(0.9, 0.96))
    picture[y : y + thick, x : x + long] = value
    if rng.random() < 0.7:
        text = f"{int(rng.choice([2, 5, 10, 20, 50, 100, 200]))} nm"
        ink = np.zeros(picture.shape, np.uint8)
        cv2.putText(
            ink, text, (x, y - 4), cv2.FONT_HERSHEY_SIMPLEX, height / 900, 255, max(1, height // 400), cv2.LINE_AA
        )
        picture += (np.float32(value) - picture) * (ink / np.float32(255))
    return picture
