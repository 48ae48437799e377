"""Tables of a run of which a page can list a part only: read in blocks, so that no movie is too long."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lptem_tracker.run import read_csv_blocks
from lptem_tracker.tables import EVENT_DTYPES, PARTICLE, empty_table

MOST_PARTICLES = 3_000
MOST_EVENTS = 6_000
_PLOTTED = ("particle", "n_observed", "motion", "alpha", "D_", "radius_", "aspect_ratio")
"""How the names of the columns begin that distributions are drawn of."""


def read_particles(path: Path, most: int = MOST_PARTICLES) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what distributions are drawn of, of all particles, and the whole rows of those that are listed.

    Parameters
    ----------
    path : pathlib.Path
        ``particles.csv``.
    most : int
        Particles that are listed; of more, those seen in most frames, in the order of the file.

    Raises
    ------
    InputError
        The table cannot be read.
    """
    every, n = [], 0
    for block in read_csv_blocks(path):
        n += len(block)
        every.append(block if n <= most else block[[name for name in block if name.startswith(_PLOTTED)]])
    if n <= most:
        table = pd.concat(every, ignore_index=True)
        return table, table
    names = list(every[-1])
    table = pd.concat([block[names] for block in every], ignore_index=True)
    if "n_observed" in table:
        chosen = table[PARTICLE][table["n_observed"].sort_values(ascending=False, kind="stable").index[:most]]
    else:
        chosen = table[PARTICLE][:most]
    listed = [block[block[PARTICLE].isin(chosen)] for block in read_csv_blocks(path)]
    return table, pd.concat([block for block in listed if len(block)], ignore_index=True)


def read_events(path: Path, most: int = MOST_EVENTS) -> tuple[pd.DataFrame, pd.Series[int]]:
    """Return the events that are listed, and how many there are of each kind.

    Parameters
    ----------
    path : pathlib.Path
        ``events.csv``.
    most : int
        Events that are listed; of more, the first of those that are no entering or leaving come before the others.

    Raises
    ------
    InputError, TableError
        The table cannot be read, or is no table of events.
    """
    inner, outer = [empty_table(EVENT_DTYPES)], [empty_table(EVENT_DTYPES)]
    counts = pd.Series(dtype="int64")
    for events in read_csv_blocks(path):
        counts = counts.add(events["kind"].value_counts(), fill_value=0)
        passing = events["kind"].isin(["enter", "leave"])
        inner.append(events[~passing][: most - sum(map(len, inner))])
        outer.append(events[passing][: most - sum(map(len, outer))])
    first = _joined(inner)
    rows = _joined([first, _joined(outer)[: most - len(first)]]).sort_index(kind="stable")
    return rows.reset_index(drop=True), counts.astype("int64").sort_values(ascending=False, kind="stable")


def _joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all parts under the index that they have."""
    every = list(parts)
    return pd.concat([part for part in every if len(part)] or every[:1])


def left_out(n_listed: int, n: int, what: str, rest: str) -> list[str]:
    """Return a sentence on what a page does not list, none where it lists all.

    Parameters
    ----------
    n_listed, n : int
    what : str
        What is listed, in the plural.
    rest : str
        Which are, and where the whole is.

    Examples
    --------
    >>> left_out(2, 5, "events", "events.csv has all")
    ['This page lists 2 of 5 events: events.csv has all.']
    """
    return [f"This page lists {n_listed:,} of {n:,} {what}: {rest}."] if n > n_listed else []
