"""One network from several states of one training: between them its mistakes partly cancel.

Run as ``python -m lptem_tracker.training.average A/weights.safetensors B/weights.safetensors --shares 2 1 --out FILE``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from lptem_tracker.detect.weights import load_weights, save_weights
from lptem_tracker.errors import WeightsError


def average(files: Sequence[str | Path], shares: Sequence[float], output: str | Path) -> Path:
    """Write the weighted mean of networks of one training (Wortsman et al. 2022, Model soups, eq. 1).

    Parameters
    ----------
    files : sequence of path
        Weights files of one architecture; the last one's record is kept.
    shares : sequence of float
        As many positive numbers.
    output : path
        The file to write.

    Raises
    ------
    WeightsError
        The files differ in architecture, or there are not as many shares.
    """
    if len(files) != len(shares) or not files or min(shares) <= 0:
        raise WeightsError(f"Expected a positive share for each of {len(files)} weights files, got {list(shares)}.")
    parts = [load_weights(Path(file)) for file in files]
    last = parts[-1]
    description = last.record["training"]["settings"]["architecture"]
    if any(part.record["training"]["settings"]["architecture"] != description for part in parts):
        raise WeightsError(
            "The weights files hold networks of different architectures; expected states of one training."
        )
    states, mean = [part.network.state_dict() for part in parts], {}
    for key, value in states[-1].items():
        total = torch.stack([state[key].double() * share for state, share in zip(states, shares)]).sum(0)
        mean[key] = (total / sum(shares)).to(value.dtype) if value.is_floating_point() else value
    last.network.load_state_dict(mean)
    images = [part.record["training"]["images"] for part in parts]
    record = {**last.record, "average": {"shares": list(shares), "images": images}}
    save_weights(Path(output), last.network, description, record)
    return Path(output)


def main() -> None:
    """Run with options from the command line."""
    parser = argparse.ArgumentParser(description="Average the networks of several weights files.")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--shares", nargs="+", type=float, required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    average(options.files, options.shares, options.out)


if __name__ == "__main__":
    main()
