"""Training from simulated images: stops in time, resumes, leaves weights that load."""

import numpy as np
import pandas as pd
import pytest
import torch

from lptem_tracker.detect.weights import load_weights
from lptem_tracker.errors import WeightsError
from lptem_tracker.training import checkpoint, from_simulation
from lptem_tracker.training.from_simulation import Plan, Trainer, train_from_simulation
from lptem_tracker.training.stream import TrainingStream, batches

PLAN = Plan(minutes=0.12, total_minutes=0.24, size=64, batch=4, model="tiny", device="cpu", repeats=2)


def draw(rng, size):
    """Dark disks of 6 px radius on noise."""
    y, x = np.mgrid[:size, :size]
    centres = rng.uniform(8, size - 8, (2, 2))
    field = np.full((size, size), 100.0)
    for cx, cy in centres:
        field[np.hypot(x - cx, y - cy) < 6] = 40
    table = pd.DataFrame({"x": centres[:, 0], "y": centres[:, 1], "width": 12.0, "height": 12.0})
    return rng.poisson(field).astype(np.float32), table


class _Clock:
    """Stands in for `time`: each look is a twentieth of a second later, however fast the machine is."""

    def __init__(self):
        self.looks = 0

    def monotonic(self):
        self.looks += 1
        return 0.05 * self.looks


def test_stops_resumes_and_leaves_weights(tmp_path, monkeypatch):
    """A call ends within its time, a second goes on from its step, and the weights file holds a network."""
    monkeypatch.setattr(from_simulation, "time", _Clock())
    lines = []
    path = train_from_simulation(tmp_path / "a", PLAN, draw=draw, say=lines.append)
    first = checkpoint.read_progress(tmp_path / "a")
    assert 5 <= first.step <= 30
    assert 60 * PLAN.minutes - 5 <= first.seconds <= 60 * PLAN.minutes
    train_from_simulation(tmp_path / "b", PLAN, resume=tmp_path / "a", draw=draw, say=lines.append)
    second = checkpoint.read_progress(tmp_path / "b")
    assert second.step > first.step
    assert second.resumes == 1
    assert second.seconds == pytest.approx(first.seconds + 60 * PLAN.minutes - 5, abs=0.5)
    weights = load_weights(path)
    assert weights.record["training"]["settings"]["seed"] == 0
    assert any("parameters" in line for line in lines)


def test_loss_falls():
    """On one batch shown 25 times the loss falls below three quarters of where it began."""
    torch.manual_seed(0)
    trainer = Trainer(
        Plan(size=64, batch=4, model="tiny", device="cpu", total_minutes=60, learning_rate=0.2), started=0.0
    )
    trainer.elapsed = lambda: 0.0
    batch = next(batches(TrainingStream(64, 0, draw=draw), 4, 0, pin=False))
    losses = [float(trainer.step(batch)[:2].sum()) for _ in range(25)]
    assert losses[-1] < 0.75 * losses[0]


def test_folder_without_checkpoint_is_refused(tmp_path):
    """Resuming from an empty folder is one sentence."""
    with pytest.raises(WeightsError, match="holds no checkpoint"):
        train_from_simulation(tmp_path / "a", PLAN, resume=tmp_path / "nothing", draw=draw, say=print)


def test_checkpoint_of_another_model_is_refused(tmp_path):
    """A checkpoint of another width cannot be resumed, and says so."""
    trainer = Trainer(PLAN, started=0.0)
    trainer.save(tmp_path)
    with pytest.raises(WeightsError, match="cannot be resumed"):
        Trainer(Plan(model="small", device="cpu"), started=0.0).resume(tmp_path)


def test_resuming_past_the_planned_time_still_learns():
    """90 minutes after 40 of 90 planned ones, the rate is still falling half way through the call."""
    trainer = Trainer(Plan(minutes=90, total_minutes=90, size=64, batch=4, model="tiny", device="cpu"), started=0.0)
    trainer.before = 40 * 60.0
    trainer.elapsed = lambda: 45 * 60.0
    assert trainer.share() == pytest.approx(85 / 130)
