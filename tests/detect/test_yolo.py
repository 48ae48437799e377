"""The shipped detector: what it finds, the same on every runtime, in every cut and batch."""

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.detect import runtimes
from lptem_tracker.detect.runtimes import TorchRuntime, cuda_device
from lptem_tracker.detect.weights import load_weights, shipped_weights
from lptem_tracker.detect.yolo import YoloDetector
from lptem_tracker.errors import LptemWarning, SettingsError
from lptem_tracker.movie.base import Frame
from lptem_tracker.tables import DETECTION_DTYPES


def film(seed=0, size=(320, 384), radius=9.0, contrast=-0.5, n=12):
    """Disks that do not touch, on Poisson noise of level 60, and their centres."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    field, centres = np.full(size, 60.0), []
    while len(centres) < n:
        cx, cy = rng.uniform(20, size[1] - 20), rng.uniform(20, size[0] - 20)
        if all(np.hypot(cx - a, cy - b) > 3 * radius for a, b in centres):
            centres.append((cx, cy))
            field[np.hypot(x - cx, y - cy) < radius] *= 1 + contrast
    return rng.poisson(field).astype(np.uint16), np.array(centres)


@pytest.fixture(scope="module")
def detector():
    """The shipped detector on the fastest CPU runtime at hand."""
    return YoloDetector(device="cpu")


@pytest.mark.parametrize("contrast", [-0.5, 0.5])
def test_clear_disks_are_found_where_they_are(detector, contrast):
    """Twelve clear disks, dark or bright, are all found within 2 px, of about the right size, and nothing else."""
    pixels, centres = film(contrast=contrast)
    table = detector.detect([Frame(5, pixels)])
    assert list(table.columns) == list(DETECTION_DTYPES)
    assert set(table["frame"]) == {5}
    assert len(table) == len(centres)
    distance = np.hypot(*(centres[:, None] - table[["x", "y"]].to_numpy()[None]).transpose(2, 0, 1))
    assert distance.min(axis=1).max() < 2.0
    assert table["radius"].median() == pytest.approx(9.0, rel=0.2)


@pytest.mark.parametrize(
    ("radius", "scales", "chosen"), [(14.0, (0.5, 0.6875), 0.5), (14.0, (0.6875,), 0.6875), (4.0, (0.5, 0.6875), 1.0)]
)
def test_large_disks_ask_for_a_part_of_the_resolution_only(detector, radius, scales, chosen):
    """Two frames of disks of 14 px need no full resolution, of 4 px they do; either way all twelve are found."""
    frames = [Frame(k, film(k, (384, 448), radius)[0]) for k in range(2)]
    found, scale = detector.compare(frames, scales)
    assert scale == chosen
    assert found.groupby("frame").size().tolist() == [12, 12]
    alone = detector.detect_coarse(frames[:1], scale) if scale < 1 else detector.detect(frames[:1])
    assert found[found["frame"] == 0].to_numpy().tobytes() == alone.to_numpy().tobytes()


def test_small_frames_have_one_scale(detector):
    """A frame of 128 px is searched as it is: there is no lower scale to compare with."""
    frames = [Frame(k, film(k, (128, 160), 12.0, n=3)[0]) for k in range(2)]
    found, scale = detector.compare(frames, detector.scales)
    assert scale == 1
    assert found.to_numpy().tobytes() == detector.detect(frames).to_numpy().tobytes()


def test_threads_are_not_bound_to_cores(detector):
    """Two processes of OpenVINO must not both sit on the first core."""
    if not detector.runtime.name.startswith("openvino"):
        pytest.skip("another runtime")
    assert detector.runtime._model.get_property("ENABLE_CPU_PINNING") is False


def test_same_bytes_twice(detector):
    """The same frames give the same table, byte for byte, alone and in a batch."""
    frames = [Frame(k, film(k)[0]) for k in range(3)]
    together = detector.detect(frames)
    again = detector.detect(frames)
    one = detector.detect(frames[1:2])
    assert together.to_numpy().tobytes() == again.to_numpy().tobytes()
    assert together[together["frame"] == 1].to_numpy().tobytes() == one.to_numpy().tobytes()


def test_gain_and_offset_do_not_matter(detector):
    """Another gain, offset and dtype of the same counts move no detection by more than 0.05 px."""
    pixels, _ = film(3)
    a, b = (detector.detect([Frame(0, p)]) for p in (pixels, pixels * 12.5 + 3000.0))
    assert np.abs(a[["x", "y"]].to_numpy() - b[["x", "y"]].to_numpy()).max() < 0.05


@pytest.mark.parametrize(
    "pixels", [np.zeros((100, 90)), np.full((64, 64), np.nan), np.full((40, 300), 255, np.uint8), np.ones((3, 2))]
)
def test_frames_without_content_give_an_empty_table(detector, pixels):
    """Black, missing, saturated and tiny frames have no particle and the table keeps its columns."""
    table = detector.detect([Frame(0, pixels)])
    assert len(table) == 0
    assert list(table.columns) == list(DETECTION_DTYPES)


def test_noise_is_no_particle(detector):
    """Three frames of pure Poisson noise of 5, 50 and 500 electrons a pixel give nothing."""
    rng = np.random.default_rng(11)
    frames = [Frame(k, rng.poisson(level, (384, 384))) for k, level in enumerate((5, 50, 500))]
    assert len(detector.detect(frames)) == 0


def test_the_shape_that_comes_most_gets_a_graph_that_answers_the_same(monkeypatch):
    """From then on its images go through that graph, to the same bits; other shapes go on as before."""
    openvino = pytest.importorskip("openvino")
    detector = YoloDetector(device="openvino")
    monkeypatch.setattr(runtimes, "OFTEN_PX", 2 * 128 * 160)
    images = np.random.default_rng(3).normal(size=(4, 1, 1, 128, 160)).astype(np.float32)
    models = []
    plain = openvino.CompiledModel.create_infer_request
    monkeypatch.setattr(openvino.CompiledModel, "create_infer_request", lambda self: models.append(self) or plain(self))
    first = [detector.runtime.run(image) for image in images]
    assert len(models) == 2
    second = [detector.runtime.run(image) for image in images]
    assert [a.tobytes() for a in first] == [b.tobytes() for b in second]
    assert not models[0].inputs[0].partial_shape.is_static
    assert models[1].inputs[0].partial_shape.is_static
    detector.runtime.run(images[0, :, :, :96])
    assert len(models) == 2


def test_a_graph_that_was_kept_is_used_soon_and_further_ones_are_for_small_images(tmp_path, monkeypatch):
    """A shape's graph of an earlier detector is taken after a quarter of the images; two large shapes get one only."""
    pytest.importorskip("openvino")
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path))
    monkeypatch.setattr(runtimes, "OFTEN_PX", 4 * 64 * 64)
    monkeypatch.setattr(runtimes, "SOON_PX", 64 * 64)
    image = np.random.default_rng(4).normal(size=(1, 1, 64, 64)).astype(np.float32)
    counts = []
    for _ in range(2):
        runtime = YoloDetector(device="openvino").runtime
        count = 0
        while image.shape not in runtime._fixed:
            runtime.run(image)
            count += 1
        counts.append(count)
    assert counts == [4, 1]
    monkeypatch.setattr(runtimes, "OFTEN_PX", 1)
    runtime.run(image[..., :32])
    assert len(runtime._fixed) == 2
    monkeypatch.setattr(runtimes, "_ROOM_PX", 64 * 96)
    runtime.run(image[..., :32, :])
    assert len(runtime._fixed) == 2


