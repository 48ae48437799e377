"""How the loops over pixels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lptem_tracker import compiled as kept

# Sums may be reordered, so that they vectorise; not-a-number stays what it is: it marks pixels without data.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"},
}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop to run without the interpreter's lock, kept on disk for the next start."""
    return kept.compiled(function, **_OPTIONS)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile what `compiled` loops call, always as a part of its caller.

    Called through a symbol, a part would be whichever copy the process happens to have loaded first, its own
    or one tuned to some caller; their sums differ in order, and so would the last digits from run to run.
    """
    return kept.compiled(function, **_OPTIONS, forceinline=True)
