"""Outlines, and particles drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.simulate.shapes import N_ANGLES, SHAPES, extents, make_outlines, slopes, thickness_exponent
from lptem_tracker.simulate.stamp import label_image, new_particles, stamp

THETA = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES


def picture_of(
    shape: str,
    radius: float,
    *,
    x: float = 60.0,
    y: float = 60.0,
    angle: float = 0.0,
    size: int = 121,
    profile: float = 0.0,
    **more: object,
) -> np.ndarray:
    """Return the depth of one particle, drawn alone."""
    outline = make_outlines(shape, 1, np.random.default_rng(5), aspect=2.5)  # type: ignore[arg-type]
    particle = new_particles(1)
    values = {"x": x, "y": y, "radius": radius, "angle": angle, "depth": 1.0, "profile": profile}
    for name, value in values.items():
        particle[name] = value
    image = np.zeros((size, size), np.float32)
    reach = extents(outline, np.array([radius]), np.array([angle]))
    stamp(image, particle, outline, slopes(outline), reach, additive=True, **more)  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_have_unit_area_about_their_centroid(shape: str) -> None:
    """Every shape has the area of the unit disk and its centroid at the origin."""
    rho = make_outlines(shape, 5, np.random.default_rng(0), aspect=2.0, aspect_sd=0.2, roughness=0.03)  # type: ignore[arg-type]
    step = 2 * np.pi / N_ANGLES
    assert 0.5 * step * (rho**2).sum(axis=1) == pytest.approx(np.pi)
    assert np.abs((rho**3 * np.cos(THETA)).sum(axis=1) * step / 3).max() < 0.02
    assert np.abs((rho**3 * np.sin(THETA)).sum(axis=1) * step / 3).max() < 0.02


def test_rod_has_the_aspect_asked_for() -> None:
    """A rod of aspect 4 is four times as long as wide, and its area is that of a capsule."""
    rho = make_outlines("rod", 1, np.random.default_rng(0), aspect=4.0)[0]
    long, short = rho[0] + rho[N_ANGLES // 2], rho[N_ANGLES // 4] + rho[3 * N_ANGLES // 4]
    assert long / short == pytest.approx(4, rel=1e-3)
    assert short**2 * (3 + np.pi / 4) == pytest.approx(np.pi, rel=2e-3)


@pytest.mark.parametrize("radius", [2.0, 3.7, 12.3, 45.0])
def test_flat_disk_has_its_area(radius: float) -> None:
    """The depth of a flat disk summed over pixels is its area, wherever it lies on the raster."""
    for x, y in ((60.0, 60.0), (60.31, 59.77), (60.5, 60.5)):
        assert picture_of("sphere", radius, x=x, y=y).sum() == pytest.approx(np.pi * radius**2, rel=0.006)


@pytest.mark.parametrize("radius", [2.0, 5.0, 20.0])
def test_sphere_has_its_volume(radius: float) -> None:
    """A sphere's relative thickness sums to two thirds of its area."""
    assert picture_of("sphere", radius, profile=0.5).sum() == pytest.approx(2 / 3 * np.pi * radius**2, rel=0.006)


@pytest.mark.parametrize(("shape", "radius"), [("sphere", 3.0), ("rod", 8.0), ("cube", 9.0), ("triangle", 15.0)])
def test_particle_lies_where_it_should(shape: str, radius: float) -> None:
    """The centroid of what is drawn is the particle's place, to a few hundredths of a pixel."""
    image = picture_of(shape, radius, x=59.37, y=61.81, angle=0.7)
    y, x = np.indices(image.shape)
    assert (image * x).sum() / image.sum() == pytest.approx(59.37, abs=0.03)
    assert (image * y).sum() / image.sum() == pytest.approx(61.81, abs=0.03)


@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_bound_the_mask(shape: str) -> None:
    """The extents computed from the outline are those of the rendered mask within a pixel."""
    outline = make_outlines(shape, 1, np.random.default_rng(7), aspect=2.2)  # type: ignore[arg-type]
    radius, angle = np.array([21.0]), np.array([0.6])
    reach = extents(outline, radius, angle)
    particle = new_particles(1)
    particle["x"], particle["y"], particle["radius"], particle["angle"] = 80.2, 79.6, 21.0, 0.6
    mask = label_image((160, 160), particle, np.array([9], np.int32), outline, reach)
    rows, columns = np.nonzero(mask == 9)
    box = np.array([80.2, 79.6, 80.2, 79.6]) + reach[0]
    seen = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    spare = (seen - box) * [1, 1, -1, -1]
    # no pixel centre lies outside; the last one inside is up to a pixel away, and a little more under a sharp corner
    assert spare.min() >= -0.02
    assert spare.max() < 1.5
    assert len(rows) == pytest.approx(np.pi * 21**2, rel=0.01)


def test_bright_field_multiplies_the_beam() -> None:
    """In bright field a particle of depth 0.5 lets through exp(-0.5) of the beam, and two on one another exp(-1)."""
    outline = make_outlines("sphere", 1, np.random.default_rng(0))
    pair = new_particles(2)
    pair["x"], pair["y"], pair["radius"], pair["depth"] = 30.0, 30.0, 10.0, 0.5
    image = np.full((61, 61), 8.0, np.float32)
    reach = extents(outline[[0, 0]], pair["radius"], pair["angle"])
    stamp(image, pair[:1], outline, slopes(outline), reach[:1])
    assert image[30, 30] == pytest.approx(8 * np.exp(-0.5))
    stamp(image, pair[1:], outline, slopes(outline), reach[1:])
    assert image[30, 30] == pytest.approx(8 * np.exp(-1))
    assert image[5, 5] == 8


def test_motion_blur_is_the_mean_over_the_exposure() -> None:
    """A particle that is at two places for half the exposure each is drawn as the mean of both."""
    moving = picture_of("sphere", 6.0, sub_x=np.array([[-4.0, 4.0]]), sub_y=np.array([[0.0, 0.0]]))
    still = 0.5 * (picture_of("sphere", 6.0, x=56.0) + picture_of("sphere", 6.0, x=64.0))
    assert moving == pytest.approx(still, abs=1e-5)


def test_thickness_exponents() -> None:
    """Spheres and lying cylinders are round, plates are flat."""
    assert thickness_exponent("sphere") == thickness_exponent("rod") == 0.5
    assert thickness_exponent("cube") == thickness_exponent("triangle") == 0.0
