"""Files from outside: they are read, never run, and nothing in them says where to write."""

import io
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file

from lptem_tracker.batch.plan import plan_batch
from lptem_tracker.batch.sample import _folder_names
from lptem_tracker.cli.app import _run
from lptem_tracker.detect.foreign import ForeignDetector
from lptem_tracker.detect.network import architecture
from lptem_tracker.detect.weights import load_weights
from lptem_tracker.errors import LptemError, MovieError, OutputError, SettingsError, WeightsError
from lptem_tracker.export import FORMATS
from lptem_tracker.movie import open_movie
from lptem_tracker.run import RunWriter, open_run, read_table
from lptem_tracker.settings import Settings


class _Evil:
    """An object whose loading makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def _link_to(link, target):
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("links cannot be made here")


@pytest.mark.parametrize("key", ["model", "ema", "train_args"])
def test_a_checkpoint_with_code_in_it_is_refused(tmp_path, key):
    """torch's own format, the object hidden where ultralytics keeps the network or its options."""
    path = tmp_path / "evil.pt"
    torch.save({"model": None, key: _Evil(tmp_path / "owned")}, path)
    with pytest.raises(WeightsError, match="without running code"):
        ForeignDetector(path, device="cpu")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("where", ["activation", "layer", "option", "scales"])
def test_a_described_network_is_data(tmp_path, where):
    """The architecture in a .safetensors file names layers and numbers: code in it is refused, not evaluated.

    Also where ultralytics was imported before, which then evaluates the text that names an activation.
    """
    code = f"__import__('os').mkdir({str(tmp_path / 'owned')!r})"
    described = architecture()
    if where == "activation":
        described["activation"] = code
    elif where == "layer":
        described["backbone"][0][2] = "torch_safe_load"
        described["backbone"][0][3] = ["evil.pt"]
    elif where == "option":
        described["backbone"][0][3] = [code, 3, 2]
    else:
        described["scales"]["n"][0] = code
    path = tmp_path / "evil.safetensors"
    header = {"format": "lptem-tracker detector 1", "architecture": json.dumps(described), "record": "{}"}
    save_file({"a": np.zeros(3, np.float32)}, path, metadata=header)
    script = (
        "import ultralytics\nfrom pathlib import Path\nfrom lptem_tracker.detect.weights import load_weights\n"
        f"from lptem_tracker.errors import WeightsError\ntry:\n    load_weights(Path({str(path)!r}))\n"
        "except WeightsError as error:\n    print(error)\n"
    )
    if where == "activation":
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert "cannot be built: it holds more than" in found.stdout
    else:
        with pytest.raises(WeightsError, match=r"cannot be built: .*(no layer of a detector|no numbers)"):
            load_weights(path)
    assert not (tmp_path / "owned").exists()


def test_an_old_torch_loads_no_checkpoint(tmp_path, monkeypatch):
    """Without its way to look before it unpickles, a .pt is refused with what to do, and nothing of it is run."""
    path = tmp_path / "evil.pt"
    torch.save({"model": _Evil(tmp_path / "owned")}, path)
    monkeypatch.delattr(torch.serialization, "get_unsafe_globals_in_checkpoint")
    with pytest.raises(WeightsError, match=r"torch 2\.6 or newer"):
        ForeignDetector(path, device="cpu")
    assert not (tmp_path / "owned").exists()


def test_an_array_of_objects_is_no_movie(tmp_path):
    """A NumPy file can hold pickled objects; they are never unpacked."""
    path = tmp_path / "evil.npy"
    np.save(path, np.array([_Evil(tmp_path / "owned")], dtype=object), allow_pickle=True)
    with pytest.raises(MovieError):
        open_movie(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["arrow.py_extension_type", "pandas", "arrow.extension"])
def test_objects_in_parquet_metadata_are_not_unpacked(tmp_path, name):
    """Arrow once unpickled the types that a file names; tables of a run and of others are read without."""
    evil = pickle.dumps(_Evil(tmp_path / "owned"))
    fields = [pa.field(column, pa.float64()) for column in ("frame", "x", "y")]
    extension = {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": evil}
    fields[1] = fields[1].with_metadata(extension)
    columns = [pa.array([0.0, 1.0]), pa.array([1.0, 2.0]), pa.array([3.0, 4.0])]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata={b"PANDAS_PICKLE": evil}))
    path = tmp_path / "detections.parquet"
    pq.write_table(table, path)
    assert read_table(path)["y"].tolist() == [3.0, 4.0]
    assert _run(["link", str(path), "-o", str(tmp_path / "tracks.csv")]) == 0
    assert not (tmp_path / "owned").exists()


def test_a_pickle_named_like_a_table_or_a_movie_is_not_loaded(tmp_path):
    """The name decides nothing: bytes of a pickle are damaged data."""
    for name in ("tracks.parquet", "tracks.csv", "movie.npy", "movie.tif", "movie.hspy"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(_Evil(tmp_path / "owned")))
        with pytest.raises(LptemError):
            _use(path)
    assert not (tmp_path / "owned").exists()


