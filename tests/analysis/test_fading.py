"""Births and deaths below the detection limit are dated by the trend of the size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.analysis.bodies import bodies_from_tracks
from lptem_tracker.analysis.fading import measure_fading
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings
from lptem_tracker.tables import validate_tracks

LIMIT = 4.0


def movie(*, errors: bool = True) -> pd.DataFrame:
    """Four steady particles; one grows as t^(1/3) from frame 30, one shrinks with R² falling to 0 at frame 80.

    What is smaller than 4 px is not seen, and the position error grows as 1/R².
    """
    rng = np.random.default_rng(0)
    rows = []
    for k in range(6):
        for frame in range(120):
            radius = 9.0
            if k == 4:
                radius = 9.0 * np.cbrt(np.clip((frame - 30) / 40, 0, 1))
            elif k == 5:
                radius = 9.0 * np.sqrt(np.clip((80 - frame) / 40, 0, 1))
            if radius >= LIMIT:
                error = 0.2 * (9.0 / radius) ** 2 if errors else 0.2
                place = np.array([60.0 + 80 * (k % 3), 60.0 + 80 * (k // 3)]) + rng.normal(0, error, 2)
                rows.append((k, frame, *place, radius + rng.normal(0, 0.1), error, error))
    return pd.DataFrame(rows, columns=["particle", "frame", "x", "y", "radius", "x_std", "y_std"])


def frames_of(table: pd.DataFrame) -> dict[str, list[int]]:
    events = measure_assembly(table, Calibration(), EventSettings(), field_px=(300, 220), n_frames=120).events
    return {kind: events.loc[events["kind"] == kind, "frame"].tolist() for kind in ("nucleate", "dissolve")}


def test_births_and_deaths_are_dated_beyond_the_detection_limit() -> None:
    """First and last seen 4 frames late and 8 early, the particles are born at 30 and gone at 80, within 5 frames."""
    found = frames_of(movie())
    # a straight line through 15 radii of R ~ t^(1/2) has 0.69 of the slope at its end, 9 frames become 13; 5 are scored
    assert len(found["nucleate"]) == len(found["dissolve"]) == 1
    assert abs(found["nucleate"][0] - 30) <= 5
    assert abs(found["dissolve"][0] - 80) <= 5


def test_a_track_that_ends_at_full_signal_is_not_extrapolated() -> None:
    """Without a growing position error the events are dated by what was seen."""
    table = movie(errors=False)
    gone = table.loc[table["particle"] == 5, "frame"].max() + 1
    born = table.loc[table["particle"] == 4, "frame"].min()
    assert frames_of(table) == {"nucleate": [born], "dissolve": [gone]}


def test_errors_of_zero_tell_nothing() -> None:
    """A table of true positions, with errors of 0, is measured as one without."""
    exact = movie(errors=False)
    assert frames_of(exact.assign(x_std=0.0, y_std=0.0)) == frames_of(exact.drop(columns=["x_std", "y_std"]))


def shrinking(frames: int, rng: np.random.Generator) -> pd.DataFrame:
    """One particle of 9 px that shrinks exponentially, from frame 60 on, to 35 % in `frames`; it is seen to 4 px."""
    frame = np.arange(60 + frames)
    radius = 9.0 * 0.35 ** np.clip((frame - 60) / frames, 0, 1)
    error = 0.2 * (9.0 / radius) ** 2
    table = pd.DataFrame(
        {"particle": 0, "frame": frame, "x": 100.0, "y": 100.0, "radius": radius + rng.normal(0, 0.35, len(frame))}
    )
    return table.assign(x_std=error, y_std=error)[radius >= 4.0]


def test_the_trend_alone_dates_a_death() -> None:
    """Of fast and slow deaths, of which 8 and 20 radii show the trend, nine in ten are dated within 5 frames."""
    rng = np.random.default_rng(7)
    errors = []
    for frames in (10, 25):
        for _ in range(20):
            table = shrinking(frames, rng)
            after = measure_fading(bodies_from_tracks(validate_tracks(table), field_px=(200, 200))).after[0]
            errors.append(table["frame"].max() + 1 + after - (60 + frames))
    assert np.mean(np.abs(errors) <= 5) >= 0.9
