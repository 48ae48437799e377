"""Tracks → measurements and events."""

from lptem_tracker.analysis.measure import Measurement, measure

__all__ = ["Measurement", "measure"]
