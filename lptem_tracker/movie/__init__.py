"""Files → frames: whatever a microscope or a camera wrote, read lazily and in its own depth."""

from __future__ import annotations

from lptem_tracker.movie.base import ArrayMovie, Frame, Movie
from lptem_tracker.movie.fingerprint import fingerprint
from lptem_tracker.movie.info import describe_movie
from lptem_tracker.movie.open import open_movie

__all__ = ["ArrayMovie", "Frame", "Movie", "describe_movie", "fingerprint", "open_movie"]
