"""Sizes of a sample: each particle once, over one movie or many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.analysis.population import combine, compare, compare_samples, distribution, summarise
from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import TableError
from lptem_tracker.settings import EventSettings


def test_each_particle_counts_once_whatever_its_length():
    """A particle of 10 px seen in 100 frames and one of 20 px in 5: the mean is 15."""
    frames = [np.arange(100), np.arange(5)]
    table = pd.concat(
        pd.DataFrame({"particle": k, "frame": f, "x": 100.0 + 200 * k, "y": 100.0, "radius": 10.0 * (k + 1)})
        for k, f in enumerate(frames)
    )
    result = measure_assembly(table, Calibration(), EventSettings(), field_px=(400, 400))
    assert result.population["n"] == 2
    assert result.population["radius_px"]["mean"] == pytest.approx(15)


def test_outlier_frames_do_not_move_a_particles_size():
    """The size is the median over frames: one blob frame does not count."""
    radius = np.full(20, 8.0)
    radius[7] = 30.0
    table = pd.DataFrame({"particle": 0, "frame": np.arange(20), "x": 100.0, "y": 100.0, "radius": radius})
    result = measure_assembly(table, Calibration(), EventSettings(), field_px=(200, 200))
    assert result.particles["radius_px"].iloc[0] == 8.0


def test_intervals_hold_the_truth_as_often_as_they_say():
    """95 % intervals of mean, median and standard deviation over 600 samples of 25: 95 % within 3 standard errors."""
    rng = np.random.default_rng(0)
    hits = np.zeros(3)
    for _ in range(600):
        found = distribution(rng.normal(10, 2, 25))
        for k, (name, true) in enumerate((("mean_ci95", 10), ("median_ci95", 10), ("std_ci95", 2))):
            hits[k] += found[name][0] <= true <= found[name][1]
    assert (hits / 600 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 600)).all()


def test_histogram_counts_every_particle():
    """The counts add up, also where all are equal."""
    for values in (np.random.default_rng(0).gamma(3, 2, 500), np.full(10, 7.0), np.array([1.0])):
        assert sum(distribution(values)["histogram"]["counts"]) == len(values)


def test_several_movies_of_one_sample_combine():
    """Counts add up over runs, and each row says where it is from."""
    tables = {
        "a": pd.DataFrame({"particle": [0, 1], "radius_nm": [5.0, 6.0]}),
        "b": pd.DataFrame({"particle": [0], "radius_nm": [7.0]}),
    }
    both = combine(tables)
    assert both["movie"].tolist() == ["a", "a", "b"]
    assert summarise(both)["radius_nm"]["mean"] == pytest.approx(6)
    assert len(combine(list(tables.values()))) == 3


def test_units_do_not_mix():
    """px and nm in one population is an error that names the option."""
    with pytest.raises(TableError, match="--pixel-size-nm"):
        combine([pd.DataFrame({"radius_nm": [5.0]}), pd.DataFrame({"radius_px": [5.0]})])
    with pytest.raises(TableError, match="at least one"):
        combine([])


def test_tests_tell_samples_apart_and_leave_equal_ones_alone():
    """A shift of one standard deviation in 100 particles is found; equal samples are not told apart."""
    rng = np.random.default_rng(0)
    first, same, other = (pd.DataFrame({"radius_nm": rng.normal(m, 1, 100)}) for m in (10, 10, 11))
    assert compare(first, other)["radius_nm"]["mann_whitney_p"] < 1e-4
    assert compare(first, other)["radius_nm"]["ks_p"] < 1e-3
    assert compare(first, same)["radius_nm"]["mann_whitney_p"] > 0.01
    assert compare(other, first)["radius_nm"]["probability_larger"] > 0.65


def test_p_values_of_many_pairs_are_raised_by_their_number():
    """Holm: of three pairs the smallest p counts three times, and none is raised less than a smaller one."""
    rng = np.random.default_rng(1)
    samples = {name: pd.DataFrame({"radius_nm": rng.normal(m, 1, 60)}) for name, m in zip("abc", (10, 10.2, 11))}
    found = compare_samples(samples)
    assert [row["samples"] for row in found] == [["a", "b"], ["a", "c"], ["b", "c"]]
    tests = sorted((row["radius_nm"] for row in found), key=lambda test: test["ks_p"])
    assert tests[0]["ks_p_holm"] == pytest.approx(3 * tests[0]["ks_p"])
    assert tests[1]["ks_p_holm"] == pytest.approx(max(2 * tests[1]["ks_p"], tests[0]["ks_p_holm"]))
    assert all(low["ks_p_holm"] <= high["ks_p_holm"] for low, high in zip(tests, tests[1:]))


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_single_images_count_all_their_particles(n_frames: int):
    """In one image nobody is seen three times: 40 particles are 40, of which two that touch are one cluster."""
    k = np.arange(40)
    image = pd.DataFrame({"particle": k, "x": 30.0 + 60 * (k % 8), "y": 30.0 + 60 * (k // 8), "radius": 8.0 + k / 20})
    image.loc[1, "x"] = 30 + 16.5
    table = pd.concat([image.assign(frame=frame) for frame in range(n_frames)])
    found = measure_assembly(table, Calibration(), EventSettings(), field_px=(512, 512))
    assert found.population["radius_px"]["n"] == 40
    assert found.kinetics["n_clusters"] == [39] * n_frames
