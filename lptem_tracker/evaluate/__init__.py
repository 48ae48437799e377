"""Results against truth: detections, tracks, diffusion, events, whole runs."""

from lptem_tracker.evaluate.runs import evaluate_run

__all__ = ["evaluate_run"]
