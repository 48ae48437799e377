"""Which boxes of a frame lie near each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.loops import loop

Wide = NDArray[np.float64]
Index = NDArray[np.int64]
_A_BOX = 8
"""Pairs for each box for which there is room at first."""


def near_pairs(boxes: Wide, reach: Wide) -> tuple[Index, Index, Wide]:
    """Return both orders of all pairs of boxes nearer than the larger one's reach, and their distances.

    The boxes are taken by octaves of their reach, so that one large box does not make neighbours of all small ones;
    the furthest reach of an octave counts for all in it.

    Parameters
    ----------
    boxes : numpy.ndarray
        Shape (N, 4), left, top, right, bottom in px.
    reach : numpy.ndarray
        Shape (N,), in px between centres.

    Returns
    -------
    first, second, distance : numpy.ndarray
        Shape (P,).
    """
    octave = np.ceil(np.log2(np.maximum(reach, 1.0))).astype(np.int64)
    furthest = np.zeros(int(octave.max(initial=0)) + 1)
    np.maximum.at(furthest, octave, reach)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    order = np.argsort(x, kind="stable")
    room = _A_BOX * len(boxes)
    while True:
        first, second, apart = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
        count = int(_pairs(x, y, octave, furthest, order, x[order], first, second, apart))
        if count <= room:
            return first[:count], second[:count], apart[:count]
        room = count


@loop
def _pairs(x, y, octave, furthest, order, sorted_x, first, second, apart):  # type: ignore[no-untyped-def]
    """Write the pairs as far as there is room, and return how many there are."""
    count = 0
    for i in range(len(x)):
        reach = furthest[octave[i]]
        for at in range(np.searchsorted(sorted_x, x[i] - reach), len(x)):
            j = order[at]
            if x[j] > x[i] + reach:
                break
            if j == i or octave[j] > octave[i]:
                continue
            distance = np.sqrt((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2)
            if distance > reach:
                continue
            # within one octave the other order comes with the other box
            for one, other in ((i, j), (j, i)) if octave[j] < octave[i] else ((i, j), (-1, -1)):
                if one >= 0:
                    if count < len(first):
                        first[count], second[count], apart[count] = one, other, distance
                    count += 1
    return count
