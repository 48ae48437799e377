"""Identities from frame to frame: ``detections → tracks``."""

from lptem_tracker.link.evidence import WEAK_SHARE, supported
from lptem_tracker.link.linker import link, link_from_settings
from lptem_tracker.link.online import Linker
from lptem_tracker.link.stream import TrackStream, link_stream, link_stream_from_settings

__all__ = [
    "WEAK_SHARE",
    "Linker",
    "TrackStream",
    "link",
    "link_from_settings",
    "link_stream",
    "link_stream_from_settings",
    "supported",
]
