"""From detection boxes to start values, windows and weak priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.compiled import compiled
from lptem_tracker.detect.refine.frame import Buffers, State
from lptem_tracker.detect.refine.noise import NoiseModel, estimate_noise
from lptem_tracker.detect.refine.render import owners

# Detectors' boxes err by 0.2 to 0.9 px in place and by 5 to 20 % in size; twice to three times that is allowed for.
_POSITION_SHARE, _SIZE_SHARE = 0.25, 0.35
# Most instruments blur an outline by 0.6 to 2.4 px.
BLUR_MEAN, BLUR_SPREAD = math.log(1.2), 0.7
_DEAD_RUN, _DEAD_SIDE, _LEAST_DEVIATION, _MOST_DEAD = 10, 6, 1.5, 0.3


def boxes(table: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return x, y, width, height and angle of the detections, shape (n, 5); NaN sides where there is none."""
    n = len(table["x"])
    out = np.full((n, 5), np.nan)
    out[:, 0], out[:, 1] = table["x"], table["y"]
    diameter = 2 * np.asarray(table["radius"], np.float64) if "radius" in table else np.full(n, np.nan)
    for k, name in ((2, "width"), (3, "height")):
        given = np.asarray(table[name], np.float64) if name in table else diameter
        out[:, k] = np.where(np.isfinite(given) & (given > 0), given, diameter)
    out[:, 4] = np.nan_to_num(np.asarray(table["angle"], np.float64)) if "angle" in table else 0.0
    bad = ~(np.isfinite(out).all(axis=1) & (out[:, 2] > 0) & (out[:, 3] > 0))
    out[bad, 2:4] = np.nan
    return out


