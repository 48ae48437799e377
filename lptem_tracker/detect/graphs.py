"""Graphs that OpenVINO has compiled, kept on disk: to load one takes a fifth of the time."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_MOST_KEPT = 12
"""Files kept, of about 6 MB each; the oldest go first."""
_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """Return where this user's computed files are kept; ``LPTEM_TRACKER_CACHE`` names another place."""
    return Path(os.environ.get("LPTEM_TRACKER_CACHE") or Path.home() / ".cache" / "lptem-tracker")


def compiled_graph(
    core: Any, graph: Path, options: dict[str, Any], shape: tuple[int, ...] | None = None, *, kept_only: bool = False
) -> Any:
    """Return a graph compiled for the CPU, as it was kept or compiled now.

    It answers to the last bit as one that was compiled now. What is kept is used by the same release of OpenVINO on a
    processor of the same name and abilities only, and where a checksum tells that it is whole.

    Parameters
    ----------
    core : openvino.Core
    graph : pathlib.Path
        An ONNX file.
    options : dict
        Of the compiled model.
    shape : tuple of int, optional
        Of the images (B, 1, Y, X); None: any.
    kept_only : bool
        Whether to return None where none was kept.

    Raises
    ------
    RuntimeError
        There is no memory for it.
    """
    kept = cache_folder() / f"{_key(core, graph, options, shape)}.blob"
    model = _kept(core, kept, options)
    if model is None and not kept_only:
        plain = core.read_model(str(graph))
        if shape is not None:
            plain.reshape(shape)
        model = core.compile_model(plain, "CPU", options)
        _keep(model, kept)
    return model


def _key(core: Any, graph: Path, options: dict[str, Any], shape: tuple[int, ...] | None) -> str:
    """Return a name for all that a compiled graph depends on."""
    machine = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    release = str(core.get_versions("CPU")["CPU"].build_number)
    words = repr([release, *machine, sorted(options.items()), shape])
    return hashlib.sha256(graph.read_bytes() + words.encode()).hexdigest()[:32]


def _kept(core: Any, path: Path, options: dict[str, Any]) -> Any:
    """Return the compiled graph of a file, None without one that is whole."""
    with suppress(OSError, RuntimeError):  # it is compiled anew
        data = path.read_bytes()
        if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST]:
            return core.import_model(io.BytesIO(data[_DIGEST:]), "CPU", options)
    return None


def _keep(model: Any, path: Path) -> None:
    """Write a compiled graph, atomically, where this user may write; the next process may find it."""
    with suppress(OSError, RuntimeError):  # no space or no right to write: the next process compiles too
        data = model.export_model().getvalue()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
            try:
                file.write(hashlib.sha256(data).digest() + data)
                file.close()
                os.replace(file.name, path)
            except OSError:
                file.close()
                os.unlink(file.name)
                raise
        for old in sorted(path.parent.glob("*.blob"), key=lambda file: file.stat().st_mtime)[:-_MOST_KEPT]:
            old.unlink()
