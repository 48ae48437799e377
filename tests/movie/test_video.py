"""Video files: the stream's own times, any order of reading, depth kept, damage named."""

from functools import partial

import av
import numpy as np
import pytest

from lptem_tracker.errors import MovieError
from lptem_tracker.movie import open_movie, video_decoder, video_index
from lptem_tracker.movie.ffv1 import slices_are_whole


def reference(path, fmt="gray"):
    """Decode a whole video in a plain loop."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=fmt) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [("a.mp4", "libx264", "yuv420p", {"g": "7"}), ("a.mov", "mpeg4", "yuv420p", {"g": "5"}),
     ("a.avi", "mjpeg", "yuvj420p", {}), ("a.mkv", "libx264", "yuv420p", {"g": "6", "bf": "3"}),
     ("b.avi", "libx264", "yuv420p", {"g": "6", "bf": "2"}), ("a.webm", "libvpx-vp9", "yuv420p", {"g": "8"}),
     ("a.ts", "libx264", "yuv420p", {"g": "6"}), ("a.mpg", "mpeg2video", "yuv420p", {"g": "6", "bf": "2"}),
     ("a.wmv", "wmv2", "yuv420p", {})],
)  # fmt: skip
def test_every_container_reads_as_a_plain_loop_does(tmp_path, make, name, codec, pix_fmt, options):
    """In sequence, and one by one in any order, with frames stored out of order too, the pixels are those of PyAV."""
    path = make.video(tmp_path / name, make.stack("uint8", (20, 48, 64)), codec, pix_fmt, options=options)
    expected = reference(path)
    with open_movie(path) as movie:
        assert movie.shape == (20, 48, 64)
        assert movie.dtype == np.uint8
        got = list(movie.frames())
        assert [frame.index for frame in got] == list(range(20))
        assert all(np.array_equal(frame.pixels, pixels) for frame, pixels in zip(got, expected))
        for index in (19, 0, 7, 6, 13, 13, 1):
            assert np.array_equal(movie.read(index).pixels, expected[index]), index
        assert [frame.index for frame in movie.frames(3, 18, 5)] == [3, 8, 13]


def test_lossless_16_bit_video_is_what_was_written(tmp_path, make):
    """FFV1 gives every one of the 16 bits back, in both containers."""
    stack = make.stack("uint16", (9, 48, 64)) * np.uint16(2) + np.uint16(1)
    for name in ("a.mkv", "a.avi"):
        with open_movie(make.video(tmp_path / name, stack, "ffv1", "gray16le")) as movie:
            assert movie.dtype == np.uint16
            assert np.array_equal([frame.pixels for frame in movie.frames()], stack)


def test_10_bit_grey_keeps_its_values(tmp_path, make):
    """gray10 stays between 0 and 1023, neither cut to 8 bits nor stretched to 16."""
    stack = make.stack("uint16", (3, 48, 64)) // np.uint16(22)
    with open_movie(make.video(tmp_path / "a.mkv", stack, "ffv1", "gray10le", source="gray10le")) as movie:
        assert movie.dtype == np.uint16
        assert np.array_equal(movie.read(1).pixels, stack[1])


def test_times_are_those_of_the_stream(tmp_path, make):
    """Uneven time stamps of 0, 10, 35, 40 and 100 ms come back exactly, from the first frame on."""
    stack = make.stack("uint8", (5, 48, 64))
    path = make.video(tmp_path / "a.mkv", stack, "libx264", "yuv420p", rate=1000, pts=[5, 15, 40, 45, 105])
    with open_movie(path) as movie:
        assert movie.times_s == pytest.approx([0, 0.01, 0.035, 0.04, 0.1], abs=1e-12)
        assert movie.read(3).time_s == pytest.approx(0.04)


def test_the_playback_rate_is_not_taken_for_the_frame_interval(samples):
    """The interval stays unknown, and a warning says at which rate the film plays and what to give."""
    with open_movie(samples["mp4"]) as movie:
        assert movie.calibration.frame_interval_source == "unknown"
        assert movie.times_s == pytest.approx(np.arange(6) * 0.04)
        assert any("plays at 25 frames/s" in line and "--frame-interval-s 0.04" in line for line in movie.warnings)


def test_a_given_interval_sets_the_pace_of_the_times(samples):
    """With 2 s a frame, the last of six frames is at 10 s."""
    with open_movie(samples["mp4"], frame_interval_s=2.0) as movie:
        assert movie.times_s == pytest.approx(np.arange(6) * 2.0)
        assert movie.calibration.frame_interval_source == "user"


def test_colour_video_gives_luminance(tmp_path):
    """A lossless red film of 200 has the grey value 60."""
    path = tmp_path / "red.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgr0"
        pixels = np.zeros((32, 32, 3), np.uint8)
        pixels[..., 0] = 200
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    with open_movie(path) as movie:
        assert np.all(movie.read(0).pixels == 60)


def test_two_readers_of_one_movie_do_not_disturb_each_other(samples):
    """Reading another frame in the middle of `frames` changes nothing that `frames` gives."""
    with open_movie(samples["mkv"]) as movie:
        order = []
        for frame in movie.frames():
            order.append(frame.index)
            movie.read(0)
        assert order == list(range(6))


def test_a_broken_off_video_gives_its_rest_with_a_warning(tmp_path, make):
    """Of an AVI and a Matroska file cut in the middle the first frames are read, and the loss is said."""
    stack = make.stack("uint8", (20, 48, 64))
    for name, codec, pix_fmt in (("a.avi", "mjpeg", "yuvj420p"), ("a.mkv", "ffv1", "gray")):
        path = make.video(tmp_path / name, stack, codec, pix_fmt, options={"g": "1"})
        data = path.read_bytes()
        cut = len(data) * 7 // 10
        with av.open(str(path)) as container:
            whole = sum(packet.size > 0 and packet.pos + packet.size <= cut for packet in container.demux(video=0))
        path.write_bytes(data[:cut])
        assert 0 < whole < 20
        with open_movie(path) as movie:
            # the frame before the cut may be given up with the one that is cut
            assert whole - 1 <= len(movie) <= whole
            assert sum(1 for _ in movie.frames()) >= len(movie) - 1
            assert any("incomplete" in line for line in movie.warnings)


def test_frames_behind_a_damaged_packet_are_left_out_up_to_the_next_key_frame(tmp_path, make):
    """A flipped bit that only FFV1's checksum sees costs the frames that lean on it, and no others."""
    stack = make.stack("uint16", (12, 48, 64))
    path = make.video(tmp_path / "a.mkv", stack, "ffv1", "gray16le", options={"g": "4", "slicecrc": "1", "level": "3"})
    with av.open(str(path)) as container:
        blobs = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert all(map(slices_are_whole, blobs))
    data = bytearray(path.read_bytes())
    data[data.index(blobs[5]) + len(blobs[5]) // 2] ^= 4
    path.write_bytes(data)
    with open_movie(path) as movie:
        got = {frame.index: frame.pixels for frame in movie.frames()}
        assert sorted(got) == [0, 1, 2, 3, 4, 8, 9, 10, 11]
        assert all(np.array_equal(pixels, stack[index]) for index, pixels in got.items())
        assert sorted(movie.left_out) == [5, 6, 7]
        with pytest.raises(MovieError, match=r"Frame 6 .* cannot be decoded"):
            movie.read(6)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", {"g": "20"}), ("a.mkv", "libx264", {"g": "20"}), ("a.avi", "mpeg4", {"g": "10"}),
     ("b.avi", "libx264", {"g": "20", "bf": "2"})],
)  # fmt: skip
def test_a_video_too_long_to_count_goes_by_what_it_announces(tmp_path, make, monkeypatch, name, codec, options):
    """Without time to look at every packet the number of frames, their order and times are still right."""
    path = make.video(tmp_path / name, make.stack("uint8", (300, 16, 32)), codec, "yuv420p", options=options)
    expected = reference(path)
    monkeypatch.setattr(video_decoder, "scan", partial(video_index.scan, budget_s=0))
    with open_movie(path) as movie:
        assert len(movie) == 300
        assert movie.times_s == pytest.approx(np.arange(300) * 0.04, abs=1e-9)
        got = [frame.pixels for frame in movie.frames()]
        assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
        for index in (299, 3, 150):
            assert np.array_equal(movie.read(index).pixels, expected[index])


