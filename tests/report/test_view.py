"""Where a frame position lands on the picture."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.errors import SettingsError
from lptem_tracker.report.view import View, even, fit_view


def test_magnified_pixel_centres_stay_at_the_centres() -> None:
    """At 4 × the centre of pixel 0 is at 1.5: the middle of the four picture pixels 0 to 3."""
    view = View(-0.5, -0.5, 4.0, 64, 64)
    assert view.points(np.array([[0.0, 0.0], [1.0, 2.0]])).tolist() == [[1.5, 1.5], [5.5, 9.5]]


@pytest.mark.parametrize("zoom", [1, 2, 4, 8])
def test_the_picture_and_the_positions_agree(zoom: int) -> None:
    """A bright pixel is drawn where its position is mapped to."""
    frame = np.zeros((32, 32), np.uint8)
    frame[10, 20] = 255
    view = fit_view((32, 32), zoom=float(zoom))
    picture = view.render(frame).astype(float)
    y, x = np.mgrid[: view.height, : view.width]
    centre = np.array([(x * picture).sum(), (y * picture).sum()]) / picture.sum()
    assert centre == pytest.approx(view.points(np.array([20.0, 10.0])), abs=0.06)


def test_binning_keeps_positions_on_the_particle() -> None:
    """At a quarter of the size a disk's centre is still under its mapped position."""
    y, x = np.mgrid[:256, :256]
    frame = (255 * (np.hypot(x - 180, y - 60) < 20)).astype(np.uint8)
    view = fit_view((256, 256), zoom=1.0, binning=4)
    picture = view.render(frame).astype(float)
    yy, xx = np.mgrid[: view.height, : view.width]
    centre = np.array([(xx * picture).sum(), (yy * picture).sum()]) / picture.sum()
    assert centre == pytest.approx(view.points(np.array([180.0, 60.0])), abs=0.1)


def test_crop_of_a_reduced_frame_keeps_positions() -> None:
    """A cropped and reduced view maps a disk's centre onto its picture."""
    y, x = np.mgrid[:300, :300]
    frame = (255 * (np.hypot(x - 180, y - 160) < 12)).astype(np.uint8)
    view = fit_view((300, 300), crop=(101, 99, 150, 140), zoom=0.5)
    picture = view.render(frame).astype(float)
    yy, xx = np.mgrid[: view.height, : view.width]
    centre = np.array([(xx * picture).sum(), (yy * picture).sum()]) / picture.sum()
    assert centre == pytest.approx(view.points(np.array([180.0, 160.0])), abs=0.15)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((100, 128), (640, 500)), ((512, 512), (1024, 1024)), ((700, 640), (640, 700)), ((4096, 4096), (2048, 2048))],
)
def test_pictures_are_large_enough_for_marks_and_small_enough_for_players(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    """Small frames are magnified by a whole number, large ones reduced to 2,048 px."""
    view = fit_view(shape)
    assert (view.width, view.height) == size


def test_sizes_are_even() -> None:
    """H.264 codes pixels in pairs."""
    assert [even(v) for v in (0.2, 2, 3, 101.0, 101.2)] == [2, 2, 4, 102, 102]


def test_a_moved_view_has_its_target_in_the_middle() -> None:
    """A followed particle is drawn at the centre of the picture."""
    view = fit_view((200, 200), crop=(0, 0, 64, 64)).moved_to(33.3, 150.2)
    assert view.points(np.array([33.3, 150.2])) == pytest.approx([view.width / 2 - 0.5, view.height / 2 - 0.5])


def test_a_picture_that_no_player_shows_is_refused() -> None:
    """Zoom 20 of 512 px is 10,240 px a side: one sentence, before anything is drawn."""
    with pytest.raises(SettingsError, match="10240x7680 px"):
        fit_view((384, 512), zoom=20)
    assert fit_view((384, 512), zoom=16).width == 8192