def _use(path):
    if path.suffix == ".parquet":
        return read_table(path)
    if path.suffix == ".csv":
        from lptem_tracker.export import read_detections

        return read_detections(path)
    return open_movie(path)


@pytest.mark.parametrize(
    "text",
    [
        '[report]\noutput = "../../elsewhere"\n',
        '[movie]\nsource = "/etc/passwd"\n',
        'output = "../elsewhere"\n',
        '[report]\ncolour_by = "../../x"\n',
    ],
)
def test_no_setting_names_a_place_to_write(tmp_path, text):
    """The only path among the settings is that of the weights, which are read."""
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        Settings.load(tmp_path / "run.toml")
    texts = [key for key, value in Settings().flat().items() if isinstance(value, str)]
    assert sorted(texts) == ["detect.detector", "detect.device", "detect.scales", "link.motion", "report.colour_by"]


@pytest.mark.parametrize("name", [".work", ".lock"])
def test_a_run_folder_whose_files_are_links_is_refused(tmp_path, name):
    """A folder from outside cannot send what is written into it elsewhere."""
    folder, target = tmp_path / "run", tmp_path / "precious"
    folder.mkdir()
    if name == ".work":
        target.mkdir()
        (target / "keep.txt").write_text("mine", encoding="utf-8")
    else:
        target.write_text("mine", encoding="utf-8")
    _link_to(folder / name, target)
    with pytest.raises(OutputError, match="is a link"):
        RunWriter(folder, force=True)
    kept = target / "keep.txt" if target.is_dir() else target
    assert kept.read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.rglob("*"))) == (4 if name == ".work" else 3)


def test_results_that_are_links_are_replaced_not_followed(tmp_path):
    """`--force` on a folder in which tracks.csv points to a file elsewhere leaves that file alone."""
    folder, target = tmp_path / "run", tmp_path / "precious.csv"
    folder.mkdir()
    target.write_text("mine", encoding="utf-8")
    _link_to(folder / "tracks.csv", target)
    with RunWriter(folder, force=True, only=("tracks.csv",)) as writer:
        writer.write_table("tracks.csv", pd.DataFrame({"x": [1]}))
    assert target.read_text(encoding="utf-8") == "mine"
    assert not (folder / "tracks.csv").is_symlink()


def test_nothing_in_a_run_folder_makes_a_file_outside(tmp_path, make_run):
    """Names with `../` in every text of a run: report, overlay and all exports stay where they were told to be."""
    folder = make_run("outer")
    inner = tmp_path / "outer" / "inner" / "run"
    inner.mkdir(parents=True)
    for path in list(folder.iterdir()):
        if path.is_file():
            path.rename(inner / path.name)
    record = json.loads((inner / "run.json").read_text(encoding="utf-8"))
    source = os.path.relpath(record["movie"]["source"], tmp_path / "outer")
    evil = "../../../owned"
    record["movie"] |= {"source": source, "format": evil, "metadata": {"title": evil, "first_file": evil}}
    record |= {"version": evil, "detector": {"name": evil, "weights": evil}, "settings": {"report.output": evil}}
    (inner / "run.json").write_text(json.dumps(record), encoding="utf-8")
    pd.read_csv(inner / "particles.csv").assign(motion=evil).to_csv(inner / "particles.csv", index=False)

    def outside():
        return {p for p in tmp_path.rglob("*") if inner not in p.parents and p != inner and p.name[0] != "."}

    before = outside()
    for number, command in enumerate(["report", "overlay"]):
        _run([command, str(inner)])
        assert outside() == before, (number, command)
    for format in FORMATS:
        _run(["export", str(inner), "--format", format, "-o", str(inner / "exports" / format)])
        assert outside() == before, format
    assert open_run(inner).record["version"] == evil


def test_folders_of_several_movies_lie_below_the_output(tmp_path, monkeypatch):
    """`..` and absolute paths as movies, or of movies outside, name no folder outside."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    for path in (tmp_path / "x.tif", tmp_path / "a" / "x.tif", inside / "x.tif"):
        path.touch()
    monkeypatch.chdir(inside)
    batch = [item.name for item in plan_batch(["../../x.tif", "../x.tif", str(inside / "x.tif")])]
    sample = _folder_names(["..", "../..", ".", str(inside / ".."), "../x.tif"])
    for name in (*batch, *sample):
        assert (tmp_path / "out" / name).resolve().is_relative_to((tmp_path / "out").resolve()), name
        assert (tmp_path / "out" / name).resolve() != (tmp_path / "out").resolve(), name
    assert len(set(batch)) == 3
    assert len(set(sample)) == 5


def test_settings_hold_no_code():
    """A settings file is TOML: a pickle in it is text that is not valid."""
    data = io.BytesIO()
    pickle.dump(_Evil("owned"), data)
    with pytest.raises(SettingsError):
        Settings.load(overrides={"report.colour_by": data.getvalue()})
