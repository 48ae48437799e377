"""Events of small staged films, each with its frame and its particles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.assembly import assemble, measure_assembly
from lptem_tracker.analysis.events import is_rejected
from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import TableError
from lptem_tracker.settings import EventSettings
from lptem_tracker.tables import validate_events, validate_tracks

FIELD = (400, 400)


def track(particle: int, frames, x, y=200.0, radius=10.0, **more) -> pd.DataFrame:
    frames = np.asarray(frames)
    return pd.DataFrame({"particle": particle, "frame": frames, "x": x, "y": y, "radius": radius, **more})


def events_of(*tracks: pd.DataFrame, n_frames: int = 100, **options) -> pd.DataFrame:
    table = pd.concat(tracks, ignore_index=True)
    result = measure_assembly(table, Calibration(), EventSettings(), field_px=FIELD, n_frames=n_frames, **options)
    return validate_events(result.events)


def listed(events: pd.DataFrame) -> list[tuple]:
    return [(r.kind, r.frame, {p for p in (r.particle_a, r.particle_b) if not pd.isna(p)}) for r in events.itertuples()]


def approach(start: int, stop: int, n: int = 100, near: float = 20.5, far: float = 60.0) -> np.ndarray:
    """Distance of a second particle: near in frames start to stop - 1, far outside."""
    frame = np.arange(n)
    return np.where((frame >= start) & (frame < stop), near, far)


def test_attach_and_detach_come_with_frame_pair_and_place():
    """Two particles touch from frame 30 to 69: one attach, one detach, in the middle between them."""
    events = events_of(track(0, range(100), 150.0), track(1, range(100), 150 + approach(30, 70)))
    assert listed(events) == [("attach", 30, {0, 1}), ("detach", 70, {0, 1})]
    assert events["x"].iloc[0] == pytest.approx(160.25)
    assert events["frame_last"].iloc[0] == 69


def test_bond_that_closes_a_loop_is_no_event():
    """A third contact within a chain of three makes no attach."""
    third = np.where(np.arange(100) < 50, 220.0, 200 + 20.2 * np.sqrt(3) / 2)
    x = np.where(np.arange(100) < 50, 180.4, 160.2)
    events = events_of(
        track(0, range(100), 150.0),
        track(1, range(100), 170.4),
        track(2, range(100), x, np.where(np.arange(100) < 50, 217.5, third)),
    )
    assert listed(events) == []


def test_end_of_a_bonded_track_is_no_detach():
    """A bonded particle that is lost for good leaves no detach behind."""
    events = events_of(track(0, range(100), 150.0), track(1, range(60), 150 + approach(30, 100)[:60]))
    assert listed(events) == [("attach", 30, {0, 1})]


def test_coalescence_at_constant_volume_is_found():
    """Radii 10 and 8 become one of 11.48."""
    radius = np.where(np.arange(100) < 60, 10, (10**3 + 8**3) ** (1 / 3))
    events = events_of(
        track(0, range(100), 150.0, radius=radius), track(1, range(60), 150 + approach(30, 100)[:60] - 2, radius=8.0)
    )
    assert listed(events) == [("attach", 30, {0, 1}), ("coalesce", 60, {0, 1})]
    assert events["survivor"].iloc[1] == 0
    assert events["score"].iloc[1] > 0.9


@pytest.mark.parametrize("late", [0, 3, 5])
def test_coalescence_into_a_track_with_a_new_number_is_found(late):
    """Both tracks end and a new one of the joint size begins between them, up to 5 frames later."""
    joint = (10**3 + 10**3) ** (1 / 3)
    events = events_of(
        track(0, range(60), 150.0), track(1, range(60), 150 + approach(30, 100)[:60]),
        track(2, range(60 + late, 100), 160.0, radius=joint),
    )  # fmt: skip
    assert listed(events)[-1] == ("coalesce", 60 + late, {0, 1})
    assert "nucleate" not in set(events["kind"])


def test_two_seen_as_one_and_again_as_two_did_not_coalesce():
    """One blob for 20 frames, then two again with a new number: no coalescence, no nucleation."""
    radius = np.where((np.arange(100) >= 50) & (np.arange(100) < 70), 10 * np.sqrt(2), 10.0)
    events = events_of(
        track(0, range(100), 150.0, radius=radius),
        track(1, range(50), 150 + approach(30, 100)[:50]),
        track(2, range(70, 100), 170.5),
    )
    assert listed(events) == [("attach", 30, {0, 1})]


def test_blob_that_comes_apart_is_a_detach():
    """The same, but the new track begins well apart: they parted while they were one blob."""
    radius = np.where((np.arange(100) >= 50) & (np.arange(100) < 70), 10 * np.sqrt(2), 10.0)
    events = events_of(
        track(0, range(100), 150.0, radius=radius),
        track(1, range(50), 150 + approach(30, 100)[:50]),
        track(2, range(70, 100), 177.0),
    )
    assert listed(events) == [("attach", 30, {0, 1}), ("detach", 70, {0, 2})]


def test_particle_lost_beside_another_is_no_coalescence():
    """Without a change of size nothing became one."""
    rng = np.random.default_rng(1)
    events = events_of(
        track(0, range(100), 150.0, radius=10 + rng.normal(0, 0.2, 100)),
        track(1, range(60), 170.5, radius=10 + rng.normal(0, 0.2, 60)),
    )
    assert "coalesce" not in set(events["kind"])


def test_nucleation_needs_growth_from_small():
    """A new small particle that grows is a nucleus; a full-grown one that appears is not."""
    growing = np.minimum(3 + 0.2 * np.arange(80), 10)
    assert listed(events_of(track(0, range(100), 50.0), track(1, range(20, 100), 200.0, radius=growing))) == [
        ("nucleate", 20, {1})
    ]
    assert listed(events_of(track(0, range(100), 50.0), track(1, range(20, 100), 200.0))) == []


def test_dissolution_needs_shrinking():
    """A particle that shrinks away dissolves; one that is lost at full size does not."""
    shrinking = np.maximum(10 - 0.2 * np.arange(40), 2.5)
    assert listed(events_of(track(0, range(100), 50.0), track(1, range(40), 200.0, radius=shrinking))) == [
        ("dissolve", 40, {1})
    ]
    assert listed(events_of(track(0, range(100), 50.0), track(1, range(40), 200.0))) == []


def test_what_comes_together_into_an_empty_field_enters():
    """Two particles that appear at the border in frame 30 enter, where the film is known to begin at frame 0."""
    tracks = [track(k, range(30, 100), 5 + 0.5 * np.arange(70), y) for k, y in ((0, 100.0), (1, 300.0))]
    assert listed(events_of(*tracks, first_frame=0)) == [("enter", 30, {0}), ("enter", 30, {1})]
    assert listed(events_of(*tracks)) == []


def test_frames_before_the_first_that_was_looked_at_are_no_part_of_the_film():
    """Frames 50 to 99 with one particle in the first of them: clusters are counted from frame 50 on."""
    table = pd.concat([track(0, range(50, 100), 100.0), track(1, range(52, 100), 300.0)])
    kinetics = measure_assembly(
        table, Calibration(), EventSettings(), field_px=FIELD, n_frames=100, first_frame=50
    ).kinetics
    assert (kinetics["frame_first"], len(kinetics["n_clusters"]), kinetics["n_clusters"][0]) == (50, 50, 1)


def test_border_is_entered_and_left():
    """Tracks that begin or end at the rim enter and leave."""
    events = events_of(track(0, range(20, 100), 8.0 + np.arange(80)), track(1, range(50), 340.0 + np.arange(50)))
    assert listed(events) == [("enter", 20, {0}), ("leave", 50, {1})]


def test_restart_of_a_track_is_neither_birth_nor_death():
    """A small particle whose track breaks for 4 frames and goes on under a new number."""
    size = np.minimum(3 + 0.2 * np.arange(90), 10)
    events = events_of(
        track(0, range(10, 30), 200.0, radius=size[:20]), track(1, range(34, 100), 200.0, radius=size[24:])
    )
    assert listed(events) == [("nucleate", 10, {0})]


def test_rods_attach_with_their_angle():
    """Two rods meet at 90°."""
    shape = {"width": 40.0, "height": 12.0}
    side = 20 + 6.5
    events = events_of(
        track(0, range(100), 150.0, radius=12.0, angle=np.pi / 2, **shape),
        track(1, range(100), 150 + approach(30, 100, near=side), radius=12.0, angle=0.0, **shape),
    )
    assert listed(events) == [("attach", 30, {0, 1})]
    assert events["angle"].iloc[0] == pytest.approx(np.pi / 2)


def test_clusters_keep_their_identity():
    """The larger part of a cluster that breaks keeps its number."""
    third = 170.5 + approach(20, 60, near=20.5)
    table = validate_tracks(
        pd.concat([track(0, range(100), 150.0), track(1, range(100), 170.5), track(2, range(100), third)])
    )
    history = assemble(table, EventSettings(), field_px=FIELD, n_frames=100).history
    assert [(j.kind, j.frame) for j in history.joinings] == [("attach", 20), ("detach", 60)]
    assert history.joinings[0].cluster == history.joinings[1].cluster
    assert history.n_clusters.tolist() == [2] * 20 + [1] * 40 + [2] * 40


def test_filled_rows_make_no_events():
    """Rows that were not observed do not count."""
    a, b = track(0, range(100), 150.0), track(1, range(100), 150 + approach(30, 70))
    b["observed"] = ~b["frame"].between(25, 75)
    assert "attach" not in set(events_of(a.assign(observed=True), b)["kind"])


def test_rejected_events_are_left_out():
    """A rejected event goes, in either order of its particles and up to 5 frames away; others stay."""
    tracks = track(0, range(100), 150.0), track(1, range(100), 150 + approach(30, 70))
    rejected = pd.DataFrame({"kind": ["attach"], "frame": [33], "particle_a": [1], "particle_b": [0]})
    assert listed(events_of(*tracks, rejected=rejected)) == [("detach", 70, {0, 1})]
    assert len(events_of(*tracks, rejected=rejected.assign(frame=40))) == 2
    assert len(events_of(*tracks, rejected=rejected.assign(particle_a=5))) == 2


def test_what_a_person_rejects_is_gone_from_the_clusters_too():
    """With beginning and end rejected there never was a bond: two clusters throughout, and no lifetime."""
    tracks = pd.concat([track(0, range(100), 150.0), track(1, range(100), 150 + approach(30, 70))])
    rejected = pd.DataFrame({"kind": ["attach", "detach"], "frame": [30, 70], "particle_a": 0, "particle_b": 1})
    found = measure_assembly(tracks, Calibration(), EventSettings(), field_px=FIELD, rejected=rejected)
    assert found.events.empty
    assert set(found.kinetics["n_clusters"]) == {2}
    assert (found.kinetics["n_attach"], found.kinetics["bond_lifetimes"]["n_bonds"]) == (0, 0)
    found = measure_assembly(tracks, Calibration(), EventSettings(), field_px=FIELD, rejected=rejected[:1])
    assert found.kinetics["n_clusters"][50] == 1
    assert (found.kinetics["n_attach"], found.kinetics["n_detach"]) == (0, 1)


def test_a_rejected_coalescence_leaves_a_particle_that_was_lost():
    """Who was said to have merged did not: its fate is open, and the survivor keeps growing by its own."""
    small = track(0, range(50), 160.0, radius=8.0)
    big = track(1, range(100), 142.0, radius=np.where(np.arange(100) < 50, 10.0, (10**3 + 8**3) ** (1 / 3)))
    tracks = pd.concat([small, big])
    events = measure_assembly(tracks, Calibration(), EventSettings(), field_px=FIELD).events
    assert events["kind"].tolist() == ["coalesce"]
    found = measure_assembly(tracks, Calibration(), EventSettings(), field_px=FIELD, rejected=events)
    assert found.events.empty
    assert found.particles["fate"].tolist() == ["lost", "stays"]


def test_rejected_table_without_its_columns_is_an_error():
    """The message names the missing column."""
    events = events_of(track(0, range(100), 150.0), track(1, range(100), 150 + approach(30, 70)))
    with pytest.raises(TableError, match="frame"):
        is_rejected(events, pd.DataFrame({"kind": ["attach"]}))
