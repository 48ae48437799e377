"""Refinement as a whole: accuracy, true errors, and what it says of impossible input."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.special import erf, erfc

from lptem_tracker.detect.refine import refine, refine_rows
from lptem_tracker.errors import TableError
from lptem_tracker.movie.base import Frame

_NUMBERS = ["x", "y", "x_std", "radius", "radius_std", "contrast", "edge_blur"]
_PARTS_FIRST = f"""
import sys
from pathlib import Path
import numpy as np, pandas as pd
from lptem_tracker.detect.refine import refine, shapes
from lptem_tracker.detect.refine.model import evaluate
from lptem_tracker.movie.base import Frame
folder = Path(sys.argv[1])
p = np.array([0.3, -0.2, 7, 7, 0.4, 1.5, 0.1, 0, 30, 100, 0.1, -0.2])
px = np.random.default_rng(0).random((7, 300))
evaluate(0, p, p * 0, px, 300, shapes.TABLE, np.zeros((7, 300)), np.zeros((12, 300)), np.zeros(300), 0)
out = refine([Frame(0, np.load(folder / "image.npy"))], pd.read_csv(folder / "table.csv"))
np.save(folder / "out.npy", out[{_NUMBERS}].to_numpy())
"""


def grid(count, step, rng):
    """Places on a grid with sub-pixel jitter, shape (count², 2)."""
    at = step * (np.arange(count) + 0.5)
    x, y = np.meshgrid(at, at)
    return np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.5, 0.5, (count**2, 2))


@pytest.fixture(scope="module")
def disks(request):
    """A frame of 100 disks of radius 6 at SNR 3, rough boxes, and the true places."""
    rng = np.random.default_rng(3)
    places = grid(10, 44, rng)
    y, x = np.mgrid[:440, :440].astype(float)
    mean = np.full(x.shape, 100.0)
    for px, py in places:
        mean -= 15.0 * erfc((np.hypot(x - px, y - py) - 6) / np.sqrt(2))
    sides = 12 * np.exp(rng.normal(0, 0.1, (100, 2)))
    table = pd.DataFrame({
        "frame": 0, "x": places[:, 0] + rng.normal(0, 0.5, 100), "y": places[:, 1] + rng.normal(0, 0.5, 100),
        "width": sides[:, 0], "height": sides[:, 1], "angle": 0.0, "note": np.arange(100),
    })  # fmt: skip
    return rng.poisson(mean).astype(np.uint16), table, places


def test_errors_are_true_in_a_crowd_without_background():
    """A film of 484 disks in correlated noise, whose boxes leave no block of background: the errors are not too small.

    The median of 968 pulls has a standard error of about 4 %; without the correlation they would be a third too large.
    """
    rng = np.random.default_rng(8)
    places = grid(22, 11, rng)
    y, x = np.mgrid[:242, :242].astype(float)
    mean = np.zeros(x.shape)
    for px, py in places:
        mean -= 0.5 * erfc((np.hypot(x - px, y - py) - 3.6) / (np.sqrt(2) * 0.8))
    noise = ndimage.gaussian_filter(rng.standard_normal(x.shape), 0.45)
    image = (1000 + 40 * (2.5 * mean + noise / noise.std())).astype(np.float32)
    table = pd.DataFrame({"frame": 0, "width": 8.7, "height": 8.7, "angle": 0.0}, index=range(len(places)))
    table[["x", "y"]] = places + rng.normal(0, 0.4, places.shape)
    out = refine([Frame(0, image)], table)
    pulls = (out[["x", "y"]].to_numpy() - places) / out[["x_std", "y_std"]].to_numpy()
    assert 1.4826 * np.median(np.abs(pulls)) == pytest.approx(1.0, abs=0.12)


def test_disks_reach_the_cramer_rao_bound(disks):
    """Errors of 200 coordinates are those that counting noise allows, and the reported errors are true."""
    image, table, places = disks
    out = refine([Frame(0, image)], table)
    error = out[["x", "y"]].to_numpy() - places
    # Fisher information of an edge of blur 1 px around the rim, at the variance half way down the edge
    bound = np.sqrt(2 * np.sqrt(np.pi) * 85.0 / (np.pi * 6 * 30.0**2))
    spread = 3 / np.sqrt(2 * error.size)
    assert out["fit_ok"].all()
    assert np.sqrt((error**2).mean()) / bound == pytest.approx(1.0, abs=0.07 + spread)
    assert (error / out[["x_std", "y_std"]].to_numpy()).std() == pytest.approx(1.0, abs=spread + 0.03)
    assert abs(out["radius"].mean() / 6 - 1) < 0.01
    assert (out["shape"] == "disk").mean() > 0.95


def test_rows_order_index_and_other_columns_are_kept(disks):
    """The result has the input's rows in its order, with its index and columns that are not of the fit."""
    image, table, _ = disks
    shuffled = table.sample(frac=1, random_state=1)
    out = refine([Frame(0, image)], shuffled)
    assert list(out.index) == list(shuffled.index)
    assert list(out["note"]) == list(shuffled["note"])
    assert np.abs(out["x"] - shuffled["x"]).max() < 3


