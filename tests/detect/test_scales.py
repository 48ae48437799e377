"""When a part of the resolution shows as much as all of it."""

import numpy as np
import pytest

from lptem_tracker.detect.scales import holds_small, suffices

SHAPE = (480, 520)
LARGE = [(60.0 * i + 40, 50.0, 10.0, 0.9) for i in range(8)]


def rows(*particles):
    """Detections of one frame from (x, y, radius, probability)."""
    x, y, r, p = np.array(particles, float).reshape(-1, 4).T
    return np.column_stack([np.zeros(len(x)), x - r, y - r, x + r, y + r, p])


def judge(whole, half, scale=0.5):
    """The verdict on two frames, each with the large particles and what is given."""
    return suffices([rows(*LARGE, *more) for more in whole], [rows(*LARGE, *more) for more in half], scale, SHAPE)


def test_large_particles_that_both_find_are_left_to_half_the_resolution():
    """Eight disks of 10 px at the same confidence: nothing is lost."""
    assert judge([[], []], [[], []])


def test_chance_detections_of_one_frame_do_not_count():
    """Full resolution sees noise here and there at up to 0.7; what no second frame repeats is no particle."""
    assert judge([[(100, 200, 6, 0.7)], [(300, 400, 6, 0.5)]], [[], []])


@pytest.mark.parametrize(
    ("first", "second"), [((100, 200, 6, 0.9), (101, 199, 6, 0.9)), ((100, 200, 5.5, 0.45), (104, 204, 6, 0.4))]
)
def test_a_small_particle_in_both_frames_is_kept(first, second):
    """A small particle that full resolution alone sees twice, sure or faint, moving or not, asks for all scales."""
    assert not judge([[first], [second]], [[], []])


def test_an_answer_of_half_the_confidence_is_none():
    """A particle to which the lower scales give 0.3 where full resolution gives 0.9 counts as missed."""
    small = (100, 200, 6, 0.9)
    assert not judge([[small], [small]], [[(100, 200, 6, 0.3)], [(100, 200, 6, 0.3)]])
    assert judge([[small], [small]], [[small], [small]])


def test_a_part_of_a_particle_is_no_particle():
    """What full resolution calls a small particle inside a large one may go."""
    part = (40, 50, 5.5, 0.6)
    assert judge([[part], [part]], [[], []])


def test_confidence_must_not_fall():
    """All particles at 0.9 in full resolution and at 0.8 below it: a faint film is searched at all scales."""
    lower = [(x, y, r, 0.8) for x, y, r, _ in LARGE]
    assert not suffices([rows(*LARGE)] * 2, [rows(*lower)] * 2, 0.5, SHAPE)
    assert not suffices([rows(*LARGE)] * 2, [rows(*lower)] * 2, 0.6875, SHAPE)


def test_surplus_of_the_lower_scales_asks_for_all():
    """Detections that half the resolution alone gives, as between touching particles, are false more often than not."""
    assert not judge([[], []], [[(70, 50, 12, 0.6)], [(70, 50, 12, 0.6)]])


@pytest.mark.parametrize("radius", [3.0, 4.5])
def test_small_sure_particles_are_never_left_to_half_the_resolution(radius):
    """Sure particles below 5 px ask for all scales, even where both find them; one alone, from 4 px on, does not."""
    small = [(60.0 * i + 40, 150.0, radius, 0.9) for i in range(3)]
    assert not judge([small, small], [small, small])
    assert not judge([small, small], [small, small], 0.6875)
    assert holds_small(rows(*small), 0.5, SHAPE)
    assert holds_small(rows(*small), 0.6875, SHAPE) == (radius < 4)
    assert not holds_small(rows(*LARGE, (10, 10, 3, 0.3)), 0.5, SHAPE)


def test_frames_without_a_sure_particle_tell_nothing():
    """No detection, or faint ones only: all scales."""
    for scale in (0.5, 0.6875):
        assert not suffices([rows(), rows()], [rows(), rows()], scale, SHAPE)
        assert not suffices([rows((50, 50, 12, 0.3))] * 2, [rows((50, 50, 12, 0.3))] * 2, scale, SHAPE)


def test_faint_chance_detections_do_not_count_at_eleven_sixteenths():
    """Detections of 0.4 that only the lower scale has ask for all scales beside half the resolution alone."""
    extra = [[(70, 250, 12, 0.4)], [(300, 350, 12, 0.4)]]
    assert not judge([[], []], extra)
    assert judge([[], []], extra, 0.6875)


def test_sure_surplus_asks_for_all_scales_at_eleven_sixteenths():
    """One detection of 0.6 in two frames of eight particles is too much, and so is a fainter one that both have."""
    assert not judge([[], []], [[(70, 250, 12, 0.6)], []], 0.6875)
    assert not judge([[], []], [[(70, 250, 12, 0.45)], [(71, 251, 12, 0.45)]], 0.6875)


def test_what_the_border_cuts_is_not_small():
    """A sure box of 3 px at the edge of the frame is the rest of a particle; a pixel further in it is one."""
    for edge, inside in [
        ((3, 200), (5, 200)),
        ((200, 3), (200, 5)),
        ((517, 200), (515, 200)),
        ((200, 477), (200, 475)),
    ]:
        assert not holds_small(rows((*edge, 3, 0.9)), 0.5, SHAPE)
        assert holds_small(rows((*inside, 3, 0.9)), 0.5, SHAPE)