def inside_frame(box: NDArray[np.float64], image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which boxes are complete and overlap the frame, shape (n,)."""
    height, width = image.shape
    half = np.maximum(box[:, 2], box[:, 3]) / 2
    with np.errstate(invalid="ignore"):
        over = (
            (box[:, 0] > -half) & (box[:, 0] < width - 1 + half) & (box[:, 1] > -half) & (box[:, 1] < height - 1 + half)
        )
    out: NDArray[np.bool_] = over & np.isfinite(box).all(axis=1) & (half < 2 * max(height, width))
    return out


@compiled
def _spikes(image, limit, out):  # type: ignore[no-untyped-def]
    """Write rows and columns of isolated spikes to `out`, shape (k, 2); return how many."""
    height, width = image.shape
    count, around, near = 0, np.empty(8), limit * 2 / 3
    for y in range(height):
        line, steps = image[y], 0
        for x in range(1, width):
            steps += 0 if abs(line[x] - line[x - 1]) <= near else 1
        if steps == 0:
            continue
        for x in range(width):
            v = image[y, x]
            # the nearest neighbour in the line decides for nearly all
            if abs(v - image[y, x - 1 if x > 0 else x + 1]) <= near or not math.isfinite(v):
                continue
            n = 0
            for iy in range(max(0, y - 1), min(height - 1, y + 1) + 1):
                for ix in range(max(0, x - 1), min(width - 1, x + 1) + 1):
                    if (iy != y or ix != x) and math.isfinite(image[iy, ix]):
                        around[n] = image[iy, ix]
                        n += 1
            if n < 3 or count >= out.shape[0]:
                continue
            part = np.sort(around[:n])
            off = abs(v - 0.5 * (part[n // 2] + part[(n - 1) // 2]))
            if (
                off > limit
                and min(abs(v - part[0]), abs(v - part[n - 1])) > off * 2 / 3
                and not part[0] < v < part[n - 1]
            ):
                out[count, 0], out[count, 1] = y, x
                count += 1
    return count


@compiled
def _dead(image, out):  # type: ignore[no-untyped-def]
    """Mark squares of `_DEAD_SIDE` and lines of `_DEAD_RUN` equal pixels either way; return how many they are."""
    height, width = image.shape
    run, marked = np.zeros(width, np.int32), False
    for y in range(height):
        line, along, here = image[y], 0, 0
        if y > 0:
            above = image[y - 1]
            for x in range(width):
                run[x] = run[x] + 1 if line[x] == above[x] else 0
            for x in range(width):
                here += 1 if run[x] >= _DEAD_RUN - 1 else 0
            if here > 0:
                marked = True
                for x in range(width):
                    if run[x] >= _DEAD_RUN - 1:
                        out[y - _DEAD_RUN + 1 : y + 1, x] = True
        # hardly a line holds as many equal pixels: these loops vectorise, the one below does not
        one, two, three, last = line[1:], line[2:], line[3:], line[_DEAD_SIDE - 1 :]
        for x in range(width - _DEAD_SIDE + 1):
            v = line[x]
            along += 1 if (one[x] == v) & (two[x] == v) & (three[x] == v) & (last[x] == v) else 0
        if along == 0:
            continue
        along = 0
        for x in range(1, width):
            along = along + 1 if line[x] == line[x - 1] else 0
            if along >= _DEAD_RUN - 1:
                out[y, x - _DEAD_RUN + 1 : x + 1] = marked = True
            if along >= _DEAD_SIDE - 1 and run[x - _DEAD_SIDE + 1 : x + 1].min() >= _DEAD_SIDE - 1:
                out[y - _DEAD_SIDE + 1 : y + 1, x - _DEAD_SIDE + 1 : x + 1] = marked = True
    count = 0
    if marked:
        for y in range(height):
            for x in range(width):
                count += out[y, x]
    return count


def _cut(image: NDArray[np.float32], near: float) -> NDArray[np.bool_]:
    """Return which pixels have the lowest or the highest value, if others come nearer to it than `near`."""
    out = np.zeros(image.shape, dtype=np.bool_)
    for end in (np.nanmin(image), np.nanmax(image)):
        with np.errstate(invalid="ignore"):
            apart = np.abs(image - end)
        if ((apart > 0) & (apart < near)).any():
            out |= apart == 0
    return out


def without_faults(image: NDArray[np.float32], noise: NoiseModel, quantum: float) -> NDArray[np.float32]:
    """Return the image with isolated hot and dead pixels, and patches and lines of one value, marked as no data.

    A spike stands 8 standard deviations out of the median of its neighbours, none of which comes nearer to it than
    two thirds of that: outlines blurred by half a pixel or more do. Equal pixels in a square of six (median filters and
    compression make smaller ones) or ten in a line are no coincidence where the noise is wider than 1.5 grey values;
    where much of a frame is so, it is the picture's nature, and at an end of the grey scale that pixels come near to
    they were cut there.
    """
    if min(image.shape) < 3:
        return image
    deviation = math.sqrt(float(noise.variance(noise.level)))
    found = np.empty((1 + image.size // 16, 2), dtype=np.int64)
    count = _spikes(image, 8 * deviation, found)
    dead = np.zeros(image.shape, dtype=np.bool_)
    patches = 0
    if deviation > max(_LEAST_DEVIATION * quantum, 1e-5 * abs(noise.level)) and _dead(image, dead):
        dead &= ~_cut(image, deviation)
        patches = int(dead.sum())
    if count == 0 and not 0 < patches < _MOST_DEAD * image.size:
        return image
    out = image.copy()
    out[found[:count, 0], found[:count, 1]] = np.nan
    if patches < _MOST_DEAD * image.size:
        out[dead] = np.nan
    return out


@compiled
def _levels(image: Any, params: Any) -> None:
    """Write level and contrast from the means inside 0.7 and between 1.3 and 1.8 radii."""
    height, width = image.shape
    for i in range(params.shape[0]):
        p = params[i]
        r = p[sh.A]
        reach, step = 1.8 * r + 2, max(1, int(r / 20))
        inner, n_inner, outer, n_outer = 0.0, 0, 0.0, 0
        for iy in range(max(0, math.ceil(p[sh.Y] - reach)), min(height - 1, math.floor(p[sh.Y] + reach)) + 1, step):
            for ix in range(max(0, math.ceil(p[sh.X] - reach)), min(width - 1, math.floor(p[sh.X] + reach)) + 1, step):
                v = image[iy, ix]
                rho = math.sqrt((ix - p[sh.X]) ** 2 + (iy - p[sh.Y]) ** 2)
                if math.isfinite(v):
                    if rho < 0.7 * r:
                        inner, n_inner = inner + v, n_inner + 1
                    elif 1.3 * r + 1 < rho < reach:
                        outer, n_outer = outer + v, n_outer + 1
        if n_outer > 0:
            p[sh.LEVEL] = outer / n_outer
            if n_inner > 0:
                p[sh.CONTRAST] = p[sh.LEVEL] - inner / n_inner


def start_state(image: NDArray[np.float32], box: NDArray[np.float64], quantum: float) -> State:
    """Return disks in the boxes' place, with the frame's noise measured outside of them.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (Y, X), float32.
    box : numpy.ndarray
        Shape (n, 5), all finite, from `boxes`.
    quantum : float
        Step between grey values, 0 for floats.
    """
    n = len(box)
    p = np.zeros((n, sh.N_PARAMS))
    p[:, sh.X], p[:, sh.Y] = box[:, 0], box[:, 1]
    size = np.maximum(np.sqrt(box[:, 2] * box[:, 3]) / 2, 0.7)
    p[:, sh.A] = p[:, sh.B] = size
    kinds = np.full(n, sh.DISK, dtype=np.int64)
    wide = p.copy()
    wide[:, sh.A], wide[:, sh.B], wide[:, sh.THETA] = box[:, 2] / 2, box[:, 3] / 2, box[:, 4]
    shape = (image.shape[0], image.shape[1])
    owner = owners(shape, np.full(n, sh.ELLIPSE, dtype=np.int64), wide, 4.0)
    noise = estimate_noise(image, owner >= 0, quantum=quantum)
    image = without_faults(image, noise, quantum)
    p[:, sh.LEVEL], p[:, sh.CONTRAST] = noise.level, 0.0
    _levels(image, p)
    half = np.maximum(box[:, 2], box[:, 3]) / 2
    windows = np.column_stack([box[:, 0], box[:, 1], 1.25 * half + np.clip(size + 8, 10, 40)])
    state = State(image, noise, kinds, p, windows, owner, Buffers.of(shape))
    state.precisions[:, sh.X] = state.precisions[:, sh.Y] = 1 / (_POSITION_SHARE * size + 1) ** 2
    state.precisions[:, sh.A] = state.precisions[:, sh.B] = 1 / (_SIZE_SHARE * size) ** 2
    state.priors[:, sh.LOG_S], state.precisions[:, sh.LOG_S] = BLUR_MEAN, 1 / BLUR_SPREAD**2
    return state
