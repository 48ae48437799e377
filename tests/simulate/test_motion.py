"""Each kind of motion against its formula; tolerances are four standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lptem_tracker.simulate import SimulatedMovie, simulate_movie

# a wide field, no contacts and no drift: every particle is free and stays in the table
FREE: dict[str, Any] = {
    "width_px": 6000, "height_px": 6000, "core_gap_px": -1.0, "pixel_size_nm": 2.0, "frame_interval_s": 0.1,
    "background_swing": 0.0,
}  # fmt: skip


def positions(movie: SimulatedMovie) -> np.ndarray:
    """Return the true centres in nm of the particles that are there throughout, shape (n, T, 2)."""
    full = movie.truth.groupby("particle").filter(lambda rows: len(rows) == len(movie))
    xy = full[["x", "y"]].to_numpy().reshape(-1, len(movie), 2)
    return xy * movie.scene.pixel_size_nm


def squared_steps(xy: np.ndarray, lag: int = 1) -> tuple[float, float]:
    """Return mean and standard error over particles of the squared displacement per axis."""
    each = ((xy[:, lag:] - xy[:, :-lag]) ** 2).mean(axis=(1, 2))
    return float(each.mean()), float(each.std() / np.sqrt(len(each)))


@pytest.mark.parametrize("exposure_s", [0.001, 0.05, 0.1])
def test_brownian_steps_are_blurred_by_the_exposure(exposure_s: float) -> None:
    """<Δx²> = 2DΔt(1-2R) and <ΔxΔx'> = 2RDΔt with R = f/6, for short and full exposures."""
    d, dt, r = 30.0, 0.1, exposure_s / 0.1 / 6
    xy = positions(simulate_movie(FREE, seed=1, count=1200, n_frames=25, D_nm2_s=d, exposure_s=exposure_s))
    mean, error = squared_steps(xy)
    assert mean == pytest.approx(2 * d * dt * (1 - 2 * r), abs=4 * error)
    step = np.diff(xy, axis=1)
    product = (step[:, 1:] * step[:, :-1]).mean(axis=(1, 2))
    assert product.mean() == pytest.approx(2 * r * d * dt, abs=4 * product.std() / np.sqrt(len(product)))


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_fractional_motion_follows_its_power_law(alpha: float) -> None:
    """The MSD of blurred fractional Brownian motion follows its closed form at lags 1, 3 and 8."""
    k, dt, f = 30.0, 0.1, 0.5
    scene = {**FREE, "motion": "fractional", "alpha": alpha, "D_nm2_s": k, "exposure_s": f * dt}
    xy = positions(simulate_movie(scene, seed=2, count=700, n_frames=24))
    for n in (1, 3, 8):
        a2 = alpha + 2
        grow = ((n + f) ** a2 + abs(n - f) ** a2 - 2 * n**a2) / (f**2 * (alpha + 1) * a2)
        expected = 2 * k * dt**alpha * (grow - 2 * f**alpha / ((alpha + 1) * a2))
        mean, error = squared_steps(xy, n)
        # the path is a polygon between 16 points a frame, which rounds its roughest corners
        assert mean == pytest.approx(expected, abs=4 * error + 0.02 * expected)


def test_confined_motion_has_its_width_and_time() -> None:
    """The MSD of motion in a spring is 2 rms²(1 - exp(-DΔt/rms²)) per axis."""
    d, rms, dt = 40.0, 4.0, 0.1
    scene = {**FREE, "motion": "confined", "D_nm2_s": d, "confinement_rms_nm": rms, "exposure_s": 1e-4}
    xy = positions(simulate_movie(scene, seed=3, count=800, n_frames=40))
    for n in (1, 4, 20):
        mean, error = squared_steps(xy, n)
        assert mean == pytest.approx(2 * rms**2 * (1 - np.exp(-d * n * dt / rms**2)), abs=4 * error)


def test_directed_motion_has_its_speed() -> None:
    """Without diffusion every particle moves straight on with its speed."""
    scene = {**FREE, "motion": "directed", "D_nm2_s": 0.0, "speed_nm_s": 25.0}
    xy = positions(simulate_movie(scene, seed=4, count=50, n_frames=12))
    assert np.hypot(*np.moveaxis(xy[:, -1] - xy[:, 0], 1, 0)) == pytest.approx(25 * 1.1, rel=1e-6)


def test_drift_moves_everything_alike() -> None:
    """Immobile particles show the stage's drift and nothing else."""
    scene = {**FREE, "motion": "immobile", "drift_x_nm_s": 5.0, "drift_y_nm_s": -3.0, "jump_rate_s": 1.0}
    movie = simulate_movie(scene, seed=5, count=20, n_frames=60)
    xy = positions(movie)
    assert xy - xy[:, :1] == pytest.approx(np.broadcast_to((movie.drift_px * 2.0)[None], xy.shape), abs=1e-9)
    assert np.abs(np.diff(movie.drift_px, axis=0)).max() > 2


