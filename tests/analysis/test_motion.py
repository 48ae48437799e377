"""Motion measured from tracks of known motion."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.motion import MotionResult, measure_motion
from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import TableError
from lptem_tracker.settings import MotionSettings

CALIBRATION = Calibration(pixel_size_nm=2.0, frame_interval_s=0.1, exposure_s=0.1)
TO_NM2_S = 40.0
Rng = np.random.Generator


def brownian(rng: Rng, n_tracks: int, n: int, d: float, sigma2: float, exposure: float = 1.0) -> np.ndarray:
    """Exposure-averaged positions (P, N, 2), exact without sub-steps."""
    a = rng.normal(0, np.sqrt(2 * d * exposure), (n_tracks, n, 2))
    b = rng.normal(0, np.sqrt(2 * d * (1 - exposure)), (n_tracks, n, 2))
    start = np.concatenate([np.zeros((n_tracks, 1, 2)), np.cumsum(a + b, 1)[:, :-1]], 1)
    within = rng.normal(0, np.sqrt(2 * d * exposure / 12), (n_tracks, n, 2))
    return start + a / 2 + within + rng.normal(0, np.sqrt(sigma2), (n_tracks, n, 2))


def table(xy: np.ndarray, spread: float = 400.0) -> pd.DataFrame:
    """Positions (P, N, 2) as a tracks table, particles far apart."""
    p, n, _ = xy.shape
    home = np.random.default_rng(99).uniform(0, spread * np.sqrt(p), (p, 1, 2))
    xy = xy + home
    return pd.DataFrame(
        {
            "particle": np.repeat(np.arange(p), n),
            "frame": np.tile(np.arange(n), p),
            "x": xy[..., 0].ravel(),
            "y": xy[..., 1].ravel(),
        }
    )


def trapped(rng: Rng, n_tracks: int, n: int, d: float, rate: float, sigma2: float) -> np.ndarray:
    """Ornstein-Uhlenbeck positions at single instants."""
    keep, width = np.exp(-rate), np.sqrt(d / rate)
    x = rng.normal(0, width, (n_tracks, 2))
    out = []
    for _ in range(n):
        out.append(x)
        x = keep * x + rng.normal(0, width * np.sqrt(1 - keep**2), x.shape)
    return np.stack(out, 1) + rng.normal(0, np.sqrt(sigma2), (n_tracks, n, 2))


def measure(tracks: pd.DataFrame, calibration: Calibration = CALIBRATION) -> MotionResult:
    return measure_motion(tracks, calibration, MotionSettings())


def test_brownian_ensemble_is_within_its_error():
    """D, alpha and localisation error of 30 Brownian tracks agree with the truth within four standard errors."""
    result = measure(table(brownian(np.random.default_rng(0), 30, 100, 1.0, 0.5)))
    d = result.estimates["D_nm2_s"]
    assert abs(d.value - TO_NM2_S) < 4 * d.std
    assert d.std < 0.08 * TO_NM2_S
    assert abs(result.ensemble["alpha"] - 1) < 4 * result.estimates["alpha"].std
    assert result.ensemble["localization_nm"] == pytest.approx(2 * np.sqrt(0.5), rel=0.15)
    assert result.ensemble["motion"] == "brownian"
    assert (result.particles["motion"] == "brownian").mean() >= 0.9


def test_contract_names_and_json():
    """Columns come in the promised order and the ensemble is valid JSON."""
    result = measure(table(brownian(np.random.default_rng(1), 5, 60, 1.0, 0.2)))
    assert list(result.particles.columns[:15]) == [
        "particle",
        "frame_first",
        "frame_last",
        "n_observed",
        "D_nm2_s",
        "D_ci_low",
        "D_ci_high",
        "localization_nm",
        "alpha",
        "alpha_ci_low",
        "alpha_ci_high",
        "motion",
        "change_points",
        "v_nm_s",
        "Dr_rad2_s",
    ]
    assert list(result.msd.columns) == ["particle", "lag_frames", "lag_s", "msd_nm2", "msd_std_nm2", "n_pairs"]
    assert {
        "D_nm2_s",
        "D_ci95",
        "D_x_nm2_s",
        "D_y_nm2_s",
        "localization_nm",
        "alpha",
        "alpha_ci95",
        "motion",
        "drift_nm_s",
    } <= set(result.ensemble)
    json.dumps(result.ensemble, allow_nan=False)
    assert "Berglund" in result.methods


def test_steady_drift_of_three_particles_is_not_diffusion():
    """A drift of half a step a frame changes D of three particles by less than its standard error."""
    xy = brownian(np.random.default_rng(2), 3, 80, 1.0, 0.2)
    still = measure(table(xy)).estimates["D_nm2_s"]
    moved = measure(table(xy + np.arange(80)[None, :, None] * np.array([0.7, -0.4])))
    assert moved.estimates["D_nm2_s"].value == pytest.approx(still.value, rel=1e-3)
    np.testing.assert_allclose(moved.ensemble["drift_nm_s"], [14.0, -8.0], atol=4 * moved.ensemble["drift_std_nm_s"][0])


def test_gaps_do_not_bias():
    """With a quarter of the frames missing D stays within four standard errors."""
    tracks = table(brownian(np.random.default_rng(3), 30, 80, 1.0, 0.5))
    kept = tracks.sample(frac=0.75, random_state=0)
    d = measure(kept).estimates["D_nm2_s"]
    assert abs(d.value - TO_NM2_S) < 4 * d.std


def test_rows_not_observed_do_not_count():
    """Interpolated rows leave every number unchanged."""
    tracks = table(brownian(np.random.default_rng(4), 4, 50, 1.0, 0.2)).assign(observed=True)
    tracks.loc[tracks["frame"] == 20, ["x", "observed"]] = [1e6, False]
    without = tracks[tracks["observed"]].drop(columns="observed")
    pd.testing.assert_frame_equal(measure(tracks).particles, measure(without).particles)


def test_trap_is_confined_with_its_width():
    """A harmonic trap is called confined and its rms width is within 10 %."""
    xy = trapped(np.random.default_rng(5), 20, 120, 1.0, 0.25, 0.1)
    result = measure(table(xy), Calibration(2.0, 0.1, 1e-4))
    assert result.ensemble["motion"] == "confined"
    assert result.ensemble["confinement_rms_nm"] == pytest.approx(2 * np.sqrt(2 * 4.0), rel=0.1)
    assert result.ensemble["msd_plateau_nm2"] == pytest.approx(4 * 4 * 4.0, rel=0.2)
    assert abs(np.log(result.ensemble["D_nm2_s"] / TO_NM2_S)) < 0.2


def test_directed_particles_have_their_speed():
    """Particles with a speed of their own in random directions are directed, and the speed is within 10 %."""
    rng = np.random.default_rng(6)
    way = rng.uniform(0, 2 * np.pi, 20)
    push = np.stack([np.cos(way), np.sin(way)], 1)[:, None] * np.arange(100)[None, :, None]
    result = measure(table(brownian(rng, 20, 100, 0.5, 0.1) + push))
    assert result.ensemble["motion"] == "directed"
    assert result.ensemble["v_nm_s"] == pytest.approx(20.0, rel=0.1)


def test_switch_is_found_within_two_frames():
    """A tenfold change of D in the middle of long tracks is found; most changes within two frames."""
    rng = np.random.default_rng(7)
    steps = rng.normal(0, 1, (20, 200, 2)) * np.sqrt(2 * np.where(np.arange(200) < 100, 0.2, 2.0))[None, :, None]
    result = measure(table(np.cumsum(steps, 1)), Calibration(2.0, 0.1, 1e-4))
    points = [json.loads(text) for text in result.particles["change_points"]]
    assert (result.particles["motion"] == "switching").mean() >= 0.9
    nearest = [min(abs(p - 100) for p in found) for found in points if found]
    assert np.median(nearest) <= 2


def test_two_kinds_of_particles_are_a_mixture():
    """Two kinds of D are found with their fractions within four binomial errors, and a warning says so."""
    rng = np.random.default_rng(8)
    xy = np.concatenate([brownian(rng, 12, 100, 2.0, 0.1), brownian(rng, 18, 100, 0.1, 0.1)])
    result = measure(table(xy))
    (slow, share), (fast, _) = result.ensemble["components"]
    assert result.ensemble["motion"] == "mixture"
    assert slow / TO_NM2_S == pytest.approx(0.1, rel=0.25)
    assert fast / TO_NM2_S == pytest.approx(2.0, rel=0.25)
    assert abs(share - 0.6) < 1e-3
    assert any(warning.startswith("Particles differ") for warning in result.warnings)


def test_rods_turn():
    """Rotational diffusion of angles known up to half a turn is within four standard errors."""
    rng = np.random.default_rng(9)
    tracks = table(brownian(rng, 10, 100, 1.0, 0.1))
    turned = np.cumsum(rng.normal(0, np.sqrt(2 * 0.01), (10, 100)), 1).ravel()
    tracks["angle"] = (turned + np.pi / 2) % np.pi - np.pi / 2
    turn = measure(tracks, Calibration(2.0, 0.1, 1e-4)).estimates["Dr_rad2_s"]
    assert abs(turn.value - 0.1) < 4 * turn.std


def test_without_calibration_units_are_px_and_frames():
    """Column names say px and frames, and a warning names the options."""
    result = measure(table(brownian(np.random.default_rng(10), 3, 40, 1.0, 0.2)), Calibration())
    assert "D_px2_frame" in result.particles
    assert "msd_px2" in result.msd
    assert any("--pixel-size-nm" in warning for warning in result.warnings)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tracks_of_few_points_are_blank(n: int):
    """Tracks of one to three positions get no number of their own, with the reason beside."""
    particles = measure(table(brownian(np.random.default_rng(11), 4, n, 1.0, 0.2))).particles
    assert particles["D_nm2_s"].isna().all()
    assert (particles["motion"] == "unknown").all()
    assert particles["reason"].str.contains("positions").all()


def test_constant_positions_are_blank():
    """Positions that never change give blanks and a reason, not zeros."""
    result = measure(table(np.zeros((3, 30, 2))))
    assert result.particles["D_nm2_s"].isna().all()
    assert result.particles["reason"].str.contains("never changes").all()
    assert result.warnings


def test_duplicate_frames_are_one_clear_error():
    """A particle twice in one frame is refused."""
    tracks = table(brownian(np.random.default_rng(12), 2, 20, 1.0, 0.2))
    with pytest.raises(TableError, match="in a frame once"):
        measure(pd.concat([tracks, tracks.head(1)]))
