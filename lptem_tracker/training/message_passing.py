"""The small networks that judge detections beside their neighbours, trained on detections in simulated pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lptem_tracker.detect.members import standardise
from lptem_tracker.detect.message_passing import LAYERS, LINKS, Graph
from lptem_tracker.detect.pairs import Wide

_HIDDEN = 24
_PICTURES = 16
"""Pictures a step."""
_DIGITS = 5
"""Significant digits of the numbers that are shipped."""


class Answers(NamedTuple):
    """All that a detector answers to one picture.

    Attributes
    ----------
    value : numpy.ndarray
        Shape (N, F), `context.features`.
    seen : Graph
    correct : numpy.ndarray
        Shape (N,), which of the detections are real.
    weight : numpy.ndarray
        Shape (N,), how much each counts; 0 where nobody can tell.
    """

    value: Wide
    seen: Graph
    correct: NDArray[np.bool_]
    weight: Wide


class _Network(nn.Module):
    """`message_passing.judged_together` in torch, for one member."""

    def __init__(self, features: int) -> None:
        super().__init__()
        h = _HIDDEN
        sizes = {
            "own": (features, h),
            "message": (2 * h + len(LINKS), h),
            "frame": (h, h),
            "beside": (4 * h, h),
            "answer": (h, 1),
        }
        self.layers = nn.ModuleDict({name: nn.Linear(*sizes[name]) for name in LAYERS})

    def forward(self, value: Tensor, seen: tuple[Tensor, Tensor, Tensor], owner: Tensor, pictures: int) -> Tensor:
        """Return the log odds (N,) of the detections of several pictures, of which `owner` (N,) tells the number."""
        index, link, there = seen
        own = self._active("own", value)
        pair = torch.cat([own[:, None].expand(-1, index.shape[1], -1), own[index], link], 2)
        said = self._active("message", pair) * there
        mean = said.sum(1) / there.sum(1).clamp(min=1.0)
        close = (said * link[..., -1:]).sum(1)
        count = torch.bincount(owner, minlength=pictures).clamp(min=1)[:, None]
        frame = torch.zeros(pictures, _HIDDEN).index_add(0, owner, self._active("frame", own)) / count
        beside = self._active("beside", torch.cat([own, mean, close, frame[owner]], 1))
        odds: Tensor = self.layers["answer"](beside)
        return odds[:, 0]

    def _active(self, name: str, value: Tensor) -> Tensor:
        return nn.functional.silu(self.layers[name](value))


def fit_graph_networks(
    pictures: Sequence[Answers], *, members: int = 4, epochs: int = 30, seed: int = 0
) -> dict[str, Any]:
    """Fit the networks of `message_passing.judged_together` to tell real detections from false ones.

    Parameters
    ----------
    pictures : sequence of Answers
        Each with at least one detection.
    members, epochs, seed : int
        Networks, passes through the pictures, and the seed of the first network.

    Returns
    -------
    dict
        The rule that `message_passing.ready` takes, in plain lists.
    """
    value = np.concatenate([picture.value for picture in pictures])
    mean, scale = value.mean(0), value.std(0) + 1e-6
    ready = [_tensors(picture, mean, scale) for picture in pictures]
    networks = [_fitted(ready, value.shape[1], epochs, seed + k) for k in range(members)]
    return {"mean": _short(mean), "scale": _short(scale), "members": [_numbers(network) for network in networks]}


def _tensors(picture: Answers, mean: Wide, scale: Wide) -> tuple[Tensor, ...]:
    parts = (standardise(picture.value, mean, scale).astype(np.float32), *picture.seen, picture.correct, picture.weight)
    value, index, link, there, correct, weight = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
    return value, index, link, there, correct.float(), weight.float()


def _fitted(pictures: list[tuple[Tensor, ...]], features: int, epochs: int, seed: int) -> _Network:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(features)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    steps = -(-len(pictures) // _PICTURES)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=epochs * steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(pictures), generator=generator).chunk(steps):
            some = [pictures[int(row)] for row in rows]
            value, index, link, there, correct, weight = (torch.cat(part) for part in zip(*_numbered(some)))
            owner = torch.repeat_interleave(torch.tensor([len(each[0]) for each in some]))
            odds = network(value, (index, link, there), owner, len(some))
            loss = nn.functional.binary_cross_entropy_with_logits(odds, correct, weight, reduction="sum")
            optimiser.zero_grad()
            (loss / weight.sum().clamp(min=1.0)).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network


def _numbered(pictures: list[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    """Return the pictures with neighbours counted through all of them."""
    out, first = [], 0
    for value, index, *rest in pictures:
        out.append((value, index + first, *rest))
        first += len(value)
    return out


def _numbers(network: _Network) -> dict[str, Any]:
    state = {name: value.detach().numpy() for name, value in network.layers.state_dict().items()}
    return {name: [_short(state[f"{name}.weight"].T), _short(state[f"{name}.bias"])] for name in LAYERS}


def _short(values: NDArray[Any]) -> Any:
    """Return numbers in lists, with few digits."""
    return np.vectorize(lambda v: float(f"{v:.{_DIGITS}g}"))(values).tolist()
