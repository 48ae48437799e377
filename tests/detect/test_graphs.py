"""Compiled graphs kept on disk."""

import os

import numpy as np
import pytest

from lptem_tracker.detect import runtimes
from lptem_tracker.detect.graphs import cache_folder, compiled_graph
from lptem_tracker.detect.runtimes import exported_graph, openvino_quietly
from lptem_tracker.detect.weights import file_sha256, shipped_weights
from lptem_tracker.errors import LptemWarning

IMAGE = np.random.default_rng(0).normal(size=(1, 1, 64, 96)).astype(np.float32)


@pytest.fixture
def graph():
    """The shipped detector's graph."""
    pytest.importorskip("openvino")
    path = shipped_weights()
    return exported_graph(path, file_sha256(path))


class _Counting:
    """An OpenVINO core that counts what it compiles."""

    def __init__(self):
        self.core, self.compiled = openvino_quietly().Core(), 0

    def __getattr__(self, name):
        return getattr(self.core, name)

    def compile_model(self, *args):
        self.compiled += 1
        return self.core.compile_model(*args)


def answer(model):
    """What a compiled graph says to an image."""
    return np.array(model.create_infer_request().infer([IMAGE])[0])


def test_a_kept_graph_answers_as_a_compiled_one(graph, tmp_path, monkeypatch):
    """The second call loads what the first compiled, to the same bits; another shape or option is another graph."""
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path / "new"))
    core, options = _Counting(), {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    first, second = (answer(compiled_graph(core, graph, options)) for _ in range(2))
    assert core.compiled == 1
    assert np.array_equal(first, second)
    compiled_graph(core, graph, options, IMAGE.shape)
    compiled_graph(core, graph, options | {"NUM_STREAMS": "2"})
    assert core.compiled == 3
    assert len(list(cache_folder().glob("*.blob"))) == 3 == len(list(cache_folder().iterdir()))


@pytest.mark.parametrize("damage", [lambda data: data[:-1000], lambda data: data[:5000] + b"x" + data[5001:], bytes])
def test_a_damaged_file_is_compiled_anew(damage, graph, tmp_path, monkeypatch):
    """A file cut short, with one other byte, or full of zeros is not used, and the next call finds a good one."""
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path))
    core = _Counting()
    expected = answer(compiled_graph(core, graph, {}))
    (kept,) = tmp_path.glob("*.blob")
    data = kept.read_bytes()
    kept.write_bytes(damage(len(data)) if damage is bytes else damage(data))
    assert np.array_equal(answer(compiled_graph(core, graph, {})), expected)
    assert core.compiled == 2
    compiled_graph(core, graph, {})
    assert core.compiled == 2


def test_where_nothing_can_be_kept_it_is_compiled(graph, tmp_path, monkeypatch):
    """A cache that is no folder costs time only."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path / "file"))
    core = _Counting()
    assert np.isfinite(answer(compiled_graph(core, graph, {}))).all()
    assert core.compiled == 1


def test_the_oldest_go_first(graph, tmp_path, monkeypatch):
    """A dozen files are kept."""
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path))
    for k in range(12):
        (tmp_path / f"{k}.blob").write_bytes(b"")
        os.utime(tmp_path / f"{k}.blob", (k, k))
    compiled_graph(_Counting(), graph, {})
    names = {path.name for path in tmp_path.glob("*.blob")}
    assert len(names) == 12
    assert "0.blob" not in names
    assert "1.blob" in names


def test_without_a_cache_the_graph_lies_in_a_folder_of_this_process(tmp_path, monkeypatch):
    """A graph that another user laid into the shared folder of temporary files under the same name is never taken."""
    (tmp_path / "file").touch()
    shared = tmp_path / "shared"
    (shared / "lptem-tracker").mkdir(parents=True)
    (shared / "lptem-tracker" / f"{'0' * 24}.onnx").write_bytes(b"not ours")
    monkeypatch.setenv("LPTEM_TRACKER_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    monkeypatch.setattr(runtimes, "load_weights", lambda path: None)
    monkeypatch.setattr(runtimes, "export_onnx", lambda weights, target: target.write_bytes(b"ours"))
    runtimes._own_folder.cache_clear()
    with pytest.warns(LptemWarning, match="trying elsewhere"):
        found = exported_graph(tmp_path / "own.safetensors", "0" * 64)
    runtimes._own_folder.cache_clear()
    assert found.read_bytes() == b"ours"
    if os.name == "posix":
        assert found.parent.stat().st_mode & 0o077 == 0