def test_without_memory_for_a_graph_of_its_own_a_shape_goes_on_as_before(tmp_path, monkeypatch):
    """OpenVINO refuses to compile a second graph: no run stops for it."""
    openvino = pytest.importorskip("openvino")
    detector = YoloDetector(device="openvino")
    monkeypatch.setattr(runtimes, "OFTEN_PX", 1)
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path))  # nor was one kept
    refused = []

    def refuse(*_):
        refused.append(True)
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(openvino.Core, "compile_model", refuse)
    image = np.zeros((1, 1, 128, 160), np.float32)
    assert np.array_equal(detector.runtime.run(image), detector.runtime.run(image))
    assert refused == [True]


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_runtimes_agree_with_torch(runtime, tmp_path, monkeypatch):
    """Torch and the exported graph find the same particles within 0.05 px and 0.01 confidence."""
    pytest.importorskip(runtime)
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path))
    frames = [Frame(k, film(k + 20)[0]) for k in range(2)]
    a, b = (YoloDetector(device=name, confidence=0.1).detect(frames) for name in ("torch", runtime))
    assert len(a) == len(b) > 20
    assert np.abs(a[["x", "y"]].to_numpy() - b[["x", "y"]].to_numpy()).max() < 0.05
    assert np.abs(a["confidence"].to_numpy() - b["confidence"].to_numpy()).max() < 0.01


def test_frames_that_were_compared_are_not_searched_again(monkeypatch):
    """What two frames showed at all scales is known when they come again; other pixels of that number are looked at."""
    detector = YoloDetector(device="cpu", confidence=0.1)
    frames = [Frame(k, film(k + 40)[0]) for k in range(2)]
    expected = detector.detect(frames)
    asked = []
    plain = detector.runtime.run
    monkeypatch.setattr(detector.runtime, "run", lambda images: asked.append(images.shape) or plain(images))
    detector.compare(frames, ())
    assert len(asked) == 4
    pd.testing.assert_frame_equal(detector.detect(frames), expected)
    pd.testing.assert_frame_equal(detector.compare(frames[::-1], ())[0], detector.detect(frames[::-1]))
    assert len(asked) == 4
    detector.detect([frames[0], Frame(1, frames[0].pixels)])
    assert len(asked) == 6


def test_large_frame_is_cut_without_a_seam(detector):
    """Disks all over a frame of 1,700 px are each found once, on the cuts too."""
    pixels, centres = film(1, size=(1700, 400), n=60)
    table = detector.detect([Frame(0, pixels)])
    assert len(table) == len(centres)


def test_missing_device_is_refused():
    """A GPU that is not there, and a word that is no device, are settings errors."""
    for name in ("cuda:7", "cuda:x", "tpu"):
        with pytest.raises(SettingsError, match=name):
            YoloDetector(device=name)


def test_auto_without_a_gpu_is_no_error():
    """`auto` gives a GPU where there is one and none otherwise."""
    assert cuda_device("auto") in {None, "cuda:0"}


def test_too_little_gpu_memory_halves_the_batch_and_then_uses_the_cpu(monkeypatch):
    """When a batch does not fit it is halved; when one image does not fit, the CPU takes over with one warning."""
    import torch

    runtime = TorchRuntime(load_weights(shipped_weights()), "cpu")
    tried, forward = [], runtime._forward

    def short_of_memory(images):
        tried.append(len(images))
        if len(images) > 1 or (len(tried) < 4 and runtime.name != "torch cpu again"):
            raise torch.OutOfMemoryError("out of memory")
        return forward(images)

    monkeypatch.setattr(runtime, "_forward", short_of_memory)
    images = np.zeros((4, 1, 64, 64), np.float32)
    with pytest.warns(LptemWarning, match="too little memory"):
        out = runtime.run(images)
    assert tried[:3] == [4, 2, 1]
    assert out.shape == (4, 5, 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2)
