"""The whole way from a movie to a run folder."""

import json
import weakref

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from lptem_tracker import conclude, job, pipeline
from lptem_tracker.detect import make_detector
from lptem_tracker.errors import MovieError
from lptem_tracker.movie import ArrayMovie, open_movie
from lptem_tracker.pipeline import analyze, detect
from lptem_tracker.progress import Silent
from lptem_tracker.run import RESULT_FILES
from lptem_tracker.settings import Settings

TABLES = (
    "detections.parquet",
    "tracks.parquet",
    "tracks.csv",
    "particles.csv",
    "msd.csv",
    "events.csv",
    "summary.json",
)
LONG = ("clusters.csv", "times.csv")
"""Files of very long movies alone."""
BLOB = {"detect.detector": "blob", "detect.blob_diameter_px": 15.0}


def _disks(n_frames=12, seed=3, step=1.0):
    """Return (T, 96, 128) counts with five dark disks that walk, and their true centres (T, 5, 2)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :128]
    at = np.array([[24.0, 24], [64, 30], [100, 28], [34, 68], [88, 66]])
    frames, truth = [], []
    for _ in range(n_frames):
        at = at + rng.normal(0, step, at.shape)
        mean = np.full((96, 128), 400.0)
        for cx, cy in at:
            mean[np.hypot(x - cx, y - cy) < 7] = 240
        frames.append(rng.poisson(mean))
        truth.append(at)
    return np.array(frames, np.uint16), np.array(truth)


@pytest.fixture(scope="module")
def movie_path(tmp_path_factory):
    """A TIFF stack with a scale in its metadata."""
    path = tmp_path_factory.mktemp("movie") / "disks.tif"
    metadata = {"unit": "nm", "finterval": 0.1, "axes": "TYX"}
    tifffile.imwrite(path, _disks()[0], imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    return path


@pytest.fixture(scope="module")
def run(movie_path, tmp_path_factory):
    """One analysis with the shipped weights and default settings."""
    return analyze(movie_path, tmp_path_factory.mktemp("runs") / "run")


def test_every_particle_is_followed_through_the_movie(run):
    """Five disks at a per-pixel SNR of 8 are five tracks through all twelve frames, within a pixel of the truth."""
    seen = run.tracks[run.tracks["observed"]]
    spans = seen.groupby("particle")["frame"].agg(["min", "max", "size"])
    assert spans["min"].tolist() == [0] * 5
    assert spans["max"].tolist() == [11] * 5
    assert spans["size"].min() >= 9
    truth = _disks()[1]
    for _, track in seen.groupby("particle"):
        error = truth[track["frame"]] - track[["x", "y"]].to_numpy()[:, None]
        assert np.hypot(*np.moveaxis(error, -1, 0)).min(axis=1).max() < 1


def test_a_run_folder_holds_every_table_and_its_record(run, movie_path):
    """The files of the contract are there, and the record tells what they came from."""
    assert {p.name for p in run.path.iterdir()} == set(RESULT_FILES) - {"overlay.mp4", "report.html", *LONG}
    assert run.record["movie"]["source"] == str(movie_path)
    assert run.record["calibration"]["pixel_size_nm"] == pytest.approx(0.5)
    assert run.record["calibration"]["pixel_size_source"] == "metadata"
    assert len(run.record["detector"]["sha256"]) == 64
    assert "D_nm2_s" in run.particles
    assert run.settings.flat() == Settings().flat()


def test_the_same_input_gives_the_same_bytes(movie_path, tmp_path):
    """Tables of two runs without the fits, the network on all cores, are equal byte for byte."""
    settings = Settings.load(overrides={"detect.refine": False})
    first, again = (analyze(movie_path, tmp_path / name, settings=settings) for name in ("first", "again"))
    for name in TABLES:
        assert (again.path / name).read_bytes() == (first.path / name).read_bytes(), name


def test_the_detector_is_let_go_of_before_linking(tmp_path, monkeypatch):
    """Its network takes more memory than all that follows: nothing refers to it when the stage link begins."""
    made, seen = [], {}

    def make(chosen):
        detector = make_detector(chosen)
        made.append(weakref.ref(detector))
        return detector

    class Watch(Silent):
        def stage(self, name, total=None):
            seen[name] = made[0]() is None

    monkeypatch.setattr(pipeline, "make_detector", make)
    analyze(ArrayMovie(_disks(4)[0]), tmp_path / "run", settings=Settings.load(overrides=BLOB), progress=Watch())
    assert seen == {"detect": False, "link": True, "measure": True}


def test_the_same_input_gives_the_same_fits(run, movie_path, tmp_path):
    """Fitted positions of two runs differ by no more than rounding: 1e-9 px."""
    again = analyze(movie_path, tmp_path / "again")
    for axis in ("x", "y"):
        assert again.detections[axis].to_numpy() == pytest.approx(run.detections[axis].to_numpy(), abs=1e-9)


def test_a_killed_run_goes_on_to_the_same_bytes(movie_path, tmp_path, monkeypatch):
    """A run that is stopped after its first chunk and resumed equals one that was never stopped."""
    monkeypatch.setattr(job, "CHUNK_FRAMES", 5)
    settings = Settings.load(overrides=BLOB)
    whole = analyze(movie_path, tmp_path / "whole", settings=settings)
    calls = []
    original = job.ChunkStore.add

    def stop_at_second(self, chunk):
        if calls:
            raise KeyboardInterrupt
        calls.append(chunk.first)
        original(self, chunk)

    monkeypatch.setattr(job.ChunkStore, "add", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        analyze(movie_path, tmp_path / "part", settings=settings)
    monkeypatch.setattr(job.ChunkStore, "add", original)
    resumed = analyze(movie_path, tmp_path / "part", settings=settings, resume=True)
    for name in TABLES:
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_a_region_gives_positions_in_the_whole_frame(movie_path):
    """What is found in a region is what is found there in the whole frame, within four standard errors."""
    whole = detect(movie_path, settings=Settings.load(overrides=BLOB))
    part = detect(movie_path, settings=Settings.load(overrides={**BLOB, "movie.roi": (48, 8, 72, 80)}))
    assert part["x"].between(48, 120).all()
    for row in part.itertuples():
        near = whole[whole["frame"] == row.frame]
        assert np.hypot((near["x"] - row.x) / row.x_std, (near["y"] - row.y) / row.y_std).min() < 4


def test_the_images_show_the_jump_of_three_particles(tmp_path):
    """The stage jumps by 43 px, more than half the particles' distance: the support shows it, and identities hold."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:192, :192]
    texture = gaussian_filter(rng.normal(size=(272, 272)), 9)
    support, at = np.exp(0.04 * texture / texture.std()), np.array([[60.0, 60], [110, 70], [80, 120]])
    frames, truth = [], []
    for t in range(24):
        jump = np.array([34, 26]) * (t >= 12)
        at = at + rng.normal(0, 1, at.shape)
        mean = 400 * support[40 - jump[1] : 232 - jump[1], 40 - jump[0] : 232 - jump[0]]
        for cx, cy in at + jump:
            mean[np.hypot(x - cx, y - cy) < 7] *= 0.6
        frames.append(rng.poisson(mean))
        truth.append(at + jump)
    tifffile.imwrite(tmp_path / "jump.tif", np.array(frames, np.uint16))
    run = analyze(tmp_path / "jump.tif", tmp_path / "run", settings=Settings.load(overrides=BLOB))
    found = run.record["link"]["drift"]
    assert (found["kind"], found["origin"]) == ("jumps", "images")
    # an image of 192 px with this texture is placed to some tenths of a px
    assert found["dx"][-1] == pytest.approx(34, abs=1.5)
    assert found["dy"][-1] == pytest.approx(26, abs=1.5)
    tracks = run.tracks[run.tracks["observed"]]
    true = np.array(truth)[tracks["frame"]]
    far = np.hypot(true[..., 0].T - tracks["x"].to_numpy(), true[..., 1].T - tracks["y"].to_numpy())
    real = tracks[far.min(0) < 3]  # the blob detector also finds a spot of the support
    assert real.groupby(far.argmin(0)[far.min(0) < 3])["particle"].nunique().tolist() == [1, 1, 1]


