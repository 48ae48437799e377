"""Several movies: of one sample, one after the other; or many, on many processes and machines."""

from lptem_tracker.batch.sample import analyze_sample

__all__ = ["analyze_sample"]