def test_result_does_not_depend_on_batches_or_threads(disks):
    """Frames refined together, one by one, and on any number of threads give the same bytes."""
    image, table, _ = disks
    frames = [Frame(k, np.roll(image, k, axis=0)) for k in range(4)]
    tables = [table.head(60).assign(frame=k, y=table["y"] + k) for k in range(4)]
    together = refine(frames, pd.concat(tables, ignore_index=True), workers=2)
    alone = pd.concat([refine([f], t, workers=1) for f, t in zip(frames, tables)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_result_does_not_depend_on_what_was_compiled_before(disks, tmp_path):
    """A process that called the loops' parts by themselves first gives the same bytes as one that did not."""
    image, table, _ = disks
    np.save(tmp_path / "image.npy", image[:220])
    few = table[table["y"] < 200]
    few.to_csv(tmp_path / "table.csv", index=False)
    subprocess.run([sys.executable, "-c", _PARTS_FIRST, str(tmp_path)], check=True)
    expected = refine([Frame(0, image[:220])], pd.read_csv(tmp_path / "table.csv"))[_NUMBERS].to_numpy()
    assert np.load(tmp_path / "out.npy").tobytes() == expected.tobytes()


def test_rods_get_their_angle_and_length(painter, boxes):
    """Rods in upright boxes are recognised, and angles err by their standard errors without a bias."""
    rng = np.random.default_rng(5)
    places = grid(6, 60, rng)
    angles = rng.uniform(-np.pi / 2, np.pi / 2, 36)
    image = painter((360, 360), [(x, y, 15, 5, t) for (x, y), t in zip(places, angles)])
    c, s = np.abs(np.cos(angles)), np.abs(np.sin(angles))
    out = refine([Frame(0, image)], boxes(np.column_stack([places + 0.4, 20 * c + 10, 20 * s + 10])))
    error = (out["angle"] - angles + np.pi / 2) % np.pi - np.pi / 2
    pull = error / out["angle_std"]
    assert (out["shape"] == "rod").all()
    assert pull.std() == pytest.approx(1.0, abs=3 / np.sqrt(72))
    assert abs(pull.mean()) < 3 / 6
    assert out["width"].mean() == pytest.approx(30, abs=0.3)
    assert out["height"].mean() == pytest.approx(10, abs=0.2)
    assert out["angle"].between(-np.pi / 2, np.pi / 2, inclusive="left").all()


def test_a_radius_alone_does_not_say_how_long_a_rod_is(painter):
    """A rod of 20 by 5 px half-axes given by the radius of its area is fitted and believed."""
    image = painter((100, 100), [(50, 50, 20, 5, 0.3)], seed=1)
    out = refine([Frame(0, image)], pd.DataFrame({"frame": [0], "x": [50.0], "y": [50.0], "radius": [10.0]})).iloc[0]
    assert out["fit_ok"]
    assert out["width"] == pytest.approx(40, rel=0.1)


def test_short_rods_taken_for_disks_have_an_error_of_their_aspect_ratio(painter, boxes):
    """Rods of aspect 1.3 too faint to be told from disks: 1.3 lies within three standard errors of the answers."""
    places = grid(6, 50, np.random.default_rng(21))
    image = painter((300, 300), [(x, y, 6.5, 5, 0.7) for x, y in places], level=11.0)
    out = refine([Frame(0, image)], boxes(np.column_stack([places, np.full((36, 2), 11.5)])))
    out = out[out["fit_ok"]]
    assert (out["shape"] == "disk").mean() > 0.8
    assert (out["aspect_ratio_std"] > 0.1).all()
    assert ((out["aspect_ratio"] - 1.3).abs() < 3 * out["aspect_ratio_std"]).mean() > 0.95


def test_faint_particles_share_their_true_blur(painter, boxes):
    """100 disks of radius 4 at SNR 1, none of which knows its blur: radii are true to 3 standard errors or 1 %."""
    places = grid(10, 36, np.random.default_rng(22))
    image = painter((360, 360), [(x, y, 4, 4, 0) for x, y in places], level=1 / 0.3**2)
    out = refine([Frame(0, image)], boxes(np.column_stack([places, np.full((100, 2), 8.0)])))
    radius = out.loc[out["fit_ok"], "radius"]
    assert abs(radius.mean() / 4 - 1) < 0.01 + 3 * radius.std() / 4 / np.sqrt(len(radius))
    assert out["edge_blur"].median() == pytest.approx(1.0, abs=0.25)


@pytest.fixture(scope="module")
def through_a_camera():
    """Refined disks of radius 4 px at SNR 2, 5 frames of 64, neighbouring pixels correlated by 0.4; their places."""
    kernel = np.array([0.22**4, 0.22, 1, 0.22, 0.22**4])
    kernel /= kernel.sum()
    # electrons for which the contrast is twice the noise that the camera leaves
    level, rng, found, true = (2 / 0.3) ** 2 * (kernel**2).sum() ** 2, np.random.default_rng(33), [], []
    y, x = np.mgrid[:296, :296].astype(float)
    for _ in range(5):
        places = grid(8, 37, rng)
        mean = np.full(x.shape, level)
        for px, py in places:
            mean -= 0.15 * level * erfc((np.hypot(x - px, y - py) - 4) / np.sqrt(2))
        image = ndimage.convolve1d(ndimage.convolve1d(rng.poisson(mean).astype(float), kernel, 0), kernel, 1)
        table = pd.DataFrame(places + rng.normal(0, 0.5, places.shape), columns=["x", "y"])
        found.append(refine([Frame(0, image)], table.assign(frame=0, width=8.0, height=8.0)))
        true.append(places)
    return pd.concat(found, ignore_index=True), np.concatenate(true)


def test_faint_particles_share_their_true_blur_in_correlated_noise(through_a_camera):
    """Edge and camera blur by √(1 + 0.32) px together; half of the contrast lies 0.32/8 px inside of the rim."""
    out, _ = through_a_camera
    radius = out.loc[out["fit_ok"], "radius"]
    assert out["edge_blur"].median() == pytest.approx(np.sqrt(1.32), abs=0.12)
    assert abs(radius.mean() - (4 - 0.32 / 8)) < 0.01 * 4 + 2 * radius.std() / np.sqrt(len(radius))


def test_errors_are_true_in_correlated_noise(through_a_camera):
    """Places err by their standard errors within the statistics of 640 of them and 5 %."""
    out, places = through_a_camera
    ok = out["fit_ok"].to_numpy()
    pull = ((out[["x", "y"]].to_numpy() - places) / out[["x_std", "y_std"]].to_numpy())[ok]
    assert ok.mean() > 0.97
    assert pull.std() == pytest.approx(1.0, abs=0.05 + 2 / np.sqrt(2 * pull.size))


def test_touching_disks_err_little_more_than_isolated_ones(painter, boxes):
    """Disks in contact are no further from the truth than 1.5 times what their isolated twins are."""
    rng = np.random.default_rng(7)
    first = grid(8, 60, rng)
    turn = rng.uniform(0, 2 * np.pi, 64)
    second = first + 12.5 * np.column_stack([np.cos(turn), np.sin(turn)])
    both = np.concatenate([first, second])
    sides = np.full((128, 2), 12.0)
    pairs = refine([Frame(0, painter((490, 490), [(x, y, 6, 6, 0) for x, y in both]))],
                   boxes(np.column_stack([both + rng.normal(0, 0.5, both.shape), sides])))  # fmt: skip
    alone = refine([Frame(0, painter((490, 490), [(x, y, 6, 6, 0) for x, y in first]))],
                   boxes(np.column_stack([first + rng.normal(0, 0.5, first.shape), sides[:64]])))  # fmt: skip
    paired = np.sqrt(((pairs[["x", "y"]].to_numpy() - both) ** 2).mean())
    isolated = np.sqrt(((alone[["x", "y"]].to_numpy() - first) ** 2).mean())
    assert paired < 1.5 * isolated


def test_bright_particles_have_a_negative_contrast(painter, boxes):
    """A particle brighter than its background is fitted alike."""
    image = 200 - painter((80, 80), [(40.3, 39.8, 8, 8, 0)])
    out = refine([Frame(0, image)], boxes([(40, 40, 16, 16)])).iloc[0]
    assert out["fit_ok"]
    assert out["contrast"] == pytest.approx(-0.3, abs=0.05)
    assert abs(out["x"] - 40.3) < 4 * out["x_std"]


def test_particle_cut_by_the_border_is_flagged_and_errs_by_its_error(painter, boxes):
    """A disk half outside of the frame keeps a fit along the border and says that it is cut."""
    image = painter((80, 80), [(0, 40.2, 8, 8, 0)])
    out = refine([Frame(0, image)], boxes([(0.5, 40, 16, 16)])).iloc[0]
    assert out["edge"]
    assert abs(out["y"] - 40.2) < 4 * out["y_std"]
    assert abs(out["x"]) < 4 * out["x_std"]


@pytest.mark.parametrize("make", [
    pytest.param(lambda s: np.full(s, np.nan), id="no data"),
    pytest.param(lambda s: np.full(s, 7.0), id="constant"),
    pytest.param(lambda s: np.zeros(s, np.uint8), id="zero"),
    pytest.param(lambda s: np.random.default_rng(2).poisson(100, s).astype(float), id="noise alone"),
])  # fmt: skip
def test_box_without_a_particle_is_flagged(make, boxes):
    """Where nothing is seen the box is returned with the error of a place anywhere in it."""
    out = refine([Frame(0, make((60, 60)))], boxes([(30, 30, 12, 12)])).iloc[0]
    assert not out["fit_ok"]
    assert out["x_std"] >= 0.9
    assert abs(out["x"] - 30) < 3


def test_hot_and_missing_pixels_do_not_move_the_fit(painter, boxes):
    """A hot pixel and a patch of no data cost little."""
    image = painter((80, 80), [(40.3, 39.8, 8, 8, 0)])
    image[40, 38] = 1e5
    image[34:37, 44:47] = np.nan
    out = refine([Frame(0, image)], boxes([(40, 40, 16, 16)])).iloc[0]
    assert out["fit_ok"]
    assert abs(out["x"] - 40.3) < 4 * out["x_std"] < 1


def test_saturated_background_is_flagged(painter, boxes):
    """A background at the end of the grey scale is said."""
    image = np.clip(painter((80, 80), [(40.3, 39.8, 8, 8, 0)], level=260), 0, 255).astype(np.uint8)
    assert refine([Frame(0, image)], boxes([(40, 40, 16, 16)]))["saturated"].iloc[0]


def test_very_large_particle_is_fitted_on_few_pixels(painter, boxes):
    """A disk of radius 150 px is found to a few hundredths of a pixel from a box 10 px off."""
    image = painter((420, 420), [(210.3, 200.7, 150, 150, 0)])
    out = refine([Frame(0, image)], boxes([(216, 194, 280, 290)])).iloc[0]
    assert out["fit_ok"]
    assert abs(out["x"] - 210.3) < 4 * out["x_std"] < 0.3
    assert out["radius"] == pytest.approx(150, abs=0.2)


def test_boxes_without_size_or_outside_are_kept_and_flagged(painter, boxes):
    """No row is lost: what cannot be fitted comes back as it was, not ok."""
    image = painter((80, 80), [(40, 40, 8, 8, 0)])
    out = refine(
        [Frame(0, image)], boxes([(40, 40, 16, 16), (500, 40, 16, 16), (40, 40, np.nan, 16), (np.nan, 4, 9, 9)])
    )
    assert list(out["fit_ok"]) == [True, False, False, False]
    assert out["x"].iloc[1] == 500


def test_empty_table_gets_the_columns():
    """A table of no rows comes back with every column that a fit writes."""
    table = pd.DataFrame({"frame": [], "x": [], "y": [], "radius": []})
    out = refine([], table)
    assert {"x_std", "angle_std", "fit_ok", "edge", "contrast"} <= set(out.columns)
    assert len(out) == 0


def test_missing_size_or_frame_is_an_error_that_says_so(painter, boxes):
    """The message names what is missing."""
    image = painter((40, 40), [])
    with pytest.raises(TableError, match="size of each detection"):
        refine([Frame(0, image)], pd.DataFrame({"frame": [0], "x": [1.0], "y": [1.0]}))
    with pytest.raises(TableError, match="Frame 3"):
        refine([Frame(0, image)], boxes([(20, 20, 9, 9)], frame=3))


def test_outline_on_request_tells_a_square_from_a_disk(painter, boxes):
    """Radii along 32 rays follow the corners; area, circularity and solidity are of that outline."""
    y, x = np.mgrid[:80, :80].astype(float)
    square = 100 - 30 * np.prod([0.5 * (erf((11 - np.abs(t - 40)) / np.sqrt(2)) + 1) for t in (x, y)], axis=0)
    image = np.random.default_rng(4).poisson(square).astype(float)
    out = refine([Frame(0, image)], boxes([(40.3, 39.8, 21, 22)]), outline=True).iloc[0]
    assert out["outline"].shape == (32,)
    assert out["outline"][[4, 12, 20, 28]].mean() > out["outline"][[0, 8, 16, 24]].mean() + 1.5
    assert out["area"] == pytest.approx(484, rel=0.03)
    assert out["circularity"] == pytest.approx(np.pi / 4, abs=0.08)
    round_one = refine([Frame(0, painter((80, 80), [(40, 40, 9, 9, 0)]))], boxes([(40, 40, 18, 18)]), outline=True)
    assert round_one["circularity"].iloc[0] > 0.96
    assert round_one["solidity"].iloc[0] > 0.97


def test_free_outlines_have_errors_of_their_shape(painter, boxes):
    """Circularity of disks and rods is true within its error, in which the fit of an outline bends with the noise."""
    places = grid(6, 64, np.random.default_rng(51))
    for half, true in ((9.0, 1.0), (13.5, 4 * np.pi * (9 * 18 + 81 * np.pi) / (18 + 18 * np.pi) ** 2)):
        image = painter((384, 384), [(x, y, half, 9, 0) for x, y in places])
        out = refine([Frame(0, image)], boxes(np.column_stack([places, np.full(36, 2 * half), np.full(36, 18)])),
                     outline=True)  # fmt: skip
        pull = (out["circularity"] - true) / out["circularity_std"]
        assert np.sqrt((pull**2).mean()) < 1.4
        assert (out["circularity_std"] < 0.1).all()
        assert out["solidity_std"].between(0, 0.1).all()
        assert (out["area_std"] > 0).all()


def test_whole_particles_are_not_said_to_be_cut(painter, boxes):
    """Small disks and pairs of them, away from the border: how many pixels lie inside is chance, and no cut."""
    places = grid(8, 40, np.random.default_rng(52))
    both = np.concatenate([places, places + np.array([9.0, 0.5])])
    image = painter((330, 330), [(x, y, 4, 4, 0) for x, y in both])
    out = refine([Frame(0, image)], boxes(np.column_stack([both, np.full((128, 2), 8.0)])))
    assert not out["edge"].any()


def test_particle_of_one_pixel_is_found_within_its_error(painter, boxes):
    """Disks of radius 1 px, 36 of them: flagged or within four standard errors, most of them seen."""
    rng = np.random.default_rng(9)
    places = grid(6, 30, rng)
    image = painter((180, 180), [(x, y, 1, 1, 0) for x, y in places], level=900.0, contrast=0.5)
    out = refine([Frame(0, image)], boxes(np.column_stack([places + 0.3, np.full((36, 2), 2.4)])))
    pull = (out[["x", "y"]].to_numpy() - places) / out[["x_std", "y_std"]].to_numpy()
    assert out["fit_ok"].mean() > 0.9
    assert np.abs(pull[out["fit_ok"]]).max() < 4.5
    assert np.isfinite(out[["x", "y", "x_std", "y_std", "radius", "radius_std"]].to_numpy()).all()


def test_particle_of_500_pixels_is_found_within_its_error(painter, boxes):
    """A disk of radius 500 px that nearly fills its frame keeps place and radius to a tenth of a pixel."""
    image = painter((1150, 1150), [(570.4, 580.2, 500, 500, 0)])
    out = refine([Frame(0, image)], boxes([(577, 574, 980, 1010)])).iloc[0]
    assert out["fit_ok"]
    assert abs(out["x"] - 570.4) < 4 * out["x_std"] < 0.4
    assert abs(out["radius"] - 500) < 4 * out["radius_std"] < 0.4


@pytest.mark.parametrize("value", [0.0, 255.0, np.nan], ids=["black", "saturated", "no data"])
def test_patch_without_information_over_a_particle_is_flagged(painter, boxes, value):
    """Where half of a particle lies under a constant patch the row is flagged or errs by its error."""
    image = painter((80, 80), [(40.3, 39.8, 8, 8, 0)])
    image[28:53, 40:60] = value
    out = refine([Frame(0, image)], boxes([(40, 40, 16, 16)])).iloc[0]
    within = np.hypot(out["x"] - 40.3, out["y"] - 39.8) < 4 * np.hypot(out["x_std"], out["y_std"])
    assert not out["fit_ok"] or out["edge"] or out["saturated"] or within
    assert np.isfinite(out[["x", "y", "x_std", "y_std"]].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("value", [0.0, 70.0, 100.0, 255.0])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_dead_patches_and_lines_are_no_data(painter, boxes, value, dtype):
    """A patch and a line of one value across particles leave their places within five errors, and are flagged."""
    rng = np.random.default_rng(41)
    places = grid(4, 60, rng)
    image = painter((240, 240), [(x, y, 9, 9, 0) for x, y in places])
    for x, y in places[:8]:
        image[int(y) + 3 : int(y) + 10, int(x) + 2 : int(x) + 9] = value
    for _, y in places[8::4]:
        image[int(y) + 2] = value
    out = refine([Frame(0, image.astype(dtype))], boxes(np.column_stack([places + 0.3, np.full((16, 2), 18.0)])))
    pull = (out[["x", "y"]].to_numpy() - places) / out[["x_std", "y_std"]].to_numpy()
    assert np.abs(pull[out["fit_ok"]]).max() < 5
    assert (out["edge"] | out["saturated"] | ~out["fit_ok"]).iloc[:8].all()


@pytest.mark.parametrize(("level", "contrast"), [(100.0, 1.4), (180.0, -0.8)])
def test_particles_beyond_the_grey_scale_are_no_dead_patches(painter, boxes, level, contrast):
    """Disks whose middle was cut at 0 or at 255 are fitted at their rim: near, saturated, and not cut by a border."""
    rng = np.random.default_rng(44)
    places = grid(4, 60, rng)
    mean = painter((240, 240), [(x, y, 9, 9, 0) for x, y in places], level=level, contrast=contrast, seed=None)
    image = np.clip(np.round(mean + rng.normal(0, 10, mean.shape)), 0, 255).astype(np.uint8)
    out = refine([Frame(0, image)], boxes(np.column_stack([places + 0.3, np.full((16, 2), 18.0)])))
    assert out["fit_ok"].all()
    assert out["saturated"].all()
    assert not out["edge"].any()
    assert np.abs(out[["x", "y"]].to_numpy() - places).max() < 0.3


def test_clean_pictures_have_no_dead_pixels(painter, boxes):
    """Without noise equal pixels are the picture's nature: the particle is found where it is."""
    image = painter((80, 80), [(40.3, 39.8, 8, 8, 0)], seed=None)
    row = refine([Frame(0, image)], boxes([(40, 40, 16, 16)])).iloc[0]
    assert row["fit_ok"]
    assert not row["edge"]
    assert row["x"] == pytest.approx(40.3, abs=0.01)


def test_neighbour_that_was_not_detected_is_no_part_of_a_particle(painter, boxes):
    """A box around one of two faint disks in contact: the row is flagged, or errs by its error."""
    rng = np.random.default_rng(42)
    places, turn = grid(6, 50, rng), rng.uniform(0, 2 * np.pi, 36)
    others = places + 9.2 * np.column_stack([np.cos(turn), np.sin(turn)])
    image = painter((300, 300), [(x, y, 4.5, 4.5, 0) for x, y in np.concatenate([places, others])])
    out = refine([Frame(0, image)], boxes(np.column_stack([places, np.full((36, 2), 9.0)])))
    pull = (out[["x", "y"]].to_numpy() - places) / out[["x_std", "y_std"]].to_numpy()
    assert np.abs(pull).max() < 5


def test_boxes_on_noise_are_hardly_ever_believed(boxes):
    """Of 400 boxes of 8 to 40 px on counting noise alone fewer than 2 % are taken for particles."""
    rng = np.random.default_rng(43)
    image = rng.poisson(60.0, (1000, 1000)).astype(float)
    x, y = np.meshgrid(50.0 * np.arange(20) + 25, 50.0 * np.arange(20) + 25)
    side = np.exp(rng.uniform(np.log(8), np.log(40), 400))
    out = refine([Frame(0, image)], boxes(np.column_stack([x.ravel(), y.ravel(), side, side])))
    # 4 of 400 expected of one in a hundred: 8 is two standard deviations more
    assert out["fit_ok"].sum() <= 8


def test_frame_of_one_value_inside_a_movie_costs_only_itself(painter, boxes):
    """A constant frame beside a good one is flagged; the good one is refined as if alone."""
    good = painter((80, 80), [(40.3, 39.8, 8, 8, 0)])
    table = pd.concat([boxes([(40, 40, 16, 16)], frame=k) for k in (0, 1)], ignore_index=True)
    out = refine([Frame(0, good), Frame(1, np.full((80, 80), 17.0))], table)
    assert list(out["fit_ok"]) == [True, False]
    assert out["x"].iloc[0] == refine([Frame(0, good)], table.head(1))["x"].iloc[0]


def test_columns_of_one_frame_are_refined_as_its_table_is(painter, boxes):
    """Without tables the same columns come out in the same order, also after frames with other particles."""
    image = painter((80, 80), [(25, 40, 8, 8, 0), (55, 40, 8, 5, 0.4)])
    table = boxes([(25.5, 40, 16, 16), (54.6, 40.3, 16, 11)])
    expected = refine([Frame(0, image)], table)
    columns = {name: table[name].to_numpy() for name in table}
    other = boxes([(40, 30, 30, 30)])
    refine_rows(Frame(0, painter((80, 80), [(40, 30, 15, 15, 0)])), {name: other[name].to_numpy() for name in other})
    pd.testing.assert_frame_equal(pd.DataFrame(refine_rows(Frame(0, image), columns)), expected)
