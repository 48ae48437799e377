"""The contract of the detect room: a Detector turns frames into rows of the detections table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from lptem_tracker.movie.base import Frame


class Detector(ABC):
    """Finds particles in frames. One instance serves a whole movie and may keep a model in memory.

    Attributes
    ----------
    batch_frames : int
        How many frames `detect` is best given at once.
    workers : int
        How many threads may call `detect` at the same time; with 1, batches come in the order of the frames and
        nothing runs beside it.
    scales : tuple of float
        Parts of the resolution, rising, at which `compare` may find that `detect_coarse` serves as well as `detect`.
    """

    batch_frames: int = 1
    workers: int = 1
    scales: tuple[float, ...] = ()

    @abstractmethod
    def detect(self, frames: Sequence[Frame]) -> pd.DataFrame:
        """Return the detections of a batch of frames.

        Parameters
        ----------
        frames : sequence of Frame
            Pixels of shape (Y, X), any real dtype; NaN counts as no data.

        Returns
        -------
        pandas.DataFrame
            The columns of `tables.DETECTION_DTYPES`, in px, sorted by frame. `x_std` and `y_std` are NaN
            until a refinement gives them.
        """

    def compare(self, frames: Sequence[Frame], scales: tuple[float, ...]) -> tuple[pd.DataFrame, float]:
        """Look at two neighbouring frames at all scales and at the lower ones alone.

        Parameters
        ----------
        frames : sequence of Frame
        scales : tuple of float
            Those of `scales` that are tried, in this order, as the finest one.

        Returns
        -------
        pandas.DataFrame
            What `detect_coarse` gives at the first scale where that finds all that `detect` does; where none does,
            what `detect` gives.
        float
            That scale, or 1.
        """
        return self.detect(frames), 1.0

    def detect_coarse(self, frames: Sequence[Frame], scale: float) -> pd.DataFrame | None:
        """Return what `detect` does at less cost, in frames like those of which `compare` said that this will do.

        Parameters
        ----------
        frames : sequence of Frame
        scale : float
            The finest one that is looked at.

        Returns
        -------
        pandas.DataFrame or None
            None where these frames ask for `detect` after all.
        """
        return self.detect(frames)

    def prepare(self, frames: Iterator[Frame]) -> None:  # noqa: B027 - most detectors treat every frame alike
        """Look at the frames before those that `detect` is given, where a run is gone on with in the middle.

        A detector that learns from the first frames it sees then finds the same as in a run from the beginning.

        Parameters
        ----------
        frames : iterator of Frame
            Read lazily; nothing is read that is not asked for.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what identifies this detector in a run's record: name, weights, checksum, device."""
