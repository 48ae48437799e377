"""Many movies on several processes."""

import json
import sys

import pandas as pd
import pytest
import tifffile
from walking_disks import walking_disks

pytest.importorskip("distributed", reason="dask.distributed is not installed")

import dask

from lptem_tracker import job
from lptem_tracker.batch import many
from lptem_tracker.batch.plan import Item
from lptem_tracker.errors import InputError, MissingExtraError
from lptem_tracker.pipeline import analyze, detect_part
from lptem_tracker.settings import Settings

SETTINGS = Settings.load(overrides={"detect.detector": "blob", "detect.blob_diameter_px": 15.0})


def _movie(path, n_frames=8, seed=0):
    tifffile.imwrite(path, walking_disks(n_frames, seed=seed), imagej=True)
    return str(path)


def test_without_dask_nothing_is_made(tmp_path, monkeypatch):
    """The sentence says how to install it, and no empty output folder stays."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r'python -m pip install "\.\[batch\]"'):
        many.run_batch([Item("a.tif", "a", "A")], tmp_path / "runs", SETTINGS)
    assert not (tmp_path / "runs").exists()


def test_what_fails_is_listed_and_the_rest_is_done_and_kept(tmp_path):
    """One broken movie of three does not stop the batch; a second call does only what is missing."""
    (tmp_path / "bad.tif").write_text("no movie", encoding="utf-8")
    items = [
        Item(_movie(tmp_path / "one.tif"), "one", "A"),
        Item(_movie(tmp_path / "two.tif", seed=1), "two", "A"),
        Item(str(tmp_path / "bad.tif"), "bad", "B"),
    ]
    out = tmp_path / "runs"
    outcomes = {o.name: o for o in many.run_batch(items, out, SETTINGS, workers=1)}
    states = {name: o.state for name, o in outcomes.items()}
    assert states == {"one": "done", "two": "done", "bad": "failed"}, outcomes
    assert "bad.tif" in outcomes["bad"].reason
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["samples"]["A"]["n_movies"] == 2
    assert [entry["movie"] for entry in summary["failed"]] == [str(tmp_path / "bad.tif")]
    assert set(pd.read_csv(out / "particles.csv")["movie"]) == {"one", "two"}
    before = (out / "one" / "run.json").stat().st_mtime_ns
    again = {o.name: o.state for o in many.run_batch(items, out, SETTINGS, workers=1)}
    assert again == {"one": "present", "two": "present", "bad": "failed"}
    assert (out / "one" / "run.json").stat().st_mtime_ns == before


def test_parts_detected_apart_give_the_same_bytes(tmp_path, monkeypatch):
    """A movie whose parts were detected in another order equals one analysed in one go."""
    monkeypatch.setattr(job, "CHUNK_FRAMES", 3)
    path = _movie(tmp_path / "movie.tif", 10)
    whole = analyze(path, tmp_path / "whole", settings=SETTINGS)
    for first in (6, 0):
        detect_part(path, tmp_path / "parts", SETTINGS, first, first + 3)
    parts = analyze(path, tmp_path / "parts", settings=SETTINGS, resume=True)
    for name in ("detections.parquet", "tracks.parquet", "particles.csv", "summary.json"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_no_scheduler_is_one_sentence(tmp_path):
    """An address that nobody answers at is named."""
    item = Item(_movie(tmp_path / "one.tif"), "one")
    with pytest.raises(InputError, match="nonsense"):
        many.run_batch([item], tmp_path / "runs", SETTINGS, scheduler="nonsense://nowhere:1")


def _die_once(marker):
    """Return what a worker does after a movie: it vanishes the first time."""

    def finish(run, _settings):
        import os
        from pathlib import Path

        if run.path.name == "one" and not Path(marker).exists():
            Path(marker).touch()
            os._exit(9)
        (run.path / "drawn.txt").write_text("yes", encoding="utf-8")

    return finish


def test_a_worker_that_is_killed_costs_nothing(tmp_path):
    """Its movie is taken up by another; drawings that were not finished are made, the analysis is not repeated."""
    items = [Item(_movie(tmp_path / f"{name}.tif"), name) for name in ("one", "two")]
    finish = _die_once(str(tmp_path / "died"))
    outcomes = many.run_batch(items, tmp_path / "runs", SETTINGS, workers=1, finish=finish)
    assert (tmp_path / "died").exists()
    assert {o.name: o.state for o in outcomes} == {"one": "done", "two": "done"}, outcomes
    for name in ("one", "two"):
        assert (tmp_path / "runs" / name / "drawn.txt").exists()
        assert not (tmp_path / "runs" / name / ".undrawn").exists()


def test_a_movie_that_kills_every_worker_fails_alone(tmp_path):
    """It is listed as the one that lost its worker; the other movie is done."""

    def finish(run, _settings):
        import os

        if run.path.name == "one":
            os._exit(9)

    items = [Item(_movie(tmp_path / f"{name}.tif"), name) for name in ("one", "two")]
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        outcomes = {o.name: o for o in many.run_batch(items, tmp_path / "runs", SETTINGS, workers=1, finish=finish)}
    assert outcomes["one"].state == "failed"
    assert "worker was lost" in outcomes["one"].reason
    assert outcomes["two"].state == "done"


@pytest.mark.parametrize("name", ["chunk-000000000.parquet", "tracks.csv", "summary.json"])
def test_a_full_disk_on_one_node_is_a_reason_and_is_made_good(tmp_path, monkeypatch, name):
    """A worker's disk fails one movie with a sentence; the next call ends it with the same bytes."""
    path = _movie(tmp_path / "movie.tif")
    whole = analyze(path, tmp_path / "whole", settings=SETTINGS)
    work = many._Work(Item(path, "movie"), tmp_path / "runs", SETTINGS, force=False, finish=None)
    with monkeypatch.context() as patch:
        _fill_disk(patch, name)
        assert "disk is full" in many._whole(work, [])
    assert not work.is_done
    assert many._whole(work, []) == ""
    assert work.is_done
    for table in ("detections.parquet", "tracks.csv", "particles.csv"):
        assert (work.folder / table).read_bytes() == (whole.path / table).read_bytes(), table


def _fill_disk(patch, name):
    """Let every file of that name meet a full disk when it gets its name."""
    import os

    rename = os.replace

    def replace(source, target):
        if os.path.basename(target) == name:
            raise OSError(28, "No space left on device")
        rename(source, target)

    patch.setattr(os, "replace", replace)
