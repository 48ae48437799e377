"""Track nanoparticles in liquid-phase electron microscopy movies, with honest error bars.

``movie → frames → detections → tracks → measurements and events → report``; every name below is
loaded when it is first used, so that importing the package is quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

_WHERE = {
    "open_movie": "movie",
    "detect": "pipeline",
    "link": "link",
    "measure": "analysis",
    "analyze": "pipeline",
    "open_run": "run",
    "simulate_movie": "simulate",
    "Calibration": "calibration",
    "Settings": "settings",
    "LptemError": "errors",
    "LptemWarning": "errors",
}

__all__ = [*_WHERE, "__version__"]

try:
    __version__ = version("lptem-tracker")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Facade(ModuleType):
    """Lets ``lptem_tracker.link`` be the function although a room of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Facade
