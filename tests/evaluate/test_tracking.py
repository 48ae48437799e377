"""Tracking scores against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import SettingsError
from lptem_tracker.evaluate.tracking import heaviest_matching, score_tracks


def table(rows: list[tuple[int, int, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["particle", "frame", "x", "y"])


TRUTH = table([(p, t, 10.0 * p, 0.0) for p in range(2) for t in range(4)])


def test_perfect_tracks_score_one() -> None:
    """The truth under other names has every score at 1."""
    out = score_tracks(TRUTH, TRUTH.assign(particle=7 - TRUTH["particle"]), max_distance_px=2)
    for name in ("hota", "deta", "assa", "loca", "idf1", "link_f1", "alpha", "beta", "jsc", "jsc_tracks"):
        assert getattr(out, name) == pytest.approx(1.0), name
    assert out.id_switches == 0


def test_one_exchange_of_identities() -> None:
    """Two tracks exchanged half way: half of the identities, two of six links wrong, association of a third."""
    swapped = TRUTH.assign(particle=np.where(TRUTH["frame"] < 2, TRUTH["particle"], 1 - TRUTH["particle"]))
    out = score_tracks(TRUTH, swapped, max_distance_px=2)
    assert out.idf1 == pytest.approx(0.5)
    assert out.link_f1 == pytest.approx(4 / 6)
    # every pair of identities shares 2 sights of 4 + 4 - 2
    assert out.assa == pytest.approx(2 / 6)
    assert out.hota == pytest.approx(np.sqrt(2 / 6))
    assert out.id_switches == 2


def test_missing_and_spurious_tracks() -> None:
    """One particle unseen and one track of nothing: precision and recall of a half."""
    found = table([(0, t, 0.0, 0.0) for t in range(4)] + [(5, t, 90.0, 0.0) for t in range(4)])
    out = score_tracks(TRUTH, found, max_distance_px=2)
    assert (out.idp, out.idr, out.idf1) == pytest.approx((0.5, 0.5, 0.5))
    assert out.jsc == pytest.approx(4 / 12)
    assert out.jsc_tracks == pytest.approx(1 / 3)
    assert out.alpha == pytest.approx(0.5)
    # four spurious positions beside eight true ones
    assert out.beta == pytest.approx(4 / 12)


def test_distance_lowers_localisation_and_alpha() -> None:
    """Tracks off by half of the distance that counts have half of alpha, and that error."""
    out = score_tracks(TRUTH, TRUTH.assign(y=1.0), max_distance_px=2)
    assert out.alpha == pytest.approx(0.5)
    assert out.rmse_px == pytest.approx(1.0)
    # similarity 0.5 passes the thresholds 0.05 to 0.50, ten of nineteen
    assert out.hota == pytest.approx(10 / 19)


def test_filled_rows_are_no_links() -> None:
    """A row that was not observed joins no links but counts as a position."""
    found = TRUTH.assign(observed=TRUTH["frame"] != 2)
    out = score_tracks(TRUTH, found, max_distance_px=2)
    assert out.link_f1 == pytest.approx(1.0)
    assert out.jsc == pytest.approx(1.0)


def test_nothing_found_scores_zero() -> None:
    """An empty table is not an error."""
    out = score_tracks(TRUTH, TRUTH.iloc[:0], max_distance_px=2)
    assert (out.hota, out.idf1, out.link_f1, out.alpha) == (0.0, 0.0, 0.0, 0.0)


def test_matching_takes_the_heaviest_set() -> None:
    """Two pairs of weight 3 beat one of weight 5."""
    chosen = heaviest_matching(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([3.0, 5.0, 3.0]))
    assert chosen.tolist() == [0, 2]


def test_distance_must_be_positive() -> None:
    """A distance of zero is refused."""
    with pytest.raises(SettingsError, match="positive"):
        score_tracks(TRUTH, TRUTH, max_distance_px=0)
