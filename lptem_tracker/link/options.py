"""What a user may ask of the linker: the one place for `link`, `link_stream` and `Linker`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

from lptem_tracker.errors import SettingsError

if TYPE_CHECKING:
    from lptem_tracker.settings import LinkSettings

Motion: TypeAlias = Literal["auto", "brownian", "velocity", "mixed"]
ImageDrift: TypeAlias = pd.DataFrame | Callable[[], pd.DataFrame]

GAP_FRAMES = 5
WINDOW_FRAMES = 8


@dataclass(frozen=True)
class LinkOptions:
    """What the user asks of the linker.

    Attributes
    ----------
    max_displacement_px, max_gap_frames, window_frames, drift, motion, parameters, fill, image_drift
        The parameters of `link` of these names, where they are described.

    Raises
    ------
    SettingsError
        An option is out of its range.
    """

    max_displacement_px: float | None = None
    max_gap_frames: int | None = None
    window_frames: int = WINDOW_FRAMES
    drift: bool = True
    motion: Motion = "auto"
    parameters: Mapping[str, float] = field(default_factory=dict)
    fill: bool = True
    image_drift: ImageDrift | None = None

    def __post_init__(self) -> None:
        step, gap, window = self.max_displacement_px, self.max_gap_frames, self.window_frames
        if step is not None and not step > 0:
            raise SettingsError(f"max_displacement_px must be a positive number of px; got {step!r}.")
        if gap is not None and (gap < 0 or gap != int(gap)):
            raise SettingsError(f"max_gap_frames must be a whole number of at least 0; got {gap!r}.")
        if window < 1 or window != int(window):
            raise SettingsError(f"window_frames must be a whole number of at least 1; got {window!r}.")
        if self.motion not in ("auto", "brownian", "velocity", "mixed"):
            raise SettingsError(f"motion must be auto, brownian, velocity or mixed; got {self.motion!r}.")

    @classmethod
    def from_settings(cls, settings: LinkSettings, *, image_drift: ImageDrift | None = None) -> LinkOptions:
        """Return the values of the settings' link section."""
        return cls(
            max_displacement_px=settings.max_displacement_px,
            max_gap_frames=settings.max_gap_frames,
            window_frames=settings.window_frames,
            drift=settings.drift,
            motion=settings.motion,
            image_drift=image_drift,
        )

    @property
    def max_lag(self) -> int:
        """Largest frame difference of a link."""
        return (GAP_FRAMES if self.max_gap_frames is None else int(self.max_gap_frames)) + 1