def test_a_range_of_frames_keeps_their_numbers(movie_path):
    """--frames 3:6 gives frames 3, 4 and 5."""
    found = detect(movie_path, settings=Settings.load(overrides={**BLOB, "movie.frames": "3:6"}))
    assert sorted(found["frame"].unique()) == [3, 4, 5]


def test_bad_frames_are_named_and_the_rest_is_analysed(tmp_path):
    """A black frame and a NaN frame inside a movie cost themselves alone."""
    pixels = _disks()[0].astype(np.float32)
    pixels[4] = 0
    pixels[7] = np.nan
    run = analyze(ArrayMovie(pixels), tmp_path / "run", settings=Settings.load(overrides=BLOB))
    text = " ".join(run.summary["quality"]["warnings"])
    assert "constant" in text
    assert "no finite pixel" in text
    assert set(run.detections["frame"]) == set(range(12)) - {4, 7}
    filled = run.tracks[~run.tracks["observed"]]
    assert set(filled["frame"]) == {4, 7}


class _Torn(ArrayMovie):
    """Two of three frames cannot be read."""

    def _read(self, index):
        if index % 3:
            raise MovieError(f"frame {index} is torn.")
        return super()._read(index)


class _LookedUp(dict):
    """Is never gone through as a whole."""

    def items(self):
        raise AssertionError("all frames that were left out are gone through for one chunk")


