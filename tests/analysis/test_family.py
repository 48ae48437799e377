"""Likelihood tables of families of motion, made of a few tracks at a time."""

from __future__ import annotations

import errno
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from lptem_tracker.analysis import family as tables
from lptem_tracker.analysis import shelf
from lptem_tracker.analysis.family import FINE, GRID, LOG_RHO, Family, at_sigma2, build_family, pool
from lptem_tracker.analysis.shelf import Shelf
from lptem_tracker.analysis.trackset import Floats
from lptem_tracker.errors import OutputError


def white(n: int) -> Family:
    """Steps of unit variance for two shapes: with C = (1 + rho) times the identity all is known in closed form."""
    q, m = np.linspace(10.0, 40.0, n), np.full(n, 20.0)

    def evaluate(shape: float, rho: float) -> tuple[Floats, Floats, Floats]:
        return q * shape / (1 + rho), m * np.log((1 + rho) / shape), m

    return build_family(np.array([1.0, 2.0]), evaluate)


def test_fine_tables_are_the_spline_through_the_nodes() -> None:
    """Between the nodes stand the values of the cubic spline, below the first node its value."""
    made = white(5)
    rows, fine = next(made.blocks())
    assert rows == slice(0, 5)
    spline = CubicSpline(LOG_RHO, made.log_q, axis=2)
    inside = LOG_RHO[0] <= GRID
    np.testing.assert_allclose(fine.log_q[..., inside], spline(GRID[inside]), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fine.log_q[..., ~inside], made.log_q[..., :1] + 0 * GRID[~inside], rtol=1e-12)
    assert np.diff(GRID) == pytest.approx(FINE)


def test_the_best_scale_is_that_of_the_closed_form() -> None:
    """With next to no localisation error K = q/m maximises -m/2 log K - q/(2K), whatever the shape."""
    found = at_sigma2(white(7), np.array([1e-4]))
    q, m = np.linspace(10.0, 40.0, 7), 20.0
    np.testing.assert_allclose(found.log_k[:, 0, 0], np.log(q / m), atol=1e-3)
    np.testing.assert_allclose(found.best[:, 0, 0], -0.5 * (m * np.log(q / m) + m), atol=1e-3)


def test_results_do_not_depend_on_how_many_tracks_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 3 and of 1,000 tracks give the same likelihoods and the same ensembles."""
    made, counts, sigma2 = white(40), np.arange(80.0).reshape(2, 40), np.array([0.01, 0.1, 1.0])
    found = []
    for size in (3, 1000):
        monkeypatch.setattr(tables, "BLOCK", size)
        found.append((at_sigma2(made, sigma2), pool(made, counts)))
    for name in ("best", "integrated", "log_k"):
        one, other = (getattr(each[0], name) for each in found)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[0][1].log_q, found[1][1].log_q, rtol=1e-12)
    assert at_sigma2(found[0][1], sigma2).best.shape == (2, 2, 3)


def test_a_further_track_costs_what_is_kept_of_it_only() -> None:
    """Fine tables of 2 shapes are 9 kB a track; of 3,000 further tracks less than 1 kB each is ever in memory."""
    peaks = []
    for n in (1000, 4000):
        made = white(n)
        tracemalloc.start()
        at_sigma2(made, np.array([0.1]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3000 * 1000


def test_tables_on_the_disk_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Very many tracks lie on the disk and are read a few at a time: every likelihood is the same, to the last bit."""
    sigma2, counts = np.array([0.01, 1.0]), np.ones((1, 150))
    found = []
    for most in (10**9, 0):
        monkeypatch.setattr(tables, "IN_MEMORY", most)
        monkeypatch.setattr(shelf, "AHEAD", 50 * 2 * len(LOG_RHO))
        made = white(150)
        found.append((at_sigma2(made, sigma2).best, pool(made, counts).log_q, made.node(1, -1)[0]))
    assert isinstance(made.log_q, Shelf)
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)


def test_a_full_disk_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit on the disk is an error with the place in it, no traceback."""

    class Full(io.BytesIO):
        def __init__(self, **_: object) -> None:
            super().__init__()

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shelf.tempfile, "TemporaryFile", Full)
    with pytest.raises(OutputError, match=r"No space left.*TMPDIR"):
        Shelf((3, 1, 1)).put(0, 0, np.ones(3))


def test_tables_lie_where_they_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within `shelves_in` the folder is the one given, and its error names it; afterwards it is the system's again."""
    asked: list[object] = []
    make = shelf.tempfile.TemporaryFile
    monkeypatch.setattr(shelf.tempfile, "TemporaryFile", lambda dir: asked.append(dir) or make(dir=dir))
    with shelf.shelves_in(tmp_path):
        table = Shelf((3, 1, 1))
        table.put(0, 0, np.arange(3.0))
    assert table.column(0, 0).tolist() == [0.0, 1.0, 2.0]
    Shelf((3, 1, 1))
    assert asked == [tmp_path, None]
    with shelf.shelves_in(tmp_path / "gone"), pytest.raises(OutputError, match=r"gone .*give another -o"):
        Shelf((3, 1, 1))


def test_no_folder_for_temporary_files_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be laid down the error says how to name another folder."""

    def nowhere(**_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(shelf.tempfile, "TemporaryFile", nowhere)
    with pytest.raises(OutputError, match=r"No usable temporary directory.*TMPDIR"):
        Shelf((3, 1, 1))
