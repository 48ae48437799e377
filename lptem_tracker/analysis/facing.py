"""The angle between two rods, or between the facets that two particles turn to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies

Floats = npt.NDArray[np.float64]

ROD_ASPECT = 1.3
BOX_EXPONENT = 4.0  # of a superellipse from which it has sides: a share of 0.93 of its box
MOST_CORNERS = 12  # of an outline with facets; one with more is a curve


def facing_angle(bodies: Bodies, a: int, b: int) -> float:
    """Angle between two rods, else between the facets that face each other, in rad.

    Parameters
    ----------
    a, b : int
        Rows of `bodies`.

    Returns
    -------
    float
        0 to π/2; NaN where one of the two is round.
    """
    if (bodies.half_length[[a, b]] > ROD_ASPECT * bodies.half_width[[a, b]]).all():
        return _between(float(bodies.angle[a]), float(bodies.angle[b]))
    way = np.array([bodies.x[b] - bodies.x[a], bodies.y[b] - bodies.y[a]])
    return _between(_facet(bodies, a, way), _facet(bodies, b, -way))


def _between(one: float, other: float) -> float:
    """Angle between two lines."""
    turn = abs(one - other) % np.pi
    return float(min(turn, np.pi - turn))


def _facet(bodies: Bodies, row: int, way: Floats) -> float:
    """Direction of the facet that a line from the centre along `way` passes through; NaN without facets."""
    corners = _corners(bodies, row)
    if corners is None:
        return float("nan")
    ends = np.roll(corners, -1, axis=0)
    # a ray t way = corner + s (end - corner) with 0 <= s < 1 and t > 0; the farthest where the outline folds
    edge = ends - corners
    cross = way[0] * edge[:, 1] - way[1] * edge[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (corners[:, 0] * way[1] - corners[:, 1] * way[0]) / cross
        reach = (corners[:, 0] * edge[:, 1] - corners[:, 1] * edge[:, 0]) / cross
    hit = (along >= 0) & (along < 1) & (reach > 0)
    if not hit.any():
        return float("nan")
    k = int(np.flatnonzero(hit)[reach[hit].argmax()])
    return float(np.arctan2(edge[k, 1], edge[k, 0]))


def _corners(bodies: Bodies, row: int) -> Floats | None:
    """Corners about the centre, (K, 2); None for a shape without."""
    if bodies.outline is not None and np.isfinite(bodies.outline[row]).all():
        # shorter outlines end in copies of their last corner
        corners = bodies.outline[row]
        corners = corners[np.r_[True, (np.diff(corners, axis=0) != 0).any(axis=1)]]
        return corners if 3 <= len(corners) <= MOST_CORNERS else None
    if bodies.exponent[row] < BOX_EXPONENT:
        return None
    along = np.array([np.cos(bodies.angle[row]), np.sin(bodies.angle[row])])
    long, short = bodies.half_length[row] * along, bodies.half_width[row] * np.array([-along[1], along[0]])
    return np.asarray([long + short, short - long, -long - short, long - short])
