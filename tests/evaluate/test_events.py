"""Scores of events, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.evaluate.events import (
    cluster_count_error,
    false_rate,
    identify_particles,
    match_events,
    score_events,
)


def table(*rows: tuple) -> pd.DataFrame:
    names = ["kind", "frame", "particle_a", "particle_b", "x", "y"]
    return pd.DataFrame([(*row, *(100.0, 100.0)) if len(row) == 4 else row for row in rows], columns=names)


TRUTH = table(("attach", 10, 1, 2), ("attach", 50, 1, 3), ("nucleate", 20, 7, None), ("dissolve", 30, 8, None))


def test_exact_events_score_one():
    """The truth against itself."""
    assert score_events(TRUTH, TRUTH)["all"].f1 == 1.0


def test_pairs_match_in_either_order_and_within_five_frames():
    """(2, 1) five frames late matches (1, 2); six frames late does not."""
    assert len(match_events(table(("attach", 15, 2, 1)), TRUTH)) == 1
    assert len(match_events(table(("attach", 16, 2, 1)), TRUTH)) == 0


def test_wrong_partner_or_kind_does_not_match():
    """Identity and kind count; identity can be switched off."""
    assert len(match_events(table(("attach", 10, 1, 9)), TRUTH)) == 0
    assert len(match_events(table(("detach", 10, 1, 2)), TRUTH)) == 0
    assert len(match_events(table(("attach", 10, 1, 9)), TRUTH, identity=False)) == 1


def test_matching_is_one_to_one_and_as_large_as_possible():
    """Two found events near one true one: one matches; a chain is matched in full."""
    score = score_events(table(("attach", 10, 1, 2), ("attach", 11, 1, 2)), TRUTH)["attach"]
    assert (score.n_matched, score.n_found, score.n_truth) == (1, 2, 2)
    assert score.f1 == 0.5
    found, truth = table(("attach", 14, 1, 2), ("attach", 10, 1, 2)), table(("attach", 10, 1, 2), ("attach", 5, 1, 2))
    assert len(match_events(found, truth)) == 2


def test_events_at_the_border_neither_help_nor_hurt():
    """Unmatched ones within 15 px of the border are not counted."""
    found = table(("nucleate", 20, 7, None, 5.0, 50.0), ("nucleate", 80, 9, None, 195.0, 50.0))
    truth = table(("nucleate", 20, 7, None, 5.0, 50.0), ("dissolve", 30, 8, None, 50.0, 190.0))
    score = score_events(found, truth, field_px=(200, 200))["all"]
    assert (score.n_matched, score.n_found, score.n_truth) == (1, 1, 1)


def test_nothing_found_where_nothing_is_scores_one():
    """No event, no mistake."""
    score = score_events(TRUTH.iloc[:0], TRUTH.iloc[:0])["all"]
    assert (score.precision, score.recall, score.f1) == (1.0, 1.0, 1.0)


def test_particles_are_named_by_the_truth_below_them():
    """A track takes the number of the true particle it sits on before the event."""
    frames = np.arange(20)
    tracks = pd.DataFrame({"particle": 0, "frame": frames, "x": 10.3, "y": 10.0})
    truth = pd.DataFrame({"particle": np.where(frames < 10, 5, 6), "frame": frames, "x": 10.0, "y": 10.0})
    events = table(("coalesce", 10, 0, None), ("nucleate", 10, 0, None), ("dissolve", 15, 3, None))
    assert identify_particles(events, tracks, truth)["particle_a"].tolist() == [5, 6, pd.NA]


def test_false_rate_and_cluster_count_error_by_hand():
    """Three false events in 6,000 particle-frames are 0.5 per 1,000; 9 and 11 for 10 clusters are 10 % off."""
    assert false_rate(table(("attach", 1, 1, 2), ("nucleate", 1, 3, None), ("dissolve", 2, 3, None)), 6000) == 0.5
    assert false_rate(table(("enter", 1, 1, None)), 6000) == 0
    assert cluster_count_error([9, 11], [10, 10]) == pytest.approx(0.1)
