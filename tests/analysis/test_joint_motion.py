"""Radii that are wrong for all particles show in the gap of pairs that move as one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings


def dimers(measured: float, *, step: float = 1.0, drift: float = 0.0) -> pd.DataFrame:
    """Four pairs of disks of 8 px, in contact from frame 20 on, that are measured as `measured` px."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(4):
        centre = np.array([120.0 * k + 60, 100.0])
        for frame in range(120):
            centre = centre + rng.normal(0, step / np.sqrt(2), 2) + (drift, 0)
            distance = 16.0 if frame >= 20 else 30.0
            half = np.array([distance / 2, 0])
            one, other = centre - half + rng.normal(0, 0.2, 2), centre + half + rng.normal(0, 0.2, 2)
            rows += [(2 * k, frame, *one), (2 * k + 1, frame, *other)]
    return pd.DataFrame(rows, columns=["particle", "frame", "x", "y"]).assign(radius=measured, x_std=0.2, y_std=0.2)


def result_of(table: pd.DataFrame, **settings: float):
    return measure_assembly(table, Calibration(), EventSettings(**settings), field_px=(800, 200))


@pytest.mark.parametrize("measured", [6.5, 7.0, 9.5])
def test_contacts_count_from_the_gap_that_bound_pairs_keep(measured: float) -> None:
    """Radii 1.5 px off either way: the offset is measured to 0.3 px, all attachments are found, and a warning tells."""
    result = result_of(dimers(measured))
    contact = result.kinetics["contact"]
    # the median of 4 pairs of many frames of 0.28 px: far below 0.3
    assert contact["gap_offset_px"] == pytest.approx(16 - 2 * measured, abs=0.3)
    assert contact["gap_offset_pairs"] == 4
    attached = result.events[result.events["kind"] == "attach"]
    assert sorted(attached["frame"]) == [20, 20, 20, 20]
    assert any("move as one" in sentence for sentence in result.warnings)


def test_right_radii_need_no_offset() -> None:
    """Where surfaces in contact are measured in contact, nothing is shifted and nothing is said."""
    result = result_of(dimers(8.0))
    assert result.kinetics["contact"]["gap_offset_px"] == 0
    assert not any("move as one" in sentence for sentence in result.warnings)


def test_pinned_particles_say_nothing_of_their_radii() -> None:
    """Particles that only drift with the stage keep their distance without being bound."""
    result = result_of(dimers(7.0, step=0.0, drift=0.5))
    assert result.kinetics["contact"]["gap_offset_pairs"] == 0


def test_a_given_threshold_is_taken_as_it_is() -> None:
    """A contact gap that the user sets is not shifted."""
    result = result_of(dimers(7.0), contact_on_px=1.0)
    assert result.kinetics["contact"]["on_px"] == 1.0
    assert result.kinetics["contact"]["gap_offset_px"] == 0


def test_a_crowd_of_free_particles_says_nothing_of_radii() -> None:
    """Of hundreds of pairs beside each other some keep their distance by chance; none is said to move as one."""
    rng = np.random.default_rng(6)
    walk = rng.uniform(0, 300, (400, 2)) + np.cumsum(rng.normal(0, 0.4, (40, 400, 2)), axis=0)
    frame, particle = np.indices(walk.shape[:2])
    table = pd.DataFrame(
        {"particle": particle.ravel(), "frame": frame.ravel(), "x": walk[..., 0].ravel(), "y": walk[..., 1].ravel()}
    ).assign(radius=3.5, x_std=0.05, y_std=0.05)
    assert result_of(table).kinetics["contact"]["gap_offset_pairs"] == 0
