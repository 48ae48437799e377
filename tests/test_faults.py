"""What can go wrong on the way: processes that vanish, disks that fill, frames that are no pictures."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from walking_disks import walking_disks

from lptem_tracker import job
from lptem_tracker.errors import OutputError
from lptem_tracker.movie import ArrayMovie
from lptem_tracker.pipeline import analyze
from lptem_tracker.report.overlay import write_overlay
from lptem_tracker.report.page import write_report
from lptem_tracker.run import open_run
from lptem_tracker.settings import Settings

SETTINGS = Settings.load(overrides={"detect.detector": "blob", "detect.blob_diameter_px": 15.0, "detect.refine": False})
TABLES = ("detections.parquet", "tracks.parquet", "tracks.csv", "particles.csv", "msd.csv", "events.csv")
FILES = (*TABLES, "summary.json", "settings.toml", "run.json")
FUZZ = Path(__file__).parent / "benchmarks" / "fuzz_kill.py"


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A run of several chunks that nothing disturbed."""
    monkeypatch.setattr(job, "CHUNK_FRAMES", 3)
    return analyze(ArrayMovie(walking_disks(8, seed=2)), tmp_path / "whole", settings=SETTINGS)


def test_thirty_kills_at_random_moments_change_nothing():
    """Processes are killed, resumed and killed again; the tables are those of a run that was never stopped."""
    kills = "30" if hasattr(__import__("os"), "fork") else "6"
    result = subprocess.run(
        [sys.executable, str(FUZZ), "--kills", kills, "--seed", "1"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "every table equal" in result.stdout


def _fill_disk(monkeypatch, name):
    """Let the disk be full for one file, whichever way it is written."""
    import pyarrow.parquet as pq

    def guarded(original, target):
        def write(self, *args, **kwargs):
            path = target(self, args)
            if name in str(getattr(path, "name", path)):
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(self, *args, **kwargs)

        return write

    for owner, method, target in (
        (Path, "write_text", lambda self, _args: self),
        (pd.DataFrame, "to_parquet", lambda _self, args: args[0]),
        (pq.ParquetWriter, "write_table", lambda self, _args: self.where),
    ):
        monkeypatch.setattr(owner, method, guarded(getattr(owner, method), target))
    plain = Path.open

    def opened(self, mode="r", *args, **kwargs):
        file = plain(self, mode, *args, **kwargs)
        if mode == "wb" and name in self.name:
            return _Full(file)
        return file

    monkeypatch.setattr(Path, "open", opened)


class _Full:
    """An open file on a full disk."""

    def __init__(self, file):
        self.close = file.close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def write(self, _text):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["identity.json", "chunk-000000003.parquet", "chunk-000000003.json", *FILES])
def test_a_disk_that_fills_costs_nothing_that_was_done(tmp_path, whole, name):
    """Whichever file does not fit: one sentence, what is there can be read, and resuming gives the same bytes."""
    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        _fill_disk(patch, name)
        with pytest.raises(OutputError, match="disk is full") as caught:
            analyze(ArrayMovie(walking_disks(8, seed=2)), folder, settings=SETTINGS)
    assert "\n" not in str(caught.value)
    assert "--resume" in str(caught.value)
    assert not list(folder.rglob("*.part"))
    if (folder / "tracks.parquet").exists():
        assert len(open_run(folder).tracks) == len(whole.tracks)
    resumed = analyze(ArrayMovie(walking_disks(8, seed=2)), folder, settings=SETTINGS, resume=True)
    for file in TABLES:
        assert (resumed.path / file).read_bytes() == (whole.path / file).read_bytes(), file
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.path.iterdir()}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_an_overlay_that_does_not_fit_leaves_the_run_as_it_was(whole):
    """The encoder's writes fail as on a full disk: one sentence with the command that draws it; then it is drawn."""
    before = {path.name: path.read_bytes() for path in whole.path.iterdir()}
    part = whole.path / ".overlay.mp4.part"
    part.symlink_to("/dev/full")
    movie = ArrayMovie(walking_disks(8, seed=2))
    with pytest.raises(OutputError, match="disk is full") as caught:
        write_overlay(whole, movie=movie)
    assert str(caught.value).endswith(f"lptem-tracker overlay {whole.path}.")
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in whole.path.iterdir()} == before
    assert write_overlay(whole, movie=movie).stat().st_size > 0


def test_a_report_that_does_not_fit_leaves_the_run_as_it_was(whole, monkeypatch):
    """The page is given up in one sentence with the command that writes it; then it is written."""
    before = {path.name: path.read_bytes() for path in whole.path.iterdir()}
    movie = ArrayMovie(walking_disks(8, seed=2))
    with monkeypatch.context() as patch:
        _fill_disk(patch, "report.html")
        with pytest.raises(OutputError, match="disk is full") as caught:
            write_report(whole, movie=movie)
    assert str(caught.value).endswith(f"lptem-tracker report {whole.path}.")
    assert {path.name: path.read_bytes() for path in whole.path.iterdir()} == before
    assert "</html>" in write_report(whole, movie=movie).read_text(encoding="utf-8")


