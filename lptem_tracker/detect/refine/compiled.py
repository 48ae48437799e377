"""How the loops over pixels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop to run without the interpreter's lock, kept on disk for the next start.

    Sums may be reordered, so that they vectorise; not-a-number stays what it is: it marks pixels without data.
    """
    fast = {"reassoc", "contract", "arcp", "nsz", "afn"}
    return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fast)(function)
