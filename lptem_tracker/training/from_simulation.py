"""The shipped weights from nothing: train on simulated images for a given time, resumable.

Run as ``python -m lptem_tracker.training.from_simulation --out DIR --minutes 20 --workers 16``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lptem_tracker.detect.network import architecture, build
from lptem_tracker.detect.weights import save_weights
from lptem_tracker.training import checkpoint
from lptem_tracker.training.loss import DetectionLoss
from lptem_tracker.training.stream import Draw, TrainingStream, batches, simulated

Say = Callable[[str], None]

MODELS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 0.125, "depth": 0.5, "max_channels": 512},
    "small": {"width": 0.25, "depth": 0.5, "max_channels": 512},
    "medium": {"width": 0.375, "depth": 0.5, "max_channels": 512},
}


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes
    ----------
    minutes : float
        Time for this call, from its start.
    total_minutes : float
        Time over all resumes, over which the learning rate falls to nothing; at least until this call ends.
    size : int
        Side of the training images in px, a multiple of 32.
    batch : int
        Images a step.
    model : str
        Key of `MODELS`.
    workers : int
        Processes that simulate; 0: this one.
    repeats : int
        How often each simulated scene is shown.
    learning_rate, weight_decay : float
        Of AdamW.
    seed : int
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    precision : str
        `float32`, `bfloat16` (fast on CPUs with matrix units too), or `auto`: bfloat16 on a GPU.
    """

    minutes: float = 20.0
    total_minutes: float = 20.0
    size: int = 512
    batch: int = 64
    model: str = "small"
    workers: int = 0
    repeats: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"


def plan_training(*, minutes: float, seed: int, device: str = "auto", workers: int = 1) -> Plan:
    """Return a plan that suits the machine: large images and batches on a GPU, small ones on a CPU."""
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        machine = {"size": 512, "batch": 64, "learning_rate": 2e-3}
    else:
        machine = {"size": 256, "batch": 16, "learning_rate": 1.5e-3}
    return Plan(minutes=minutes, total_minutes=minutes, seed=seed, device=device, workers=workers, **machine)  # type: ignore[arg-type]


class Trainer:
    """One network in training with its optimiser, running average and clock."""

    def __init__(self, plan: Plan, *, started: float) -> None:
        name = ("cuda" if torch.cuda.is_available() else "cpu") if plan.device == "auto" else plan.device
        self.plan, self.started, self.device = plan, started, torch.device(name)
        torch.manual_seed(plan.seed)
        self.description = architecture(**MODELS[plan.model])
        self.network = build(self.description).to(self.device).train()
        self.half = self.device.type == "cuda" if plan.precision == "auto" else plan.precision == "bfloat16"
        self.network = self.network.to(memory_format=torch.channels_last)
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True
        self.loss = DetectionLoss(self.network)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            _groups(self.network, plan.weight_decay), lr=plan.learning_rate, betas=(0.9, 0.99)
        )
        self.progress = checkpoint.Progress(settings={**asdict(plan), "architecture": self.description})
        self.before = 0.0

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        earlier = checkpoint.read_progress(folder)
        earlier.settings = self.progress.settings
        earlier.resumes += 1
        checkpoint.restore(folder, earlier, self.network, self.average, self.optimizer)
        self.progress, self.before = earlier, earlier.seconds

    def elapsed(self) -> float:
        """Seconds since this call started."""
        return time.monotonic() - self.started

    def share(self) -> float:
        """Progress from 0 to 1 over the time of all resumes."""
        total = max(60.0 * self.plan.total_minutes, self.before + 60.0 * self.plan.minutes)
        return min(1.0, (self.before + self.elapsed()) / total)

    def step(self, batch: dict[str, Tensor]) -> Tensor:
        """Take one optimiser step; returns the loss's parts."""
        warm = min(1.0, (self.progress.step + 1) / 300)
        rate = self.plan.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.share())))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        cuda = self.device.type == "cuda"
        batch = {key: value.to(self.device, non_blocking=cuda) for key, value in batch.items()}
        images = batch["img"].float().contiguous(memory_format=torch.channels_last)
        mixed: AbstractContextManager[Any] = nullcontext()
        if self.half:
            mixed = torch.autocast(self.device.type, torch.bfloat16)
        with mixed:
            maps = self.network(images)
        loss, parts = self.loss(maps, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self._follow()
        self.progress.step += 1
        self.progress.images += len(images)
        return parts

    @torch.no_grad()
    def _follow(self) -> None:
        decay = 0.998 * (1 - math.exp(-(self.progress.step + 1) / 400))
        state = self.network.state_dict()
        keys = [k for k, v in state.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.average[k] for k in keys], [state[k] for k in keys], 1 - decay)
        for key in state.keys() - set(keys):
            self.average[key].copy_(state[key])

    def averaged(self) -> nn.Module:
        """Return the network with the running average of its weights, on the CPU."""
        network = build(self.description)
        network.load_state_dict({k: v.cpu() for k, v in self.average.items()})
        return network.eval()

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the weights file."""
        self.progress.seconds = self.before + self.elapsed()
        checkpoint.save(folder, self.progress, self.network, self.average, self.optimizer)
        record = {"training": {k: v for k, v in asdict(self.progress).items() if k != "history"}}
        save_weights(folder / "weights.safetensors", self.averaged(), self.description, record)


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Decay the kernels, not the biases and the batch norms."""
    kernels = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def train_from_simulation(
    output: str | Path,
    plan: Plan | None = None,
    *,
    resume: str | Path | None = None,
    draw: Draw = simulated,
    say: Say | None = None,
    save_every_s: float = 50.0,
) -> Path:
    """Train a detector on simulated images and write its weights.

    Parameters
    ----------
    output : path
        Folder for the checkpoint and `weights.safetensors`; made where missing.
    plan : Plan, optional
    resume : path, optional
        Folder of an earlier call; the seed of its images differs from those already seen.
    draw : callable
        Source of scenes.
    say : callable, optional
        Takes a line of progress; None prints it.
    save_every_s : float
        Seconds between checkpoints.

    Returns
    -------
    pathlib.Path
        The weights file.

    Raises
    ------
    WeightsError
        `resume` holds no checkpoint of this model.
    """
    started, plan, folder = time.monotonic(), plan or Plan(), Path(output)
    say = say or (lambda line: print(line, flush=True))
    trainer = Trainer(plan, started=started)
    if resume is not None:
        trainer.resume(Path(resume))
    seed = int(np.random.SeedSequence([plan.seed, trainer.progress.resumes]).generate_state(1)[0])
    stream = TrainingStream(plan.size, seed, repeats=plan.repeats, draw=draw)
    source = batches(stream, plan.batch, plan.workers, pin=trainer.device.type == "cuda")
    say(
        f"{trainer.device}, {sum(p.numel() for p in trainer.network.parameters()):,} parameters, "
        f"from step {trainer.progress.step}"
    )
    _loop(trainer, source, folder, say, save_every_s)
    return folder / "weights.safetensors"


