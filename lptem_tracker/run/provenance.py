"""What a result depended on besides its input: versions and machine."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_LIBRARIES = (
    "av",
    "numba",
    "numpy",
    "opencv-python",
    "pandas",
    "rosettasciio",
    "scipy",
    "tifffile",
    "torch",
    "trackpy",
    "ultralytics",
)


def environment() -> dict[str, Any]:
    """Return the versions of the package, of Python and of the libraries that results depend on."""
    return {
        "version": _version("lptem-tracker"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
