"""Weights files: numbers and a description, never code."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from lptem_tracker.errors import WeightsError

if TYPE_CHECKING:
    from torch import nn

SHIPPED = "lptem-yolo26-p2.safetensors"
"""File name of the shipped detector, in `weights/` of a source tree and `_weights/` of an installed package."""
_FORMAT = "lptem-tracker detector 1"


@dataclass(frozen=True)
class Weights:
    """A network with what is known of it.

    Attributes
    ----------
    network : torch.nn.Module
        In evaluation mode, on the CPU.
    record : dict
        How it was trained; `calibration` (lists `score`, `probability`) where confidence was calibrated.
    path : pathlib.Path
    sha256 : str
    """

    network: nn.Module
    record: dict[str, Any]
    path: Path
    sha256: str


def shipped_weights() -> Path:
    """Return the shipped weights file.

    Raises
    ------
    WeightsError
        The installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_weights", package.parent / "weights"):
        if (folder / SHIPPED).is_file():
            return folder / SHIPPED
    raise WeightsError(
        f"The shipped detector {SHIPPED} is missing from this installation; reinstall lptem-tracker or give --weights."
    )


def save_weights(path: Path, network: nn.Module, description: dict[str, Any], record: dict[str, Any]) -> None:
    """Write a network's state with its description, atomically."""
    from safetensors.torch import save_file

    partial = path.with_name(path.name + ".partial")
    tensors = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    header = {"format": _FORMAT, "architecture": json.dumps(description), "record": json.dumps(record)}
    save_file(tensors, partial, metadata=header)
    os.replace(partial, path)


def read_record(path: Path) -> dict[str, Any]:
    """Return what a weights file says of itself, without building the network.

    Raises
    ------
    WeightsError
        The file is missing, empty, damaged, or of another kind.
    """
    header = _open(path)[0]
    record: dict[str, Any] = json.loads(header["record"])
    return record


def _open(path: Path, *, tensors: bool = False) -> tuple[dict[str, str], dict[str, Any]]:
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            values = {key: file.get_tensor(key) for key in file.keys()} if tensors else {}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is no weights file of this package ({error}); give a detector's .safetensors, .pt or .onnx."
        ) from None
    if header.get("format") != _FORMAT:
        raise WeightsError(f"{path} holds tensors but no detector of this package; train one with lptem-tracker train.")
    return header, values


def load_weights(path: Path) -> Weights:
    """Read a weights file of this package.

    Raises
    ------
    WeightsError
        The file is missing, empty, damaged, or of another kind.
    """
    import torch

    from lptem_tracker.detect.network import build, check_architecture

    checksum = file_sha256(path)
    header, values = _open(path, tensors=True)
    try:
        described = json.loads(header["architecture"])
        check_architecture(described)
        network = build(described)
        state = {key: torch.from_numpy(value) for key, value in values.items()}
        network.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
        record = json.loads(header["record"])
    except Exception as error:  # noqa: BLE001 - a description from outside can fail to build in any way
        raise WeightsError(f"{path} describes a network that cannot be built: {str(error).splitlines()[0]}.") from None
    return Weights(network.eval(), record, path, checksum)


def file_sha256(path: Path) -> str:
    """Return the checksum of a weights file that is there and not empty.

    Raises
    ------
    WeightsError
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read ({error.strerror}); check --weights.") from None
    if not data:
        raise WeightsError(f"The weights file {path} is empty; it was perhaps not copied completely.")
    return hashlib.sha256(data).hexdigest()
