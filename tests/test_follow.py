"""A folder that grows while it is analysed."""

import threading
import time

import pytest
import tifffile
from walking_disks import walking_disks

from lptem_tracker import conclude, follow, job, pipeline
from lptem_tracker.detect.blob import BlobDetector
from lptem_tracker.errors import MovieError, SettingsError
from lptem_tracker.settings import Settings

TABLES = ("detections.parquet", "tracks.parquet", "tracks.csv", "particles.csv", "msd.csv", "events.csv")
SETTINGS = Settings.load(overrides={"detect.detector": "blob", "detect.blob_diameter_px": 15.0, "detect.refine": False})
FAST = {"timeout_s": 1.0, "interval_s": 0.2, "poll_s": 0.05}


@pytest.fixture
def chunks_of_5(monkeypatch):
    """Several chunks in a short movie."""
    for module in (job, follow):
        monkeypatch.setattr(module, "CHUNK_FRAMES", 5)


def _equal(run, folder, tmp_path, settings=SETTINGS):
    whole = pipeline.analyze(folder, tmp_path / "whole", settings=settings)
    for name in (*TABLES, "summary.json"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def _film(folder, frames, order, pause_s=0.06):
    """Write frames as a camera does: the file appears, then fills."""
    for index in order:
        path = folder / f"frame_{index:03d}.tif"
        whole = folder.parent / f"whole_{index}.tif"
        tifffile.imwrite(whole, frames[index])
        data = whole.read_bytes()
        with path.open("wb") as file:
            file.write(data[: len(data) // 3])
            file.flush()
            time.sleep(pause_s)
            file.write(data[len(data) // 3 :])


@pytest.mark.parametrize("order", [range(14), [1, 2, 3, 4, 5, 6, 7, 0, *range(8, 14)]], ids=["in order", "first late"])
def test_followed_frames_give_the_run_of_the_finished_folder(tmp_path, chunks_of_5, order):
    """Files that appear empty and fill later, also out of order: the tables are those of `analyze`, byte for byte."""
    folder = tmp_path / "frames"
    folder.mkdir()
    settings = Settings.load(overrides={**SETTINGS.flat(), "movie.frames": ":14"})
    seen = []
    camera = threading.Thread(target=_film, args=(folder, walking_disks(14, seed=3), order))
    camera.start()
    # the last frame ends it: however long a busy machine keeps the camera waiting, nothing is cut short
    limits = {**FAST, "timeout_s": 600}
    run = follow.follow(
        folder, tmp_path / "run", settings=settings, told=lambda r: seen.append(int(r.tracks["frame"].max())), **limits
    )
    camera.join()
    assert seen, "the results were never updated while frames came"
    assert seen[-1] <= 13
    assert not (run.path / ".work").exists()
    assert run.record["movie"]["source"] == str(folder)
    _equal(run, folder, tmp_path, settings)


class _TwoScales(BlobDetector):
    """Finds the same at its lower scales, a tenth of a pixel aside; frames 5 to 9 ask for all scales."""

    scales = (0.5,)

    def detect_coarse(self, frames, scale):
        found = self.detect(frames)
        return found.assign(x=found["x"] + 0.1)

    def compare(self, frames, scales):
        enough = not 5 <= frames[0].index < 10
        return (self.detect_coarse(frames, 0.5), 0.5) if enough else (self.detect(frames), 1.0)


@pytest.mark.parametrize("n", [12, 14])
def test_followed_frames_are_searched_at_the_scales_of_the_finished_folder(tmp_path, chunks_of_5, monkeypatch, n):
    """Chunks at half the resolution, at all scales and cut short come out as `analyze` makes them of the folder."""
    monkeypatch.setattr(pipeline, "make_detector", lambda chosen: _TwoScales(diameter_px=15.0))
    folder = tmp_path / "frames"
    folder.mkdir()
    settings = Settings.load(overrides={**SETTINGS.flat(), "movie.frames": f":{n}"})
    camera = threading.Thread(target=_film, args=(folder, walking_disks(n, seed=4), range(n)))
    camera.start()
    run = follow.follow(folder, tmp_path / "run", settings=settings, **{**FAST, "timeout_s": 600})
    camera.join()
    half = 5 if n == 12 else 9
    assert run.record["detector"]["frames_by_resolution"] == {"0.5": half}
    _equal(run, folder, tmp_path, settings)


def test_time_spent_on_work_is_no_time_without_frames(tmp_path, chunks_of_5, monkeypatch):
    """Frames that come while an update takes longer than the time-out are still taken."""
    folder = tmp_path / "frames"
    folder.mkdir()
    frames = walking_disks(9, seed=3)
    for index, pixels in enumerate(frames[:6]):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", pixels)

    def update(recording):
        for index, pixels in enumerate(frames[6:], 6):
            path = folder / f"frame_{index:03d}.tif"
            if not path.exists():
                tifffile.imwrite(path, pixels)
        time.sleep(0.6)
        taken.append(len(recording.taken))

    taken = []
    monkeypatch.setattr(follow._Recording, "update", update)
    follow.follow(folder, tmp_path / "run", settings=SETTINGS, timeout_s=0.5, interval_s=0, poll_s=0.02, told=print)
    assert taken == [6, 9]


def test_a_frame_that_stays_broken_is_left_out_at_last(tmp_path, chunks_of_5, monkeypatch):
    """After some patience a damaged file costs itself alone."""
    monkeypatch.setattr(follow, "PATIENCE_S", 0.3)
    folder = tmp_path / "frames"
    folder.mkdir()
    frames = walking_disks(8, seed=3)
    for index, pixels in enumerate(frames):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", pixels)
    (folder / "frame_004.tif").write_bytes(b"II*\x00broken")
    run = follow.follow(folder, tmp_path / "run", settings=SETTINGS, **FAST)
    assert set(run.detections["frame"]) == set(range(8)) - {4}
    assert "could not be read" in " ".join(run.summary["quality"]["warnings"])
    _equal(run, folder, tmp_path)


def test_ctrl_c_ends_with_a_whole_run(tmp_path, chunks_of_5, monkeypatch):
    """Stopped in the middle, all frames that have come are in the tables."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, pixels in enumerate(walking_disks(12, seed=3)):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", pixels)
    looks = []

    def stop(self):
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(follow.Arrivals, "wait", stop)
    run = follow.follow(folder, tmp_path / "run", settings=SETTINGS, timeout_s=60, interval_s=60, poll_s=0.01)
    assert set(run.detections["frame"]) == set(range(12))
    _equal(run, folder, tmp_path)


def test_a_killed_watch_is_gone_on_with(tmp_path, chunks_of_5, monkeypatch):
    """What was found before a crash is kept, and the end is the same."""
    folder = tmp_path / "frames"
    folder.mkdir()
    frames = walking_disks(12, seed=3)
    for index, pixels in enumerate(frames[:7]):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", pixels)
    with monkeypatch.context() as patch:
        patch.setattr(follow, "conclude", _crash)
        with pytest.raises(RuntimeError, match="crash"):
            follow.follow(folder, tmp_path / "run", settings=SETTINGS, **FAST)
    assert [path.name for path in (tmp_path / "run" / ".work").glob("*.json")].count("chunk-000000000.json") == 1
    for index in range(7, 12):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", frames[index])
    run = follow.follow(folder, tmp_path / "run", settings=SETTINGS, resume=True, **FAST)
    _equal(run, folder, tmp_path)


def _crash(*_args, **_kwargs):
    raise RuntimeError("crash")


def test_a_range_of_frames_ends_by_itself(tmp_path, chunks_of_5):
    """--frames 2:9 is over when frame 8 has come: the test would hang if it waited for the time-out."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, pixels in enumerate(walking_disks(10, seed=3)):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", pixels)
    settings = Settings.load(overrides={**SETTINGS.flat(), "movie.frames": "2:9"})
    run = follow.follow(folder, tmp_path / "run", settings=settings, timeout_s=600, interval_s=600, poll_s=0.02)
    assert sorted(set(run.detections["frame"])) == list(range(2, 9))
    _equal(run, folder, tmp_path, settings)


def test_nothing_comes(tmp_path):
    """An empty folder ends in one sentence that names the option."""
    (tmp_path / "frames").mkdir()
    with pytest.raises(MovieError, match="--follow-timeout"):
        follow.follow(tmp_path / "frames", tmp_path / "run", settings=SETTINGS, timeout_s=0.1, poll_s=0.02)


def test_a_file_is_no_folder(tmp_path):
    """A growing stack is not followed, and the sentence says what to do."""
    (tmp_path / "stack.tif").touch()
    with pytest.raises(SettingsError, match="when it is complete"):
        follow.follow(tmp_path / "stack.tif", tmp_path / "run")


def test_a_frame_without_a_picture_is_in_the_warnings_once(tmp_path, chunks_of_5, monkeypatch):
    """However often the results were updated, the summary names it once."""
    folder = tmp_path / "frames"
    folder.mkdir()
    frames = walking_disks(9, seed=3)
    frames[3][:] = 7
    for index, pixels in enumerate(frames):
        tifffile.imwrite(folder / f"frame_{index:03d}.tif", pixels)
    updates = []
    monkeypatch.setattr(follow, "conclude", lambda *a: (updates.append(1), conclude.conclude(*a)))
    run = follow.follow(folder, tmp_path / "run", settings=SETTINGS, timeout_s=0.5, interval_s=0, poll_s=0.02)
    assert len(updates) >= 2
    assert len([text for text in run.summary["quality"]["warnings"] if "constant" in text]) == 1
