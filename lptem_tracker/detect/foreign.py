"""A user's own ultralytics detector (.pt or .onnx; detect, obb or seg head) as a Detector."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.detect.base import Detector
from lptem_tracker.detect.runtimes import cores, openvino_quietly
from lptem_tracker.detect.weights import file_sha256
from lptem_tracker.errors import MissingExtraError, WeightsError
from lptem_tracker.movie.base import Frame
from lptem_tracker.tables import DETECTION_DTYPES, empty_table

Images = NDArray[np.float32]

_HEADS = {"detect": 0, "obb": 1, "segment": 0}
"""Tasks that give boxes, and how many extra channels of theirs are read."""
_MAX_DETECTIONS = 5000
_GREY = 114 / 255
"""The padding ultralytics trains with."""


@dataclass(frozen=True)
class Model:
    """A network loaded from a user's file.

    Attributes
    ----------
    run : callable
        Images (1, C, Y, X) from 0 to 1 to the output (1, 4 + classes + extra, A) or (1, N, 6 + extra).
    task : str
    n_classes, channels : int
    side : int
        Side in px to which frames are scaled.
    fixed : bool
        Whether only square images of that side fit.
    """

    run: _Run
    task: str
    n_classes: int
    channels: int
    side: int
    fixed: bool


class _Run(Protocol):
    def __call__(self, images: Images) -> Images: ...


class ForeignDetector(Detector):
    """Runs a detector trained elsewhere with ultralytics, as `yolo predict` would: scaled to its training size.

    Parameters
    ----------
    weights : path
        `.pt` or `.onnx`.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    confidence : float
        Detections below this are dropped; the confidence is the network's own, not calibrated.

    Raises
    ------
    WeightsError
        The file is missing, damaged, holds code, or another kind of network.
    MissingExtraError
        An `.onnx` file is given and neither ONNX Runtime nor OpenVINO is installed.
    """

    batch_frames = 4

    def __init__(self, weights: str | Path, *, device: str = "auto", confidence: float = 0.25) -> None:
        self.path = Path(weights)
        if self.path.suffix.lower() not in {".pt", ".onnx"}:
            raise WeightsError(
                f"{self.path} is no weights file: expected .safetensors, .pt or .onnx, got {self.path.suffix!r}."
            )
        self.sha256 = file_sha256(self.path)
        self.confidence = confidence
        self.model = _load_onnx(self.path) if self.path.suffix.lower() == ".onnx" else _load_pt(self.path, device)

    def detect(self, frames: Sequence[Frame]) -> pd.DataFrame:
        """Return the detections of a batch of frames; see `Detector.detect`."""
        tables = [table for frame in frames if len(table := self._one(frame))]
        return pd.concat(tables, ignore_index=True) if tables else empty_table(DETECTION_DTYPES)

    def _one(self, frame: Frame) -> pd.DataFrame:
        image, scale = self._prepared(frame.pixels)
        rows = _rows(self.model.run(image), self.model, self.confidence)
        if self.model.task == "obb":
            x, y, width, height, angle = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 6]
        else:
            x, y = (rows[:, 0] + rows[:, 2]) / 2, (rows[:, 1] + rows[:, 3]) / 2
            width, height, angle = rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1], np.zeros(len(rows))
        width, height = width / scale, height / scale
        area = np.pi / 4 * width * height
        columns = {
            "frame": frame.index, "x": x / scale - 0.5, "y": y / scale - 0.5, "x_std": np.nan, "y_std": np.nan,
            "width": width, "height": height, "angle": (angle + np.pi / 2) % np.pi - np.pi / 2, "area": area,
            "radius": np.sqrt(area / np.pi), "confidence": rows[:, 4], "class_id": rows[:, 5],
        }  # fmt: skip
        return pd.DataFrame(columns, index=range(len(rows))).astype(DETECTION_DTYPES)

    def _prepared(self, pixels: NDArray[Any]) -> tuple[Images, float]:
        """Scale to 0..1 and to the training size, and pad; returns the image and network px a frame px."""
        image = np.asarray(pixels, np.float32)
        if pixels.dtype == np.uint8:
            image = image / np.float32(255)
        else:
            known = image[np.isfinite(image)]
            low, high = np.percentile(known, [0.1, 99.9]) if known.size else (0.0, 1.0)
            image = np.clip((np.nan_to_num(image, nan=float(low)) - low) / max(float(high - low), 1e-9), 0, 1)
        scale = self.model.side / max(image.shape)
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image.astype(np.float32), size, interpolation=how))
        target = (self.model.side,) * 2 if self.model.fixed else tuple(-(-side // 32) * 32 for side in image.shape)
        padded = np.full(target, _GREY, np.float32)
        padded[: image.shape[0], : image.shape[1]] = image
        return np.repeat(padded[None, None], self.model.channels, axis=1), scale

    def describe(self) -> dict[str, Any]:
        """Return the file's name, checksum and task."""
        return {"name": "yolo", "weights": self.path.name, "sha256": self.sha256, "task": self.model.task}


