"""Many movies on several processes."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

pytest.importorskip("distributed", reason="dask.distributed is not installed")

from lptem_tracker import job
from lptem_tracker.batch import many
from lptem_tracker.batch.plan import Item
from lptem_tracker.errors import InputError
from lptem_tracker.pipeline import analyze, detect_part
from lptem_tracker.settings import Settings

SETTINGS = Settings.load(overrides={"detect.detector": "blob", "detect.blob_diameter_px": 15.0})


def _movie(path, n_frames=8, seed=0):
    """Write three dark disks that walk at random."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:80, :96]
    at = np.array([[20.0, 20], [70, 24], [48, 58]])
    frames = []
    for _ in range(n_frames):
        at = at + rng.normal(0, 0.8, at.shape)
        mean = np.full((80, 96), 400.0)
        for cx, cy in at:
            mean[np.hypot(x - cx, y - cy) < 7] = 240
        frames.append(rng.poisson(mean))
    tifffile.imwrite(path, np.array(frames, np.uint16), imagej=True)
    return str(path)


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
