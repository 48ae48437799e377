"""Faint detections count along the track of a sure particle, and nowhere else."""

import numpy as np
import pandas as pd

from lptem_tracker.link.evidence import supported
from lptem_tracker.tables import TRACK_DTYPES, empty_table


def _track(particle, frames, confidence):
    """Return rows of one particle; frames missing inside are filled and not observed."""
    seen = dict(zip(frames, confidence))
    rows = range(frames[0], frames[-1] + 1)
    return pd.DataFrame(
        {
            "particle": particle,
            "frame": list(rows),
            "confidence": [seen.get(f, np.nan) for f in rows],
            "observed": [f in seen for f in rows],
        }
    )


def test_a_sure_track_carries_its_faint_and_filled_rows():
    """Five of six frames seen, one of them sure: all rows count."""
    table = _track(0, [0, 1, 2, 4, 5], [0.12, 0.3, 0.11, 0.15, 0.2])
    assert supported(table, 0.25).all()


def test_faint_rows_without_a_sure_one_do_not_count():
    """A spot that is always doubtful stays out, however long it is seen."""
    assert not supported(_track(0, list(range(30)), [0.2] * 30), 0.25).any()


def test_a_short_or_sparse_track_keeps_its_sure_rows_alone():
    """Three frames, or five frames in twenty, are not enough to carry faint rows."""
    short = _track(0, [0, 1, 2], [0.9, 0.1, 0.9])
    assert supported(short, 0.25).tolist() == [True, False, True]
    sparse = _track(1, [0, 5, 10, 15, 19], [0.9, 0.1, 0.1, 0.1, 0.1])
    assert np.flatnonzero(supported(sparse, 0.25)).tolist() == [0]


def test_no_rows_are_no_rows():
    """A movie without particles."""
    assert supported(empty_table(TRACK_DTYPES), 0.25).shape == (0,)


def test_a_visitor_of_one_frame_must_be_surer_in_a_lasting_film():
    """Beside tracks of thirty frames a single sight counts from ten times the odds, and at the ends as ever."""
    lasting = _track(0, list(range(30)), [0.9] * 30)
    doubtful, sure, early = _track(1, [15], [0.6]), _track(2, [16], [0.95]), _track(3, [1], [0.6])
    table = pd.concat([lasting, doubtful, sure, early], ignore_index=True)
    assert supported(table, 0.5)[30:].tolist() == [False, True, True]


def test_pictures_that_are_no_film_keep_every_sight():
    """Where nothing lasts, a single sight is all there is."""
    table = pd.concat([_track(k, [k], [0.6]) for k in range(30)], ignore_index=True)
    assert supported(table, 0.5).all()
