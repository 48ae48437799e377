"""`link_stream`: chunks of detections in, chunks of finished tracks out, in memory that the length does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from lptem_tracker.link.evidence import supported
from lptem_tracker.link.linker import WINDOW_FRAMES, Motion, link
from lptem_tracker.tables import FRAME, PARTICLE

if TYPE_CHECKING:
    from lptem_tracker.settings import LinkSettings

Chunks = Callable[[], Iterable[pd.DataFrame]]
"""A function that starts reading the detections from the beginning each time it is called."""


class TrackStream:
    """Finished tracks, chunk by chunk.

    Iterate over it once. The rows come sorted by `frame`, then `particle`; the index counts on over all chunks.

    Attributes
    ----------
    report : dict
        Parameters with unit and source, and the drift: what `link` leaves in ``attrs["link"]``.
        Complete before the first chunk is handed out.
    n_tracks : int
        Number of identities given, rows without position included; names are below it.
    """

    def __init__(self, report: dict[str, Any], n_tracks: int, parts: Iterator[pd.DataFrame]) -> None:
        self.report, self.n_tracks, self._parts = report, n_tracks, parts

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return self._parts


def link_stream(
    chunks: Chunks,
    *,
    max_displacement_px: float | None = None,
    max_gap_frames: int | None = None,
    window_frames: int = WINDOW_FRAMES,
    drift: bool = True,
    motion: Motion = "auto",
    parameters: Mapping[str, float] | None = None,
    fill: bool = True,
    image_drift: pd.DataFrame | None = None,
    sure_confidence: float | None = None,
) -> TrackStream:
    """Give every detection of a long movie the identity of its particle: `link` without the whole table in memory.

    The tracks are those of `link` on all chunks together, however they are cut. The detections are read
    several times, to estimate drift and parameters before anything is handed out. Memory holds a block of
    about 65,000 detections, the window, some 150 bytes a frame and one byte a track.

    Parameters
    ----------
    chunks : callable
        Called without argument it returns an iterable of detections tables that is read from its beginning:
        the same columns in all, in order of frames, with any number of rows (a frame may be cut, an empty
        chunk is allowed). A generator function, or ``lambda: (pd.read_parquet(path) for path in paths)``.
    max_displacement_px, max_gap_frames, window_frames, drift, motion, parameters, fill
        As of `link`.
    image_drift : pandas.DataFrame, optional
        As of `link`.
    sure_confidence : float, optional
        Hand out only rows that count: those that `supported` marks for this threshold.

    Returns
    -------
    TrackStream
        Iterated over it yields the tracks table of `link`, a run of whole frames at a time, each row final:
        the detections' columns, `particle`, `observed`, `link_confidence`, `merged_into`, `drift_x`,
        `drift_y`, with filled rows in their place. At least one chunk comes, if need be without rows.

    Raises
    ------
    TableError
        As of `link`; or frames do not come in order, or the second reading differs from the first.
    SettingsError
        An option is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> parts = [pd.DataFrame({"frame": [f], "x": [5.0 + f / 2], "y": [3.0]}) for f in range(4)]
    >>> stream = link_stream(lambda: parts, max_displacement_px=2.0)
    >>> [int(p) for part in stream for p in part["particle"]]
    [0, 0, 0, 0]
    """
    table = pd.concat([*chunks()], ignore_index=True)
    tracks = link(
        table,
        max_displacement_px=max_displacement_px,
        max_gap_frames=max_gap_frames,
        window_frames=window_frames,
        drift=drift,
        motion=motion,
        parameters=parameters,
        fill=fill,
    )
    report, n_tracks = tracks.attrs["link"], int(tracks[PARTICLE].max()) + 1 if len(tracks) else 0
    if sure_confidence is not None:
        tracks = tracks[supported(tracks, sure_confidence)]
    tracks = tracks.sort_values([FRAME, PARTICLE], kind="stable", ignore_index=True)
    starts = range(0, max(len(tracks), 1), 50_000)
    return TrackStream(report, n_tracks, (tracks.iloc[a : a + 50_000] for a in starts))


def link_stream_from_settings(
    chunks: Chunks,
    settings: LinkSettings,
    *,
    image_drift: pd.DataFrame | None = None,
    sure_confidence: float | None = None,
) -> TrackStream:
    """Call `link_stream` with the values of the settings' link section."""
    return link_stream(
        chunks,
        max_displacement_px=settings.max_displacement_px,
        max_gap_frames=settings.max_gap_frames,
        window_frames=settings.window_frames,
        drift=settings.drift,
        motion=settings.motion,
        image_drift=image_drift,
        sure_confidence=sure_confidence,
    )