def test_unreadable_frames_are_kept_with_their_chunk_without_looking_at_all_others(monkeypatch):
    """Each chunk notes its own frames, in their order, and finds them by their numbers."""
    monkeypatch.setattr(job, "CHUNK_FRAMES", 6)
    movie = _Torn(_disks(20)[0])
    movie.left_out = _LookedUp()
    settings = Settings.load(overrides=BLOB)
    found = list(job.Job(movie, settings, Silent()).chunks(make_detector(settings.detect), 0, 20))
    noted = [sorted(index for frames in chunk.problems.values() for index in frames) for chunk in found]
    assert noted == [[k for k in range(a, min(a + 6, 20)) if k % 3] for a in (0, 6, 12, 18)]
    assert found[0].problems["unreadable: frame 1 is torn."] == [1]


def test_a_movie_of_one_frame_gives_sizes_and_no_motion(tmp_path):
    """One frame has particles but no displacement: D is blank, the run is whole."""
    run = analyze(ArrayMovie(_disks(1)[0]), tmp_path / "run", settings=Settings.load(overrides=BLOB))
    assert len(run.detections) == 5
    assert (run.path / "events.csv").exists()
    assert pd.DataFrame(run.particles).filter(like="D_px2").isna().all(axis=None)


def test_nothing_found_is_a_whole_run_with_a_warning(tmp_path):
    """Noise alone gives empty tables with their columns, and says so."""
    rng = np.random.default_rng(0)
    run = analyze(ArrayMovie(rng.poisson(400.0, (4, 96, 96)).astype(np.uint16)), tmp_path / "run")
    assert len(run.detections) == 0
    assert {"particle", "frame", "x", "y", "observed"} <= set(run.tracks.columns)
    assert len(run.events) == 0
    assert any("particle" in sentence for sentence in run.summary["quality"]["warnings"])


@pytest.mark.parametrize("even", [True, False])
def test_times_of_a_long_movie_stay_out_of_the_record(tmp_path, monkeypatch, even):
    """Even times are a first one and a step; uneven ones a table; the record lists neither one by one."""
    monkeypatch.setattr(conclude, "MOST_TIMES", 5)
    movie = ArrayMovie(_disks(8)[0])
    movie.times_s = 0.5 + 0.25 * np.arange(8)
    movie.times_s[-1] += 0 if even else 0.1
    run = analyze(movie, tmp_path / "run", settings=Settings.load(overrides=BLOB))
    told = {name: value for name, value in run.record["movie"].items() if name.startswith("times")}
    table = tmp_path / "run" / "times.csv"
    if even:
        assert told == {"times_s": None, "times_first_s": 0.5, "times_step_s": 0.25}
        assert not table.exists()
    else:
        assert told == {"times_s": None, "times_file": "times.csv"}
        times = pd.read_csv(table)
        assert times["frame"].tolist() == list(range(8))
        assert times["time_s"].to_numpy() == pytest.approx(movie.times_s, abs=1e-12)


def test_without_calibration_results_are_in_px_and_frames(tmp_path):
    """No scale: the column names say px and frame, and nothing claims nm."""
    run = analyze(ArrayMovie(_disks()[0]), tmp_path / "run", settings=Settings.load(overrides=BLOB))
    assert "D_px2_frame" in run.particles
    assert not [name for name in run.particles if "_nm" in name]
    assert run.summary["units"] == {"length": "px", "time": "frame"}


def test_summary_is_plain_json(run):
    """No NaN, so that any tool reads it."""
    text = (run.path / "summary.json").read_text(encoding="utf-8")
    summary = json.loads(text, parse_constant=pytest.fail)
    assert {"ensemble", "structure", "kinetics", "population", "quality"} <= set(summary)


def test_user_scale_wins_over_metadata(movie_path):
    """The command line's pixel size replaces the file's and is named as the user's."""
    with open_movie(movie_path, pixel_size_nm=3.0) as movie:
        assert movie.calibration.pixel_size_nm == 3.0
        assert movie.calibration.pixel_size_source == "user"
        assert movie.calibration.frame_interval_source == "metadata"
