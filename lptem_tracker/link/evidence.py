"""What a movie knows more than a frame: a faint detection counts where a track goes through it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE

WEAK_SHARE = 0.4
"""Detections down to this share of the threshold are looked at."""
MIN_FRAMES = 5
MIN_COVER = 0.5
BRIEF_FRAMES = 3
BRIEF_ODDS = 10.0
"""A particle seen in fewer than `BRIEF_FRAMES` frames of a longer film must be surer, its odds by this factor."""


def supported(tracks: pd.DataFrame, threshold: float) -> NDArray[np.bool_]:
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
    cover = summary["n"] / (summary["last"] - summary["first"] + 1)
    good = summary.index[(summary["n"] >= MIN_FRAMES) & (cover >= MIN_COVER) & summary["sure"] & (summary.index >= 0)]
    carried = tracks[PARTICLE].isin(good).to_numpy()
    alone = tracks[OBSERVED].to_numpy() & ~(tracks["confidence"] < threshold).to_numpy()
    if carried[tracks[OBSERVED].to_numpy()].mean() > 0.5:
        start, stop = seen[FRAME].min() + BRIEF_FRAMES, seen[FRAME].max() - BRIEF_FRAMES
        brief = summary.index[(summary["n"] < BRIEF_FRAMES) & (summary["first"] >= start) & (summary["last"] <= stop)]
        odds = BRIEF_ODDS * threshold / max(1 - threshold, 1e-9)
        alone &= ~(tracks[PARTICLE].isin(brief) & (tracks["confidence"] < odds / (1 + odds))).to_numpy()
    return np.asarray(carried | alone)
