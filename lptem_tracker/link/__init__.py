"""Identities from frame to frame: ``detections → tracks``."""

from lptem_tracker.link.linker import link, link_from_settings

__all__ = ["link", "link_from_settings"]
