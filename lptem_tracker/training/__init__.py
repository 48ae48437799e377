"""The training room: the detector from simulated images, and fine-tuned on a user's own labels."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "Plan": "from_simulation",
    "train_from_simulation": "from_simulation",
    "FineTuned": "fine_tune",
    "fine_tune": "fine_tune",
    "ship": "calibrate",
}

__all__ = ["FineTuned", "Plan", "fine_tune", "ship", "train_from_simulation"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
