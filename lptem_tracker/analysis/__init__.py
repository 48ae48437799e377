"""Tracks → measurements and events."""

from lptem_tracker.analysis.measure import Measurement, measure, nothing_measured

__all__ = ["Measurement", "measure", "nothing_measured"]
