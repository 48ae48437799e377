"""The commands of ``lptem-tracker``."""

from lptem_tracker.cli.app import main

__all__ = ["main"]
