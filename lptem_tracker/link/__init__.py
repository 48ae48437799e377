"""Identities from frame to frame: ``detections → tracks``."""

from lptem_tracker.link.evidence import WEAK_SHARE, supported
from lptem_tracker.link.linker import link, link_with
from lptem_tracker.link.online import Linker
from lptem_tracker.link.options import LinkOptions
from lptem_tracker.link.stream import TrackStream, link_stream

__all__ = ["WEAK_SHARE", "LinkOptions", "Linker", "TrackStream", "link", "link_stream", "link_with", "supported"]
