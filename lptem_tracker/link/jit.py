"""Numba's decorator, typed, with one set of options for all kernels of the room."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lptem_tracker.compiled import compiled

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call and keep the result on disk."""
    return compiled(function, error_model="numpy")
