"""Freed memory, given back to the system: what one stage of a long job took would stay beside what the next takes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give freed memory back to the system, as far as the allocators can be told to.

    Arrow keeps what it freed for its next table, and the GNU C library what lies between blocks that are in use. Where
    neither is there, nothing happens; results never depend on it.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """Return the C library's `malloc_trim`, None where it has none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except OSError:
        return None
    return found
