"""How the loops over pixels are compiled."""

from __future__ import annotations

from typing import Any

import numba

# Sums may be reordered, so that they vectorise; not-a-number stays what it is: it marks pixels without data.
compiled: Any = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz", "afn"}
)
