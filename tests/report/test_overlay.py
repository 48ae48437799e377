"""The overlay of a run with known content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import InputError, MovieError, SettingsError
from lptem_tracker.movie.base import ArrayMovie
from lptem_tracker.report.contrast import Contrast
from lptem_tracker.report.options import OverlayOptions, playback
from lptem_tracker.report.overlay import _grouped, write_overlay
from lptem_tracker.report.page import write_report
from lptem_tracker.report.painter import Painter
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]


def _frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]


def _coloured(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2) > 40


def test_every_frame_is_in_the_overlay_at_a_size_for_marks(make_run: MakeRun) -> None:
    """40 frames of 128 × 96 px come out as 40 pictures of 640 × 480."""
    frames = _frames(write_overlay(open_run(make_run())))
    assert len(frames) == 40
    assert frames[0].shape == (480, 640, 3)


def test_marks_are_where_the_particles_are(make_run: MakeRun) -> None:
    """Around each of the five particles there is colour; in an empty corner there is none."""
    run = open_run(make_run())
    colour = _coloured(_frames(write_overlay(run, run.path / "a.mkv", events=False, zoom=4.0))[5])
    for row in run.tracks[run.tracks["frame"] == 5].itertuples():
        x, y = round(4 * row.x + 1.5), round(4 * row.y + 1.5)
        assert colour[max(y - 30, 0) : y + 30, max(x - 30, 0) : x + 30].sum() > 40
    assert not colour[340:380, 200:500].any()


def test_an_event_flashes_and_goes(make_run: MakeRun) -> None:
    """The attachment of frame 20 is marked from then on and gone by the end of a second."""
    run = open_run(make_run())
    options = {"ids": False, "outline": "none", "trail_frames": 0, "time_stamp": False, "scale_bar": False}
    colour = [
        _coloured(f).sum() for f in _frames(write_overlay(run, run.path / "a.mkv", **options, fps=10.0, zoom=4.0))
    ]
    assert colour[19] == 0
    assert colour[20] > 200
    assert colour[35] == 0


def test_side_by_side_keeps_the_left_half_bare(make_run: MakeRun) -> None:
    """The raw frame on the left has no coloured pixel; the picture is twice as wide."""
    run = open_run(make_run())
    frame = _frames(write_overlay(run, run.path / "a.mkv", side_by_side=True))[10]
    assert frame.shape[1] == 1280
    assert not _coloured(frame[:, :640]).any()
    assert _coloured(frame[:, 640:]).any()


def test_a_followed_particle_stays_in_the_middle(make_run: MakeRun) -> None:
    """The dark disk of the circling particle is at the centre of every picture."""
    run = open_run(make_run())
    options = {"follow": 2, "ids": False, "outline": "none", "trail_frames": 0, "time_stamp": False, "scale_bar": False}
    for frame in _frames(write_overlay(run, run.path / "a.mkv", **options))[::13]:
        h, w = frame.shape[:2]
        middle = frame[h // 2 - 10 : h // 2 + 10, w // 2 - 10 : w // 2 + 10].mean()
        assert middle < frame.mean() - 30


def test_every_second_frame_and_their_mean(make_run: MakeRun) -> None:
    """With `every` 2 there are half as many pictures, and averaging lowers the noise."""
    run = open_run(make_run())
    bare = {
        "ids": False,
        "outline": "none",
        "trail_frames": 0,
        "time_stamp": False,
        "scale_bar": False,
        "events": False,
    }
    single = _frames(write_overlay(run, run.path / "a.mkv", every=4, zoom=4.0, **bare))
    mean = _frames(write_overlay(run, run.path / "b.mkv", every=4, average=True, zoom=4.0, **bare))
    assert len(single) == len(mean) == 10
    corner = (slice(300, 380), slice(300, 400))
    assert mean[3][corner].std() < 0.7 * single[3][corner].std()


def test_only_the_analysed_part_is_drawn(make_run: MakeRun) -> None:
    """A run of frames 10 to 19 and of a region gives ten pictures of that region."""
    folder = make_run()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    record["movie"] |= {"frames": [10, 20], "roi": [32, 16, 64, 64]}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    frames = _frames(write_overlay(open_run(folder)))
    assert len(frames) == 10
    assert frames[0].shape == (640, 640, 3)


def test_tracks_that_were_not_measured_are_not_drawn(make_run: MakeRun) -> None:
    """A particle that is not in particles.csv, and rows of no particle, leave no mark."""
    run = open_run(make_run(particles=pd.DataFrame({"particle": [0]})))
    movie = ArrayMovie(np.random.default_rng(0).normal(100, 9, (40, 96, 128)))
    frame = _frames(write_overlay(run, run.path / "a.mkv", movie=movie, events=False, zoom=4.0))[5]
    assert _coloured(frame[:150, :150]).any()
    assert not _coloured(frame[220:, 40:]).any()


def test_no_particles_still_give_a_movie(make_run: MakeRun) -> None:
    """An empty run is drawn as bare frames with scale and time."""
    run = open_run(make_run())
    empty = open_run(make_run("none", tracks=run.tracks[:0], particles=run.particles[:0], events=run.events[:0]))
    assert len(_frames(write_overlay(empty))) == 40


def test_overlays_of_the_same_run_are_the_same_bytes(make_run: MakeRun) -> None:
    """Nothing random and no date is in the file."""
    run = open_run(make_run())
    first, second = (write_overlay(run, run.path / name).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second


def test_a_run_without_frames_says_so(make_run: MakeRun) -> None:
    """A run that was made from a table cannot be drawn on."""
    with pytest.raises(InputError, match="made from a table"):
        write_overlay(open_run(make_run(movie=False)))


def test_a_run_is_drawn_from_any_working_folder(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A movie named from the folder that holds the run is found from elsewhere, by its name or its pattern."""
    folder = make_run("run")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    monkeypatch.chdir(folder)
    for named in ("run.tif", "r?n.tif"):
        record["movie"]["source"] = named
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
        assert len(_frames(write_overlay(open_run(Path()), frames=(0, 3)))) == 3


