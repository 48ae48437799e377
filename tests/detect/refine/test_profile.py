"""Plates and domes are told apart by all particles together, and sizes follow."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.special import erfc

from lptem_tracker.detect.refine import pooled_evidence, refine, settle_profile
from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.profile import evidence, most_probable, nearest_dome, true_size
from lptem_tracker.movie.base import Frame

SNR, SHARE, CELL = 4.0, 0.3, 44


def thickness(x, y, radius, power=0.5):
    """Thickness (of a sphere over its diameter), averaged over pixels and blurred by 1 px in both directions."""
    side = (np.arange(5) - 2) / 5
    fine = [np.maximum(1 - ((x + dx) ** 2 + (y + dy) ** 2) / radius**2, 0) ** power for dx in side for dy in side]
    return ndimage.gaussian_filter(np.mean(fine, axis=0), math.sqrt(1 - 1 / 12))


def scene(kind, radius, seed, across=7):
    """One frame of particles on a grid, boxes a tenth off, and the true places."""
    rng = np.random.default_rng(seed)
    level = (SNR / SHARE) ** 2
    mean, rows = np.full((across * CELL, across * CELL), level), []
    y, x = np.mgrid[:CELL, :CELL].astype(float)
    for row in range(across):
        for column in range(across):
            px, py = CELL / 2 + rng.uniform(-0.5, 0.5, 2)
            if kind == "sphere":
                f = thickness(x - px, y - py, radius)
            elif kind == "facetted":
                f = thickness(x - px, y - py, radius, 0.25)
            else:
                f = 0.5 * erfc((np.hypot(x - px, y - py) - radius) / np.sqrt(2))
            mean[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] -= SHARE * level * f
            rows.append((px + column * CELL, py + row * CELL))
    places = np.array(rows)
    sides = 2 * radius * np.exp(rng.normal(0, 0.1, (len(places), 2)))
    at = places + rng.normal(0, 0.5, places.shape)
    table = pd.DataFrame({"frame": 0, "x": at[:, 0], "y": at[:, 1], "width": sides[:, 0], "height": sides[:, 1]})
    return Frame(0, rng.poisson(mean).astype(np.float64)), table, places


@pytest.fixture(scope="module")
def spheres():
    """A refined frame of 49 spheres of radius 8."""
    frame, table, places = scene("sphere", 8.0, 11)
    return refine([frame], table), places


def test_spheres_are_domes_of_their_true_radius(spheres):
    """49 spheres are domes, and their radii are true to 2 % (a plate's would be 16 % too small)."""
    out, places = spheres
    assert set(out["profile"]) == {"dome"}
    # what is nearly a dome cannot be excluded, but lies within 3 % of the radius
    assert out["profile_probability"].min() > 0.7
    assert out["profile_std"].max() < 0.03 * 8
    assert out["radius"].mean() == pytest.approx(8, rel=0.02)
    error = out[["x", "y"]].to_numpy() - places
    # 98 coordinates: the standard deviation of a standard deviation is 1/√196
    assert (error / out[["x_std", "y_std"]].to_numpy()).std() == pytest.approx(1, abs=3 / np.sqrt(196))


def test_plates_stay_plates():
    """49 disks of equal thickness are plates, and their radii are true to 1 %."""
    frame, table, _ = scene("disk", 8.0, 12)
    out = refine([frame], table)
    assert set(out["profile"]) == {"plate"}
    assert out["profile_probability"].min() > 0.9
    assert out["profile_std"].max() < 0.02 * 8
    assert out["radius"].mean() == pytest.approx(8, rel=0.01)


def test_what_cannot_be_told_is_in_the_errors():
    """One sphere of radius 4 may be a plate as well: the error of its radius covers both."""
    frame, table, _ = scene("sphere", 4.0, 13, across=1)
    row = refine([frame], table).iloc[0]
    assert row["profile_probability"] < 0.9
    assert row["radius_std"] > 0.3 * row["dome_growth"]
    assert abs(row["radius"] - 4) < 3 * row["radius_std"]


def test_a_movie_decides_for_all_its_frames(spheres):
    """The movie's sum turns sizes to the other profile and back, and small sums widen the errors."""
    out, _ = spheres
    plates = settle_profile(out, (-50.0, 100.0))
    assert set(plates["profile"]) == {"plate"}
    moved = out["profile_share"] * out["dome_growth"]
    np.testing.assert_allclose(plates["radius"], out["radius"] - moved, atol=1e-9)
    again = settle_profile(plates, pooled_evidence([out.iloc[:20], out.iloc[20:]]))
    np.testing.assert_allclose(again["radius"], out["radius"], rtol=1e-6)
    unsure = settle_profile(out, (1.5, 2.0))
    spread = most_probable((1.5, 2.0)).spread
    wider = np.sqrt(out["radius_std"] ** 2 - out["profile_std"] ** 2 + (spread * out["dome_growth"]) ** 2)
    np.testing.assert_allclose(unsure["radius_std"], wider, rtol=1e-9)
    sure = pooled_evidence([out])
    np.testing.assert_allclose(settle_profile(unsure, sure)["radius_std"], settle_profile(out, sure)["radius_std"])


@pytest.mark.parametrize("radius", [4.0, 8.0])
def test_what_lies_between_is_said_and_covered(radius):
    """49 bodies between plate and sphere are called so; their mean radius is true to 3 % or within its error."""
    frame, table, _ = scene("facetted", radius, 14)
    out = refine([frame], table)
    assert set(out["profile"]) == {"between"} or out["profile_probability"].max() < 0.9
    off = out["radius"].mean() - radius
    assert abs(off) < max(0.03 * radius, 2 * out["profile_std"].mean())


def test_most_probable_profile_by_hand():
    """Without evidence plates are as probable as all else; a narrow parabola decides for the share at its top."""
    nothing = most_probable((0.0, 0.0))
    assert (nothing.name, nothing.probability, nothing.share) == ("plate", 0.5, 0.0)
    # all shares alike between: their mean square is 1/3, that of domes 1
    assert nothing.spread**2 == pytest.approx(0.15 * (1 / 3 + 0.08**2) + 0.35, abs=2e-3)
    middle = most_probable((100.0, 200.0))
    assert middle.name == "between"
    assert middle.share == pytest.approx(0.5, abs=1e-3)
    # half of the weight is trusted: a normal distribution of variance 1/100, and what the parabola leaves out
    assert middle.spread == pytest.approx(math.hypot(0.1, 0.08), rel=0.02)
    assert most_probable((200.0, 200.0)).name == "dome"
    assert most_probable((0.0, 200.0)).name == "plate"
    assert most_probable((-900.0, 200.0)).share == 0.0


def test_a_table_without_evidence_stays_as_it_is():
    """Detections that were not refined have no profile."""
    table = pd.DataFrame({"frame": [0], "x": [1.0], "y": [2.0], "radius": [3.0]})
    pd.testing.assert_frame_equal(settle_profile(table), table)
    assert pooled_evidence([table]) == (0.0, 0.0)


def test_evidence_by_hand():
    """Scores and weights pass; correlated noise counts for less, and one among others for little more than they."""
    np.testing.assert_allclose(evidence(np.array([2.0, 0.0]), np.array([2.0, 2.0]), 1.0), [[2, 2], [0, 2]])
    np.testing.assert_allclose(evidence(np.array([2.0]), np.array([2.0]), 2.0), [[1, 1]])
    # three standard deviations beyond the dome's own score are the most that counts
    np.testing.assert_allclose(evidence(np.array([1e6, -1e6]), np.array([1.0, 1.0]), 1.0), [[4, 1], [-3, 1]])
    among = evidence(np.array([0.5, 0.5, 128.0]), np.array([1.0, 1.0, 256.0]), 1.0)
    np.testing.assert_allclose(among, [[0.5, 1], [0.5, 1], [32, 64]])
    np.testing.assert_allclose(evidence(np.array([128.0]), np.array([256.0]), 1.0), [[128, 256]])
    np.testing.assert_allclose(evidence(np.array([np.nan]), np.array([1.0]), 1.0), [[0, 0]])


@pytest.mark.parametrize(("radius", "blur", "most"), [(8.0, 0.8, 0.1), (8.0, 1.6, 0.05), (4.0, 1.2, 0.02)])
def test_nearest_dome_looks_like_its_plate(radius, blur, most):
    """Over the picture's area a plate and its nearest dome differ little, the less the more blurred."""
    p = np.array([[0, 0, radius, radius, 0, 0, math.log(blur), 0, 1.0, 0, 0, 0]])
    dome = nearest_dome(np.array([sh.DISK]), p)[0]
    rho = np.linspace(0.01, radius + 4 * blur, 400)
    plate = 0.5 * erfc((rho - radius) / (np.sqrt(2) * blur))
    s = math.exp(dome[sh.LOG_S])
    shape = [sh.fraction(sh.DISK, r, 0.0, dome[sh.A] - r, dome, s, sh.TABLE) for r in rho]
    off = np.sqrt(np.average((dome[sh.CONTRAST] * np.array(shape) - plate) ** 2, weights=rho))
    assert off < most
    assert dome[sh.A] > 1.1 * radius


def test_blurred_spheres_are_larger_than_their_rims():
    """A dome fitted to a sphere blurred in both directions lies 0.74 blur²/radius inside of it."""
    p = np.array([[0, 0, 10.0, 10.0, 0, 0, math.log(2.0), 1.0, 1.0, 0, 0, 0]])
    assert true_size(np.array([sh.DISK]), p)[0] == pytest.approx(0.74 * 4 / 10)
    assert true_size(np.array([sh.DISK]), np.where(np.arange(12) == sh.Q, 0.0, p))[0] == 0