def test_frames_that_are_no_pictures_cost_themselves_alone(tmp_path):
    """Black, saturated and NaN frames are named; infinities and negative values within a frame are no data or data."""
    pixels = walking_disks(10, seed=2).astype(np.float32)
    pixels[1] = 65535.0
    pixels[3] = np.nan
    pixels[5, :20] = np.inf
    pixels[6, 40:44] = -np.inf
    pixels[7] -= 1000.0
    run = analyze(ArrayMovie(pixels), tmp_path / "run", settings=SETTINGS)
    text = " ".join(run.summary["quality"]["warnings"])
    assert "constant (65535" in text
    assert "no finite pixel" in text
    assert set(run.detections["frame"]) == set(range(10)) - {1, 3}
    assert np.isfinite(run.detections[["x", "y"]]).all(axis=None)
    for frame in (6, 7):
        assert (run.detections["frame"] == frame).sum() == 3


def test_saturated_particles_are_still_found(tmp_path):
    """An 8-bit film whose background is at the end of its scale."""
    pixels = np.clip(walking_disks(8, seed=2).astype(float) / 400 * 255, 0, 255).astype(np.uint8)
    run = analyze(ArrayMovie(pixels), tmp_path / "run", settings=SETTINGS)
    assert (run.detections.groupby("frame").size() == 3).all()


def test_a_frame_size_that_changes_is_left_out_and_named(tmp_path):
    """Three frames of another size in a folder of eight."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, pixels in enumerate(walking_disks(8, seed=2)):
        tifffile.imwrite(folder / f"f{index}.tif", pixels[:48] if index in {2, 5, 6} else pixels)
    run = analyze(folder, tmp_path / "run", settings=SETTINGS)
    assert set(run.detections["frame"]) == {0, 1, 3, 4, 7}
    text = " ".join(run.summary["quality"]["warnings"])
    assert "3 of 8 frames could not be read" in text
    assert "48" in text


def test_a_resumed_end_without_a_readable_frame_is_like_the_whole(tmp_path, monkeypatch):
    """The frames that are missing are all damaged: that is no reason to fail what is done."""
    monkeypatch.setattr(job, "CHUNK_FRAMES", 3)
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, pixels in enumerate(walking_disks(8, seed=2)):
        tifffile.imwrite(folder / f"f{index}.tif", pixels)
    for index in (6, 7):
        (folder / f"f{index}.tif").write_bytes(b"II*\x00")
    whole = analyze(folder, tmp_path / "whole", settings=SETTINGS)
    with monkeypatch.context() as patch:
        _fill_disk(patch, "chunk-000000006.json")
        with pytest.raises(OutputError):
            analyze(folder, tmp_path / "run", settings=SETTINGS)
    resumed = analyze(folder, tmp_path / "run", settings=SETTINGS, resume=True)
    for name in (*TABLES, "summary.json"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_a_detector_that_learns_from_the_first_frames_learns_the_same_when_resumed(tmp_path, monkeypatch):
    """The diameter found in the first frame is used to the end, also by a process that begins in the middle."""
    monkeypatch.setattr(job, "CHUNK_FRAMES", 3)
    free = Settings.load(overrides={"detect.detector": "blob", "detect.refine": False})
    y, x = np.mgrid[:64, :80]
    pixels = np.random.default_rng(4).poisson(400.0, (8, 64, 80)).astype(np.uint16)
    pixels[:3, np.hypot(x - 30, y - 30) < 11] -= 160
    pixels[3:, np.hypot(x - 30, y - 30) < 6] -= 160
    whole = analyze(ArrayMovie(pixels), tmp_path / "whole", settings=free)
    with monkeypatch.context() as patch:
        _fill_disk(patch, "chunk-000000003.json")
        with pytest.raises(OutputError):
            analyze(ArrayMovie(pixels), tmp_path / "run", settings=free)
    resumed = analyze(ArrayMovie(pixels), tmp_path / "run", settings=free, resume=True)
    assert whole.detections["radius"].nunique() == 1
    pd.testing.assert_frame_equal(resumed.detections, whole.detections, check_exact=True)


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    """Half-written files are neither in the way nor kept."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".tracks.csv.0a1b2c3d.part").write_text("half", encoding="utf-8")
    run = analyze(ArrayMovie(walking_disks(4, seed=2)), folder, settings=SETTINGS)
    assert not list(run.path.glob(".*"))