def test_sound_alone_is_no_movie(tmp_path):
    """A container with no video stream is refused."""
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MovieError, match="no video stream"):
        open_movie(path)


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n", "ffconcat version 1.0\nfile a.mp4\n"]
)
def test_playlists_are_refused(tmp_path, text):
    """A file that only points at others, or at the network, is not followed."""
    path = tmp_path / "list.mp4"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MovieError):
        open_movie(path)


@pytest.mark.parametrize(
    ("pts", "told"),
    [
        ([0, 40, 80, 120, 200, 240, 280], "1 frame that it does not hold (after frame 3)"),
        ([0, 33, 67, 100, 133, 267, 300, 333, 367], "3 frames that it does not hold (after frame 4)"),
        ([0, 33, 67, 100, 133, 167], ""),
        ([0, 40, 120, 160, 400, 410], ""),
        ([7], ""),
        (np.arange(400) * 10 // 8, ""),
        (np.delete(np.arange(400), [100, 101, 102, 300]), "4 frames that it does not hold (after frame 99, 296)"),
    ],
    ids=["one", "three", "even", "as it came", "single", "800 a second in ms", "counted"],
)
def test_a_frame_that_is_missing_within_an_even_video_is_told(pts: list[int], told: str) -> None:
    """A damaged container loses a frame without a sign but the gap in its times; a recorder's own times are no gap."""
    found = video_index.told_gaps(np.array(pts, np.int64))
    assert bool(found) == bool(told)
    assert told in " ".join(found)