def test_a_particle_that_is_not_there_is_named(make_run: MakeRun) -> None:
    """Following particle 99 of five is refused in one sentence."""
    with pytest.raises(InputError, match="Particle 99 is not in the tracks"):
        write_overlay(open_run(make_run()), follow=99)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binning": 0}, "binning"),
        ({"fps": 10.0, "speed": 2.0}, "not both"),
        ({"zoom": -1.0}, "zoom"),
        ({"smooth_px": -1.0}, "smooth_px"),
        ({"smooth_px": 1e6}, "smooth_px"),
        ({"quality": 52}, "0 .best. to 51"),
        ({"tail": 3}, "known:"),
        ({"frames": (90, 95)}, "No frames"),
    ],
)
def test_bad_options_are_one_sentence(make_run: MakeRun, options: dict[str, object], message: str) -> None:
    """Each says which option and what it takes."""
    with pytest.raises(SettingsError, match=message):
        write_overlay(open_run(make_run()), **options)  # type: ignore[arg-type]


def test_a_quality_that_the_format_lacks_is_refused(make_run: MakeRun) -> None:
    """Only H.264 has a rate factor: with a GIF it would be ignored."""
    run = open_run(make_run())
    with pytest.raises(SettingsError, match=r"talk\.gif has none"):
        write_overlay(run, run.path / "talk.gif", quality=30)
    assert not (run.path / "talk.gif").exists()


def test_playback_keeps_the_proportions_of_uneven_times() -> None:
    """A pause of ten frames is ten pictures long at any speed."""
    times = np.array([0.0, 1.0, 2.0, 12.0])
    assert playback(times, np.arange(4), OverlayOptions(fps=10.0)) == pytest.approx([0, 0.1, 0.2, 1.2])
    assert playback(times, np.arange(4), OverlayOptions(speed=4.0)) == pytest.approx([0, 0.25, 0.5, 3.0])


@pytest.mark.parametrize(("rate", "shown_rate"), [(2.0, 25.0), (8.0, 8.0), (30.0, 30.0), (60.0, 60.0), (1000.0, 25.0)])
def test_a_movie_plays_at_its_own_rate_where_eyes_can_follow(rate: float, shown_rate: float) -> None:
    """Between 8 and 60 pictures a second the movie's own rate is kept; slower and faster ones play at 25."""
    shown = playback(np.arange(5) / rate, np.arange(5), OverlayOptions())
    assert shown == pytest.approx(np.arange(5) / shown_rate)


