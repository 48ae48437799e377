"""Weights files: found, checked, loaded without running code."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import lptem_tracker
from lptem_tracker.detect import make_detector
from lptem_tracker.detect.network import architecture, build, ultralytics_quietly
from lptem_tracker.detect.weights import SHIPPED, load_weights, read_record, save_weights, shipped_weights
from lptem_tracker.errors import WeightsError
from lptem_tracker.settings import DetectSettings


class Payload:
    """Runs a harmless command when unpickled carelessly."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def load(path):
    """Load through the front door, as the command line does."""
    return make_detector(DetectSettings(weights=str(path), device="cpu"))


def test_shipped_weights_match_their_checksum():
    """The shipped file is there and its checksum is the one recorded beside it."""
    path = shipped_weights()
    recorded = dict(reversed(line.split()) for line in (path.parent / "SHA256SUMS").read_text("utf-8").splitlines())
    assert load_weights(path).sha256 == recorded[SHIPPED]
    assert path.is_relative_to(Path(lptem_tracker.__file__).resolve().parents[1])


def test_round_trip(tmp_path):
    """A saved network answers as before and its record comes back."""
    description = architecture(width=0.125)
    network = build(description).eval()
    save_weights(tmp_path / "own.safetensors", network, description, {"radius_px": [2, 60]})
    again = load_weights(tmp_path / "own.safetensors")
    images = torch.randn(1, 1, 64, 96)
    with torch.inference_mode():
        assert torch.equal(network(images)[0], again.network(images)[0])
    assert read_record(tmp_path / "own.safetensors") == {"radius_px": [2, 60]}


@pytest.mark.parametrize("name", ["none.safetensors", "empty.safetensors", "random.safetensors", "none.pt", "empty.pt",
                                  "random.pt", "empty.onnx", "random.onnx", "notes.txt"])  # fmt: skip
def test_what_is_no_weights_file_is_one_sentence(tmp_path, name):
    """A missing, empty, random or wrongly named file is a WeightsError that names it."""
    path = tmp_path / name
    if not name.startswith("none"):
        path.write_bytes(b"" if "empty" in name else np.random.default_rng(0).bytes(3000))
    with pytest.raises(WeightsError, match=path.stem) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_tensors_of_something_else_are_refused(tmp_path):
    """A safetensors file of another origin is told apart from a detector."""
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no detector of this package"):
        load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_file_is_never_run(tmp_path, how):
    """A checkpoint that would run a command on loading is refused, and the command did not run."""
    path, mark = tmp_path / "bad.pt", tmp_path / "executed"
    if how == "torch":
        torch.save({"model": Payload(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(WeightsError, match="without running code"):
        load(path)
    assert not mark.exists()


def test_classifier_is_refused(tmp_path):
    """A network of another task is named."""
    ultralytics_quietly()
    from ultralytics.nn.tasks import ClassificationModel

    torch.save({"model": ClassificationModel("yolo26n-cls.yaml", ch=3, nc=2, verbose=False)}, tmp_path / "cls.pt")
    with pytest.raises(WeightsError, match="'classify'"):
        load(tmp_path / "cls.pt")


def test_building_a_network_disturbs_nothing():
    """Thread counts, print options and the environment are as before."""
    before = torch.get_num_threads(), np.get_printoptions(), os.environ.get("OMP_NUM_THREADS")
    build(architecture(width=0.125))
    assert (torch.get_num_threads(), np.get_printoptions(), os.environ.get("OMP_NUM_THREADS")) == before
