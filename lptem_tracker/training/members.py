"""Small dense networks, trained on labelled features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lptem_tracker.detect.members import standardise

_HIDDEN = 24
_BATCH = 2048
_DIGITS = 5
"""Significant digits of the numbers that are shipped."""


def fit_members(
    value: NDArray[np.float64], correct: NDArray[np.bool_], *, members: int = 4, epochs: int = 60, seed: int = 0
) -> dict[str, Any]:
    """Fit the networks of `members.judged` to tell real detections from false ones.

    Each has two layers of 24 units and learns from all detections, in another order and from another start; the mean
    of their log odds is steadier than one (Lakshminarayanan 2017, arXiv:1612.01474).

    Parameters
    ----------
    value : numpy.ndarray
        Shape (N, F), features.
    correct : numpy.ndarray
        Shape (N,), which of the detections are real.
    members, epochs, seed : int
        Networks, passes through the data, and the seed of the first network.

    Returns
    -------
    dict
        The rule that `members.judged` takes, in plain lists.
    """
    mean, scale = value.mean(0), value.std(0) + 1e-6
    x = torch.from_numpy(standardise(value, mean, scale).astype(np.float32))
    y = torch.from_numpy(correct.astype(np.float32))
    networks = [_fitted(x, y, epochs, seed + k) for k in range(members)]
    return {"mean": mean.tolist(), "scale": scale.tolist(), "members": [_layers(network) for network in networks]}


def _fitted(x: torch.Tensor, y: torch.Tensor, epochs: int, seed: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(x.shape[1], _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 1)
        )
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    batches = -(-len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).chunk(batches):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x[rows])[:, 0], y[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network


def _layers(network: nn.Sequential) -> list[list[Any]]:
    """Return weight and bias of each layer as lists."""

    def short(values: torch.Tensor) -> Any:
        return np.vectorize(lambda v: float(f"{v:.{_DIGITS}g}"))(values.detach().numpy()).tolist()

    return [[short(part.weight), short(part.bias)] for part in network if isinstance(part, nn.Linear)]