def test_walk_with_rests_hops_as_told() -> None:
    """A continuous-time random walker rests exactly, for the shortest wait at least, and hops by its rms."""
    scene = {**FREE, "motion": "ctrw", "hop_nm": 10.0, "wait_s": 0.3, "alpha": 0.7, "exposure_s": 1e-6}
    step = np.diff(positions(simulate_movie(scene, seed=6, count=400, n_frames=60)), axis=1)
    moved = np.abs(step).max(axis=2) > 1e-9
    # a wait of at least three frames allows at most one hop in each step of a frame
    assert not (moved[:, 1:] & moved[:, :-1]).any()
    hops = step[moved]
    assert (hops**2).mean() == pytest.approx(100, rel=4 * np.sqrt(2 / hops.size))


def test_switching_particles_diffuse_by_their_state() -> None:
    """Steps have the D of the state the truth names, and states last as long as asked."""
    scene = {**FREE, "motion": "switching", "D_nm2_s": 50.0, "D2_nm2_s": 2.0, "wait_s": 1.0, "exposure_s": 1e-4}
    movie = simulate_movie(scene, seed=7, count=400, n_frames=60)
    full = movie.truth.groupby("particle").filter(lambda rows: len(rows) == 60)
    slow = full["slow"].to_numpy().reshape(-1, 60)[:, :-1]
    square = (np.diff(positions(movie), axis=1) ** 2).mean(axis=2)
    for state, d in ((False, 50.0), (True, 2.0)):
        n = (slow == state).sum()
        assert square[slow == state].mean() == pytest.approx(2 * d * 0.1, rel=4 / np.sqrt(n))
    turns = (slow[:, 1:] != slow[:, :-1]).mean()
    assert turns == pytest.approx(1 - np.exp(-0.1), abs=4 * np.sqrt(0.1 / slow.size))


def test_mixture_has_both_coefficients() -> None:
    """A mixture holds the share asked for of each D, and the particles' table says which has which."""
    scene = {**FREE, "motion": "mixture", "D_nm2_s": 50.0, "D2_nm2_s": 2.0, "fraction2": 0.3, "exposure_s": 1e-4}
    movie = simulate_movie(scene, seed=8, count=900, n_frames=10)
    square = (np.diff(positions(movie), axis=1) ** 2).mean(axis=(1, 2))
    ids = movie.truth.groupby("particle").filter(lambda rows: len(rows) == 10)["particle"].unique()
    d = movie.particles.set_index("particle").loc[ids, "D_nm2_s"].to_numpy()
    assert (d == 2.0).mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 900))
    for value in (2.0, 50.0):
        n = (d == value).sum() * 18
        assert square[d == value].mean() == pytest.approx(2 * value * 0.1, rel=4 * np.sqrt(2 / n))


def test_rotation_diffuses() -> None:
    """The unwrapped angle has the variance 2·Dr·t, and the angle lies in [-π/2, π/2)."""
    movie = simulate_movie(FREE, seed=9, count=900, n_frames=12, Dr_rad2_s=0.8, shapes=("rod",), aspect=3.0)
    full = movie.truth.groupby("particle").filter(lambda rows: len(rows) == 12)
    turn = np.diff(full["rotation"].to_numpy().reshape(-1, 12), axis=1)
    assert (turn**2).mean() == pytest.approx(2 * 0.8 * 0.1, rel=4 * np.sqrt(2 / turn.size))
    assert full["angle"].between(-np.pi / 2, np.pi / 2, inclusive="left").all()
    assert np.cos(2 * (full["angle"] - full["rotation"]).to_numpy()) == pytest.approx(1)


def test_bonded_pairs_diffuse_with_half_the_coefficient() -> None:
    """A bonded pair moves as one, with D/2."""
    scene = {
        **FREE, "width_px": 3000, "height_px": 3000, "arrangement": "pairs", "radius_nm": 12.0, "D_nm2_s": 0.5,
        "core_gap_px": 3.0, "exposure_s": 1e-4, "sticking": 1.0,
    }  # fmt: skip
    movie = simulate_movie(scene, seed=10, count=400, n_frames=30)
    late = movie.truth[movie.truth["frame"] >= 2]
    bonded = late.groupby("particle").filter(
        lambda rows: (rows["cluster"] != rows["particle"]).all() and len(rows) == 28
    )
    xy = bonded[["x", "y"]].to_numpy().reshape(-1, 28, 2) * 2.0
    mean, error = squared_steps(xy)
    assert len(xy) > 100
    assert mean == pytest.approx(2 * 0.25 * 0.1, abs=4 * error)


def test_mean_coefficient_counts_bonds_and_states() -> None:
    """The pooled true D is the scene's for free particles, and lower by the share of bonded or slow ones."""
    assert simulate_movie(FREE, seed=1, count=5, n_frames=4, D_nm2_s=7.0).mean_D_nm2_s == pytest.approx(7.0)
    switching = {**FREE, "motion": "switching", "D_nm2_s": 50.0, "D2_nm2_s": 2.0, "wait_s": 1.0}
    movie = simulate_movie(switching, seed=7, count=20, n_frames=20)
    share = movie.truth["slow"].mean()
    assert movie.mean_D_nm2_s == pytest.approx(50 * (1 - share) + 2 * share)
    pair = simulate_movie("demo", seed=0, count=2, n_attach=1, n_coalesce=0, n_nucleate=0, n_dissolve=0)
    frame = int(pair.events[pair.events.kind == "attach"]["frame"].iloc[0])
    assert pair.mean_D_nm2_s == pytest.approx(8.0 * (frame + 0.5 * (120 - frame)) / 120)
