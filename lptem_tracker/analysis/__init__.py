"""Tracks → measurements and events."""

from lptem_tracker.analysis.measure import MEASURED_COLUMNS, Measurement, measure, nothing_measured

__all__ = ["MEASURED_COLUMNS", "Measurement", "measure", "nothing_measured"]
