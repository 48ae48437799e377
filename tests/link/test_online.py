"""`Linker`: what `link` gives, while the movie is recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import LptemWarning, SettingsError, TableError
from lptem_tracker.link import Linker, LinkOptions, link, link_stream, online
from lptem_tracker.link.blocks import TableSource
from lptem_tracker.link.survey import survey

Movie = Callable[..., pd.DataFrame]
Streamed = Callable[[pd.DataFrame], pd.DataFrame]


def pushed(linker: Linker, table: pd.DataFrame, frames: int = 1) -> pd.DataFrame:
    """Push a table a few frames at a time and return all that comes out."""
    parts = [linker.push(part) for _, part in table.groupby(table["frame"] // frames)]
    return pd.concat([*parts, linker.finish()])


@pytest.mark.parametrize("kind", ["unsteady", "velocity", "mergers"])
def test_short_movies_are_linked_as_by_link(movie: Movie, as_streamed: Streamed, kind: str) -> None:
    """A movie that ends before enough is known gives every column of `link`, bit by bit, and its report."""
    table, linker = movie(kind, frames=60), Linker(LinkOptions(max_gap_frames=4))
    out, whole = pushed(linker, table, 7), link(table, max_gap_frames=4)
    pd.testing.assert_frame_equal(out, as_streamed(whole), check_exact=True)
    assert linker.report == whole.attrs["link"]


@pytest.mark.parametrize("kind", ["still", "velocity", "mergers"])
@pytest.mark.parametrize("fill", [True, False])
def test_long_movies_under_the_same_parameters(
    movie: Movie, kind: str, fill: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the parameters of the whole movie, gaps, mergers and confidences are those of `link_stream`, bit by bit."""
    table, options = movie(kind, frames=160), LinkOptions(drift=False, fill=fill)
    monkeypatch.setattr(online, "survey", lambda _, options: survey(TableSource(table), options))
    out = pushed(Linker(options), table)
    whole = pd.concat([*link_stream(lambda: [table], options)])
    assert not fill or (~whole["observed"]).any()
    pd.testing.assert_frame_equal(out, whole, check_exact=True)


@pytest.mark.parametrize("kind", ["still", "steady", "unsteady", "jumps", "late jump", "late unsteady"])
def test_drift_is_followed(movie: Movie, kind: str) -> None:
    """Drift that the beginning shows goes on being taken out, and one that sets in later too; identities hold."""
    table = movie(kind.removeprefix("late "), n=40, frames=300, seed=4)
    if kind.startswith("late"):
        rng = np.random.default_rng(8)
        path = np.cumsum(rng.normal(0, 1.5, (300, 2)), 0) if kind == "late unsteady" else np.full((300, 2), 8.0)
        path = np.where(np.arange(300)[:, None] < 200, 0.0, path - path[199] * (kind == "late unsteady"))
        still = movie("still", n=40, frames=300, seed=4)
        table = still.assign(x=still["x"] + path[still["frame"], 0], y=still["y"] + path[still["frame"], 1])
    linker = Linker()
    out, whole = pushed(linker, table, 10), link(table)
    assert linker.report is not None
    late = {"late jump": "jumps", "late unsteady": "unsteady"}
    assert linker.report["drift"]["kind"] == late.get(kind, whole.attrs["link"]["drift"]["kind"])

    def wrong(tracks: pd.DataFrame) -> float:
        seen = tracks[tracks["observed"]].sort_values(["particle", "frame"])
        same = seen["particle"] == seen["particle"].shift()
        return float((seen["true"] != seen["true"].shift())[same].mean())

    # false detections lie on true ones' way: both have a few wrong links
    assert wrong(out) <= wrong(whole) + 0.004
    moved = [t[t["observed"]].groupby("frame")[["drift_x", "drift_y"]].mean().to_numpy() for t in (out, whole)]
    apart = (moved[0] - moved[0][0]) - (moved[1] - moved[1][0])
    # an unsteady drift takes a dozen frames to stand out; a frame's shift is off by 1 px over the root of 40 particles
    known = np.arange(299) > (230 if kind == "late unsteady" else 0)
    assert np.abs(np.diff(apart, axis=0)[known]).max() < 6 / np.sqrt(40)


def test_rows_come_out_while_frames_come_in(movie: Movie) -> None:
    """Once the beginning is known, rows come out some 20 frames after they went in, in order, each once."""
    table, linker = movie("still", n=60, frames=150), Linker()
    newest, late = -1, []
    for frame, part in table.groupby("frame"):
        out = linker.push(part)
        if len(out):
            assert (np.diff(out["frame"]) >= 0).all()
            assert out["frame"].iloc[0] > newest
            newest = int(out["frame"].iloc[-1])
        late.append(frame - newest)
    assert max(late[60:]) <= 8 + 6 + 6 + 8
    rest = linker.finish()
    assert rest["frame"].iloc[0] > newest


def test_rows_without_position_are_tracks_of_their_own(movie: Movie) -> None:
    """A NaN position is warned about when it comes, and gets a name that nobody else has."""
    table, linker = movie("still", n=60, frames=120), Linker()
    table.loc[[5, 6000], "x"] = np.nan
    with pytest.warns(LptemWarning, match="no finite"):
        out = pushed(linker, table)
    lost = out[out["x"].isna()]["particle"]
    assert len(lost) == 2
    assert out["particle"].isin(lost).sum() == 2


def test_frames_out_of_order_are_refused() -> None:
    """A frame that was already given is an error, not a silent mix-up."""
    linker = Linker()
    linker.push(pd.DataFrame({"frame": [3], "x": [0.0], "y": [0.0]}))
    with pytest.raises(TableError, match="came after frame 3"):
        linker.push(pd.DataFrame({"frame": [2], "x": [0.0], "y": [0.0]}))


def test_drift_of_images_is_refused() -> None:
    """What is only known of a whole movie is refused with the way out."""
    with pytest.raises(SettingsError, match="link_stream"):
        Linker(LinkOptions(image_drift=pd.DataFrame({"frame": [0], "dx": [0.0], "dy": [0.0]})))


def test_nothing_pushed_is_an_empty_table() -> None:
    """A movie without frames ends in an empty tracks table."""
    out = Linker().finish()
    assert len(out) == 0
    assert {"particle", "observed", "merged_into"} <= set(out.columns)
