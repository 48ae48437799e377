"""Scores of detections, checked by hand."""

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.evaluate.detection import (
    average_precision,
    best_threshold,
    calibration_curve,
    calibration_error,
    match,
    score_detections,
)  # fmt: skip


def table(rows, **extra):
    """A table of (frame, x, y, width, height)."""
    out = pd.DataFrame(rows, columns=["frame", "x", "y", "width", "height"], dtype=float)
    return out.astype({"frame": int}).assign(**extra)


def test_tolerance_is_three_px_or_half_the_smaller_side():
    """A 4 px particle is matched up to 3 px away, a 20 by 40 px one up to 10 px."""
    truth = table([(0, 50, 50, 4, 4), (1, 50, 50, 40, 20)])
    near, far = table([(0, 53, 50, 1, 1), (1, 60, 50, 1, 1)]), table([(0, 53.1, 50, 1, 1), (1, 60.1, 50, 1, 1)])
    assert len(match(near, truth)) == 2
    assert len(match(far, truth)) == 0


def test_matching_is_one_to_one_and_complete():
    """Three detections and two particles in a row give two pairs, at the least total distance among the most pairs."""
    truth = table([(0, 0, 0, 20, 20), (0, 9, 0, 20, 20)])
    found = table([(0, 8, 0, 1, 1), (0, 18, 0, 1, 1), (0, 8.5, 0.5, 1, 1)])
    pairs = match(found, truth)
    assert pairs[["detection", "truth"]].to_numpy().tolist() in (
        [[0, 0], [2, 1]],
        [[0, 0], [1, 1]],
        [[2, 0], [0, 1]],
        [[2, 1], [0, 0]],
    )
    assert len(pairs) == 2


def test_score_by_hand():
    """Two of three particles found and one false detection: precision 2/3, recall 2/3, F1 2/3."""
    truth = table([(0, 10, 10, 8, 8), (0, 40, 40, 8, 8), (2, 10, 10, 8, 8)])
    found = table([(0, 10, 11, 8, 8), (0, 70, 70, 8, 8), (2, 10, 10, 8, 8)])
    score = score_detections(found, truth, n_frames=4)
    assert (score.precision, score.recall, score.f1) == pytest.approx((2 / 3,) * 3)
    assert score.false_per_frame == 0.25
    assert score.error_px == pytest.approx(np.sqrt(0.5))


def test_ignored_particles_are_neither_missed_nor_false():
    """A detection on a particle that need not be found is not counted."""
    found = table([(0, 10, 10, 8, 8), (0, 40, 40, 8, 8)])
    score = score_detections(found, table([(0, 10, 10, 8, 8)]), ignore=table([(0, 41, 40, 8, 8)]))
    assert (score.precision, score.recall, score.n_detected) == (1.0, 1.0, 1)


def test_nothing_found_and_nothing_there():
    """Empty tables give NaN where there is nothing to count and no exception."""
    empty = table([])
    score = score_detections(empty, empty)
    assert np.isnan(score.precision)
    assert np.isnan(score.recall)
    assert score.false_per_frame == 0
    assert score_detections(empty, table([(0, 1, 1, 8, 8)])).recall == 0


def test_average_precision_by_hand():
    """Right, wrong, right of two particles: precision 1 up to recall 1/2, then 2/3: area 5/6."""
    truth = table([(0, 10, 10, 8, 8), (0, 40, 40, 8, 8)])
    found = table([(0, 10, 10, 8, 8), (0, 70, 70, 8, 8), (0, 41, 40, 8, 8)], confidence=[0.9, 0.8, 0.7])
    assert average_precision(found, truth) == pytest.approx(5 / 6)


def test_average_precision_wants_overlap():
    """A box of a quarter of the area on the right spot has an overlap of 0.25 and does not count at 0.5."""
    truth, found = table([(0, 10, 10, 8, 8)]), table([(0, 10, 10, 4, 4)], confidence=[0.9])
    assert average_precision(found, truth) == 0.0
    assert average_precision(found, truth, iou=0.2) == 1.0


def test_best_threshold_by_hand():
    """With two right ones above a wrong one, F1 is highest between them."""
    truth = table([(0, 10, 10, 8, 8), (0, 40, 40, 8, 8)])
    found = table([(0, 10, 10, 8, 8), (0, 40, 40, 8, 8), (0, 70, 70, 8, 8)], confidence=[0.9, 0.6, 0.5])
    assert best_threshold(found, truth) == (0.6, 1.0)


def test_calibration_of_a_true_and_a_boastful_detector():
    """Draws that come true as often as stated err by about their noise; the same stated 0.3 higher err by 0.3."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 0.7, 20_000)
    real = rng.random(len(p)) < p
    # 7 bins of about 2,900 draws: the mean absolute deviation is about 0.8 * sqrt(0.2 / 2,900) = 0.007
    assert calibration_error(calibration_curve(p, real)) < 0.02
    assert calibration_error(calibration_curve(p + 0.3, real)) == pytest.approx(0.3, abs=0.02)