def test_averaged_pictures_are_means() -> None:
    """Frames of 0, 10, 20 … 60 in threes: means of 10, 40 and, of the frame that is left, 60."""
    movie = ArrayMovie(10 * np.arange(7, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8))
    grouped = list(_grouped(movie, np.array([0, 3, 6]), OverlayOptions(every=3, average=True)))
    assert [frame for frame, _ in grouped] == [0, 3, 6]
    assert [float(pixels.mean()) for _, pixels in grouped] == [10.0, 40.0, 60.0]


def test_a_video_of_uneven_rate_plays_as_it_did() -> None:
    """Without physical times the pauses of a video are kept, and no speed in real time can be asked for."""
    clock = np.array([0.0, 0.1, 0.2, 1.2])
    assert playback(None, np.arange(4), OverlayOptions(), clock_s=clock) == pytest.approx(clock)
    assert playback(None, np.array([1, 3]), OverlayOptions(fps=2.0), clock_s=clock) == pytest.approx([0, 0.5])
    with pytest.raises(SettingsError, match="--frame-interval-s"):
        playback(None, np.arange(4), OverlayOptions(speed=4.0), clock_s=clock)


def test_a_speed_needs_the_frame_interval() -> None:
    """Without times the message names the option that gives them."""
    with pytest.raises(SettingsError, match="--frame-interval-s"):
        playback(None, np.arange(4), OverlayOptions(speed=4.0))


def test_memory_does_not_grow_with_the_movie(make_run: MakeRun) -> None:
    """The painter keeps no frame: it holds as much after 40 pictures as before."""
    run = open_run(make_run())
    movie = ArrayMovie(np.zeros((40, 96, 128), np.uint8))
    painter = Painter(run, movie, OverlayOptions())
    before = {name: id(value) for name, value in vars(painter).items()}
    for frame in movie.frames():
        painter.paint(frame.pixels, frame.index)
    assert {name: id(value) for name, value in vars(painter).items()} == before


class Torn(ArrayMovie):
    """Frames 0 and 4 cannot be read."""

    def _read(self, index: int) -> np.ndarray:
        if index in (0, 4):
            raise MovieError(f"frame {index} is of another size")
        return super()._read(index)


def test_pictures_of_frames_that_cannot_be_read_are_black_and_the_others_keep_their_time() -> None:
    """Nine frames of which two are lost give nine pictures; averaged by three, means of those that are there."""
    movie = Torn(np.arange(1, 10, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8))
    every = list(_grouped(movie, np.arange(9), OverlayOptions()))
    assert [index for index, _ in every] == list(range(9))
    assert [int(pixels[0, 0]) for _, pixels in every] == [0, 2, 3, 4, 0, 6, 7, 8, 9]
    mean = list(_grouped(movie, np.array([0, 3, 6]), OverlayOptions(every=3, average=True)))
    assert [(index, float(pixels[0, 0])) for index, pixels in mean] == [(0, 2.5), (3, 5.0), (6, 8.0)]


@pytest.mark.parametrize("smooth_px", [0.0, 1.5])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_pictures_of_lost_frames_are_black_whatever_the_sign_of_the_greys(dtype: type, smooth_px: float) -> None:
    """Where dark pixels are negative a lost frame is still drawn black, not in the grey of 0."""
    low = 0 if dtype is np.uint8 else -100
    movie = Torn(np.linspace(low, 100, 9 * 64).reshape(9, 8, 8).astype(dtype))
    contrast = Contrast(np.zeros(1), np.array([float(low)]), np.array([100.0]), smooth_px)
    drawn = {frame: contrast.apply(pixels, frame) for frame, pixels in _grouped(movie, np.arange(9), OverlayOptions())}
    assert drawn[0].max() == drawn[4].max() == 0
    assert drawn[8].min() > 200


def test_a_run_with_frames_that_cannot_be_read_is_drawn(make_run: MakeRun) -> None:
    """The overlay has all 40 pictures, and the page its background, from the first frame that is there."""
    run = open_run(make_run())
    pixels = np.random.default_rng(0).integers(50, 200, (40, 96, 128)).astype(np.uint8)
    assert len(_frames(write_overlay(run, movie=Torn(pixels)))) == 40
    html = write_report(run, movie=Torn(pixels)).read_text(encoding="utf-8")
    assert '"background":"data:image/jpeg' in html
