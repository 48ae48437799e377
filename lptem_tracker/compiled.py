"""Loops compiled by numba and kept on disk for as long as the code that went into them stays the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from numba import njit
from numba.core.caching import IndexDataCacheFile

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R], **options: object) -> Callable[P, R]:
    """Compile a function on its first call and keep the result on disk.

    What is kept holds the functions that it calls, and numba only looks at the file of the outer one: after an
    upgrade in which another file changed, the old loop would go on running. So it is kept under the checksum of all
    files of the function's folder. Where no folder can be written, it is compiled anew in each process.

    Parameters
    ----------
    function : callable
        Calls no compiled function of another folder.
    **options
        Of `numba.njit`, without `cache`.
    """
    try:
        dispatcher = njit(cache=True, **options)(function)
    except RuntimeError:
        return cast("Callable[P, R]", njit(**options)(function))
    kept = dispatcher._cache
    kept._cache_file = IndexDataCacheFile(
        cache_path=kept._cache_path,
        filename_base=kept._impl.filename_base,
        source_stamp=checksum(Path(function.__code__.co_filename).parent),
    )
    return cast("Callable[P, R]", dispatcher)


@cache
def checksum(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of the Python files of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        content = path.read_bytes()
        total.update(f"{path.name} {len(content)} ".encode())
        total.update(content)
    return total.hexdigest()
