"""Small dense symmetric systems inside compiled loops, without a LAPACK call for each particle."""

from __future__ import annotations

import math
from typing import Any

from lptem_tracker.detect.refine.compiled import inlined


@inlined
def cholesky(h: Any, n: int, out: Any) -> bool:
    """Write the lower factor of the leading n x n block of h to `out`; False if not positive definite."""
    for i in range(n):
        for j in range(i + 1):
            total = h[i, j]
            for k in range(j):
                total -= out[i, k] * out[j, k]
            if i == j:
                if not total > 1e-14 * abs(h[i, i]):
                    return False
                out[i, i] = math.sqrt(total)
            else:
                out[i, j] = total / out[j, j]
    return True


@inlined
def substitute(factor: Any, n: int, b: Any) -> None:
    """Solve (L Lᵀ) x = b in place."""
    for i in range(n):
        for k in range(i):
            b[i] -= factor[i, k] * b[k]
        b[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= factor[k, i] * b[k]
        b[i] /= factor[i, i]


@inlined
def invert(factor: Any, n: int, out: Any, column: Any) -> None:
    """Write (L Lᵀ)⁻¹ to the leading n x n block of `out`; `column` is scratch of length n."""
    for j in range(n):
        for i in range(n):
            column[i] = 1.0 if i == j else 0.0
        substitute(factor, n, column)
        for i in range(n):
            out[i, j] = column[i]


@inlined
def fill(array, value):  # type: ignore[no-untyped-def]
    for i in range(array.shape[0]):
        for k in range(array.shape[1]):
            array[i, k] = value


@inlined
def has_variances(cov, n):  # type: ignore[no-untyped-def]
    """Return whether the leading n numbers on the diagonal are positive: rounding spoils what is nearly singular."""
    positive = 0
    for k in range(n):
        positive += cov[k, k] > 0.0
    return positive == n
