"""Single particles whose links may be wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.analysis.diffusion import Imaging, fit_pooled
from lptem_tracker.analysis.link_doubt import IMITATED, wrong_links
from lptem_tracker.analysis.linking_bias import SURE_LINKS, LinkCheck
from lptem_tracker.analysis.motion import MotionResult, measure_motion
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.known_paths import as_tracks
from lptem_tracker.link import link
from lptem_tracker.settings import MotionSettings


def linked_gas(seed: int, step: float, n: int = 49, frames: int = 100) -> tuple[MotionResult, float]:
    """Measure free particles in a box, density 1/100 px² and `step` px per axis, linked; and D of true identities."""
    rng, side = np.random.default_rng(seed), 10 * np.sqrt(n)
    steps = rng.normal(0, step, (n, frames, 2))
    steps[:, 0] = rng.uniform(0, side, (n, 2))
    path = np.cumsum(steps, 1) % (2 * side)
    true = as_tracks(np.where(path > side, 2 * side - path, path), apart=0)
    d = fit_pooled(build_trackset(true), Imaging(0.0), bootstrap=0).d
    tracks = link(true.drop(columns="particle").sort_values("frame", kind="stable", ignore_index=True))
    return measure_motion(tracks, Calibration(1.0, 1.0, 1e-4), MotionSettings(bootstrap=50)), d


def has(result: MotionResult, *words: str) -> bool:
    return any(all(word in sentence for word in words) for sentence in result.warnings)


@pytest.mark.parametrize(("step", "off"), [(2.5, 0.06), (4.0, 0.2)])
def test_single_particles_are_corrected_and_not_called_confined(step: float, off: float) -> None:
    """At 0.25 and 0.40 of the spacing intervals hold the truth, 5 % at most have a class, and the text says why."""
    result, d = linked_gas(1, step)
    each = result.particles.dropna(subset=["D_nm2_s"])
    held = (each["D_ci_low"] <= d) & (each["D_ci_high"] >= d)
    assert held.mean() > 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(each))
    assert abs(np.average(each["D_nm2_s"], weights=each["n_observed"]) / d - 1) < off
    low, high = result.ensemble["D_ci95"]
    assert low < d < high
    assert each["motion"].isin(IMITATED).mean() <= 0.05
    assert (each["change_points"] != "[]").mean() <= 0.05
    assert result.ensemble["motion"] in ("brownian", "unknown")
    assert has(result, "Some links are wrong", "single particles likewise")
    assert has(result, "links are expected to be wrong", "motion unknown")
    assert has(result, "Steps are long for this density")
    assert "links drawn from their posterior" in result.methods


def test_the_linkers_own_doubt_counts_for_each_particle() -> None:
    """A particle's share of wrong links is the mean of 1 - confidence over its links, without it that of all."""
    table = pd.DataFrame({"particle": [0] * 3 + [1] * 3, "frame": [0, 1, 2] * 2, "x": np.arange(6.0), "y": 0.0})
    told = table.assign(link_confidence=[np.nan, 0.9, 0.7, np.nan, np.nan, np.nan])
    links = LinkCheck(0.1, 0.04)
    np.testing.assert_allclose(wrong_links(build_trackset(told), links), [0.2, 0.04])
    np.testing.assert_allclose(wrong_links(build_trackset(table), links), [0.04, 0.04])
    np.testing.assert_array_equal(wrong_links(build_trackset(table), SURE_LINKS), 0)
