"""How the loops over boxes are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lptem_tracker.compiled import compiled

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}


def loop(function: Callable[..., Any]) -> Any:
    """Compile a loop to run without the interpreter's lock, kept on disk for the next start."""
    return compiled(function, **_OPTIONS)


def part(function: Callable[..., Any]) -> Any:
    """Compile what a `loop` calls, always as a part of its caller, so that its sums have the same order everywhere."""
    return compiled(function, **_OPTIONS, forceinline=True)
