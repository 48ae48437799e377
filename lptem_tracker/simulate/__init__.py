"""The simulate room: movies and pictures with known truth.

`simulate_movie` films a `Scene`; `random_training_image` draws single pictures of anything the field films.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lptem_tracker.simulate.movie import SimulatedMovie, simulate_movie
    from lptem_tracker.simulate.presets import PRESETS
    from lptem_tracker.simulate.scene import Scene
    from lptem_tracker.simulate.training_image import random_training_image
    from lptem_tracker.simulate.write import write_simulation

_LATE = {
    "SimulatedMovie": "movie",
    "simulate_movie": "movie",
    "PRESETS": "presets",
    "Scene": "scene",
    "random_training_image": "training_image",
    "write_simulation": "write",
}

__all__ = ["PRESETS", "Scene", "SimulatedMovie", "random_training_image", "simulate_movie", "write_simulation"]


def __getattr__(name: str) -> Any:
    # a training machine draws pictures without the libraries that reading and writing movies needs,
    # and the command line lists the scenes without any
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
