"""The simulate room: movies and pictures with known truth."""

from lptem_tracker.simulate.training_image import random_training_image

__all__ = ["random_training_image"]
