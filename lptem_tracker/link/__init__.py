"""Identities from frame to frame: ``detections → tracks``."""

from lptem_tracker.link.evidence import WEAK_SHARE, supported
from lptem_tracker.link.linker import link, link_from_settings
from lptem_tracker.link.stream import Linker

__all__ = ["WEAK_SHARE", "Linker", "link", "link_from_settings", "supported"]
