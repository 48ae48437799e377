"""Files that play, with the times they were given."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lptem_tracker.errors import OutputError, SettingsError
from lptem_tracker.report.writer import open_writer

PICTURES = np.random.default_rng(0).integers(0, 255, (6, 48, 64, 3), dtype=np.uint8)


def _write(path: Path, times: list[float]) -> None:
    with open_writer(path, (64, 48), Fraction(25), note={"frame_first": 3}) as writer:
        for picture, time in zip(PICTURES, times, strict=False):
            writer.write(picture, time)


def test_mp4_is_h264_that_every_browser_plays(tmp_path: Path) -> None:
    """H.264, 4:2:0, and the index before the pictures."""
    _write(tmp_path / "a.mp4", [0.04 * n for n in range(6)])
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert "frame_first" in file.metadata["comment"]
        assert len(list(file.decode(stream))) == 6


def test_uneven_times_stay_uneven(tmp_path: Path) -> None:
    """Each picture keeps its own time to a millisecond."""
    times = [0.0, 0.1, 0.15, 0.4, 0.41, 1.0]
    _write(tmp_path / "a.mp4", times)
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert [float(f.time) for f in file.decode(video=0)] == pytest.approx(times, abs=1e-3)


def test_mkv_loses_nothing(tmp_path: Path) -> None:
    """Every pixel comes back as it was."""
    _write(tmp_path / "a.mkv", [0.04 * n for n in range(6)])
    with av.open(str(tmp_path / "a.mkv")) as file:
        back = np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)])
    assert (back == PICTURES).all()


def test_gif_keeps_greys_and_colours(tmp_path: Path) -> None:
    """Greys are within one of 128 levels; a pure colour is exact."""
    picture = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None].repeat(48, 0), 3, axis=2)
    picture[:8] = (0, 191, 128)
    with open_writer(tmp_path / "a.gif", (64, 48), Fraction(20), note={}) as writer:
        writer.write(picture, 0.0)
    with av.open(str(tmp_path / "a.gif")) as file:
        back = next(iter(file.decode(video=0))).to_ndarray(format="rgb24")
    assert np.abs(back[8:].astype(int) - picture[8:]).max() <= 2
    assert np.abs(back[0, 0].astype(int) - (0, 191, 128)).max() <= 1


def test_colours_survive_the_way_through_h264(tmp_path: Path) -> None:
    """A flat colour comes back within a few levels: the file says which conversion was used."""
    flat = np.full((48, 64, 3), (230, 159, 0), np.uint8)
    with open_writer(tmp_path / "a.mp4", (64, 48), Fraction(25), note={}) as writer:
        writer.write(flat, 0.0)
    with av.open(str(tmp_path / "a.mp4")) as file:
        back = next(iter(file.decode(video=0))).to_ndarray(format="rgb24")
    assert np.abs(back.astype(int) - flat).max() <= 6


def test_another_ending_names_the_three(tmp_path: Path) -> None:
    """The message lists the endings that can be written."""
    with pytest.raises(SettingsError, match=r"mp4, \.mkv"):
        open_writer(tmp_path / "a.webm", (64, 48), Fraction(25), note={})


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    """The operating system's refusal becomes an OutputError."""
    with pytest.raises(OutputError, match="cannot be written"):
        open_writer(tmp_path / "nowhere" / "a.mp4", (64, 48), Fraction(25), note={})


def test_an_interrupted_movie_leaves_nothing_behind(tmp_path: Path) -> None:
    """When drawing fails half-way, neither a broken file nor a part of one stays."""

    def fail_half_way() -> None:
        with open_writer(tmp_path / "a.mp4", (64, 48), Fraction(25), note={}) as writer:
            writer.write(PICTURES[0], 0.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []
