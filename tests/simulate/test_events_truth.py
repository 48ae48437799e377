"""Events of the truth: each says what the tracks beside it show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.simulate import SimulatedMovie, simulate_movie


@pytest.fixture(scope="module")
def story() -> SimulatedMovie:
    """Return a movie with every kind of planned event."""
    return simulate_movie(
        "demo", seed=2, n_attach=2, n_detach=2, n_coalesce=2, n_nucleate=2, n_dissolve=2, n_frames=160
    )


def tracks_of(movie: SimulatedMovie) -> dict[int, pd.DataFrame]:
    """Return each particle's rows by frame."""
    return {int(k): rows.set_index("frame") for k, rows in movie.truth.groupby("particle")}


def gap(a: pd.DataFrame, b: pd.DataFrame, frame: int) -> float:
    """Return the surface gap of two particles in one frame in px."""
    p, q = a.loc[frame], b.loc[frame]
    return float(np.hypot(p.x - q.x, p.y - q.y) - p.radius - q.radius)


def test_planned_events_happen(story: SimulatedMovie) -> None:
    """Every planned event is in the table, once."""
    counts = story.events["kind"].value_counts()
    assert counts[["attach", "detach", "coalesce", "nucleate", "dissolve"]].to_dict() == {
        "attach": 6, "detach": 2, "coalesce": 2, "nucleate": 2, "dissolve": 2,
    }  # fmt: skip


def test_attached_particles_touch_from_then_on(story: SimulatedMovie) -> None:
    """An attached pair is apart before the event, and within 2 px and in one cluster from its frame on."""
    tracks = tracks_of(story)
    for event in story.events[story.events.kind == "attach"].itertuples():
        a, b = tracks[event.particle_a], tracks[event.particle_b]
        assert gap(a, b, event.frame - 2) > 2
        for frame in range(event.frame, event.frame + 8):
            assert gap(a, b, frame) < 2
            assert a.loc[frame].cluster == b.loc[frame].cluster


def test_detached_particles_part(story: SimulatedMovie) -> None:
    """A detached pair touches just before the event, and is more than 2 px and a cluster apart from its frame on."""
    tracks = tracks_of(story)
    for event in story.events[story.events.kind == "detach"].itertuples():
        a, b = tracks[event.particle_a], tracks[event.particle_b]
        assert gap(a, b, event.frame - 1) < 2
        assert min(gap(a, b, event.frame + k) for k in range(6)) > 2
        assert a.loc[event.frame].cluster != b.loc[event.frame].cluster


def test_coalescence_keeps_the_volume(story: SimulatedMovie) -> None:
    """One particle ends the frame before, in contact; the other takes up its volume."""
    tracks = tracks_of(story)
    for event in story.events[story.events.kind == "coalesce"].itertuples():
        a, b = tracks[event.particle_a], tracks[event.particle_b]
        assert b.index.max() == event.frame - 1
        assert gap(a, b, event.frame - 1) < 2
        before = a.loc[event.frame - 1].radius ** 3 + b.loc[event.frame - 1].radius ** 3
        assert a.loc[event.frame].radius ** 3 == pytest.approx(before)


def test_flat_coalescence_keeps_the_area() -> None:
    """Flat deposits keep their area instead."""
    movie = simulate_movie("demo", seed=2, flat=True)
    tracks = tracks_of(movie)
    for event in movie.events[movie.events.kind == "coalesce"].itertuples():
        a, b = tracks[event.particle_a], tracks[event.particle_b]
        total = a.loc[event.frame - 1].area + b.loc[event.frame - 1].area
        assert a.loc[event.frame].area == pytest.approx(total)


def test_nucleation_starts_small_and_grows(story: SimulatedMovie) -> None:
    """A nucleated particle first appears in the event's frame, inside, at less than 0.7 of its later radius."""
    tracks = tracks_of(story)
    for event in story.events[story.events.kind == "nucleate"].itertuples():
        rows = tracks[event.particle_a]
        assert rows.index.min() == event.frame > 0
        assert rows.radius.iloc[0] < 0.7 * rows.radius.max()
        assert 15 < rows.x.iloc[0] < 497
        assert 15 < rows.y.iloc[0] < 369


