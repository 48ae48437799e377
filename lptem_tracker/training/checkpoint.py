"""What training needs to go on where it stopped, as files that hold numbers only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lptem_tracker.errors import WeightsError

STATE = "training.json"


@dataclass
class Progress:
    """How far training has come.

    Attributes
    ----------
    step : int
        Optimiser steps so far.
    images : int
        Images seen so far.
    seconds : float
        Time spent training, over all resumes.
    resumes : int
        How often it was resumed.
    settings : dict
        What was asked for, for the record; the architecture under ``architecture``.
    history : list of dict
        One entry a report.
    """

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    resumes: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def save(
    folder: Path, progress: Progress, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Write a checkpoint; the state file comes last, so that an interrupted write is never taken for a whole one."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        name: {str(i): optimizer.state[p][name].detach() for i, p in enumerate(parameters) if p in optimizer.state}
        for name in ("exp_avg", "exp_avg_sq")
    }
    for name, tensors in (("network", dict(network.state_dict())), ("average", average), *moments.items()):
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        partial = folder / f"{name}.partial"
        save_file(plain, partial)
        os.replace(partial, folder / f"{name}.safetensors")
    partial = folder / f"{STATE}.partial"
    partial.write_text(json.dumps(asdict(progress), indent=1), encoding="utf-8")
    os.replace(partial, folder / STATE)


def read_progress(folder: Path) -> Progress:
    """Read the state of a checkpoint.

    Raises
    ------
    WeightsError
        The folder holds no checkpoint.
    """
    try:
        return Progress(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"{folder} holds no checkpoint to resume from ({error}); give the folder of an earlier training."
        ) from None


def restore(
    folder: Path, progress: Progress, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Load a checkpoint into a network, its running average and its optimiser.

    Raises
    ------
    WeightsError
        A file is missing or belongs to another architecture.
    """
    try:
        network.load_state_dict(load_file(folder / "network.safetensors"))
        for key, value in load_file(folder / "average.safetensors").items():
            average[key].copy_(value)
        moments = {name: load_file(folder / f"{name}.safetensors") for name in ("exp_avg", "exp_avg_sq")}
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"The checkpoint {folder} cannot be resumed: {reason}. Start anew or give the same model."
        ) from None
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for i, parameter in enumerate(parameters):
        if str(i) in moments["exp_avg"]:
            optimizer.state[parameter] = {
                "step": torch.tensor(float(progress.step)),
                **{name: moments[name][str(i)].to(parameter.device) for name in moments},
            }
