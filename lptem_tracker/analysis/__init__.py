"""Tracks → measurements and events."""

from lptem_tracker.analysis.measure import Measurement, measure, measure_columns, nothing_measured

__all__ = ["Measurement", "measure", "measure_columns", "nothing_measured"]
