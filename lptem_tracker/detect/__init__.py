"""The detect room: frames in, rows of the detections table out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptem_tracker.detect.base import Detector
from lptem_tracker.detect.quality import describe_quality

if TYPE_CHECKING:
    from lptem_tracker.settings import DetectSettings

__all__ = ["Detector", "describe_quality", "make_detector"]


def make_detector(settings: DetectSettings | None = None) -> Detector:
    """Return the detector that the settings ask for, its model loaded.

    Parameters
    ----------
    settings : DetectSettings, optional
        None: the shipped network with the defaults.

    Raises
    ------
    WeightsError
        The weights file is missing, damaged, unsafe, or no detector.
    SettingsError
        The device does not exist.
    """
    from lptem_tracker.settings import DetectSettings

    settings = settings or DetectSettings()
    if settings.detector == "blob":
        from lptem_tracker.detect.blob import BlobDetector

        return BlobDetector(diameter_px=settings.blob_diameter_px)
    if settings.weights is not None and not settings.weights.endswith(".safetensors"):
        from lptem_tracker.detect.foreign import ForeignDetector

        return ForeignDetector(settings.weights, device=settings.device, confidence=settings.confidence)
    from lptem_tracker.detect.yolo import YoloDetector

    return YoloDetector(
        settings.weights,
        device=settings.device,
        confidence=settings.confidence,
        batch_frames=settings.batch_frames,
        adaptive=settings.scales == "auto",
    )