def _loop(trainer: Trainer, source: Iterator[dict[str, Tensor]], folder: Path, say: Say, save_every_s: float) -> None:
    end = 60.0 * trainer.plan.minutes
    saved = told = trainer.elapsed()
    images, waited, sums, steps = trainer.progress.images, 0.0, torch.zeros(3), 0
    while trainer.elapsed() < end - 5.0 or steps + trainer.progress.step == 0:
        asked = time.monotonic()
        batch = next(source)
        waited += time.monotonic() - asked
        parts = trainer.step(batch)
        sums, steps = sums.to(parts.device) + parts, steps + 1
        now = trainer.elapsed()
        if now - told >= 10.0:
            box, cls, distance = (float(v) / steps for v in sums)
            rate = (trainer.progress.images - images) / (now - told)
            entry = {
                "seconds": trainer.before + now,
                "step": trainer.progress.step,
                "box": box,
                "cls": cls,
                "distance": distance,
            }
            trainer.progress.history.append(entry)
            say(
                f"{trainer.before + now:7.0f} s  {100 * trainer.share():5.1f} %  step {trainer.progress.step:6d}  "
                f"box {box:.4f}  cls {cls:.4f}  distance {distance:.5f}  {rate:6.1f} images/s  "
                f"waiting {100 * waited / (now - told):3.0f} %"
            )
            if not math.isfinite(box + cls):
                raise FloatingPointError(
                    "The loss is no longer finite; resume from the last checkpoint at a lower rate."
                )
            told, images, waited, sums, steps = now, trainer.progress.images, 0.0, torch.zeros(3), 0
        if now - saved >= save_every_s:
            trainer.save(folder)
            saved = trainer.elapsed()
    trainer.save(folder)
    say(
        f"saved {folder} at step {trainer.progress.step}, {trainer.progress.images} images, "
        f"{trainer.progress.seconds:.0f} s"
    )


def main() -> None:
    """Run the training with options from the command line."""
    parser = argparse.ArgumentParser(description="Train the particle detector on simulated images.")
    parser.add_argument("--out", required=True)
    parser.add_argument("--resume")
    for name, value in asdict(Plan()).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), default=value, choices=MODELS if name == "model" else None
        )
    options = vars(parser.parse_args())
    output, resume = options.pop("out"), options.pop("resume")
    train_from_simulation(output, Plan(**options), resume=resume)


if __name__ == "__main__":
    main()
