"""Names in the order in which people count, and what their numbers say of missing frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key in which ``img2`` comes before ``img10``.

    Examples
    --------
    >>> sorted(["img10.tif", "img2.tif", "IMG1.tif"], key=natural_key)
    ['IMG1.tif', 'img2.tif', 'img10.tif']
    """
    parts = _DIGITS.split(name.casefold())
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def frame_numbers(paths: Sequence[Path]) -> np.ndarray | None:
    """Return the running number in the names of a series, or None where the names have none in common.

    The running number is the last group of digits that differs between the first and the last name, with
    the same words around it in all names.
    """
    words = [_DIGITS.split(path.stem) for path in paths]
    if len({tuple(w[::2]) for w in words}) != 1 or len(words[0]) < 2:
        return None
    numbers = np.array([[int(n) for n in w[1::2]] for w in words], dtype=object)
    differ = [column for column in range(numbers.shape[1]) if len(set(numbers[:, column])) > 1]
    if len(differ) != 1 or max(numbers[:, differ[0]]) > 2**53:
        return None
    return numbers[:, differ[0]].astype(np.int64)


def missing_numbers(numbers: np.ndarray) -> str | None:
    """Return a sentence on the gaps in ascending running numbers, or None where there are none.

    A series that counts in steps (every tenth frame was kept) has no gap.
    """
    steps = np.diff(numbers)
    if len(steps) < 1 or steps.min() < 1:
        return None
    step = int(np.gcd.reduce(steps))
    gaps = np.flatnonzero(steps > step)
    if not len(gaps):
        return None
    n_missing = int((steps[gaps] // step - 1).sum())
    shown = ", ".join(
        f"{numbers[i] + step} to {numbers[i + 1] - step}" if steps[i] > 2 * step else str(numbers[i] + step)
        for i in gaps[:5]
    )
    more = ", …" if len(gaps) > 5 else ""
    return (
        f"The numbering of the frames has gaps: {n_missing} missing ({shown}{more}). The frames on both sides of a gap "
        "count as consecutive, so motion across it counts as one step."
    )
