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
DX, DY, VALUE, WEIGHT, INSIDE, COLUMN, LINE, OTHERS = range(8)
N_ROWS = 8
BLOCK = 16
FAR = 2048  # background pixels that are added up at a time

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
def _run(image, total, owner, me, iy, xa, xb, skip, out, n):  # type: ignore[no-untyped-def]
    """Append the pixels of a run in a line; those of others get the value NaN.

    Whole blocks are copied while the line has pixels for them: what is too much, the next run overwrites.
    """
    xa += (skip - xa % skip) % skip
    count = min(max((xb - xa + skip - 1) // skip, 0), out.shape[1] - BLOCK - n)
    done = 0
    while skip == 1 and done < count and xa + done + BLOCK <= image.shape[1]:
        start, end, at, stop = xa + done, xa + done + BLOCK, n + done, n + done + BLOCK
        line_i, line_t, line_o = image[iy, start:end], total[iy, start:end], owner[iy, start:end]
        value, others, column, line = (
            out[VALUE, at:stop],
            out[OTHERS, at:stop],
            out[COLUMN, at:stop],
            out[LINE, at:stop],
        )
        for k in range(BLOCK):
            value[k] = line_i[k] if (line_o[k] < 0) | (line_o[k] == me) else np.nan
        for k in range(BLOCK):
            others[k] = line_t[k]
        for k in range(BLOCK):
            column[k] = start + k
        for k in range(BLOCK):
            line[k] = iy
        done += BLOCK
    for k in range(done, count):
        ix = xa + skip * k
        out[VALUE, n + k] = image[iy, ix] if (owner[iy, ix] < 0) | (owner[iy, ix] == me) else np.nan
        out[OTHERS, n + k], out[COLUMN, n + k], out[LINE, n + k] = total[iy, ix], ix, iy
    return n + max(count, 0)


@inlined
def _add_far(p, noise, clip, far, n, sums):  # type: ignore[no-untyped-def]
    """Add background pixels to `sums`: Σw(1, x, y, xx, xy, yy), Σw·v(1, x, y), Σw·v², count."""
    limit = clip * clip if clip > 0 else np.inf
    s0, sx, sy, sxx, sxy, syy, sv, svx, svy, svv, count = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    column, line, value, others = far[COLUMN], far[LINE], far[VALUE], far[OTHERS]
    x0, y0, level, slope_x, slope_y = p[X], p[Y], p[LEVEL], p[SLOPE_X], p[SLOPE_Y]
    for j in range(n):
        dx, dy = column[j] - x0, line[j] - y0
        plane = slope_x * dx + slope_y * dy
        variance = max(noise[2], noise[1] + noise[0] * (level + plane - others[j]))
        v = value[j] + others[j] - level
        off = v - plane
        good = off * off <= limit * variance
        w = 1.0 / variance if good else 0.0
        v = v if good else 0.0
        wx, wy, wv = w * dx, w * dy, w * v
        s0 += w
        sx += wx
        sy += wy
        sxx += wx * dx
        sxy += wx * dy
        syy += wy * dy
        sv += wv
        svx += wv * dx
        svy += wv * dy
        svv += wv * v
        count += 1.0 if good else 0.0
    sums[0] += s0
    sums[1] += sx
    sums[2] += sy
    sums[3] += sxx
    sums[4] += sxy
    sums[5] += syy
    sums[6] += sv
    sums[7] += svx
    sums[8] += svy
    sums[9] += svv
    sums[10] += count


@inlined
def _far_run(image, total, owner, me, iy, xa, xb, skip, p, noise, clip, far, n, sums):  # type: ignore[no-untyped-def]
    """Append a run of background pixels to `far`, which is added up whenever it is full; return how many it holds."""
    while xa < xb:
        if n > far.shape[1] - 2 * BLOCK:
            _add_far(p, noise, clip, far, n, sums)
            n = 0
        end = min(xb, xa + skip * (far.shape[1] - BLOCK - n))
        n = _run(image, total, owner, me, iy, xa, end, skip, far, n)
        xa = end
    return n


@inlined
def _distances(kind, p, px, n):  # type: ignore[no-untyped-def]
    """Write the place of each pixel beside the particle's, and its distance to the outline."""
    x, y, inside, column, line = px[DX], px[DY], px[INSIDE], px[COLUMN], px[LINE]
    for j in range(n):
        x[j] = column[j] - p[X]
    for j in range(n):
        y[j] = line[j] - p[Y]
    if kind == DISK:
        for j in range(n):
            inside[j] = p[A] - math.sqrt(x[j] * x[j] + y[j] * y[j])
        return
    cos, sin = math.cos(p[THETA]), math.sin(p[THETA])
    for j in range(n):
        inside[j] = distance(kind, cos * x[j] + sin * y[j], cos * y[j] - sin * x[j], p[A], p[B], p[CORNER])


@inlined
def _weigh(kind, p, counted, noise, clip, table, px, n, scratch):  # type: ignore[no-untyped-def]
    """Take the others' share out, write the weights, drop pixels without data and outliers.

    Returns how many pixels are left, how many of them inside the outline, and Σ log variance.
    """
    s, limit = math.exp(p[LOG_S]), clip * clip if clip > 0 else np.inf
    x, y, value, weight, inside, others = px[DX], px[DY], px[VALUE], px[WEIGHT], px[INSIDE], px[OTHERS]
    z, own, density, variance = scratch[1], scratch[2], scratch[3], scratch[4]
    for j in range(n):
        z[j] = inside[j] / s
    normal_edge(z, n, own, density)
    if p[Q] != 0.0:
        cos, sin = math.cos(p[THETA]), math.sin(p[THETA])
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
    bad = 0
    for j in range(n):
        bad += 0 if (value[j] - z[j]) ** 2 <= limit * variance[j] else 1
    if bad > 0:
        n = _without_outliers(px, z, variance, limit, n)
    seen = 0
    for j in range(n):
        seen += 1 if inside[j] > 0 else 0
    return n, seen, _sum_of_logs(variance, n)


@inlined
def _without_outliers(px, expected, variance, limit, n):  # type: ignore[no-untyped-def]
    kept = 0
    for j in range(n):
        if not (px[VALUE, j] - expected[j]) ** 2 <= limit * variance[j]:
            continue
        if kept < j:
            variance[kept] = variance[j]
            for k in range(N_ROWS):
                px[k, kept] = px[k, j]
        kept += 1
    return kept


@inlined
def _sum_of_logs(variance, n):  # type: ignore[no-untyped-def]
    """Return Σ log variance, by one logarithm for many pixels: their variances are of one order of magnitude."""
    if n == 0:
        return 0.0
    inverse, total = 1 / variance[0], n * math.log(variance[0])
    for start in range(0, n, 32):
        part, product = variance[start : min(start + 32, n)], 1.0
        for j in range(part.shape[0]):
            product *= part[j] * inverse
        total += math.log(product)
    return total


@inlined
def _leave_far(p, noise, clip, near, px, n, far, n_far, sums):  # type: ignore[no-untyped-def]
    """Move the pixels beyond the outline's reach to `far`; return how many are left, and how many it holds."""
    kept = 0
    for j in range(n):
        if px[INSIDE, j] <= -near:
            if n_far > far.shape[1] - 2 * BLOCK:
                _add_far(p, noise, clip, far, n_far, sums)
                n_far = 0
            for k in range(N_ROWS):
                far[k, n_far] = px[k, j]
            n_far += 1
            continue
        if kept < j:
            for k in range(N_ROWS):
                px[k, kept] = px[k, j]
        kept += 1
    return kept, n_far


@inlined
def gather(image, total, counted, owner, me, kind, p, window, noise, slack, clip, caps, table, px, far, scratch, sums):  # type: ignore[no-untyped-def]
    """Collect a particle's pixels; return how many lie near its outline, their share seen, and Σ log variance.

    Parameters
    ----------
    caps : tuple of two ints
        About how many pixels near and beyond the outline are enough; more are thinned out.
    px : (N_ROWS, capacity) float64
        Written: the pixels within some blurs and `slack` of the outline or inside it.
    far : (N_ROWS, FAR) float64, scratch : (5 or more, capacity) float64
    sums : (11,) float64
        Written: see `_add_far`.
    """
    a, b = p[A], (p[A] if kind == DISK else p[B])
    near = Z_CUT * math.exp(p[LOG_S]) + slack
    bounding = near + (math.sqrt(a * a + b * b) if kind == BOX else max(a, b))
    stride = max(1, math.ceil(math.sqrt(math.pi * window[2] * window[2] / caps[1])))
    rim = max(1, math.ceil(math.sqrt(16 * near * max(a, b) / caps[0])))
    hollow = max(min(a, b) - near, 0.0) if stride > 1 and kind <= ELLIPSE else 0.0
    inner = max(stride, math.ceil(math.sqrt(4 * math.pi * hollow * hollow / caps[0])))
    n, n_far = 0, 0
    for k in range(11):
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
        if iy % stride == 0:
            for left, right in ((x0, xa), (xb, x1)):
                n_far = _far_run(image, total, owner, me, iy, left, right, stride, p, noise, clip, far, n_far, sums)
        if iy % rim != 0:
            continue
        half = math.sqrt(max(hollow * hollow - dy * dy, 0.0))
        ya, yb = min(max(xa, math.ceil(p[X] - half)), xb), min(max(xa, math.floor(p[X] + half)), xb)
        if half == 0 or yb <= ya:
            n = _run(image, total, owner, me, iy, xa, xb, rim, px, n)
            continue
        n = _run(image, total, owner, me, iy, xa, ya, rim, px, n)
        if iy % inner == 0:
            n = _run(image, total, owner, me, iy, ya, yb, inner, px, n)
        n = _run(image, total, owner, me, iy, yb, xb, rim, px, n)
    _distances(kind, p, px, n)
    if kind != DISK:
        n, n_far = _leave_far(p, noise, clip, near, px, n, far, n_far, sums)
    _add_far(p, noise, clip, far, n_far, sums)
    within = 0
    for j in range(n):
        within += 1 if px[INSIDE, j] > 0 else 0
    n, seen, log_v = _weigh(kind, p, counted, noise, clip, table, px, n, scratch)
    if sums[10] > 0:
        # the background's variance hardly varies over a window: the logarithm of the mean weight will do
        log_v -= sums[10] * math.log(sums[0] / sums[10])
    corner = a if kind == DISK else (b if kind == ROD else p[CORNER])
    whole = math.pi * a * b if kind <= ELLIPSE else 4 * a * b - (4 - math.pi) * corner * corner
    reach = bounding - near + math.sqrt((p[X] - window[0]) ** 2 + (p[Y] - window[1]) ** 2)
    clear = min(p[X], p[Y], image.shape[1] - 1 - p[X], image.shape[0] - 1 - p[Y]) - (bounding - near)
    if stride > 1 or whole < 40 or (clear > -0.5 and reach < window[2]):
        # all its pixels are there: how many centres lie inside an outline differs from its area by chance
        whole = float(within)
    return n, seen / max(whole, float(within), 1.0), log_v
