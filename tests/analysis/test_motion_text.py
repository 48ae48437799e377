"""Words that go with the numbers."""

from __future__ import annotations

import numpy as np

from lptem_tracker.analysis.motion import measure_motion
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import as_tracks, brownian_paths
from lptem_tracker.settings import MotionSettings

SETTINGS = MotionSettings(bootstrap=0, min_points=1000)
PATHS = brownian_paths(np.random.default_rng(0), 3, 30, 1.0, 0.2)


def test_the_methods_paragraph_says_what_was_done() -> None:
    """It counts positions and particles, gives R, the treatment of drift, and the references."""
    text = measure_motion(as_tracks(PATHS), Calibration(2.0, 0.1, 0.05), SETTINGS).methods
    for part in ("90 positions of 3 particles", "R = 0.08333", "restricted likelihood", "Berglund", "Relich"):
        assert part in text


def test_what_is_not_known_is_said_with_its_remedy() -> None:
    """An unknown exposure and too short tracks each give one sentence that names what to do."""
    result = measure_motion(as_tracks(PATHS), Calibration(2.0, 0.1), SETTINGS)
    assert "any motion blur" in result.methods
    assert any("--exposure-s" in sentence for sentence in result.warnings)
    assert any("film longer" in sentence for sentence in result.warnings)


def test_an_exposure_without_the_interval_is_no_blur() -> None:
    """The exposure alone does not tell how much of a frame was exposed: a sentence names the missing option."""
    result = measure_motion(as_tracks(PATHS), Calibration(2.0, None, 0.1), SETTINGS)
    assert "any motion blur" in result.methods
    assert any("give --frame-interval-s" in sentence and "motion blur" in sentence for sentence in result.warnings)


def test_a_difference_between_the_axes_is_named() -> None:
    """Steps twice as wide along x are warned of; of 40 equal ones, and mixed ones, hardly any is."""
    rng, calibration = np.random.default_rng(4), Calibration(2.0, 0.1, 0.1)
    settings = MotionSettings(min_points=1000, bootstrap=2)

    def warned(paths: np.ndarray) -> bool:
        said = measure_motion(as_tracks(paths), calibration, settings).warnings
        return any("D differs along x and y by a factor of" in sentence for sentence in said)

    assert warned(brownian_paths(rng, 6, 60, 1.0, 0.1) * [2.0, 1.0])
    assert (
        sum(warned(brownian_paths(rng, 6, 60, 1.0, 0.1)) for _ in range(40)) <= 2
    )  # beyond three errors: 0.1 expected
    mixed = [np.concatenate([brownian_paths(rng, 1, 60, d, 0.1) for d in (0.1, 0.3, 1, 1, 4, 9)]) for _ in range(40)]
    assert sum(map(warned, mixed)) <= 2


def test_one_particle_cannot_tell_drift() -> None:
    """With one particle a warning says so."""
    result = measure_motion(as_tracks(PATHS[:1]), Calibration(2.0, 0.1, 0.1), SETTINGS)
    assert any("With one particle" in sentence for sentence in result.warnings)


def test_a_few_particles_that_differ_are_named() -> None:
    """Six particles of D from 0.001 to 4 px² a frame get the sentence that they differ, six equal ones do not."""
    rng = np.random.default_rng(3)
    settings, calibration = MotionSettings(min_points=1000), Calibration(2.0, 0.1, 0.1)
    mixed = np.concatenate([brownian_paths(rng, 1, 60, d, 0.1) for d in (0.001, 0.02, 1.0, 1.0, 4.0, 4.0)])
    for paths, differ in ((mixed, True), (brownian_paths(rng, 6, 60, 1.0, 0.1), False)):
        said = measure_motion(as_tracks(paths), calibration, settings).warnings
        assert any("differ more than their errors" in sentence for sentence in said) == differ
