"""A run in napari: its layers, its reader plugin as npe2 calls it, and its window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lptem_tracker.errors import InputError
from lptem_tracker.export.napari_layers import LazyFrames, get_reader, layers
from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]
MANIFEST = Path(str(sys.modules["lptem_tracker"].__file__)).parent / "export" / "napari.yaml"


def test_the_reader_takes_run_folders_only(make_run: MakeRun) -> None:
    """A run folder and its run.json open as one run; a table, another folder and two paths do not."""
    folder = make_run()
    assert get_reader(str(folder / "tracks.csv")) is None
    assert get_reader(str(folder.parent)) is None
    assert get_reader([str(folder), str(folder)]) is None
    for path in (str(folder), [str(folder)], str(folder / "run.json")):
        reader = get_reader(path)
        assert reader is not None
        assert [(kind, options["name"]) for _, options, kind in reader(path)] == [
            ("image", "movie"),
            ("points", "points"),
            ("tracks", "tracks"),
            ("points", "events"),
        ]


def test_layers_hold_the_run(make_run: MakeRun) -> None:
    """Frames, rings of the particles' size, paths with their D, and events, all on one scale in nm."""
    run = open_run(make_run())
    found = {options["name"]: (data, options) for data, options, _ in layers(run)}
    assert all(options["scale"] == [1.0, 2.0, 2.0] for _, options in found.values())
    assert found["movie"][0].shape == (40, 96, 128)
    data, options = found["tracks"]
    assert data.shape == (200, 4)
    assert (np.diff(data[:, 0]) >= 0).all()
    own = run.particles.set_index("particle")["D_nm2_s"].fillna(0)
    assert options["features"]["D_nm2_s"].tolist() == [own[p] for p in data[:, 0]]
    points, options = found["points"]
    seen = run.tracks[run.tracks["observed"]].sort_values(["particle", "frame"])
    assert points.tolist() == seen[["frame", "y", "x"]].to_numpy().tolist()
    assert options["size"] == pytest.approx(2 * seen["radius"].to_numpy())
    assert found["events"][1]["features"]["kind"].tolist() == ["attach"]


def test_what_a_run_lacks_is_left_out(make_run: MakeRun) -> None:
    """Detections alone are points; a run with neither positions nor frames is refused in one sentence."""
    folder = make_run("found", movie=False, tracks=None, particles=None, events=None)
    assert [options["name"] for _, options, _ in layers(open_run(folder))] == ["points"]
    (folder / "detections.parquet").unlink()
    with pytest.raises(InputError, match="nothing to show"):
        layers(open_run(folder))


def test_frames_are_read_when_they_are_looked_at() -> None:
    """Every way of indexing gives what NumPy gives, and reads only the frames that it names."""
    pixels = np.arange(5 * 4 * 3).reshape(5, 4, 3)

    class Counted(ArrayMovie):
        reads = 0

        def _read(self, index: int) -> np.ndarray:
            self.reads += 1
            return super()._read(index)

    movie = Counted(pixels)
    lazy = LazyFrames(movie)
    assert (lazy.ndim, lazy.shape, lazy.size, len(lazy)) == (3, (5, 4, 3), 60, 5)
    assert lazy[2, 1:3, ::2].tolist() == pixels[2, 1:3, ::2].tolist()
    assert movie.reads == 1
    for key in (3, slice(1, 4, 2), (slice(0, 2), 1), (Ellipsis, 2), (slice(4, 4), slice(None))):
        assert lazy[key].tolist() == pixels[key].tolist()
    assert np.asarray(lazy).tolist() == pixels.tolist()


# npe2 itself still uses names that pydantic has deprecated
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_npe2_reads_a_run_through_the_manifest(make_run: MakeRun) -> None:
    """The manifest is valid, is found for a run folder, and gives the layers."""
    npe2 = pytest.importorskip("npe2", reason="the optional library napari is not installed")
    manager = npe2.PluginManager.instance()
    if "lptem-tracker" not in manager:
        manager.register(npe2.PluginManifest.from_file(MANIFEST))
    folder = make_run()
    assert [reader.command for reader in manager.iter_compatible_readers([str(folder)])] == ["lptem-tracker.get_reader"]
    assert not list(manager.iter_compatible_readers([str(folder / "msd.csv")]))
    for path in (folder, folder / "run.json"):
        found = npe2.read([str(path)], stack=False)
        assert [kind for _, _, kind in found] == ["image", "points", "tracks", "points"]


VIEWER = """
import sys, warnings
warnings.simplefilter("ignore")
from napari.components import ViewerModel
from lptem_tracker.export.napari_layers import add_layers, layers
from lptem_tracker.run import open_run
viewer = ViewerModel()
add_layers(viewer, layers(open_run(sys.argv[1])))
print(*(f"{type(layer).__name__}:{layer.name}" for layer in viewer.layers))
viewer.dims.set_current_step(0, 20)
movie = viewer.layers["movie"]
print(movie._slice.image.raw.shape, movie._slice.image.raw.mean() == movie.data[20].mean())
"""


def test_napari_takes_the_layers(make_run: MakeRun) -> None:
    """napari's own viewer model holds the four layers and slices the movie frame by frame."""
    pytest.importorskip("napari", reason="the optional library napari is not installed")
    command = [sys.executable, "-c", VIEWER, str(make_run())]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["Image:movie Points:points Tracks:tracks Points:events", "(96, 128) True"]
