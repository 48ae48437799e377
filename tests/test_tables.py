"""The three tables: what is accepted, filled in and refused."""

import pandas as pd
import pytest

from lptem_tracker import tables
from lptem_tracker.errors import TableError
from lptem_tracker.tables import (
    EVENT_DTYPES,
    empty_table,
    validate_detections,
    validate_events,
    validate_msd,
    validate_particles,
    validate_tracks,
)


def _tracks(**columns):
    return pd.DataFrame({"particle": [1, 1], "frame": [0, 1], "x": [1.0, 2.0], "y": [0.0, 0.0], **columns})


def test_tracks_get_dtypes_and_count_as_observed():
    """Whole numbers read as floats become integers, and a table without `observed` was all seen."""
    out = tables.validate_tracks(_tracks(frame=[0.0, 1.0], note=["a", "b"]))
    assert str(out["frame"].dtype) == "int64"
    assert out["observed"].tolist() == [True, True]
    assert out["note"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": ["1", "two"]}, "numeric"),
        ({"frame": [0.5, 1.0]}, "whole numbers"),
        ({"frame": [-1, 0]}, "count from 0"),
        ({"frame": [0, 0]}, "more than once"),
        ({"observed": ["yes", "no"]}, "True or False"),
        ({"frame": [0.0, float("nan")]}, "whole numbers"),
    ],
)
def test_malformed_tracks_are_refused_in_one_sentence(columns, words):
    """Each kind of malformed column is named."""
    with pytest.raises(TableError, match=words) as raised:
        tables.validate_tracks(_tracks(**columns))
    assert "\n" not in str(raised.value)


def test_missing_columns_are_named_beside_those_found():
    """The error tells what was expected and what came."""
    with pytest.raises(TableError, match=r"columns x, y; it has: frame"):
        tables.validate_detections(pd.DataFrame({"frame": [0]}))


def test_observed_is_read_from_text():
    """CSV files of other tools write true and false in several ways."""
    out = tables.validate_tracks(_tracks(observed=["True", "0"]))
    assert out["observed"].tolist() == [True, False]


def test_unknown_event_kind_is_refused():
    """Only the seven kinds of the contract are events."""
    row = dict.fromkeys(tables.EVENT_DTYPES, 0) | {"kind": "explode"}
    with pytest.raises(TableError, match="explode"):
        tables.validate_events(pd.DataFrame([row]))


@pytest.mark.parametrize("dtypes", [tables.DETECTION_DTYPES, tables.TRACK_DTYPES, tables.EVENT_DTYPES])
def test_empty_tables_have_every_column_in_its_dtype(dtypes):
    """A movie without particles still gives tables with the contract's columns."""
    table = tables.empty_table(dtypes)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(dtypes)


def test_a_number_too_large_for_a_frame_is_refused():
    """1e30 is whole and fits no 64 bits: it must not wrap around to some other frame."""
    with pytest.raises(TableError, match="whole numbers; found 1e"):
        tables.validate_detections(pd.DataFrame({"frame": [0.0, 1e30], "x": 1.0, "y": 2.0}))


@pytest.mark.parametrize(("column", "value"), [("x", 1e300), ("y", -2e9), ("x_std", 1e300), ("radius", 1e10)])
def test_positions_that_no_detector_gives_are_refused(column, value):
    """Their squares would overflow; what is merely unknown (inf, NaN) is not meant."""
    with pytest.raises(TableError, match=f"the column {column} of the tracks table has "):
        tables.validate_tracks(_tracks(**{column: [1.0, value]}))
    far = tables.validate_tracks(_tracks(x_std=[float("inf"), float("nan")], x=[1e9, -1e9]))
    assert far["x"].tolist() == [1e9, -1e9]


@pytest.mark.parametrize(("column", "value"), [("circularity", "round"), ("merged_into", "none"), ("snr", "high")])
def test_text_in_a_column_of_numbers_is_named(column: str, value: str) -> None:
    """Columns beyond the required ones are checked, too: the sentence names the column and the value."""
    table = pd.DataFrame({"particle": [0, 0], "frame": [0, 1], "x": 1.0, "y": 2.0, column: value})
    with pytest.raises(TableError, match=f"{column} of the tracks table must be numeric; found '{value}'"):
        validate_tracks(table)


def test_empty_strings_are_blanks() -> None:
    """A spreadsheet's empty cells, read as text, stand for no value where a value may be missing."""
    table = pd.DataFrame(
        {"particle": [0, 0], "frame": [0, 1], "x": 1.0, "y": 2.0, "merged_into": ["", "3"], "snr": " "}
    )
    out = validate_tracks(table)
    assert out["merged_into"].isna().tolist() == [True, False]
    assert out["merged_into"][1] == 3
    assert out["snr"].isna().all()
    with pytest.raises(TableError, match="frame of the tracks table must hold whole numbers; found ''"):
        validate_tracks(table.assign(frame=["", "1"]))


def test_dates_are_no_numbers() -> None:
    """A date is refused, not counted in nanoseconds since 1970."""
    table = pd.DataFrame({"frame": [0], "x": pd.Timestamp("2024-02-03"), "y": 1.0})
    with pytest.raises(TableError, match=r"x of the detections table must be numeric; found '2024-02-03"):
        validate_detections(table)


def test_a_name_that_comes_twice_is_refused() -> None:
    """Of two columns of one name nobody knows which is meant."""
    table = pd.DataFrame([[0, 1.0, 2.0, 3.0]], columns=["frame", "x", "y", "y"])
    with pytest.raises(TableError, match="has the column y twice"):
        validate_detections(table)


def test_kinds_of_events_that_are_blank_or_numbers_are_refused() -> None:
    """Blanks among the kinds make one sentence as unknown words do."""
    table = empty_table(EVENT_DTYPES).reindex([0, 1]).assign(kind=["attach", None], frame=1, frame_last=2)
    with pytest.raises(TableError, match="Unknown event kind"):
        validate_events(table)


def test_measured_particles_keep_their_whole_numbers_and_text() -> None:
    """Of particles.csv numbers are checked, words such as the motion are let be, whole numbers stay whole."""
    table = pd.DataFrame(
        {"particle": ["4"], "n_observed": [7], "D_nm2_s": ["1.5"], "motion": ["brownian"], "note": "?"}
    )
    out = validate_particles(table)
    assert (out["particle"][0], out["D_nm2_s"][0], str(out["n_observed"].dtype)) == (4, 1.5, "int64")
    with pytest.raises(TableError, match="D_nm2_s of the particles table must be numeric"):
        validate_particles(table.assign(D_nm2_s="fast"))
    with pytest.raises(TableError, match="msd table needs the column particle"):
        validate_msd(table.drop(columns="particle"))


def test_mean_curves_have_a_blank_particle():
    """As `analyze` writes them: rows of one particle, then rows of all together, whose particle stays blank."""
    rows = {"particle": [3, 3, None], "lag_frames": [1, 2, 1], "msd_px2": [0.5, 1.0, 0.6], "n_pairs": [9, 8, 9]}
    table = validate_msd(pd.DataFrame(rows))
    assert table["particle"].isna().tolist() == [False, False, True]
    assert table["particle"].tolist()[:2] == [3, 3]
    assert table["lag_frames"].dtype == "int64"
