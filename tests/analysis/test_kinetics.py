"""Counts of clusters, laws of aggregation, bond lifetimes: against values by hand and known laws."""

from __future__ import annotations

import numpy as np
import pytest

import lptem_tracker.analysis.kinetics as kinetics_module
from lptem_tracker.analysis.clusters import History, Joining
from lptem_tracker.analysis.contacts import Bonds
from lptem_tracker.analysis.kinetics import cluster_table, measure_kinetics
from lptem_tracker.analysis.lifetimes import bond_lifetimes, kaplan_meier
from lptem_tracker.calibration import Calibration

CALIBRATION = Calibration(2.0, 0.5)


def history_of(n_clusters: np.ndarray, n: int, events: int) -> History:
    frame = np.arange(len(n_clusters))
    joinings = [Joining("attach", k, 0, 1, 0, -1) for k in range(events)]
    ones = np.full(len(frame), n)
    size = n / n_clusters
    return History(
        joinings, frame, n_clusters, ones, (n * size).astype(int), (n * size**2).astype(int), n_clusters / size, []
    )


def test_mean_sizes_and_their_errors_are_those_of_the_bootstrap():
    """One pair and two singles: N_c = 3, X_n = 4/3, X_w = 3/2; N_c's variance over particles is 2.5 − 9/4."""
    history = History(
        [], np.array([0]), np.array([3]), np.array([4]), np.array([6]), np.array([10]), np.array([2.5]), []
    )
    kinetics = measure_kinetics(history, CALIBRATION, (100, 100))
    assert kinetics["mean_size"][0] == pytest.approx(4 / 3, abs=1e-6)
    assert kinetics["weight_mean_size"][0] == pytest.approx(1.5)
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.5, 1, 1])[rng.integers(4, size=(200_000, 4))].sum(1)
    half = 1.959964 * shares.std()
    assert kinetics["n_clusters_low"][0] == pytest.approx(3 - half, abs=0.01)


@pytest.mark.parametrize(("law", "model"), [
    ("smoluchowski", lambda t: 200 / (1 + 0.02 * t)), ("first_order", lambda t: 200 * np.exp(-0.01 * t)),
])  # fmt: skip
def test_law_of_aggregation_is_recognised_with_its_rate(law, model):
    """N_c(t) drawn from each law: the evidence favours it and its rate comes out within 3 standard errors."""
    t = np.arange(300) * 0.5
    n_c = np.round(model(t)).astype(int)
    fits = measure_kinetics(history_of(n_c, 200, 50), CALIBRATION, (100, 100))["fits"]
    true = {"smoluchowski": 0.02, "first_order": 0.01}[law]
    laws = ("smoluchowski", "first_order")
    assert min(laws, key=lambda name: fits[name]["aic"]) == law
    assert abs(fits[law]["k_per_s"] - true) < max(3 * fits[law]["k_per_s_std"], 0.01 * true)


def test_few_joinings_are_not_fitted():
    """Four events tell no law."""
    assert measure_kinetics(history_of(np.full(50, 9), 10, 4), CALIBRATION, (100, 100))["fits"] is None


def test_kaplan_meier_by_hand():
    """Ends at 2 and 5, censored at 3 and 6: S = 3/4 after 2, 3/8 after 5."""
    curve = kaplan_meier(np.array([2.0, 3, 5, 6]), np.array([True, False, True, False]))
    assert curve["time"].tolist() == [0, 2, 5]
    assert curve["survival"].tolist() == pytest.approx([1, 0.75, 0.375])
    assert (curve["low"][1:] < curve["survival"][1:]).all()
    assert (curve["high"][1:] > curve["survival"][1:]).all()


def test_bond_lifetime_is_unbiased_by_censoring():
    """Exponential bonds of mean 40 frames cut off by a film of 60: the rate within 3 standard errors."""
    rng = np.random.default_rng(3)
    start = rng.integers(0, 60, 2000)
    life = 5 + rng.exponential(40, 2000)
    end = np.minimum(start + life, 60).astype(int)
    broken = start + life < 60
    keep = end - start > 5
    start, end, broken = start[keep], end[keep], broken[keep]
    n = len(start)
    zeros = np.zeros(n, int)
    bonds = Bonds(zeros, zeros + 1, start, end, np.ones(n, bool), broken, np.ones(n), np.ones(n))
    found = bond_lifetimes(bonds, Calibration(), 5)
    assert found["n_censored"] == int((~broken).sum())
    assert found["rate_per_frame"] == pytest.approx(1 / 40, rel=3 / np.sqrt(broken.sum()) + 0.02)
    assert found["rate_per_frame_ci95"][0] < 1 / 40 < found["rate_per_frame_ci95"][1] * 1.03


def test_no_broken_bond_gives_no_lifetime():
    """All censored: counts, and no number made up."""
    one = np.array([0])
    bonds = Bonds(one, one + 1, one, one + 50, np.array([True]), np.array([False]), one / 1.0, one / 1.0)
    found = bond_lifetimes(bonds, Calibration(), 5)
    assert (found["n_bonds"], found["median_frame"], found["curve"]) == (1, None, None)


def test_rate_constant_is_that_of_two_particles_in_the_field():
    """1/N = 1/200 + k t/A with k/N_0 = 0.02 per s: in 300 x 100 px of 2 nm k is 0.02/200 times 120,000 nm²."""
    n_c = np.round(200 / (1 + 0.02 * np.arange(300) * 0.5)).astype(int)
    fits = measure_kinetics(history_of(n_c, 200, 50), CALIBRATION, (300, 100))["fits"]
    assert fits["rate_constant_nm2_s"] == pytest.approx(0.02 / 200 * 120_000, rel=0.02)


def test_a_long_movie_tells_every_so_many_th_frame_and_the_table_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 frames with room for 4 every third one is listed, with its step; the table has the ten."""
    monkeypatch.setattr(kinetics_module, "MOST_FRAMES", 4)
    history = history_of(np.arange(12, 2, -1), 12, 0)
    told = measure_kinetics(history, Calibration(), (100, 100))
    assert told["frame_step"] == 3
    assert told["n_clusters"] == [12, 9, 6, 3]
    assert cluster_table(history)["n_clusters"].tolist() == list(range(12, 2, -1))
