"""Shapes, their derivatives, and the small solver."""

import math

import numpy as np
import pytest

from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.fit import _capacity
from lptem_tracker.detect.refine.model import evaluate, plane_columns
from lptem_tracker.detect.refine.pixels import DX, DY, VALUE, WEIGHT, normal_edge
from lptem_tracker.detect.refine.solver import cholesky, invert

ENTRIES = [sh.X, sh.Y, sh.A, sh.B, sh.THETA, sh.CORNER, sh.LOG_S, sh.Q, sh.CONTRAST, sh.LEVEL, sh.SLOPE_X]


def residuals(kind, p, origin, px, full):
    """Residuals and Jacobian of a model over the pixels."""
    n = px.shape[1]
    jac, res, scratch = np.zeros((12, n)), np.zeros(n), np.zeros((7, n))
    plane_columns(px, n, jac)
    evaluate(kind, p, origin, px, n, sh.TABLE, scratch, jac, res, full)
    return res, jac


@pytest.mark.parametrize("kind", [sh.DISK, sh.ELLIPSE, sh.ROD, sh.BOX])
@pytest.mark.parametrize("q", [0.0, 0.6])
def test_derivatives_are_those_of_finite_differences(kind, q):
    """Every analytic derivative agrees with a central difference of the residuals."""
    rng = np.random.default_rng(0)
    px = np.zeros((8, 400))
    px[DX], px[DY] = rng.uniform(-12, 12, (2, 400))
    px[VALUE], px[WEIGHT] = 90.0, 0.1
    b = 7.0 if kind == sh.DISK else 4.5
    p = np.array([0.3, -0.2, 7.0, b, 0.4, 1.5, 0.1, q, 30.0, 100.0, 0.1, -0.2])
    _, jac = residuals(kind, p, p * 0, px, 1)
    for entry in ENTRIES:
        if not sh.FREE[kind, entry]:
            continue
        step = np.zeros(12)
        step[entry] = 1e-4
        up, _ = residuals(kind, p + step, p * 0, px, 1)
        down, _ = residuals(kind, p - step, p * 0, px, 1)
        # residuals are data minus model: their derivative is minus the model's. Kinks of a distance field
        # (the axis of a rod, the diagonals of a rectangle) and of the table excuse a few pixels.
        off = np.abs(-(up - down) / 2e-4 - jac[entry])
        assert np.quantile(off, 0.97) < 1e-2 * max(np.abs(jac[entry]).max(), 1e-3)


def test_fast_disk_equals_the_general_one():
    """The vectorised flat disk and the general loop give the same residuals and derivatives."""
    rng = np.random.default_rng(1)
    px = np.zeros((8, 300))
    px[DX], px[DY] = rng.uniform(-12, 12, (2, 300))
    px[VALUE], px[WEIGHT] = 80.0, 0.1
    p = np.array([0.3, -0.2, 7.0, 7.0, 0.0, 0.0, 0.1, 0.0, 30.0, 100.0, 0.1, -0.2])
    fast, general = residuals(sh.DISK, p, p * 0, px, 0), residuals(sh.DISK, p, p * 0, px, 1)
    np.testing.assert_allclose(fast[0], general[0], atol=2e-4)
    rows = np.flatnonzero(sh.FREE[sh.DISK] & (np.arange(12) != sh.Q))
    np.testing.assert_allclose(fast[1][rows], general[1][rows], atol=1e-3)


def test_edge_of_a_plate_is_the_error_function():
    """The branch-free Φ is the normal distribution's to 1e-7."""
    z = np.linspace(-5, 5, 101)
    cdf, pdf = np.empty(101), np.empty(101)
    normal_edge(z, 101, cdf, pdf)
    np.testing.assert_allclose(cdf, [0.5 * math.erfc(-v / math.sqrt(2)) for v in z], atol=1e-7)
    np.testing.assert_allclose(pdf, np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), atol=1e-7)


def test_dome_is_the_thickness_of_a_sphere():
    """Without blur and with q = 1 the profile is √(1 - ρ²/R²)."""
    p = np.array([0, 0, 10.0, 10.0, 0, 0, math.log(0.01), 1.0, 1, 0, 0, 0])
    for rho in (0.0, 3.0, 6.0, 8.0):
        f = sh.fraction(sh.DISK, rho, 0.0, 10 - rho, p, 0.01, sh.TABLE)
        assert f == pytest.approx(math.sqrt(1 - rho**2 / 100), abs=1e-4)


def test_areas_and_perimeters_by_hand():
    """A disk, an ellipse (its perimeter from the elliptic integral), a stadium, a square."""
    kind = np.array([sh.DISK, sh.ELLIPSE, sh.ROD, sh.BOX])
    p = np.zeros((4, 12))
    p[:, sh.A], p[:, sh.B] = [5, 4, 10, 3], [5, 2, 2, 3]
    np.testing.assert_allclose(sh.area(kind, p), [25 * np.pi, 8 * np.pi, 16 * 4 + 4 * np.pi, 36])
    np.testing.assert_allclose(sh.perimeter(kind, p), [10 * np.pi, 19.376896441095354, 32 + 4 * np.pi, 24], rtol=1e-6)


def test_solver_inverts():
    """The Cholesky factor and the inverse are NumPy's."""
    a = np.random.default_rng(3).normal(size=(6, 9))
    h = a @ a.T
    factor, inverse = np.zeros((12, 12)), np.zeros((12, 12))
    assert cholesky(h, 6, factor)
    np.testing.assert_allclose(factor[:6, :6], np.linalg.cholesky(h), rtol=1e-9)
    invert(factor, 6, inverse, np.zeros(12))
    np.testing.assert_allclose(inverse[:6, :6], np.linalg.inv(h), rtol=1e-7)
    assert not cholesky(-h, 6, factor)


@pytest.mark.parametrize(
    ("kind", "reach"), [(sh.DISK, 12.0), (sh.ELLIPSE, 12.0), (sh.ROD, 12.0), (sh.BOX, 12 * 2**0.5)]
)
def test_every_pixel_of_a_particle_has_room(kind, reach):
    """There is room for all pixels within 3.7 blurs and the slack of the outline's farthest point."""
    p = np.zeros((1, 12))
    p[0, sh.A] = p[0, sh.B] = 12.0
    room, _ = _capacity(np.array([0]), np.array([kind]), p, 1.5)
    assert room >= np.pi * (reach + 3.7 + 1.5) ** 2


@pytest.mark.parametrize("kind", [sh.ELLIPSE, sh.ROD])
def test_fast_flat_shapes_equal_the_general_ones(kind):
    """The vectorised flat ellipse and rod and the general loop give the same residuals and derivatives."""
    rng = np.random.default_rng(2)
    px = np.zeros((8, 300))
    px[DX], px[DY] = rng.uniform(-12, 12, (2, 300))
    px[VALUE], px[WEIGHT] = 80.0, 0.1
    p = np.array([0.3, -0.2, 8.0, 4.5, 0.4, 4.5, 0.1, 0.0, 30.0, 100.0, 0.1, -0.2])
    fast, general = residuals(kind, p, p * 0, px, 0), residuals(kind, p, p * 0, px, 1)
    np.testing.assert_allclose(fast[0], general[0], atol=5e-4)
    rows = np.flatnonzero(sh.FREE[kind] & (np.arange(12) != sh.Q))
    np.testing.assert_allclose(fast[1][rows], general[1][rows], atol=2e-3)
