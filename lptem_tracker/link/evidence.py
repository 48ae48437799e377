"""What a movie knows more than a frame: a faint detection counts where a track goes through it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE

Bools = NDArray[np.bool_]

WEAK_SHARE = 0.4
"""Detections down to this share of the threshold are looked at."""
MIN_FRAMES = 5
MIN_COVER = 0.5
BRIEF_FRAMES = 3
BRIEF_ODDS = 10.0
"""A particle seen in fewer than `BRIEF_FRAMES` frames of a longer film must be surer, its odds by this factor."""
LASTING_SHARE = 0.5
"""Share of the sights on lasting tracks from which brief visitors must be surer, among tracks with a sure sight."""


def supported(tracks: pd.DataFrame, threshold: float) -> Bools:
    """Mark the rows that count: sure detections, and faint ones along the track of a sure particle.

    Chance detections do not follow each other within the reach of a step. A track carries its faint rows when
    it was seen in at least `MIN_FRAMES` frames and in the share `MIN_COVER` of its span, and was at least once
    as sure as the threshold. In a film in which most detections belong to lasting tracks, one that appears for
    a frame or two in the middle is more often chance than a visitor, and must be surer. The idea of keeping
    faint boxes for association is that of Zhang et al. 2022 (ByteTrack); here the whole track decides.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Output of `link` for detections down to ``WEAK_SHARE * threshold``, with `confidence`.
    threshold : float
        Confidence from which a detection counts by itself.

    Returns
    -------
    numpy.ndarray
        Shape (rows,), bool.
    """
    if tracks.empty:
        return np.zeros(0, bool)
    seen = tracks[tracks[OBSERVED]]
    sure = (seen["confidence"] >= threshold) | seen["confidence"].isna()
    groups = seen.assign(sure=sure).groupby(PARTICLE)
    summary = groups.agg(n=(FRAME, "size"), first=(FRAME, "min"), last=(FRAME, "max"), sure=("sure", "any"))
    # a row without position belongs to no film of lasting particles
    placed = groups["x"].count().to_numpy() > 0 if "x" in seen else np.ones(len(summary), bool)
    n, first, last = (summary[name].to_numpy() for name in ("n", "first", "last"))
    good = is_carrier(n, first, last, summary["sure"].to_numpy())
    carried = tracks[PARTICLE].isin(summary.index[good & (summary.index >= 0)]).to_numpy()
    observed = tracks[OBSERVED].to_numpy()
    brief = np.zeros(len(tracks), bool)
    believed = summary["sure"].to_numpy() & placed
    if n[good & believed].sum() > LASTING_SHARE * n[believed].sum():
        film = int(seen[FRAME].min()), int(seen[FRAME].max())
        few = is_brief(n, first, last, film)
        brief = tracks[PARTICLE].isin(summary.index[few]).to_numpy()
    return counts(carried, brief, observed, tracks["confidence"].to_numpy(float, na_value=np.nan), threshold)


def is_carrier(n: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64], sure: Bools) -> Bools:
    """Return which tracks carry their faint rows.

    Parameters
    ----------
    n, first, last : int64
        Number of sights, first and last frame.
    sure : bool
        Whether one of the sights is sure.
    """
    return np.asarray((n >= MIN_FRAMES) & (n / (last - first + 1) >= MIN_COVER) & sure)


def is_brief(n: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64], film: tuple[int, int]) -> Bools:
    """Return which tracks are of brief visitors, seen whole: not at the ends of the film, given by its frames."""
    return np.asarray((n < BRIEF_FRAMES) & (first >= film[0] + BRIEF_FRAMES) & (last <= film[1] - BRIEF_FRAMES))


def counts(carried: Bools, brief: Bools, observed: Bools, confidence: NDArray[np.float64], threshold: float) -> Bools:
    """Return which rows count.

    Parameters
    ----------
    carried : bool
        On the track of a lasting particle.
    brief : bool
        Of a brief visitor in the middle of a film of lasting ones.
    observed : bool
    confidence : float64
    threshold : float
    """
    odds = BRIEF_ODDS * threshold / max(1 - threshold, 1e-9)
    doubtful = (confidence < threshold) | (brief & (confidence < odds / (1 + odds)))
    return np.asarray(carried | (observed & ~doubtful))
