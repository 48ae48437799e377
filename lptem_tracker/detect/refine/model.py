"""Weighted residuals of a blurred shape on a plane, and their derivatives by its parameters."""

from __future__ import annotations

import math

from lptem_tracker.detect.refine.compiled import inlined
from lptem_tracker.detect.refine.pixels import DX, DY, VALUE, WEIGHT, normal_edge
from lptem_tracker.detect.refine.shapes import (
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
    edge,
    outline_terms,
)


@inlined
def plane_columns(px, n, jac):  # type: ignore[no-untyped-def]
    """Write the derivatives by the plane, which are the same in every step."""
    level, slope_x, slope_y, w, x, y = jac[LEVEL], jac[SLOPE_X], jac[SLOPE_Y], px[WEIGHT], px[DX], px[DY]
    for j in range(n):
        level[j] = w[j]
    for j in range(n):
        slope_x[j] = w[j] * x[j]
    for j in range(n):
        slope_y[j] = w[j] * y[j]


@inlined
def _flat_residuals(p, px, n, cdf, by_c, res):  # type: ignore[no-untyped-def]
    """Write the residuals of a shape of flat contrast and their derivative by it; return their sum of squares."""
    x, y, w, value = px[DX], px[DY], px[WEIGHT], px[VALUE]
    level, slope_x, slope_y, c = p[LEVEL], p[SLOPE_X], p[SLOPE_Y], p[CONTRAST]
    for j in range(n):
        by_c[j] = -w[j] * cdf[j]
    for j in range(n):
        res[j] = w[j] * (value[j] - level - slope_x * x[j] - slope_y * y[j] + c * cdf[j])
    chi2 = 0.0
    for j in range(n):
        chi2 += res[j] * res[j]
    return chi2


@inlined
def _flat_disk(p, origin, px, n, scratch, jac, res):  # type: ignore[no-untyped-def]
    """`evaluate` of a disk of flat contrast, each loop short enough to vectorise."""
    s, c = math.exp(p[LOG_S]), p[CONTRAST]
    ox, oy, radius, inverse = origin[X] - p[X], origin[Y] - p[Y], p[A], 1 / s
    x, y, w = px[DX], px[DY], px[WEIGHT]
    r, z, cdf, pdf, k = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    for j in range(n):
        r[j] = math.sqrt((x[j] + ox) ** 2 + (y[j] + oy) ** 2 + 1e-18)
    for j in range(n):
        z[j] = (radius - r[j]) * inverse
    normal_edge(z, n, cdf, pdf)
    by_x, by_y, by_a, by_s = jac[X], jac[Y], jac[A], jac[LOG_S]
    for j in range(n):
        by_a[j] = -c * inverse * w[j] * pdf[j]
    for j in range(n):
        k[j] = by_a[j] / r[j]
    for j in range(n):
        by_x[j] = k[j] * (x[j] + ox)
    for j in range(n):
        by_y[j] = k[j] * (y[j] + oy)
    for j in range(n):
        by_s[j] = -by_a[j] * s * z[j]
    return _flat_residuals(p, px, n, cdf, jac[CONTRAST], res)


@inlined
def _ellipse_distances(u, v, a, b, n, d, by_u, by_v, by_a, by_b):  # type: ignore[no-untyped-def]
    """Distances as in `shapes.outline_terms`, and their derivatives."""
    ia, ib = 1 / (a * a), 1 / (b * b)
    least = 1e-6 / max(a, b)
    for j in range(n):
        rho = max(math.sqrt(u[j] * u[j] * ia + v[j] * v[j] * ib), 1e-6)
        g = max(math.sqrt(u[j] * u[j] * (ia * ia) + v[j] * v[j] * (ib * ib)), least)
        off, first, second = (rho - rho * rho) / g, (1 - 2 * rho) / (rho * g), 1 / (g * g)
        d[j] = off
        by_u[j] = u[j] * ia * (first - off * second * ia)
        by_v[j] = v[j] * ib * (first - off * second * ib)
        by_a[j] = -u[j] * u[j] * (ia / a) * (first - 2 * off * second * ia)
        by_b[j] = -v[j] * v[j] * (ib / b) * (first - 2 * off * second * ib)


@inlined
def _rod_distances(u, v, a, b, n, d, by_u, by_v, by_a, by_b):  # type: ignore[no-untyped-def]
    """The same for a rod, whose axis is 2 (a - b) long."""
    for j in range(n):
        beyond = max(abs(u[j]) - (a - b), 0.0)
        inverse = 1 / math.sqrt(beyond * beyond + v[j] * v[j] + 1e-18)
        d[j] = b - (beyond * beyond + v[j] * v[j]) * inverse
        by_a[j] = beyond * inverse
        by_b[j] = 1 - beyond * inverse
        by_u[j] = -beyond * inverse if u[j] >= 0 else beyond * inverse
        by_v[j] = -v[j] * inverse


