"""Simulated movies: frames, truth, events and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.spatial.distance import pdist

from lptem_tracker.errors import OutputError, SettingsError
from lptem_tracker.movie import open_movie
from lptem_tracker.simulate import PRESETS, Scene, SimulatedMovie, simulate_movie, write_simulation
from lptem_tracker.simulate.camera import mtf_noise_factor
from lptem_tracker.tables import EVENT_DTYPES, TRACK_DTYPES, validate_events, validate_tracks


@pytest.fixture(scope="module")
def demo() -> SimulatedMovie:
    """Return the demo movie."""
    return simulate_movie("demo", seed=0)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_frames_and_truth(name: str) -> None:
    """Each preset yields frames of its size and depth, and tables that the validators accept."""
    movie = simulate_movie(name, n_frames=3)
    frame = movie.read(2)
    assert frame.pixels.shape == movie.shape[1:]
    assert frame.pixels.dtype == movie.dtype
    assert 0.1 < frame.pixels.mean() / np.iinfo(movie.dtype).max < 0.9
    assert movie.calibration.pixel_size_source == "metadata"
    for table, dtypes in ((validate_tracks(movie.truth), TRACK_DTYPES), (validate_events(movie.events), EVENT_DTYPES)):
        assert {column: str(table[column].dtype) for column in dtypes} == dtypes


def test_frames_are_fixed_by_seed_and_index() -> None:
    """A frame is the same in whatever order frames are read, and differs between frames and seeds."""
    one, two = (simulate_movie("demo", seed=4, n_frames=40) for _ in range(2))
    forward = [one.read(i).pixels for i in (3, 20, 39)]
    backward = [two.read(i).pixels for i in (39, 20, 3)][::-1]
    for a, b in zip(forward, backward):
        assert np.array_equal(a, b)
    assert not np.array_equal(forward[0], forward[1])
    assert not np.array_equal(forward[0], simulate_movie("demo", seed=5, n_frames=40).read(3).pixels)
    pd.testing.assert_frame_equal(one.truth, two.truth)


def test_far_frames_need_no_more_memory() -> None:
    """Going forward and back over several hundred frames gives the same truth from few stored states."""
    movie = simulate_movie("brownian", seed=1, n_frames=700, count=5)
    first = movie.frame_truth(30)
    movie.frame_truth(699)
    pd.testing.assert_frame_equal(movie.frame_truth(30), first)
    assert len(movie._story._recent) < 300


def test_calibration_is_the_scene_s() -> None:
    """The movie is calibrated as the scene says, with the frame interval as the exposure where none is given."""
    movie = simulate_movie("growth", n_frames=2)
    calibration = movie.calibration
    assert (calibration.pixel_size_nm, calibration.frame_interval_s, calibration.exposure_s) == (0.5, 0.5, 0.5)
    assert movie.times_s is not None
    assert movie.times_s.tolist() == [0.0, 0.5]


def test_mask_agrees_with_the_truth(demo: SimulatedMovie) -> None:
    """Each particle's pixels in the mask have its number, area and centre."""
    table, mask = demo.frame_truth(0).set_index("particle"), demo.mask(0)
    isolated = [k for k in table.index if 20 < table.x[k] < 490 and 20 < table.y[k] < 360]
    assert len(isolated) > 10
    for k in isolated:
        rows, columns = np.nonzero(mask == k + 1)
        assert len(rows) == pytest.approx(table.area[k], rel=0.08)
        # an outline of some 31 px, each cut at random within a pixel, moves the centre by 0.29/sqrt(31) = 0.05 px rms
        assert [columns.mean(), rows.mean()] == pytest.approx([table.x[k], table.y[k]], abs=0.21)


