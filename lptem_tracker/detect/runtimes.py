"""Where the network runs: torch on a GPU or CPU, OpenVINO, or ONNX Runtime, all from the same graph."""

from __future__ import annotations

import atexit
import importlib.util
import math
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.graphs import cache_folder, compiled_graph
from lptem_tracker.detect.weights import Weights, load_weights
from lptem_tracker.errors import LptemWarning, SettingsError, WeightsError

Images = NDArray[np.float32]
OFTEN_PX = 13_000_000
"""Pixels of images of one shape after which a graph for it alone would have saved the time that compiling it takes."""
SOON_PX = OFTEN_PX // 4
"""The same where that graph was kept by an earlier process."""
_ROOM_PX = 2**19
"""Pixels of the images that graphs of their own are for, all together; the first may be for larger ones."""
_STREAMS = 8
"""Images that a CPU works on at the same time at most; each takes memory of its own."""


class Runtime(Protocol):
    """Maps images (B, 1, Y, X), sides multiples of 32, to raw outputs (B, 5, A).

    `workers` threads may call `run` at the same time; more gain nothing.
    """

    name: str
    workers: int

    def run(self, images: Images) -> Images:
        """Return the raw outputs as float32."""


def cores() -> int:
    """Return how many CPU cores this process may use; ``OMP_NUM_THREADS`` limits them, as Dask does for a worker."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(here, int(asked))) if asked.isdigit() else here


class TorchRuntime:
    """The network in torch; half precision on a GPU, falling back to smaller batches and then to the CPU.

    It works for one caller at a time; while it does, another prepares its images.
    """

    workers = 2

    def __init__(self, weights: Weights, device: str) -> None:
        import torch

        from lptem_tracker.detect.network import RawHead

        self._torch = torch
        self.name = f"torch {device}"
        self.device = torch.device(device)
        self.half = self.device.type == "cuda"
        self._turn = threading.RLock()
        self._fits = 2**40
        network = RawHead(weights.network).to(self.device)
        self.network = network.half() if self.half else network

    def run(self, images: Images) -> Images:
        """Return the raw outputs as float32; see `Runtime`."""
        with self._turn:
            most = self._fits // images[0].size or 1
            return np.concatenate([self._run(images[k : k + most]) for k in range(0, len(images), most)])

    def _run(self, images: Images) -> Images:
        # what follows runs where the failed attempt's memory is free again
        with suppress(self._torch.OutOfMemoryError):
            return self._forward(images)
        self._torch.cuda.empty_cache()
        if len(images) > 1:
            self._fits = len(images) // 2 * images[0].size
            return self.run(images)
        warnings.warn(
            "The GPU has too little memory for one tile; the detector goes on with the CPU.", LptemWarning, stacklevel=2
        )
        self.network, self.half = self.network.float().cpu(), False
        self.device, self.name = self._torch.device("cpu"), "torch cpu"
        return self._forward(images)

    def _forward(self, images: Images) -> Images:
        torch = self._torch
        with torch.inference_mode():
            batch = torch.from_numpy(images).to(self.device)
            raw = self.network(batch.half() if self.half else batch)
            return np.asarray(raw.float().cpu().numpy(), np.float32)


def openvino_quietly() -> Any:
    """Import OpenVINO without its telemetry, which reports each import to a web service, and return the module.

    Its converter of models, which takes a third of the time and is not used, is left out as well.
    """
    absent = [name for name in ("openvino_telemetry", "openvino.tools.ovc") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it now fails, and does no harm
    try:
        import openvino
    finally:
        for name in absent:
            del sys.modules[name]
    return openvino


class OpenVinoRuntime:
    """The exported graph in OpenVINO on the CPU, in single precision.

    Each calling thread has a stream of its own: cores that work on different images never wait for each other.
    Threads are not bound to cores: every process would bind its first stream to the same core, and two workers, or
    whatever else runs on the machine, would share that one while others stand idle.

    The first shape of images that comes often gets a graph of its own, which takes an eighth less time: with the shape
    known, parts are joined in place and sums are taken along. It is used where it gives the same numbers to the last
    bit. Further shapes get one as long as all are small, because each takes memory: 70 MB for 512 by 512 px.
    """

    def __init__(self, graph: Path) -> None:
        openvino = openvino_quietly()
        self.name = f"openvino {openvino.__version__.split('-')[0]} cpu"
        self.workers = min(cores(), _STREAMS)
        options = {
            "NUM_STREAMS": str(self.workers),
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": cores(),
            "ENABLE_CPU_PINNING": False,
        }
        self._core, self._graph, self._options = openvino.Core(), graph, options
        self._model = compiled_graph(self._core, graph, options)
        self._fixed: dict[tuple[int, ...], Any] = {}
        self._seen_px: Counter[tuple[int, ...]] = Counter()
        self._given: dict[tuple[int, ...], bool] = {}
        self._turn, self._own = threading.Lock(), threading.local()

    def run(self, images: Images) -> Images:
        """Return the raw outputs as float32; see `Runtime`."""
        fixed = self._fixed.get(images.shape)
        if fixed is not None:
            return self._infer(fixed, images)
        raw = self._infer(self._model, images)
        with self._turn:
            self._seen_px[images.shape] += images.size
            due = self._due(images)
        if due:
            self._fix(images, raw)
        return raw

    def _due(self, images: Images) -> bool:
        """Tell whether a graph for the shape of some images is to be looked for now: a kept one, later a new one."""
        shape, often = images.shape, self._seen_px[images.shape] >= OFTEN_PX
        if shape not in self._given:
            small = sum(map(math.prod, {*self._given, shape})) <= _ROOM_PX
            due = (often or self._seen_px[shape] >= SOON_PX) and (small or not self._given)
        else:
            due = often and not self._given[shape]
        if due:
            self._given[shape] = often
        return due

    def _infer(self, model: Any, images: Images) -> Images:
        requests = self._own.__dict__.setdefault("requests", {})
        if model not in requests:
            requests[model] = model.create_infer_request()
        return np.array(requests[model].infer([images])[0], np.float32)

    def _fix(self, images: Images, raw: Images) -> None:
        """Compile the graph for the shape of some images, to be used if it answers them alike."""
        # where there is no memory for a second graph the one for any shape goes on
        with suppress(RuntimeError):
            kept_only = not self._given[images.shape]
            fixed = compiled_graph(self._core, self._graph, self._options, images.shape, kept_only=kept_only)
            if fixed is not None and np.array_equal(self._infer(fixed, images), raw, equal_nan=True):
                self._fixed[images.shape] = fixed


class OnnxRuntime:
    """The exported graph in ONNX Runtime on the CPU."""

    def __init__(self, graph: Path) -> None:
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__} cpu"
        self.workers = min(cores(), _STREAMS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, cores() // self.workers)
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def run(self, images: Images) -> Images:
        """Return the raw outputs as float32; see `Runtime`."""
        return np.asarray(self._session.run(None, {"images": images})[0], np.float32)


def make_runtime(path: Path, sha256: str, device: str) -> Runtime:
    """Load a weights file of this package on the device asked for.

    Parameters
    ----------
    path : pathlib.Path
    sha256 : str
        The file's checksum, the key of its exported graph.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`, or the name of one CPU runtime: `torch`, `openvino`, `onnxruntime`.

    Raises
    ------
    SettingsError
        There is no such device.
    WeightsError
        The file holds no detector.
    """
    if device == "auto" or device.startswith("cuda"):
        found = cuda_device(device)
        if found:
            return TorchRuntime(load_weights(path), found)
    elif device not in {"cpu", "torch", "openvino", "onnxruntime"}:
        raise SettingsError(f"Unknown device {device!r}; expected auto, cpu, cuda or cuda:N.")
    wanted = [device] if device in {"openvino", "onnxruntime"} else []
    if device in {"auto", "cpu"}:
        wanted = [name for name in ("openvino", "onnxruntime") if importlib.util.find_spec(name)]
    for name in wanted:
        graph = exported_graph(path, sha256)
        if graph is not None:
            return OpenVinoRuntime(graph) if name == "openvino" else OnnxRuntime(graph)
    return TorchRuntime(load_weights(path), "cpu")


def cuda_device(device: str) -> str | None:
    """Return the CUDA device to use, None for `auto` without one."""
    if device == "auto" and not (importlib.util.find_spec("torch") and _has_driver()):
        return None
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda:0" if count else None
    _, _, number = device.partition(":")
    if device not in {"cuda", f"cuda:{number}"} or not (number or "0").isdigit():
        raise SettingsError(f"Unknown device {device!r}; expected auto, cpu, cuda or cuda:N.")
    if int(number or 0) >= count:
        raise SettingsError(
            f"Device {device} was asked for and this machine has {count} CUDA devices; use --device cpu or auto."
        )
    return f"cuda:{number or 0}"


def _has_driver() -> bool:
    """Tell whether asking torch for a GPU can succeed; importing torch takes seconds."""
    return (
        os.name == "nt"
        or Path("/proc/driver/nvidia").exists()
        or Path("/dev/nvidia0").exists()
        or Path("/dev/dxg").exists()
    )


def exported_graph(path: Path, sha256: str) -> Path | None:
    """Return a weights file's ONNX graph: shipped beside it, cached, or exported now; None if it cannot be."""
    beside = path.with_suffix(".onnx")
    if beside.is_file():
        return beside
    for folder in (cache_folder, _own_folder):
        base = folder()
        target = base / f"{sha256[:24]}.onnx"
        if target.is_file():
            return target
        try:
            base.mkdir(parents=True, exist_ok=True)
            export_onnx(load_weights(path), target)
        except WeightsError:
            raise
        except Exception as error:  # noqa: BLE001 - exporters fail in many ways; torch can still run the network
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            warnings.warn(
                f"The network could not be exported to {base} ({reason}); trying elsewhere.", LptemWarning, stacklevel=2
            )
            continue
        return target
    return None


@cache
def _own_folder() -> Path:
    """Return a folder of this process that no other user can write into: what lies in a shared one may be theirs."""
    folder = Path(tempfile.mkdtemp(prefix="lptem-tracker-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def export_onnx(weights: Weights, target: Path) -> None:
    """Write the network's raw graph as ONNX with free batch, height and width, atomically."""
    import torch

    from lptem_tracker.detect.network import RawHead

    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    network: Any = RawHead(weights.network)
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter announces its own end and notes constant shapes
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, 128, 160),),
            str(partial),
            input_names=["images"],
            output_names=["raw"],
            dynamic_axes={"images": free, "raw": {0: "batch", 2: "anchors"}},
            dynamo=False,
            opset_version=17,
        )
    os.replace(partial, target)