@inlined
def _flat_long(kind, p, origin, px, n, scratch, jac, res):  # type: ignore[no-untyped-def]
    """`evaluate` of an ellipse or rod of flat contrast, each loop short enough to vectorise."""
    cos, sin, s, c = math.cos(p[THETA]), math.sin(p[THETA]), math.exp(p[LOG_S]), p[CONTRAST]
    ox, oy, inverse = origin[X] - p[X], origin[Y] - p[Y], 1 / math.exp(p[LOG_S])
    x, y, w = px[DX], px[DY], px[WEIGHT]
    u, v, z, cdf, pdf, k = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    by_x, by_y, by_a, by_b, by_t, by_s = jac[X], jac[Y], jac[A], jac[B], jac[THETA], jac[LOG_S]
    for j in range(n):
        u[j] = cos * (x[j] + ox) + sin * (y[j] + oy)
    for j in range(n):
        v[j] = cos * (y[j] + oy) - sin * (x[j] + ox)
    if kind == ELLIPSE:
        _ellipse_distances(u, v, p[A], p[B], n, z, by_x, by_y, by_a, by_b)
    else:
        _rod_distances(u, v, p[A], p[B], n, z, by_x, by_y, by_a, by_b)
    for j in range(n):
        z[j] *= inverse
    normal_edge(z, n, cdf, pdf)
    for j in range(n):
        k[j] = -c * inverse * w[j] * pdf[j]
    for j in range(n):
        by_t[j] = k[j] * (by_x[j] * v[j] - by_y[j] * u[j])
    for j in range(n):
        along, across = by_x[j], by_y[j]
        by_x[j] = k[j] * (across * sin - along * cos)
        by_y[j] = -k[j] * (along * sin + across * cos)
    for j in range(n):
        by_a[j] *= k[j]
    for j in range(n):
        by_b[j] *= k[j]
    for j in range(n):
        by_s[j] = -k[j] * s * z[j]
    return _flat_residuals(p, px, n, cdf, jac[CONTRAST], res)


@inlined
def _any_shape(kind, p, origin, px, n, table, d, h, jac, res):  # type: ignore[no-untyped-def]
    cos, sin = math.cos(p[THETA]), math.sin(p[THETA])
    s, q, c = math.exp(p[LOG_S]), p[Q], p[CONTRAST]
    ox, oy = origin[X] - p[X], origin[Y] - p[Y]
    chi2 = 0.0
    for j in range(n):
        w, gx, gy = px[WEIGHT, j], px[DX, j], px[DY, j]
        dx, dy = gx + ox, gy + oy
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        outline_terms(kind, u, v, p[A], p[B], p[CORNER], d, h)
        z = d[0] / s
        cdf, pdf, g, dg = edge(z, table)
        root = math.sqrt(max(h[0] * s, 1e-12))
        f_q = root * g - cdf
        f, f_d = cdf + q * f_q, ((1 - q) * pdf + q * root * dg) / s
        f_h = q * 0.5 * root * g / max(h[0], 1e-9)
        f_s = q * root * (0.5 * g - z * dg) - (1 - q) * z * pdf
        f_u, f_v = f_d * d[1] + f_h * h[1], f_d * d[2] + f_h * h[2]
        cw = -c * w
        jac[X, j] = cw * (f_v * sin - f_u * cos)
        jac[Y, j] = -cw * (f_u * sin + f_v * cos)
        jac[A, j] = cw * (f_d * d[3] + f_h * h[3])
        jac[B, j] = cw * (f_d * d[4] + f_h * h[4])
        jac[THETA, j] = cw * (f_u * v - f_v * u)
        jac[CORNER, j] = cw * (f_d * d[5] + f_h * h[5])
        jac[LOG_S, j] = cw * f_s
        jac[Q, j] = cw * f_q
        jac[CONTRAST, j] = -w * f
        r = w * (px[VALUE, j] - (p[LEVEL] + p[SLOPE_X] * gx + p[SLOPE_Y] * gy - c * f))
        res[j] = r
        chi2 += r * r
    return chi2


@inlined
def evaluate(kind, p, origin, px, n, table, scratch, jac, res, full):  # type: ignore[no-untyped-def]
    """Write weighted residuals and derivatives at p; return the sum of squares near the outline.

    Positions in `px` are from `origin`. `full` asks for the derivative by the rim profile too, which a
    flat shape does not need.
    """
    if kind == DISK and p[Q] == 0.0 and not full:
        return _flat_disk(p, origin, px, n, scratch, jac, res)
    if kind in (ELLIPSE, ROD) and p[Q] == 0.0 and not full:
        return _flat_long(kind, p, origin, px, n, scratch, jac, res)
    return _any_shape(kind, p, origin, px, n, table, scratch[5], scratch[6], jac, res)
