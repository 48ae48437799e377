"""Averages of networks."""

import pytest
import torch

from lptem_tracker.detect.network import architecture, build
from lptem_tracker.detect.weights import load_weights, save_weights
from lptem_tracker.errors import WeightsError
from lptem_tracker.training.average import average


def saved(path, seed, **shape):
    """Write a network with random weights."""
    torch.manual_seed(seed)
    description = architecture(**shape)
    record = {"training": {"settings": {"architecture": description}, "images": 10 * seed}}
    save_weights(path, build(description), description, record)
    return path


def test_mean_lies_where_the_shares_say(tmp_path):
    """With shares 3 and 1 every weight is three quarters of the first and one quarter of the second network's."""
    files = [saved(tmp_path / f"{seed}.safetensors", seed, width=0.125) for seed in (1, 2)]
    mean = load_weights(average(files, [3, 1], tmp_path / "mean.safetensors"))
    first, second = (load_weights(file).network.state_dict() for file in files)
    for key, value in mean.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, 0.75 * first[key] + 0.25 * second[key], atol=1e-6)
    assert mean.record["average"] == {"shares": [3, 1], "images": [10, 20]}


def test_networks_of_two_kinds_are_refused(tmp_path):
    """Different architectures, and a missing share, are one sentence."""
    files = [saved(tmp_path / f"{width}.safetensors", 1, width=width) for width in (0.125, 0.25)]
    with pytest.raises(WeightsError, match="different architectures"):
        average(files, [1, 1], tmp_path / "mean.safetensors")
    with pytest.raises(WeightsError, match="a positive share for each"):
        average(files, [1], tmp_path / "mean.safetensors")