def _rows(output: Images, model: Model, confidence: float) -> NDArray[np.float64]:
    """Suppress doubles; rows are left, top, right, bottom (obb: x, y, width, height), score, class, extra."""
    import torch

    from lptem_tracker.detect.network import ultralytics_quietly

    ultralytics_quietly()
    from ultralytics.utils.nms import non_max_suppression

    known = 4 + model.n_classes + _HEADS[model.task]
    ended = output.shape[2] < output.shape[1] and output.shape[2] <= 6 + 64
    if not ended and model.task == "segment":
        output = output[:, :known]
    rows = non_max_suppression(
        torch.from_numpy(np.ascontiguousarray(output)), conf_thres=max(confidence, 0.001), iou_thres=0.5,
        max_det=_MAX_DETECTIONS, nc=model.n_classes, rotated=model.task == "obb", end2end=ended, max_time_img=1e9,
    )[0]  # fmt: skip
    return np.asarray(rows.numpy(), np.float64)


def _checked(path: Path, task: str, channels: int) -> None:
    if task not in _HEADS:
        raise WeightsError(
            f"{path} is a network for {task!r}; a detector with a detect, obb or segment head is needed."
        )
    if channels not in {1, 3}:
        raise WeightsError(f"{path} takes {channels} channels; a detector for grey (1) or colour (3) images is needed.")


def _load_pt(path: Path, device: str) -> Model:
    import torch

    from lptem_tracker.detect.network import ultralytics_quietly, undisturbed
    from lptem_tracker.detect.runtimes import cuda_device

    if not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        # ultralytics would unpickle the file as it is, whatever it is told
        raise WeightsError(
            f"A .pt file can be loaded without running code from it with torch 2.6 or newer; torch {torch.__version__} "
            f"is installed. Update torch, or export {path} to .onnx elsewhere."
        )
    ultralytics_quietly()
    from ultralytics.nn.tasks import torch_safe_load

    try:
        with undisturbed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch muses about pickle protocols of files it then refuses
            checkpoint, _ = torch_safe_load(str(path), safe_only=True)
            network = checkpoint.get("ema") or checkpoint["model"]
            network = network.float().eval()
            head = network.model[-1]
            channels = int(next(p for p in network.parameters() if p.ndim == 4).shape[1])
    except Exception as error:  # noqa: BLE001 - a file from outside can fail to load in any way
        raise WeightsError(
            f"{path} is no ultralytics detector that can be loaded without running code from it "
            f"({type(error).__name__}); give a file written by ultralytics' training."
        ) from None
    kinds = {"Detect": "detect", "Segment": "segment", "OBB": "obb"}
    names = [base.__name__ for base in type(head).__mro__]
    task = next((kinds[n] for n in names if n in kinds and not (n == "Detect" and "Pose" in names)), names[0].lower())
    _checked(path, task, channels)
    head.max_det = _MAX_DETECTIONS
    where = (cuda_device(device) if device == "auto" or device.startswith("cuda") else None) or "cpu"
    network = network.to(where)

    def run(images: Images) -> Images:
        with torch.inference_mode():
            output = network(torch.from_numpy(images).to(where))
        while isinstance(output, (tuple, list)):
            output = output[0]
        return np.asarray(output.float().cpu().numpy())

    side = checkpoint.get("train_args", {}).get("imgsz", 640)
    return Model(run, task, int(head.nc), channels, int(side if isinstance(side, (int, float)) else max(side)), False)


def _load_onnx(path: Path) -> Model:
    if importlib.util.find_spec("onnxruntime"):
        session, meta, shape = _open_onnxruntime(path)
    elif importlib.util.find_spec("openvino"):
        session, meta, shape = _open_openvino(path)
    else:
        raise MissingExtraError(f"{path} needs ONNX Runtime or OpenVINO; install one: pip install onnxruntime.")
    task = meta.get("task", "detect")
    if len(shape) != 4:
        raise WeightsError(f"{path} takes an input of {len(shape)} axes; a detector takes images of 4.")
    channels = shape[1] if isinstance(shape[1], int) else int(meta.get("channels", 3))
    _checked(path, task, channels)
    fixed = isinstance(shape[2], int)
    try:
        names = ast.literal_eval(meta["names"]) if "names" in meta else [0]
        size = ast.literal_eval(meta["imgsz"]) if "imgsz" in meta else [640]
        side = int(max(shape[2], shape[3])) if fixed else int(max(size))
    except (ValueError, SyntaxError, TypeError) as error:
        raise WeightsError(
            f"{path} describes itself in a way that cannot be read ({error}); export it again."
        ) from None
    return Model(session, task, len(names), channels, side, fixed)


def _open_onnxruntime(path: Path) -> tuple[_Run, dict[str, str], list[Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = cores(), 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - a file from outside can fail to load in any way
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} is no ONNX model that can be run ({reason}); export it again.") from None
    first = session.get_inputs()[0]

    def run(images: Images) -> Images:
        return np.asarray(session.run(None, {first.name: images})[0], np.float32)

    return run, dict(session.get_modelmeta().custom_metadata_map), list(first.shape)


def _open_openvino(path: Path) -> tuple[_Run, dict[str, str], list[Any]]:
    openvino = openvino_quietly()
    try:
        graph = openvino.Core().read_model(str(path))
        info = graph.get_rt_info()
        model = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except Exception as error:  # noqa: BLE001 - a file from outside can fail to load in any way
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} is no ONNX model that can be run ({reason}); export it again.") from None
    meta = {key: str(value.value) for key, value in info.get("framework", {}).items()} if "framework" in info else {}
    shape = [axis.get_length() if axis.is_static else None for axis in graph.inputs[0].partial_shape]

    def run(images: Images) -> Images:
        return np.array(model(images)[0], np.float32)

    return run, meta, shape
