"""The front door: contract keys, units, bad input."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import AssemblyResult, measure_assembly
from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import TableError
from lptem_tracker.settings import EventSettings


def wandering(n: int = 12, frames: int = 60, seed: int = 0, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = rng.uniform(40, 360, (n, 2))
    xy = start[:, None] + np.cumsum(rng.normal(0, 0.5, (n, frames, 2)), axis=1)
    return pd.DataFrame(
        {
            "particle": np.repeat(np.arange(n), frames), "frame": np.tile(np.arange(frames), n),
            "x": xy[..., 0].ravel(), "y": xy[..., 1].ravel(), "radius": 6.0, **columns,
        }
    )  # fmt: skip


def measured(table: pd.DataFrame, calibration: Calibration | None = None, **options) -> AssemblyResult:
    options.setdefault("field_px", (400, 400))
    return measure_assembly(table, calibration or Calibration(), EventSettings(), **options)


def test_contract_keys_are_there_and_json_ready():
    """The summary's keys of the design, in nm and s."""
    result = measured(wandering(30), Calibration(2.0, 0.1))
    assert set(result.structure["g_r"]) >= {"r_nm", "g"}
    assert "psi6_interior_mean" in result.structure
    assert "pair_potential" in result.structure
    assert len(result.kinetics["n_clusters"]) == 60
    assert "ripening_K_nm3_s" in result.kinetics
    assert result.population["radius_nm"]["n"] == 30
    assert {"particle", "radius_nm", "aspect_ratio", "circularity", "growth_nm_s"} <= set(result.particles.columns)
    json.dumps([result.structure, result.kinetics, result.population], allow_nan=False)


def test_lengths_scale_with_the_pixel():
    """Twice the pixel, twice the radius; without a pixel size the names say px."""
    assert measured(wandering(), Calibration(2.0)).particles["radius_nm"].iloc[0] == pytest.approx(12.0)
    assert measured(wandering()).particles["radius_px"].iloc[0] == pytest.approx(6.0)


def test_table_without_radii_names_what_is_not_possible():
    """Events that need no radii still come, the others are named."""
    table = wandering().drop(columns="radius")
    table.loc[table["particle"] == 0, "x"] = 4.0
    table = table[~((table["particle"] == 0) & (table["frame"] > 30))]
    result = measured(table)
    assert result.events["kind"].tolist() == ["leave"]
    assert any("attach, detach, coalesce, nucleate and dissolve" in warning for warning in result.warnings)
    assert result.structure["g_r"] is not None


@pytest.mark.parametrize("value", [0.0, np.nan, -3.0])
def test_missing_and_zero_radii_are_filled_from_the_particle(value):
    """A row without a radius takes its particle's median."""
    table = wandering()
    table.loc[::3, "radius"] = value
    assert measured(table).particles["radius_px"].tolist() == pytest.approx([6.0] * 12)


def test_particle_without_any_radius_is_left_out_with_a_warning():
    """The others are measured as if it were not there."""
    table = wandering()
    table.loc[table["particle"] == 3, "radius"] = np.nan
    result = measured(table)
    assert any("1 of 12 particles have no radius" in warning for warning in result.warnings)
    assert result.population["radius_px"]["n"] == 11


def test_all_in_one_cluster_is_one_cluster():
    """A rigid patch of 49 particles in contact: one cluster, no event."""
    i, j = (v.ravel() for v in np.meshgrid(np.arange(7), np.arange(7)))
    xy = np.column_stack([i + 0.5 * (j % 2), j * np.sqrt(3) / 2]) * 12.5 + 100
    table = pd.concat(
        [
            pd.DataFrame({"particle": np.arange(49), "frame": t, "x": xy[:, 0], "y": xy[:, 1], "radius": 6.0})
            for t in range(40)
        ]
    )
    result = measured(table)
    assert result.events.empty
    assert result.kinetics["n_clusters"] == [1] * 40
    assert result.kinetics["weight_mean_size"][0] == 49


@pytest.mark.parametrize("frames", [1, 2, 60])
def test_one_particle_is_no_problem(frames):
    """One particle, even in one frame, gives empty results and no error."""
    result = measured(wandering(1, frames))
    assert result.events.empty
    assert result.structure["g_r"] is None
    json.dumps([result.structure, result.kinetics, result.population], allow_nan=False)


def test_particles_on_one_spot_are_no_problem():
    """Coinciding particles give neither an error nor an endless loop."""
    table = wandering(3)
    table[["x", "y"]] = 100.0
    assert measured(table).kinetics["n_clusters"][0] == 1


def test_unknown_field_is_estimated_with_a_warning():
    """Without a field of view the extent of the positions stands in, and it is said."""
    assert any("--field-px" in warning for warning in measured(wandering(), field_px=None).warnings)


def test_frames_after_the_last_particle_count():
    """An emptied field is no cluster, and the last particle is seen to end."""
    kinetics = measured(wandering(5, 20), n_frames=30).kinetics
    assert kinetics["n_clusters"][-10:] == [0] * 10


def test_missing_column_is_a_table_error():
    """The message names it."""
    with pytest.raises(TableError, match="particle"):
        measured(wandering().drop(columns="particle"))


def test_empty_table_gives_empty_results():
    """No row, no result, no error."""
    result = measured(wandering().iloc[:0])
    assert result.events.empty
    assert result.particles.empty


def test_chains_have_dimension_one_and_their_radius_of_gyration():
    """Straight chains of 3 to 8 touching disks: R_g² = R²/2 + d² (n² - 1)/12, and n grows as R_g^1 but for their ends.

    By that formula the slope of log R_g over log n is 0.98, which is a dimension of 1.02.
    """
    radius, apart, frames = 5.0, 10.2, 12
    sizes = range(3, 9)
    at = [(20 + apart * k, 40.0 * n) for n in sizes for k in range(n)]
    rows = [(p, t, x, y) for p, (x, y) in enumerate(at) for t in range(frames)]
    table = pd.DataFrame(rows, columns=["particle", "frame", "x", "y"]).assign(radius=radius)
    found = measured(table, Calibration(2.0, 0.1), field_px=(400, 400)).structure["clusters"]
    n = np.array(sizes)
    gyration = np.sqrt(radius**2 / 2 + apart**2 * (n**2 - 1) / 12)
    slope = np.polyfit(np.log(n), np.log(gyration), 1)[0]
    assert (found["n_clusters"], found["largest_size"]) == (6, 8)
    assert found["largest_gyration_radius_nm"] == pytest.approx(2 * gyration[-1])
    assert found["fractal_dimension"] == pytest.approx(1 / slope)
    wide, narrow = apart**2 * (n[2:] ** 2 - 1) / 12 + radius**2 / 4, radius**2 / 4
    assert found["mean_aspect_ratio"] == pytest.approx(np.sqrt(wide / narrow).mean())
