"""`link` on scenes whose answer is known by hand, and on input that is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import LptemWarning, SettingsError, TableError
from lptem_tracker.link import link


def walkers(n: int = 40, frames: int = 60, sigma: float = 1.0, miss: float = 0.05, seed: int = 0) -> pd.DataFrame:
    """Brownian particles 10 px apart in the mean, with their true identity in `true`."""
    rng = np.random.default_rng(seed)
    side = 10 * np.sqrt(n)
    xy = rng.uniform(0, side, (n, 2)) + np.cumsum(rng.normal(0, sigma, (frames, n, 2)), 0)
    table = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(frames), n),
            "x": xy[..., 0].ravel(),
            "y": xy[..., 1].ravel(),
            "true": np.tile(np.arange(n), frames),
        }
    )
    return table[rng.random(len(table)) >= miss].reset_index(drop=True)


def same_partition(a: pd.Series, b: pd.Series) -> bool:
    """Whether two labelings group the rows alike."""
    pairs = pd.DataFrame({"a": a.to_numpy(), "b": b.to_numpy()}).drop_duplicates()
    return pairs["a"].is_unique and pairs["b"].is_unique


def test_one_stepper_is_one_particle() -> None:
    """A single particle in every frame is one track, without any setting."""
    table = pd.DataFrame({"frame": range(6), "x": [0.0, 1, 2, 3, 4, 5], "y": 1.0})
    assert link(table)["particle"].tolist() == [0] * 6


@pytest.mark.parametrize("window", [1, 2, 8])
def test_two_far_steppers_keep_their_identities(window: int) -> None:
    """Two particles far apart are two tracks, in any row order."""
    table = pd.DataFrame(
        {"frame": [0, 0, 1, 1, 2, 2], "x": [0.0, 50, 1, 51, 2, 52], "y": 0.0, "who": [0, 1, 0, 1, 0, 1]}
    )
    out = link(table.sample(frac=1, random_state=3), max_displacement_px=5, window_frames=window)
    assert same_partition(out["particle"], out["who"])


def test_pairs_are_chosen_together_not_one_by_one() -> None:
    """Two steps of 3 px win over one of 2 px that leaves the other particle none within reach."""
    table = pd.DataFrame({"frame": [0, 0, 1, 1], "x": [0.0, 5, 3, 8], "y": 0.0})
    out = link(table, max_displacement_px=4)["particle"]
    assert out[0] == out[2]
    assert out[1] == out[3]


def test_step_longer_than_the_limit_is_never_linked() -> None:
    """A step of 5.1 px with a limit of 5 px starts a new track; one of 4.9 px does not."""
    table = pd.DataFrame({"frame": [0, 1, 2], "x": [0.0, 4.9, 10.0], "y": 0.0})
    assert link(table, max_displacement_px=5)["particle"].tolist() == [0, 0, 1]


def test_unlikely_step_within_the_limit_is_linked_when_nothing_competes() -> None:
    """A lone particle that steps 30 standard deviations stays itself if the given limit allows it."""
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.normal(0, 0.1, 200))
    x[100:] += 3.0
    table = pd.DataFrame({"frame": np.arange(200), "x": x, "y": rng.normal(0, 0.1, 200).cumsum()})
    assert link(table, max_displacement_px=4, drift=False)["particle"].nunique() == 1


@pytest.mark.parametrize(("gap", "tracks"), [(1, 2), (2, 1)])
def test_gap_is_closed_up_to_its_limit(gap: int, tracks: int) -> None:
    """A particle missing for two frames is the same if two may be missing, even if those frames are empty."""
    table = pd.DataFrame({"frame": [0, 1, 4, 5], "x": [0.0, 0.1, 0.2, 0.3], "y": 0.0})
    assert link(table, max_displacement_px=1, max_gap_frames=gap)["particle"].nunique() == tracks


def test_missed_frames_are_filled_and_marked() -> None:
    """Frames inside a gap get rows with `observed` False on the line between the ends."""
    table = pd.DataFrame({"frame": [0, 1, 4], "x": [0.0, 0.0, 3.0], "y": [0.0, 1.0, 1.0]}, index=[7, 3, 5])
    out = link(table, max_displacement_px=4)
    filled = out[~out["observed"]]
    assert out.index.tolist() == [7, 3, 5, 8, 9]
    np.testing.assert_allclose(filled["x"], [1.0, 2.0])
    assert filled["frame"].tolist() == [2, 3]
    assert filled["link_confidence"].isna().all()


def test_every_row_column_and_label_is_kept() -> None:
    """Input columns, order, dtypes and index come back unchanged, with the new columns beside them."""
    table = walkers().sample(frac=1, random_state=1)
    table["name"] = "a"
    out = link(table)
    pd.testing.assert_frame_equal(out[out["observed"]][list(table.columns)], table)
    assert {"particle", "link_confidence", "drift_x", "drift_y", "merged_into"} <= set(out.columns)


def test_row_order_never_matters() -> None:
    """Shuffled rows get the identities they have in order, in a scene with real ambiguities."""
    table = walkers(sigma=2.5)
    one = link(table)
    two = link(table.sample(frac=1, random_state=5)).sort_index()
    pd.testing.assert_series_equal(one["particle"], two["particle"])
    pd.testing.assert_series_equal(one["link_confidence"], two["link_confidence"])


def test_parameters_are_estimated_and_reported() -> None:
    """Step and miss rate come out within four standard errors of the truth and name their source."""
    table = walkers(n=60, frames=80, sigma=1.0, miss=0.05)
    parameters = link(table, drift=False).attrs["link"]["parameters"]
    # 1500 sampled pairs of two coordinates: relative error of a standard deviation 1/sqrt(2·2·1500)
    assert parameters["step_sigma_px"]["value"] == pytest.approx(1.0, abs=4 / np.sqrt(6000) + 0.02)
    assert parameters["miss_rate"]["value"] == pytest.approx(0.05, abs=4 * np.sqrt(0.05 / 1500))
    assert parameters["step_sigma_px"]["source"] == "data"


def test_given_parameters_are_used_and_named() -> None:
    """A parameter set by the user is reported as such."""
    out = link(walkers(), parameters={"miss_rate": 0.2, "step_sigma_px": 1.5})
    assert out.attrs["link"]["parameters"]["miss_rate"] == {"value": 0.2, "unit": "1/frame", "source": "user"}
    assert out.attrs["link"]["parameters"]["step_sigma_px"]["source"] == "user"


def test_clear_scenes_are_linked_without_error() -> None:
    """Steps of a hundredth of the spacing, two percent missed: every link is right."""
    table = walkers(n=50, frames=40, sigma=0.1, miss=0.02, seed=2)
    table = table[table.groupby("true")["frame"].transform("size") > 1]
    out = link(table)
    assert same_partition(out[out["observed"]]["particle"], table["true"])


def test_empty_table_gives_an_empty_one() -> None:
    """No detections are no tracks."""
    out = link(pd.DataFrame({"frame": np.empty(0, int), "x": np.empty(0), "y": np.empty(0)}))
    assert len(out) == 0
    assert "particle" in out


def test_one_frame_gives_singletons() -> None:
    """In a single frame everybody is somebody else."""
    assert link(pd.DataFrame({"frame": 4, "x": [1.0, 2.0, 9.0], "y": 0.0}))["particle"].nunique() == 3


def test_rows_without_position_are_kept_apart() -> None:
    """NaN positions are warned about and stay tracks of their own."""
    table = pd.DataFrame({"frame": [0, 1, 2, 1], "x": [0.0, np.nan, 0.2, 0.1], "y": 0.0})
    with pytest.warns(LptemWarning, match="no finite"):
        out = link(table, max_displacement_px=1)
    assert out["particle"].tolist() == [0, 1, 0, 0]


def test_repeated_rows_do_not_share_an_identity() -> None:
    """A detection given twice is never twice in one track."""
    table = pd.DataFrame({"frame": [0, 0, 1, 1], "x": [1.0, 1, 1, 1], "y": 2.0})
    out = link(table, max_displacement_px=1)
    assert not out.duplicated(["particle", "frame"]).any()


def test_huge_frame_numbers_cost_nothing() -> None:
    """Frame numbers around a billion link as those around zero do."""
    table = walkers(n=5, frames=30, sigma=0.2)
    late = table.assign(frame=table["frame"] + 10**9)
    pd.testing.assert_series_equal(link(table)["particle"], link(late)["particle"])


def test_reach_beyond_the_field_still_links_the_nearest() -> None:
    """A search radius in wrong units, larger than the field, does not blur the identities."""
    table = walkers(n=30, frames=20, sigma=0.3, miss=0.0)
    out = link(table, max_displacement_px=1e5)
    assert same_partition(out["particle"], table["true"])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"x": [0.0], "y": [0.0]}, "frame is missing"),
        ({"frame": [-1], "x": [0.0], "y": [0.0]}, "count from 0"),
        ({"frame": [0.5], "x": [0.0], "y": [0.0]}, "whole numbers"),
        ({"frame": [0], "x": ["left"], "y": [0.0]}, "must be numeric"),
    ],
)
def test_wrong_tables_are_refused(table: dict[str, list[object]], words: str) -> None:
    """What is wrong with a table is said in one sentence."""
    with pytest.raises(TableError, match=words):
        link(pd.DataFrame(table))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"max_displacement_px": -1}, "positive"),
        ({"max_gap_frames": -1}, "at least 0"),
        ({"window_frames": 0}, "at least 1"),
        ({"motion": "warp"}, "motion must be"),
        ({"parameters": {"sigma": 1.0}}, "Unknown link parameter"),
    ],
)
def test_wrong_options_are_refused(option: dict[str, object], words: str) -> None:
    """An option outside its range is an error that names it."""
    with pytest.raises(SettingsError, match=words):
        link(walkers(n=10, frames=10), **option)  # type: ignore[arg-type]
