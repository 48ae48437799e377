"""Which particles hang together in each frame, from the contacts between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.analysis.assembly import assemble
from lptem_tracker.errors import SettingsError
from lptem_tracker.settings import EventSettings


def row_clusters(tracks: pd.DataFrame, settings: EventSettings | None = None) -> NDArray[np.float64]:
    """Return the cluster of each row of a tracks table, NaN for a particle that touches no other.

    The contacts are found again, by the rules by which events are: the events table does not tell which
    particles were together from the first frame on, nor what becomes of a cluster whose loop is broken.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Sorted by particle, then frame, with sizes.
    settings : EventSettings, optional
        Those of the run.

    Returns
    -------
    numpy.ndarray
        Shape (n,); a number that a cluster keeps while it grows or loses members.

    Raises
    ------
    SettingsError
        The tracks hold no sizes, without which a contact cannot be seen.
    """
    if tracks.empty:
        return np.full(0, np.nan)
    found = assemble(tracks, settings or EventSettings())
    if not np.isfinite(found.bodies.radius).any():
        raise SettingsError(
            "Colours by cluster need the particles' sizes, and these tracks have none; colour by speed."
        )
    changes = pd.DataFrame(found.history.membership, columns=["frame", "particle", "cluster"])
    changes["particle"] = found.bodies.ids[changes["particle"].to_numpy(np.int64)]
    rows = tracks[["particle", "frame"]].astype("int64").assign(row=np.arange(len(tracks))).sort_values("frame")
    changes = changes.astype("int64").sort_values("frame", kind="stable")
    rows = pd.merge_asof(rows, changes, on="frame", by="particle").sort_values("row")
    members = rows.groupby(["frame", "cluster"])["row"].transform("size")
    clusters: NDArray[np.float64] = rows["cluster"].where(members > 1).to_numpy(dtype=float)
    return clusters
