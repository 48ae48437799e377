"""Several movies of one sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.pool import Part, differences, pool
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths
from lptem_tracker.settings import Settings


def part(seed: int, calibration: Calibration, drift: float = 0.0) -> Part:
    paths = brownian_paths(np.random.default_rng(seed), 4, 40, 1.0, 0.2)
    tracks = as_tracks(paths + drift * np.arange(40)[None, :, None]).assign(observed=True)
    return Part(f"movie {seed}", tracks, pd.DataFrame({"particle": range(4)}), calibration)


def test_movies_with_different_units_are_not_pooled() -> None:
    """A different pixel size or exposure leaves the ensemble empty, with the reason."""
    found = pool([part(0, Calibration(1.0, 0.1, 0.1)), part(1, Calibration(2.0, 0.1, 0.1))])
    assert found["ensemble"] == {}
    assert "not pooled" in found["quality"]["warnings"][0]


def test_movies_of_one_kind_are_one_likelihood() -> None:
    """Two movies give one D, with the particles of both, within four standard errors of the truth."""
    calibration = Calibration(1.0, 1.0, 1.0)
    settings = Settings.load(overrides={"motion.bootstrap": 0, "motion.min_points": 1000})
    found = pool([part(2, calibration), part(3, calibration)], settings)
    estimate = found["ensemble"]["estimates"]["D_nm2_s"]
    assert (found["n_movies"], found["n_particles"]) == (2, 8)
    assert abs(estimate["value"] - 1) < 4 * estimate["std"]


def test_each_movie_has_a_drift_of_its_own() -> None:
    """Two movies whose stages drift opposite ways are no directed motion, and D is that of the movies without drift.

    D of eight tracks of 40 frames has a standard error of about 12 %, of which the drift changes a small part.
    """
    calibration = Calibration(1.0, 1.0, 1.0)
    settings = Settings.load(overrides={"motion.bootstrap": 0})
    still, moved = (
        pool([part(4, calibration, drift), part(5, calibration, -drift)], settings)["ensemble"] for drift in (0.0, 0.5)
    )
    assert moved["motion"] == still["motion"] == "brownian"
    assert moved["D_nm2_s"] == pytest.approx(still["D_nm2_s"], rel=0.03)
    assert not any(name.startswith("drift") for name in moved)


def test_ghosts_count_in_no_sample_and_images_do() -> None:
    """A track of one frame in forty is left out of the sizes; the particles of a single image are not."""
    calibration = Calibration(1.0, 1.0, 1.0)
    rows = {"x": 0.0, "y": 0.0, "observed": True}
    movie = pd.DataFrame({"particle": [0] * 40 + [1], "frame": [*range(40), 7], **rows})
    image = pd.DataFrame({"particle": range(3), "frame": 0, **rows})
    sizes = pd.DataFrame({"particle": [0, 1], "radius_nm": [5.0, 50.0], "n_observed": [40, 1]})
    others = pd.DataFrame({"particle": range(3), "radius_nm": [5.0, 6.0, 7.0], "n_observed": 1})
    one, two = Part("movie", movie, sizes, calibration), Part("image", image, others, calibration)
    assert one.counted["radius_nm"].tolist() == [5.0]
    assert len(two.counted) == 3
    found = differences({"first": [one, two], "second": [two]})
    assert found[0]["radius_nm"]["n"] == [4, 3]
