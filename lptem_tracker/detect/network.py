"""The network: an ultralytics YOLO26 with a P2 head, one grey channel and one class, built from a description.

With `training/` this is the only place that imports ultralytics, and it leaves the process as it found it: importing
ultralytics changes thread counts and print options, and may write settings or reach for the network.
"""

from __future__ import annotations

import contextlib
import copy
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Architecture = dict[str, Any]

STRIDES = (4, 8, 16, 32)
LAYERS = frozenset({"Conv", "C3k2", "C2PSA", "Concat", "Detect", "SPPF", "nn.Upsample"})
"""Kinds of layers that a description may name."""
_WORDS = frozenset({"nc", "nearest"})
"""Words that may stand among a layer's options."""


def architecture(width: float = 0.25, depth: float = 0.5, max_channels: int = 512) -> Architecture:
    """Return the description of a one-class YOLO26 with heads at strides 4 to 32.

    Parameters
    ----------
    width, depth : float
        Multipliers of channels and of repeats.
    max_channels : int
        Channels before the width multiplier are limited to this; the deepest stage then stays small.
    """
    conv, block = "Conv", "C3k2"
    backbone = [
        [-1, 1, conv, [64, 3, 2]],
        [-1, 1, conv, [128, 3, 2]],
        [-1, 2, block, [256, False, 0.25]],
        [-1, 1, conv, [256, 3, 2]],
        [-1, 2, block, [512, False, 0.25]],
        [-1, 1, conv, [512, 3, 2]],
        [-1, 2, block, [512, True]],
        [-1, 1, conv, [1024, 3, 2]],
        [-1, 2, block, [1024, True]],
        [-1, 1, "SPPF", [1024, 5, 3, True]],
        [-1, 2, "C2PSA", [1024]],
    ]
    up: list[list[Any]] = []
    for skip, channels in ((6, 512), (4, 256), (2, 128)):
        up += [
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, skip], 1, "Concat", [1]],
            [-1, 2, block, [channels, True]],
        ]
    down: list[list[Any]] = []
    for skip, channels, repeats, options in ((16, 128, 2, []), (13, 256, 2, []), (10, 512, 1, [0.5, True])):
        down += [
            [-1, 1, conv, [channels, 3, 2]],
            [[-1, skip], 1, "Concat", [1]],
            [-1, repeats, block, [channels * 2, True, *options]],
        ]
    head = [*up, *down, [[19, 22, 25, 28], 1, "Detect", ["nc"]]]
    return {
        "nc": 1,
        "end2end": False,
        "reg_max": 1,
        "scale": "n",
        "scales": {"n": [depth, width, max_channels]},
        "backbone": backbone,
        "head": head,
    }


def check_architecture(description: Any) -> None:
    """Refuse a description of a network that `architecture` could not have written.

    ultralytics looks layers up by their names among all that it has imported, and unless it was told otherwise before
    its import it runs the text that names the activation: what comes from a file is looked at first.

    Parameters
    ----------
    description : object
        As read from a file.

    Raises
    ------
    ValueError
    """
    known = architecture()
    if not isinstance(description, dict) or set(description) - set(known):
        raise ValueError("it holds more than the layers of a detector")
    for layer in [*description["backbone"], *description["head"]]:
        source, repeats, kind, options = layer
        numbers = [repeats, *(source if isinstance(source, list) else [source])]
        plain = all(isinstance(value, int | float | None) or value in _WORDS for value in options)
        if kind not in LAYERS or not plain or not all(isinstance(value, int) for value in numbers):
            raise ValueError(f"{str(kind)[:40]!r} with these options is no layer of a detector")
    scales = [description["nc"], description["reg_max"], *(v for part in description["scales"].values() for v in part)]
    if not all(isinstance(value, int | float) for value in scales):
        raise ValueError("its scales are no numbers")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Undo what importing or calling ultralytics changes in the process."""
    import cv2

    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    print_options = np.get_printoptions()
    torch_options = copy.copy(torch._tensor_str.PRINT_OPTS)
    omp = os.environ.get("OMP_NUM_THREADS")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)
        np.set_printoptions(**print_options)
        torch._tensor_str.PRINT_OPTS = torch_options
        if omp is None:
            os.environ.pop("OMP_NUM_THREADS", None)


def ultralytics_quietly() -> Any:
    """Import ultralytics offline, silent and safe, and return the module."""
    if "ultralytics" in sys.modules and hasattr(sys.modules["ultralytics"], "__version__"):
        return sys.modules["ultralytics"]
    cache = (
        Path(tempfile.gettempdir())
        / f"lptem-tracker-ultralytics-{os.environ.get('USER') or os.environ.get('USERNAME') or 'user'}"
    )
    with contextlib.suppress(OSError):  # a folder that cannot be made is ultralytics' to warn about
        cache.mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("YOLO_OFFLINE", "true"),
        ("YOLO_AUTOINSTALL", "false"),
        ("YOLO_VERBOSE", "false"),
        ("YOLO_CONFIG_DIR", str(cache)),
    ):
        os.environ.setdefault(name, value)
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "1"
    with undisturbed():
        import ultralytics
        import ultralytics.nn.tasks
    return ultralytics


def build(description: Architecture) -> nn.Module:
    """Build the untrained network that `architecture` describes.

    Returns
    -------
    torch.nn.Module
        An ultralytics DetectionModel: one input channel, one class.
    """
    ultralytics_quietly()
    from ultralytics.nn.tasks import DetectionModel

    with undisturbed():
        network: nn.Module = DetectionModel(copy.deepcopy(description), ch=1, nc=1, verbose=False)
    return network


class RawHead(nn.Module):
    """The network up to its raw outputs, the same graph on every runtime; `decode` turns them into boxes.

    Overlapping answers are left to `decode.suppress`: the head that answers once a particle, which needs no
    suppression, was measured to find fewer (F1 0.935 against 0.951 on real films after the same training).

    Parameters
    ----------
    network : torch.nn.Module
        From `build`; its batch norms are fused, and a head that answers once a particle is dropped.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        whole: Any = copy.deepcopy(network).float().eval()
        head = whole.model[-1]
        head.end2end = False
        head.one2one_cv2 = head.one2one_cv3 = None
        with undisturbed():
            self.network = whole.fuse(verbose=False)
        self.network.model[-1].training = True  # a head in training returns its raw maps

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 5, A): distances left, top, right, bottom in strides, and the logit, for images (B, 1, Y, X)."""
        maps = self.network(images)
        return torch.cat((maps["boxes"], maps["scores"]), 1)

    def train(self, mode: bool = True) -> RawHead:
        """Stay in inference mode."""
        return self
