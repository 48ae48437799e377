"""Linear tracks from a graph of links in which tracks may merge and split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def split_branches(links: NDArray[Any], positions: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """Give every node of a graph of links a particle, each particle a path without branches.

    Where tracks merge or split, the shortest link in space goes on as the same particle.

    Parameters
    ----------
    links : numpy.ndarray
        Indices of two nodes each, shape (m, 2), in either direction of time.
    positions : numpy.ndarray
        Columns frame, x, y; shape (n, 3).

    Returns
    -------
    particle : numpy.ndarray
        Shape (n,), numbered from 0 in the order of first appearance.
    cut : int
        Links that were left out.

    Examples
    --------
    >>> split_branches(np.array([[0, 2], [1, 2]]), np.array([[0, 0, 0], [0, 5, 0], [1, 1, 0]], dtype=float))[0]
    array([0, 1, 0])
    """
    n = len(positions)
    links = np.asarray(links, dtype=np.int64).reshape(-1, 2)
    if len(links):
        backwards = positions[links[:, 0], 0] > positions[links[:, 1], 0]
        links = np.where(backwards[:, None], links[:, ::-1], links)
        links = links[positions[links[:, 0], 0] < positions[links[:, 1], 0]]
    length = np.linalg.norm(positions[links[:, 1], 1:] - positions[links[:, 0], 1:], axis=1)
    successor, predecessor = np.full(n, -1), np.full(n, -1)
    cut = 0
    for a, b in links[np.lexsort((links[:, 1], links[:, 0], length))]:
        if successor[a] == b:
            continue
        if successor[a] >= 0 or predecessor[b] >= 0:
            cut += 1
            continue
        successor[a], predecessor[b] = b, a
    particle = np.full(n, -1, dtype=np.int64)
    starts = np.flatnonzero(predecessor < 0)
    for number, node in enumerate(starts[np.argsort(positions[starts, 0], kind="stable")]):
        while node >= 0:
            particle[node] = number
            node = successor[node]
    return particle, cut
