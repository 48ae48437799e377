"""What confidences and sizes add to the links, and that they never take away."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lptem_tracker.evaluate.tracking import score_tracks
from lptem_tracker.link import link


def cluttered(seed: int, n: int = 40, frames: int = 60, step: float = 2.0) -> pd.DataFrame:
    """Walkers 10 px apart, a tenth missed, with three false detections for every ten true ones."""
    rng = np.random.default_rng(seed)
    side = 10 * np.sqrt(n)
    xy = rng.uniform(0, side, (n, 2)) + np.cumsum(rng.normal(0, step, (frames, n, 2)), 0)
    xy = side - np.abs(side - np.abs(xy))
    seen = rng.random((frames, n)) > 0.1
    frame, who = np.nonzero(seen)
    true = pd.DataFrame({"frame": frame, "x": xy[seen][:, 0], "y": xy[seen][:, 1], "true": who})
    many = int(0.3 * len(true))
    false = pd.DataFrame({"frame": rng.integers(0, frames, many), "true": -1})
    false["x"], false["y"] = rng.uniform(0, side, (2, many))
    return pd.concat([true, false], ignore_index=True)


def link_f1(table: pd.DataFrame, linked: pd.DataFrame) -> float:
    """Score links against the identities in `true`."""
    truth = table.assign(particle=table["true"])[table["true"] >= 0]
    found = linked[linked["observed"]]
    return score_tracks(truth, found, max_distance_px=1e-6, max_gap_frames=5).link_f1


def test_confidence_tells_false_detections() -> None:
    """Confidences that differ between real and false detections spare a sixth of the wrong and missing links."""
    table = cluttered(0, step=1.0)
    rng = np.random.default_rng(1)
    false = table["true"] < 0
    sure = table.assign(confidence=np.where(false, rng.beta(3, 5, len(table)), rng.beta(8, 2, len(table))))
    without, with_them = link_f1(table, link(table)), link_f1(table, link(sure))
    assert 1 - with_them < 0.83 * (1 - without)


def test_confidence_without_meaning_changes_nothing() -> None:
    """Confidences drawn at random are found to say nothing: no weight, the same tracks."""
    table = cluttered(2)
    noise = table.assign(confidence=np.random.default_rng(3).uniform(0, 1, len(table)))
    linked = link(noise)
    assert linked.attrs["link"]["parameters"]["doubt_slope"]["value"] == 0
    pd.testing.assert_series_equal(linked["particle"], link(table)["particle"])


def test_confidence_on_another_scale_is_left_alone() -> None:
    """Numbers outside 0 to 1 in a column of that name are no probabilities and are not used."""
    table = cluttered(4)
    rng = np.random.default_rng(5)
    scores = table.assign(confidence=np.where(table["true"] < 0, 20.0, 90.0) + rng.normal(0, 1, len(table)))
    pd.testing.assert_series_equal(link(scores)["particle"], link(table)["particle"])


def test_sizes_help_and_noisy_ones_do_no_harm() -> None:
    """Radii well known prevent exchanges; radii that scatter by 35 % leave the links as they are without, or better."""
    gain = []
    for seed in (6, 7, 8):
        table = cluttered(seed, step=2.5)
        rng = np.random.default_rng(100 + seed)
        own = rng.uniform(4, 9, 41)[table["true"]]
        plain = link_f1(table, link(table))
        for scatter in (0.03, 0.35):
            sized = table.assign(radius=own * np.exp(rng.normal(0, scatter, len(table))))
            gain.append((scatter, link_f1(table, link(sized)) - plain))
    known = [g for scatter, g in gain if scatter == 0.03]
    noisy = [g for scatter, g in gain if scatter == 0.35]
    assert min(known) > 0.02
    # about 2,000 links a scene, one in ten of them doubtful: a standard error of 0.005
    assert np.mean(noisy) > -0.005