@pytest.mark.parametrize(("snr", "contrast", "lag1"), [(0.83, 0.3, 0.17), (4.0, 0.45, 0.4), (15.0, 0.6, 0.0)])
def test_snr_and_contrast_are_those_asked_for(snr: float, contrast: float, lag1: float) -> None:
    """(background - particle)/sd of the background and the relative contrast are the scene's, measured on frames."""
    movie = simulate_movie(
        count=1, radius_nm=25.0, profile=0.0, motion="immobile", background_swing=0.0, depth="float32", blur_px=0.5,
        snr=snr, contrast=contrast, lag1=lag1, width_px=256, height_px=256, n_frames=6, seed=2,
    )  # fmt: skip
    row = movie.truth.iloc[0]
    y, x = np.indices((256, 256))
    away = np.hypot(x - row.x, y - row.y)
    frames = np.stack([frame.pixels for frame in movie.frames()]).astype(float) - movie.scene.offset
    inside, outside = frames[:, away < 21], frames[:, away > 30]
    assert 1 - inside.mean() / outside.mean() == pytest.approx(
        contrast, abs=4 * outside.std() / outside.mean() / np.sqrt(inside.size)
    )
    n = inside.size / (1 + 2 * lag1) ** 2
    assert (outside.mean() - inside.mean()) / outside.std() == pytest.approx(snr, abs=4 * (1 + snr / 10) / np.sqrt(n))


def test_forward_model_of_a_frame(demo: SimulatedMovie) -> None:
    """A frame's mean and variance are those of the expected electrons: variance = gain²·(N·f² + readout²)."""
    scene = demo.scene.model_copy(update={"depth": "float32", "gain": 1.0, "hot_pixels": 0, "lag1": 0.0})
    movie = SimulatedMovie(scene, 3)
    residual = movie.read(5).pixels - scene.offset - movie.clean(5)
    expected = movie.clean(5) * mtf_noise_factor(0.0) ** 2 + scene.readout_e**2
    n = residual.size
    assert residual.mean() == pytest.approx(0, abs=4 * float(np.sqrt(expected.mean() / n)))
    # rounding to whole electrons adds at most 1/12
    assert (residual**2).mean() == pytest.approx(
        expected.mean() + 0.04, rel=float(4 * np.sqrt(2 / n) + 0.05 / expected.mean())
    )


def test_background_varies_as_asked() -> None:
    """The brightest over the darkest background is the exponential of the swing."""
    clean = simulate_movie("empty", n_frames=1, background_swing=0.7, texture=0.0, smears=0.0, contamination=0).clean(0)
    assert np.log(clean.max() / clean.min()) == pytest.approx(0.7, abs=0.02)


def test_background_changes_slowly_and_comes_back() -> None:
    """A background with a period is another one after half of it and the first again after all of it."""
    movie = simulate_movie(
        "empty", n_frames=11, frame_interval_s=0.1, background_period_s=1.0, texture=0.0, smears=0.0, contamination=0
    )
    first, middle, last = movie.clean(0), movie.clean(5), movie.clean(10)
    assert np.abs(middle / first - 1).max() > 0.1
    assert last == pytest.approx(first, rel=1e-4)
    assert np.abs(movie.clean(1) / first - 1).max() < 0.2


def test_an_empty_scene_is_empty() -> None:
    """A scene of no particles has no truth and no events, and still frames."""
    movie = simulate_movie("empty", n_frames=4)
    assert len(movie.truth) == 0
    assert len(movie.events) == 0
    assert movie.mask(1).max() == 0
    assert movie.read(1).pixels.std() > 1


def test_dark_field_particles_are_bright() -> None:
    """In dark field a particle is brighter than its surroundings."""
    movie = simulate_movie(dark_field=True, count=5, n_frames=1, radius_nm=15.0, snr=5.0)
    clean, mask = movie.clean(0), movie.mask(0)
    assert clean[mask > 0].mean() > 1.1 * clean[mask == 0].mean()


@pytest.mark.parametrize("name", ["brownian", "aggregation", "dense"])
def test_hard_spheres_never_overlap(name: str) -> None:
    """Particles with a hard core keep apart in every frame."""
    movie = simulate_movie(name, seed=3, n_frames=60)
    for index in range(0, 60, 6):
        story = movie._story.frame(index)
        i, j = np.triu_indices(len(story.ids), 1)
        gap = pdist(story.xy) - story.radius[i] - story.radius[j]
        assert gap.min() > -1e-6


