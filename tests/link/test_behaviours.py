"""What users of other linkers expect, on scenes small enough to know the answer by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import TableError
from lptem_tracker.link import link


def tracks(*paths: list[tuple[int, float, float]]) -> pd.DataFrame:
    """Detections of particles given by their (frame, x, y); `true` numbers them."""
    rows = [(f, x, y, who) for who, path in enumerate(paths) for f, x, y in path]
    return pd.DataFrame(rows, columns=["frame", "x", "y", "true"]).astype({"frame": "int64"})


def kept(table: pd.DataFrame, out: pd.DataFrame) -> bool:
    """Whether particles and truth group the rows alike."""
    seen = out[out["observed"]]
    pairs = seen[["true", "particle"]].drop_duplicates()
    return len(seen) == len(table) and pairs["true"].is_unique and pairs["particle"].is_unique


def walk(steps: int, x: float, y: float, rng: np.random.Generator, first: int = 0) -> list[tuple[int, float, float]]:
    """A walker with normal steps of one px from (x, y)."""
    xy = np.array([x, y]) + rng.normal(0, 1, (steps, 2)).cumsum(0)
    return [(first + t, *p) for t, p in enumerate(xy)]


@pytest.mark.parametrize("window", [1, 8])
def test_isolated_random_walks(window: int) -> None:
    """Walkers 250 px apart keep their identities for 30 frames, told a step of 5 px or nothing."""
    rng = np.random.default_rng(0)
    table = tracks(*(walk(30, 0, 250 * k, rng) for k in range(20)))
    assert kept(table, link(table, max_displacement_px=5, window_frames=window))
    assert kept(table, link(table, window_frames=window))


@pytest.mark.parametrize("window", [1, 8])
def test_nearby_random_walks(window: int) -> None:
    """A hundred walkers on a grid of 30 px, with steps of 1 px, keep their identities for 30 frames."""
    rng = np.random.default_rng(1)
    table = tracks(*(walk(30, 30 * (k % 10), 30 * (k // 10), rng) for k in range(100)))
    assert kept(table, link(table, max_displacement_px=5, window_frames=window, drift=False))


@pytest.mark.parametrize(("gap", "particles"), [(0, 3), (1, 2), (5, 2)])
def test_one_missing_sight(gap: int, particles: int) -> None:
    """One of two steppers misses a frame: two tracks or one, as the gap allows; the other is untouched."""
    straight = [(f, f * 1.0, 1.0) for f in range(7)]
    gapped = [(f, f * 1.0, 40.0) for f in (0, 1, 2, 4, 5, 6)]
    table = tracks(straight, gapped)
    out = link(table, max_displacement_px=3, max_gap_frames=gap, drift=False)
    assert out[out["observed"]]["particle"].nunique() == particles
    assert out[out["observed"] & (out["true"] == 0)]["particle"].nunique() == 1


def test_a_late_one_does_not_inherit() -> None:
    """A particle that appears far from one that vanished is a new one, while the gap is still open."""
    stays = [(f, 0.0, 0.0) for f in range(10)]
    leaves = [(f, 0.0, 30.0) for f in range(4)]
    late = [(f, 40.0, 30.0) for f in range(5, 10)]
    table = tracks(stays, leaves, late)
    assert kept(table, link(table, max_displacement_px=3, max_gap_frames=5, drift=False))


@pytest.mark.parametrize("reach", [1.5, None])
@pytest.mark.parametrize("window", [1, 8])
def test_a_lattice_that_stands_still(reach: float | None, window: int) -> None:
    """Particles on a grid whose positions repeat to the last digit are linked, told a step or nothing."""
    table = tracks(*([(f, 5.0 * (k % 6), 5.0 * (k // 6)) for f in range(5)] for k in range(36)))
    assert kept(table, link(table, max_displacement_px=reach, window_frames=window))


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, 1.0), (0.4, 0.0)])
def test_a_row_that_moves_exactly_alike(shift: tuple[float, float]) -> None:
    """Sixteen particles in a row, 2 px apart, that all make the same step are linked, told a reach of 1.5 px."""
    table = tracks(*([(f, 2.0 * k + shift[0] * f, shift[1] * f) for f in range(5)] for k in range(16)))
    assert kept(table, link(table, max_displacement_px=1.5))


def test_a_grid_that_contracts() -> None:
    """A grid of 21 × 21 that shrinks by a twentieth, up to half its spacing at the edge, has no drift and is linked."""
    grid = [(2.0 * (k % 21 - 10), 2.0 * (k // 21 - 10)) for k in range(441)]
    table = tracks(*([(0, x, y), (1, 0.95 * x, 0.95 * y)] for x, y in grid))
    out = link(table, max_displacement_px=1.5)
    assert kept(table, out)
    assert out.attrs["link"]["drift"]["kind"] == "none"


@pytest.mark.parametrize("frames", [11, 31])
@pytest.mark.parametrize("reach", [3.0, None])
def test_two_that_cross(frames: int, reach: float | None) -> None:
    """Two that run straight and pass each other at 0.3 px keep their directions."""
    up = [(f, float(f), float(f)) for f in range(frames)]
    down = [(f, float(f), frames - 0.7 - f) for f in range(frames)]
    table = tracks(up, down)
    assert kept(table, link(table, max_displacement_px=reach))


def test_two_that_move_by_most_of_their_distance() -> None:
    """Two particles 6 px apart that run by 4 px a frame are two tracks, without a word about their step."""
    table = tracks([(f, 4.0 * f, 0.0) for f in range(5)], [(f, 4.0 * f, 6.0) for f in range(5)])
    assert kept(table, link(table))


@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("reach", [13.0, 25.0])
def test_a_long_step_in_a_crowd(reach: float, window: int) -> None:
    """One of 25 walkers on a grid of 20 px, with steps of half a px, hops 12 px: allowed by the user, it is a step."""
    rng = np.random.default_rng(9)
    paths = []
    for k in range(25):
        xy = np.array([20.0 * (k % 5), 20.0 * (k // 5)]) + rng.normal(0, 0.5, (30, 2)).cumsum(0)
        xy[15:] += [9, 8] if k == 12 else [0, 0]
        paths.append([(f, *p) for f, p in enumerate(xy)])
    table = tracks(*paths)
    assert kept(table, link(table, max_displacement_px=reach, window_frames=window))


def test_a_greedy_choice_would_be_wrong() -> None:
    """Two in a row step by 3 px towards where the other one was: both are followed although one way is 1 px."""
    table = tracks([(0, 0.0, 0.0), (1, 3.0, 0.0)], [(0, 4.0, 0.0), (1, 7.0, 0.0)])
    assert kept(table, link(table, max_displacement_px=5))


def test_memory_runs_out() -> None:
    """A particle that is back after more frames than may be missed is a new one; one frame fewer and it is itself."""
    stays = [(f, 0.0, 0.0) for f in range(12)]
    away = [(f, 0.0, 30.0) for f in (0, 1, 2, 7, 8, 9)]
    table = tracks(stays, away)
    for gap, particles in ((3, 3), (4, 2)):
        out = link(table, max_displacement_px=3, max_gap_frames=gap, drift=False)
        assert out[out["observed"]]["particle"].nunique() == particles


def test_an_empty_frame_is_a_missed_one() -> None:
    """Nobody is seen in frame 3: all go on if a frame may be missed, all are new if none may."""
    rng = np.random.default_rng(2)
    table = tracks(*(walk(8, 0, 60 * k, rng) for k in range(5)))
    table = table[table["frame"] != 3]
    assert link(table, max_displacement_px=8, max_gap_frames=1, fill=False, drift=False)["particle"].nunique() == 5
    assert link(table, max_displacement_px=5, max_gap_frames=0, fill=False, drift=False)["particle"].nunique() == 10


def test_blinking_is_one_particle() -> None:
    """A particle seen in every second frame, beside two that are always seen, is one track with filled rows."""
    rng = np.random.default_rng(3)
    table = tracks(*(walk(40, 0, 50 * k, rng) for k in range(3)))
    table = table[(table["true"] != 1) | (table["frame"] % 2 == 0)]
    out = link(table, drift=False)
    assert kept(table, out)
    assert (~out["observed"]).sum() == 19


def test_three_of_four_go_on() -> None:
    """Of four in a row that all step right by half their distance one has left: the three others keep their names."""
    before = [(0, 10.0 * k, 0.0) for k in range(4)]
    after = [(1, 10.0 * k + 4, 0.0) for k in (0, 1, 3)]
    table = tracks(*([b] for b in before))
    table = pd.concat([table, pd.DataFrame(after, columns=["frame", "x", "y"]).assign(true=[0, 1, 3])])
    out = link(table.reset_index(drop=True), max_displacement_px=5, drift=False)
    ends = out[out["frame"] == 1].merge(out[out["frame"] == 0], on="true")
    assert (ends["particle_x"] == ends["particle_y"]).all()
    assert out["particle"].nunique() == 4


def test_the_step_is_a_distance_not_a_coordinate() -> None:
    """A step of (4, 4) px is longer than 5 px; one of (3, 3) px is not."""
    for step, particles in ((4.0, 2), (3.0, 1)):
        table = tracks([(0, 0.0, 0.0), (1, step, step)])
        assert link(table, max_displacement_px=5)["particle"].nunique() == particles


def test_a_crowd_is_no_reason_to_refuse() -> None:
    """Two hundred particles all within reach of each other are linked, each once a frame."""
    rng = np.random.default_rng(4)
    xy = rng.uniform(0, 30, (200, 2))
    frames = [pd.DataFrame(xy + rng.normal(0, 0.1, xy.shape), columns=["x", "y"]).assign(frame=f) for f in range(4)]
    out = link(pd.concat(frames, ignore_index=True), max_displacement_px=40)
    assert not out.duplicated(["particle", "frame"]).any()
    assert out["particle"].nunique() < 230


def test_frames_may_begin_anywhere_and_be_floats() -> None:
    """Frame numbers from 1000 on, as floats, give the tracks of frames from 0 on, and stay floats."""
    rng = np.random.default_rng(5)
    table = tracks(*(walk(10, 0, 50 * k, rng) for k in range(3)))
    late = table.assign(frame=table["frame"] + 1000.0)
    out = link(late)
    pd.testing.assert_series_equal(out["particle"], link(table)["particle"])
    assert out["frame"].dtype == float


def test_index_columns_and_input_stay() -> None:
    """Labels of any kind, columns of any kind, and the given table itself come through unchanged."""
    rng = np.random.default_rng(6)
    table = tracks(*(walk(10, 0, 50 * k, rng) for k in range(3))).assign(name="a", mass=1, when=pd.Timestamp(0))
    for index in (pd.Index([f"row {i}" for i in range(30)]), pd.Index(np.arange(30)[::-1] * 7), [5] * 30):
        given = table.set_axis(index)
        copy = given.copy()
        out = link(given)
        pd.testing.assert_frame_equal(given, copy)
        pd.testing.assert_frame_equal(out[list(table.columns)], copy)


def test_old_identities_are_replaced() -> None:
    """A table that was linked before is linked anew; its `particle` is not believed."""
    rng = np.random.default_rng(7)
    table = tracks(*(walk(10, 0, 50 * k, rng) for k in range(3))).assign(particle=99)
    assert kept(table, link(table))


def test_a_third_dimension_is_refused() -> None:
    """Positions that differ in `z` are not linked as if they lay in a plane; a constant `z` is no obstacle."""
    table = tracks([(f, 0.0, 0.0) for f in range(4)])
    assert link(table.assign(z=2.0), max_displacement_px=1)["particle"].nunique() == 1
    with pytest.raises(TableError, match="x and y only"):
        link(table.assign(z=[0.0, 1.0, 2.0, 3.0]), max_displacement_px=1)


def test_fifty_thousand_in_a_frame() -> None:
    """A frame of 50,000 particles with steps of a fiftieth of their distance is linked, all but a few right."""
    rng = np.random.default_rng(8)
    side = 10 * np.sqrt(50_000)
    xy = rng.uniform(0, side, (50_000, 2))
    both = [pd.DataFrame(xy + rng.normal(0, 0.2, xy.shape) * f, columns=["x", "y"]).assign(frame=f) for f in (0, 1)]
    out = link(pd.concat(both, ignore_index=True), drift=False)["particle"].to_numpy()
    # the nearest of a Poisson field is within two steps of 0.2 px with probability 1 - exp(-pi 0.16/100) = 0.5 %
    assert (out[:50_000] == out[50_000:]).mean() > 0.99


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinite_positions_are_like_none(bad: float) -> None:
    """A position that is not finite is a track of its own, and the others are linked without it."""
    table = tracks([(f, float(f), 0.0) for f in range(6)], [(3, bad, 0.0)])
    with pytest.warns(UserWarning, match="no finite"):
        out = link(table, max_displacement_px=2)
    assert kept(table, out)


@pytest.mark.parametrize(
    ("frame", "words"), [([0, None], "whole number"), ([0, np.inf], "whole number"), ([0, 2**63], "whole number")]
)
def test_frames_that_are_none(frame: list[float], words: str) -> None:
    """A frame that is missing, infinite or beyond all counting is an error in one sentence."""
    with pytest.raises(TableError, match=words):
        link(pd.DataFrame({"frame": frame, "x": 0.0, "y": 0.0}))


@pytest.mark.parametrize("frame", [1, 2, 4])
def test_reach_is_the_same_over_missed_frames(frame: int) -> None:
    """The largest step given is the farthest that two successive sights may be apart, missed frames or not."""
    for apart, tracks in ((2.9, 1), (3.1, 2)):
        table = pd.DataFrame({"frame": [0, frame], "x": [5.0, 5.0 + apart], "y": [5.0, 5.0]})
        assert link(table, max_displacement_px=3, fill=False)["particle"].nunique() == tracks


@pytest.mark.parametrize("reach", [None, 20, 100])
@pytest.mark.parametrize("window", [1, 8])
def test_lasting_velocities_of_two_particles_that_are_asked_for(reach: float | None, window: int) -> None:
    """Two particles that cross within four frames keep their identities if the user says that velocities last."""
    t = np.arange(4.0)
    one = pd.DataFrame({"frame": t.astype(int), "x": 10 * t, "y": 10 * t, "true": 0})
    other = pd.DataFrame({"frame": t.astype(int), "x": 10 + 5 * t, "y": 30 - 10 * t, "true": 1})
    table = pd.concat([one, other], ignore_index=True)
    assert kept(table, link(table, max_displacement_px=reach, window_frames=window, motion="velocity"))
    assert not kept(table, link(table, max_displacement_px=reach, window_frames=window, motion="brownian"))


def test_reach_of_few_particles_is_not_taken_across_a_gap_that_ends_tracks() -> None:
    """Where frames without detections end all tracks, the steps after them tell how far particles go."""
    table = pd.DataFrame({"frame": [2, 2, 4, 4, 5, 5], "x": [10.0, 12, 10, 12, 9, 11], "y": [10.0, 11, 10, 11, 9, 12]})
    assert link(table, max_gap_frames=0, fill=False)["particle"].tolist() == [0, 1, 2, 3, 2, 3]
