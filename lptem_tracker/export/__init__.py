"""Tables in and out: what other tools write and read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {"read_tracks": "readers", "read_detections": "readers", "export_run": "run_files", "FORMATS": "run_files"}

__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