def test_scene_errors_are_one_sentence() -> None:
    """Unknown names and values out of range are refused with what was expected."""
    with pytest.raises(SettingsError, match="Unknown scene 'nothing'; expected one of demo"):
        simulate_movie("nothing")
    with pytest.raises(SettingsError, match="Unknown scene value colour"):
        simulate_movie("demo", colour=3)
    with pytest.raises(SettingsError, match="n_frames is not valid"):
        simulate_movie("demo", n_frames=0)
    with pytest.raises(SettingsError, match="longer than frame_interval_s"):
        simulate_movie("demo", exposure_s=3.0)
    with pytest.raises(SettingsError, match="need 41 particles"):
        simulate_movie("demo", n_attach=18)
    with pytest.raises(SettingsError, match="at least 0"):
        simulate_movie("demo", seed=-1)
    with pytest.raises(SettingsError, match="below 1"):
        simulate_movie(motion="ctrw", alpha=1.2)


def test_scene_from_a_file(tmp_path: Path) -> None:
    """A TOML file gives a preset and what differs from it; a broken one is refused."""
    path = tmp_path / "my.toml"
    path.write_text('preset = "brownian"\nn_frames = 7\nD_nm2_s = 3.5\n', encoding="utf-8")
    scene = simulate_movie(path).scene
    assert (scene.n_frames, scene.D_nm2_s, scene.count) == (7, 3.5, 40)
    path.write_text("n_frames = [", encoding="utf-8")
    with pytest.raises(SettingsError, match="not valid TOML"):
        simulate_movie(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        simulate_movie(tmp_path / "none.toml")


def test_scene_is_frozen_and_dose_replaces_snr() -> None:
    """A scene cannot be changed in place, and a dose given takes the place of the SNR."""
    scene = Scene.make("demo", dose_e_px=12.0)
    assert scene.electrons == 12.0
    assert scene.snr is None
    with pytest.raises(ValueError, match="frozen"):
        scene.n_frames = 3  # type: ignore[misc]


def test_files_hold_the_movie_and_its_truth(tmp_path: Path) -> None:
    """What is written reads back: pixels, scale, times, tables and the scene."""
    movie = simulate_movie("demo", seed=1, n_frames=30)
    paths = write_simulation(movie, tmp_path / "out")
    assert [path.name for path in paths][:3] == ["movie.tif", "truth_tracks.csv", "truth_events.csv"]
    assert np.array_equal(tifffile.imread(paths[0])[17], movie.read(17).pixels)
    with open_movie(paths[0]) as read:
        assert read.shape == movie.shape
        assert read.calibration.pixel_size_nm == pytest.approx(0.8, rel=1e-4)
        assert read.calibration.frame_interval_s == pytest.approx(0.1)
    tracks = pd.read_csv(paths[1])
    assert tracks[["particle", "frame"]].to_numpy().tolist() == movie.truth[["particle", "frame"]].to_numpy().tolist()
    assert tracks["x"].to_numpy() == pytest.approx(movie.truth["x"].to_numpy())
    assert len(pd.read_csv(paths[2])) == len(movie.events)
    record = json.loads(paths[-1].read_text(encoding="utf-8"))
    assert Scene.make(record["scene"]) == movie.scene
    assert record["D_nm2_s"] == pytest.approx(movie.mean_D_nm2_s)


def test_long_movies_are_written_as_ome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack too large for ImageJ's format keeps its pixels, scale and interval as OME-TIFF."""
    monkeypatch.setattr("lptem_tracker.simulate.write._IMAGEJ_BYTES", 1000)
    movie = simulate_movie("empty", width_px=64, height_px=48, n_frames=3)
    path = write_simulation(movie, tmp_path)[0]
    with open_movie(path) as read:
        assert read.shape == (3, 48, 64)
        assert np.array_equal(read.read(2).pixels, movie.read(2).pixels)
        assert read.calibration.pixel_size_nm == pytest.approx(1.0)
        assert read.calibration.frame_interval_s == pytest.approx(0.1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Writing below a file is refused with the folder's name."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="give another -o"):
        write_simulation(simulate_movie("empty", n_frames=1, width_px=32, height_px=32), tmp_path / "file" / "out")
