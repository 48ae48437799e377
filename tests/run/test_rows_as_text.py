"""Tables as CSV text."""

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.run import files, write_csv
from lptem_tracker.run.rows_as_text import csv_text

RNG = np.random.default_rng(5)
EDGES = [0.0, -0.0, 1.0, -7.0, 1e9, 999999999.5, 1e15, 1e16, 1e-4, 9.999e-5, 5e-324, np.inf, -np.inf, np.nan]
TABLES = {
    "numbers of all magnitudes": pd.DataFrame({
        "x": np.concatenate([RNG.normal(size=5000) * 10.0 ** RNG.integers(-30, 30, 5000), EDGES]),
        "frame": np.arange(5000 + len(EDGES)),
    }),
    "any bits": pd.DataFrame({"x": np.frombuffer(RNG.bytes(40_000)), "y": 1.5}),
    "flags, missing whole numbers and names": pd.DataFrame({
        "fit_ok": [True, False, True], "merged_into": pd.array([3, None, 1], "Int64"), "shape": ["disk", None, "rod"],
    }),
    "words that need quotes": pd.DataFrame({"reason": ['a "b"', "c, d", ""], "x": [1.0, np.nan, 2.0]}),
    "names that need quotes": pd.DataFrame({"a,b": [1], 'c"': [2.5]}),
    "values of several kinds": pd.DataFrame({"note": pd.Series([1, "a"], dtype=object), "x": [1.0, 2.0]}),
    "whole numbers among others": pd.DataFrame({"dose": pd.Series([1, 2.5, None], dtype=object), "x": 1.0}),
    "whole numbers beyond 64 bits": pd.DataFrame({"id": pd.Series([2**70, 1], dtype=object), "x": 1.0}),
    "one column": pd.DataFrame({"x": [1.0, np.nan]}),
    "no rows": pd.DataFrame({"x": pd.Series(dtype=float), "shape": pd.Series(dtype=str)}),
    "lists and single precision": pd.DataFrame({"outline": [[1.0, 2.0], None], "x": np.array([0.1, 2], np.float32)}),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("header", [True, False])
def test_text_is_that_of_pandas(name, header):
    """Every byte is what `to_csv` writes."""
    expected = TABLES[name].to_csv(index=False, header=header, lineterminator="\n").encode()
    assert csv_text(TABLES[name], header=header) == expected


@pytest.mark.parametrize("name", TABLES)
def test_a_file_written_some_rows_at_a_time_is_that_of_pandas(name, tmp_path, monkeypatch):
    """However many rows are made text of together, the file has one header and every row once."""
    monkeypatch.setattr(files, "CSV_ROWS", 2 if len(TABLES[name]) < 100 else 1000)
    write_csv(tmp_path / "table.csv", TABLES[name])
    expected = TABLES[name].to_csv(index=False, lineterminator="\n").encode()
    assert (tmp_path / "table.csv").read_bytes() == expected
