"""The pixels of one particle's window: those near its outline one by one, those beyond as sums."""

from __future__ import annotations

import math

import numpy as np

from lptem_tracker.detect.refine.compiled import inlined
from lptem_tracker.detect.refine.shapes import (
    BOX,
    CONTRAST,
    CORNER,
    DISK,
    ELLIPSE,
    LEVEL,
    LOG_S,
    ROD,
    SLOPE_X,
    SLOPE_Y,
    THETA,
    A,
    B,
    Q,
    X,
    Y,
    distance,
    fraction,
)

# rows of the table of pixels
DX, DY, VALUE, WEIGHT, INSIDE, COLUMN, LINE = range(7)

Z_CUT = 3.7  # blurs from the outline beyond which an edge is not seen: Φ(-3.7) = 1e-4
PIXEL_CAP = 40_000
PLANE_CAP = 60_000


@inlined
def normal_edge(z, n, cdf, pdf):  # type: ignore[no-untyped-def]
    """Write Φ(z) and φ(z) without a branch: Abramowitz & Stegun 1964, eq. 26.2.17 (error below 8e-8)."""
    for j in range(n):
        a = min(abs(z[j]), 6.0)
        t = a * a * (-0.5 / 64)
        e = 1 + t * (1 + t * (0.5 + t * (1.0 / 6 + t * (1.0 / 24))))
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e *= 0.3989422804014327
        k = 1 / (1 + 0.2316419 * a)
        q = e * k * (0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
        pdf[j] = e
        cdf[j] = 1 - q if z[j] >= 0 else q


@inlined
def _beyond(image, total, owner, me, p, noise, clip, iy, xa, xb, sums):  # type: ignore[no-untyped-def]
    """Add a run of background pixels to `sums`: Σw(1, x, y, xx, xy, yy), Σw·v(1, x, y), Σw·v², count."""
    dy, limit = iy - p[Y], clip * clip if clip > 0 else np.inf
    s0, s1, s2, s3, s4, s5, s6, s7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    line_i, line_t, line_o = image[iy], total[iy], owner[iy]
    base = p[LEVEL] + p[SLOPE_Y] * dy
    for ix in range(xa, xb):
        dx = ix - p[X]
        plane = base + p[SLOPE_X] * dx
        others = line_t[ix]
        variance = max(noise[2], noise[1] + noise[0] * (plane - others))
        value = line_i[ix] + others
        off = value - plane
        mine = (line_o[ix] < 0) | (line_o[ix] == me)
        good = mine & (off * off <= limit * variance)
        w = 1.0 / variance if good else 0.0
        v = value - p[LEVEL] if good else 0.0
        wx, wv = w * dx, w * v
        s0 += w
        s1 += wx
        s2 += wx * dx
        s3 += wv
        s4 += wv * dx
        s5 += wv * v
        s6 += 1.0 if good else 0.0
        s7 += 1.0 if mine else 0.0
    sums[0] += s0
    sums[1] += s1
    sums[2] += s0 * dy
    sums[3] += s2
    sums[4] += s1 * dy
    sums[5] += s0 * dy * dy
    sums[6] += s3
    sums[7] += s4
    sums[8] += s3 * dy
    sums[9] += s5
    sums[10] += s6
    sums[11] += s7 - s6


@inlined
def _run(image, total, owner, me, p, iy, xa, xb, skip, px, others, n):  # type: ignore[no-untyped-def]
    """Append the pixels of a run in a line; those of others or without data get the value NaN."""
    xa += (skip - xa % skip) % skip
    count = min(max((xb - xa + skip - 1) // skip, 0), px.shape[1] - n)
    if count == 0:
        return n
    x, y, value, column, line = px[DX, n:], px[DY, n:], px[VALUE, n:], px[COLUMN, n:], px[LINE, n:]
    rest = others[n:]
    line_i, line_t, line_o = image[iy, xa:xb:skip], total[iy, xa:xb:skip], owner[iy, xa:xb:skip]
    for k in range(count):
        column[k] = xa + skip * k
    for k in range(count):
        x[k] = column[k] - p[X]
    for k in range(count):
        y[k] = iy - p[Y]
    for k in range(count):
        line[k] = iy
    for k in range(count):
        value[k] = line_i[k] if (line_o[k] < 0) | (line_o[k] == me) else np.nan
    for k in range(count):
        rest[k] = line_t[k]
    return n + count


@inlined
def _distances(kind, p, near, px, n):  # type: ignore[no-untyped-def]
    """Write the distance of each pixel to the outline."""
    x, y, inside = px[DX], px[DY], px[INSIDE]
    if kind == DISK:
        for j in range(n):
            inside[j] = p[A] - math.sqrt(x[j] * x[j] + y[j] * y[j])
        return
    cos, sin = math.cos(p[THETA]), math.sin(p[THETA])
    for j in range(n):
        inside[j] = distance(kind, cos * x[j] + sin * y[j], cos * y[j] - sin * x[j], p[A], p[B], p[CORNER])


@inlined
def _weigh(kind, p, counted, noise, clip, table, px, n, scratch, sums):  # type: ignore[no-untyped-def]
    """Take the others' share out, write the weights, drop pixels without data and outliers.

    Returns how many pixels are left, how many of them inside the outline, and Σ log variance.
    """
    s, limit = math.exp(p[LOG_S]), clip * clip if clip > 0 else np.inf
    cos, sin = math.cos(p[THETA]), math.sin(p[THETA])
    x, y, value, weight, inside, others = px[DX], px[DY], px[VALUE], px[WEIGHT], px[INSIDE], scratch[0]
    z, own, density, variance = scratch[1], scratch[2], scratch[3], scratch[4]
    for j in range(n):
        z[j] = inside[j] / s
    normal_edge(z, n, own, density)
    if p[Q] != 0.0:
        for j in range(n):
            own[j] = fraction(kind, cos * x[j] + sin * y[j], cos * y[j] - sin * x[j], inside[j], p, s, table)
    share = p[CONTRAST] if counted else 0.0
    for j in range(n):
        others[j] -= share * own[j]
    for j in range(n):
        z[j] = p[LEVEL] + p[SLOPE_X] * x[j] + p[SLOPE_Y] * y[j] - p[CONTRAST] * own[j]
    for j in range(n):
        variance[j] = max(noise[2], noise[1] + noise[0] * (z[j] - others[j]))
    for j in range(n):
        value[j] += others[j]
    for j in range(n):
        weight[j] = 1 / math.sqrt(variance[j])
    kept, seen, log_v, product = 0, 0, 0.0, 1.0
    for j in range(n):
        off = (value[j] - z[j]) ** 2
        if not off <= limit * variance[j]:
            sums[11] += math.isfinite(value[j])
            continue
        if kept < j:
            for k in range(7):
                px[k, kept] = px[k, j]
        kept += 1
        seen += inside[j] > 0
        product *= variance[j]
        if product > 1e200 or product < 1e-200:
            log_v += math.log(product)
            product = 1.0
    return kept, seen, log_v + math.log(product)


@inlined
def _leave_far(image, total, owner, me, p, noise, clip, near, px, others, n, sums):  # type: ignore[no-untyped-def]
    """Move the pixels beyond the outline's reach to the sums; return how many are left."""
    kept = 0
    for j in range(n):
        if px[INSIDE, j] <= -near:
            column = int(px[COLUMN, j])
            _beyond(image, total, owner, me, p, noise, clip, int(px[LINE, j]), column, column + 1, sums)
            continue
        if kept < j:
            others[kept] = others[j]
            for k in range(7):
                px[k, kept] = px[k, j]
        kept += 1
    return kept


@inlined
def gather(image, total, counted, owner, me, kind, p, window, noise, slack, clip, caps, table, px, scratch, sums):  # type: ignore[no-untyped-def]
    """Collect a particle's pixels; return how many lie near its outline, their share seen, and Σ log variance.

    Parameters
    ----------
    caps : tuple of two ints
        About how many pixels near and beyond the outline are enough; more are thinned out.
    px : (7, capacity) float64
        Written: rows DX to LINE of the pixels within some blurs and `slack` of the outline or inside it.
    scratch : (5 or more, capacity) float64
    sums : (12,) float64
        Written: see `_beyond`; the last is the number of outliers left out.
    """
    a, b = p[A], (p[A] if kind == DISK else p[B])
    near = Z_CUT * math.exp(p[LOG_S]) + slack
    bounding = near + (math.sqrt(a * a + b * b) if kind == BOX else max(a, b))
    stride = max(1, math.ceil(math.sqrt(math.pi * window[2] * window[2] / caps[1])))
    rim = max(1, math.ceil(math.sqrt(16 * near * max(a, b) / caps[0])))
    hollow = max(min(a, b) - near, 0.0) if stride > 1 and kind <= ELLIPSE else 0.0
    inner = max(stride, math.ceil(math.sqrt(4 * math.pi * hollow * hollow / caps[0])))
    n = 0
    for k in range(12):
        sums[k] = 0.0
    for iy in range(
        max(0, math.ceil(window[1] - window[2])), min(image.shape[0] - 1, math.floor(window[1] + window[2])) + 1
    ):
        dy = iy - p[Y]
        half = math.sqrt(max(window[2] * window[2] - (iy - window[1]) ** 2, 0.0))
        x0, x1 = max(0, math.ceil(window[0] - half)), min(image.shape[1], math.floor(window[0] + half) + 1)
        half = math.sqrt(max(bounding * bounding - dy * dy, 0.0))
        xa = min(max(x0, math.ceil(p[X] - half)), x1)
        xb = max(min(x1, math.floor(p[X] + half) + 1), xa) if half > 0 else xa
        if stride == 1:
            _beyond(image, total, owner, me, p, noise, clip, iy, x0, xa, sums)
            _beyond(image, total, owner, me, p, noise, clip, iy, xb, x1, sums)
        elif iy % stride == 0:
            for ix in range(x0 - x0 % stride + stride, x1, stride):
                if ix < xa or ix >= xb:
                    _beyond(image, total, owner, me, p, noise, clip, iy, ix, ix + 1, sums)
        if iy % rim != 0:
            continue
        half = math.sqrt(max(hollow * hollow - dy * dy, 0.0))
        ya, yb = min(max(xa, math.ceil(p[X] - half)), xb), min(max(xa, math.floor(p[X] + half)), xb)
        if half == 0 or yb <= ya:
            n = _run(image, total, owner, me, p, iy, xa, xb, rim, px, scratch[0], n)
            continue
        n = _run(image, total, owner, me, p, iy, xa, ya, rim, px, scratch[0], n)
        if iy % inner == 0:
            n = _run(image, total, owner, me, p, iy, ya, yb, inner, px, scratch[0], n)
        n = _run(image, total, owner, me, p, iy, yb, xb, rim, px, scratch[0], n)
    _distances(kind, p, near, px, n)
    if kind != DISK:
        n = _leave_far(image, total, owner, me, p, noise, clip, near, px, scratch[0], n, sums)
    within = 0
    for j in range(n):
        within += px[INSIDE, j] > 0
    n, seen, log_v = _weigh(kind, p, counted, noise, clip, table, px, n, scratch, sums)
    if sums[10] > 0:
        # the background's variance hardly varies over a window: the logarithm of the mean weight will do
        log_v -= sums[10] * math.log(sums[0] / sums[10])
    corner = a if kind == DISK else (b if kind == ROD else p[CORNER])
    whole = math.pi * a * b if kind <= ELLIPSE else 4 * a * b - (4 - math.pi) * corner * corner
    if stride > 1 or whole < 40:
        whole = float(within)
    return n, seen / max(whole, float(within), 1.0), log_v
