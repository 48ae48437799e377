"""Users' own ultralytics detectors, of every head that gives boxes."""

import warnings

import numpy as np
import pytest
import torch

from lptem_tracker.detect.foreign import ForeignDetector
from lptem_tracker.detect.network import ultralytics_quietly
from lptem_tracker.movie.base import Frame
from lptem_tracker.tables import DETECTION_DTYPES, validate_detections

FRAME = Frame(7, (np.random.default_rng(0).random((120, 200)) * 255).astype(np.uint8))


def network(config, channels):
    """An untrained network that is sure of everything it sees."""
    ultralytics_quietly()
    from ultralytics.nn import tasks

    kind = {"obb": tasks.OBBModel, "seg": tasks.SegmentationModel}.get(config.partition("-")[2], tasks.DetectionModel)
    torch.manual_seed(0)
    model = kind(f"{config}.yaml", ch=channels, nc=2, verbose=False)
    for name, parameter in model.model[-1].named_parameters():
        if "cv3" in name and name.endswith("2.bias"):
            parameter.data[:] = 1.0
    return model


@pytest.mark.parametrize(("config", "channels", "task"), [("yolo26n", 1, "detect"), ("yolov8n", 3, "detect"),
                                                          ("yolo11n-obb", 1, "obb"),
                                                          ("yolo11n-seg", 3, "segment")])  # fmt: skip
def test_pt_of_each_head(tmp_path, config, channels, task):
    """Detect, obb and seg checkpoints of one and three channels give a valid table within the frame."""
    torch.save({"model": network(config, channels), "train_args": {"imgsz": 128}}, tmp_path / "own.pt")
    detector = ForeignDetector(tmp_path / "own.pt", device="cpu", confidence=0.3)
    table = detector.detect([FRAME])
    assert detector.describe()["task"] == task
    assert len(table) > 0
    assert list(table.columns) == list(DETECTION_DTYPES)
    assert set(validate_detections(table)["frame"]) == {7}
    assert table["confidence"].between(0.3, 1).all()
    assert table["angle"].between(-np.pi / 2, np.pi / 2, inclusive="left").all()
    assert table["x"].between(-60, 260).all()


def test_frames_are_scaled_to_the_training_size(tmp_path):
    """A 200 px wide frame is shown at the 128 px of training, and its boxes come back in px of the frame."""
    torch.save({"model": network("yolov8n", 1), "train_args": {"imgsz": 128}}, tmp_path / "own.pt")
    detector = ForeignDetector(tmp_path / "own.pt", device="cpu")
    image, scale = detector._prepared(FRAME.pixels)
    assert image.shape == (1, 1, 96, 128)
    assert scale == pytest.approx(128 / 200)


def test_onnx_gives_what_its_checkpoint_gives(tmp_path):
    """A checkpoint and its ONNX export give the same boxes within 0.05 px and 0.01 confidence."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    model = network("yolov8n", 1).eval()
    torch.save({"model": model, "train_args": {"imgsz": 128}}, tmp_path / "own.pt")
    model.model[-1].export = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter announces its own end
        torch.onnx.export(model, (torch.zeros(1, 1, 128, 128),), str(tmp_path / "own.onnx"), input_names=["images"],
                          output_names=["output0"], dynamo=False, opset_version=17)  # fmt: skip
    graph = onnx.load(tmp_path / "own.onnx")
    for key, value in (("task", "detect"), ("names", "{0: 'a', 1: 'b'}"), ("imgsz", "[128, 128]")):
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, tmp_path / "own.onnx")
    image = np.random.default_rng(1).random((1, 1, 128, 128)).astype(np.float32)
    a, b = (ForeignDetector(tmp_path / name, device="cpu").model.run(image)[0] for name in ("own.pt", "own.onnx"))
    assert a.shape == b.shape == (6, 336)
    assert np.abs(a[:4] - b[:4]).max() < 0.05
    assert np.abs(a[4:] - b[4:]).max() < 0.01