def test_dissolution_ends_small(story: SimulatedMovie) -> None:
    """A dissolved particle was last seen the frame before, at less than 0.55 of its largest radius."""
    tracks = tracks_of(story)
    for event in story.events[story.events.kind == "dissolve"].itertuples():
        rows = tracks[event.particle_a]
        assert rows.index.max() == event.frame - 1 < len(story) - 1
        assert rows.radius.iloc[-1] < 0.55 * rows.radius.max()


def test_tracks_begin_and_end_for_a_reason(story: SimulatedMovie) -> None:
    """Every track that starts late, ends early or has a gap has an event that says why."""
    begun = story.events[story.events.kind.isin(["nucleate", "enter"])]
    ended = story.events[story.events.kind.isin(["dissolve", "leave"])][["particle_a", "frame"]].to_numpy().tolist()
    ended += story.events[story.events.kind == "coalesce"][["particle_b", "frame"]].to_numpy().tolist()
    for k, rows in tracks_of(story).items():
        if rows.index.min() > 0:
            assert [k, rows.index.min()] in begun[["particle_a", "frame"]].to_numpy().tolist()
        if rows.index.max() < len(story) - 1:
            assert [k, rows.index.max() + 1] in ended


def test_a_quiet_scene_has_no_events() -> None:
    """Particles that neither stick nor grow make no events but at the border, and never come within contact."""
    movie = simulate_movie("brownian", seed=4, n_frames=120)
    assert set(movie.events["kind"]) <= {"enter", "leave"}


def test_aggregation_loses_a_cluster_at_each_attachment() -> None:
    """The number of clusters falls by one at each attachment and changes at no other time."""
    movie = simulate_movie("aggregation", seed=1, n_frames=150)
    clusters = movie.truth.groupby("frame")["cluster"].nunique().to_numpy()
    attached = movie.events[movie.events.kind == "attach"]["frame"].value_counts().reindex(range(1, 150), fill_value=0)
    assert attached.sum() > 10
    assert (-np.diff(clusters)).tolist() == attached.tolist()


def test_random_breaks_and_fusions_keep_the_account() -> None:
    """With bonds that break and fuse at random, clusters change by attachments, detachments and nothing else."""
    movie = simulate_movie("aggregation", seed=3, n_frames=200, break_rate_s=0.3, coalesce_rate_s=0.1)
    kinds = movie.events["kind"].value_counts()
    assert kinds["detach"] > 2
    assert kinds["coalesce"] > 0
    clusters = movie.truth.groupby("frame")["cluster"].nunique().to_numpy()
    change = {"attach": -1, "detach": 1}
    each = movie.events[movie.events.kind.isin(list(change))]
    expected = each["kind"].map(change).groupby(each["frame"]).sum().reindex(range(1, 200), fill_value=0)
    assert np.diff(clusters).tolist() == expected.tolist()


def test_ripening_follows_lifshitz_and_slyozov() -> None:
    """The sum of R³ is kept, and the cube of the mean radius grows at the rate asked for."""
    movie = simulate_movie("ripening", seed=1, count=600, width_px=2400, height_px=2400, n_frames=150, radius_sd=0.0)
    scene = movie.scene
    radius = [movie._story.frame(i).radius * scene.pixel_size_nm for i in range(0, 150, 10)]
    total = np.array([(r**3).sum() for r in radius])
    assert total == pytest.approx(total[0], rel=0.02)
    time = np.arange(0, 150, 10) * scene.frame_interval_s
    rate = np.polyfit(time, [r.mean() ** 3 for r in radius], 1)[0]
    # the mean of about 500 radii of the LSW distribution (sd 0.21 of the mean) is known to 1 %, its cube's rise to 10 %
    assert rate == pytest.approx(scene.ripening_K_nm3_s, rel=0.10)


def test_growth_is_linear() -> None:
    """Radii grow by the rate asked for."""
    movie = simulate_movie("growth", seed=1, n_nucleate=0, n_coalesce=0, n_dissolve=0, count=8, n_frames=40)
    rows = movie.truth[movie.truth.particle == 0].set_index("frame")
    assert rows.radius[39] - rows.radius[0] == pytest.approx(39 * 0.03 * 0.5 / 0.5)
