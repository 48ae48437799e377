"""Several movies of one sample → one set of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lptem_tracker.analysis.bodies import least_rows
from lptem_tracker.analysis.diffusion import imaging_of
from lptem_tracker.analysis.drift_removal import remove_drift
from lptem_tracker.analysis.motion import measure_motion
from lptem_tracker.analysis.motion_fit import movable
from lptem_tracker.analysis.population import combine, compare_samples, summarise
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import Settings
from lptem_tracker.tables import FRAME, OBSERVED, PARTICLE, X, Y

_PAUSE_FRAMES = 1000


@dataclass(frozen=True)
class Part:
    """What one movie contributes.

    Attributes
    ----------
    name : str
    tracks, particles : pandas.DataFrame
        The movie's tracks and the table of its particles.
    calibration : Calibration
    """

    name: str
    tracks: pd.DataFrame
    particles: pd.DataFrame
    calibration: Calibration

    @property
    def counted(self) -> pd.DataFrame:
        """Particles without those seen too rarely to be more than false detections."""
        if "n_observed" not in self.particles or self.tracks.empty:
            return self.particles
        n_frames = int(self.tracks[FRAME].max() - self.tracks[FRAME].min()) + 1
        return self.particles[self.particles["n_observed"] >= least_rows(n_frames)]


def pool(parts: Sequence[Part], settings: Settings | None = None) -> dict[str, Any]:
    """Measure motion and population over all movies of a sample.

    Motion is one likelihood over all tracks. The movies are put one after the other in time, each without its own
    steady drift; a drift that changes is found and removed frame by frame in all of them.

    Parameters
    ----------
    parts : sequence of Part
    settings : Settings, optional

    Returns
    -------
    dict
        `n_movies`, `n_particles`, `ensemble`, `population` and `quality`, as in ``summary.json``.
        `ensemble` has no drift, which is each movie's own; it is empty, with the reason in `quality`, where the movies
        differ in scale or timing.
    """
    settings = settings or Settings()
    scales = {(p.calibration.pixel_size_nm, p.calibration.frame_interval_s, p.calibration.exposure_s) for p in parts}
    population = summarise(combine({part.name: part.counted for part in parts}))
    warnings: list[str] = []
    ensemble: dict[str, Any] = {}
    if len(scales) == 1:
        motion = measure_motion(_one_after_the_other(parts, settings), parts[0].calibration, settings.motion)
        ensemble = {name: value for name, value in motion.ensemble.items() if not name.startswith("drift_")}
        warnings = list(motion.warnings)
    else:
        warnings.append(
            "The movies differ in pixel size, frame interval or exposure, so motion is not pooled; "
            "each movie's own summary stands."
        )
    return {
        "n_movies": len(parts),
        "movies": [part.name for part in parts],
        "n_particles": sum(len(part.particles) for part in parts),
        "ensemble": ensemble,
        "population": population,
        "quality": {"warnings": warnings},
    }


def differences(samples: Mapping[str, Sequence[Part]]) -> list[dict[str, Any]]:
    """Test whether samples of one or more movies each differ in size or shape; see `compare_samples`."""
    return compare_samples(
        {name: combine({part.name: part.counted for part in parts}) for name, parts in samples.items()}
    )


def _one_after_the_other(parts: Sequence[Part], settings: Settings) -> pd.DataFrame:
    tables, frame, particle = [], 0, 0
    for part in parts:
        seen = part.tracks[part.tracks[OBSERVED] & part.tracks[PARTICLE].isin(part.particles[PARTICLE])]
        if settings.motion.remove_drift:
            vx, vy = _steady_drift(seen, part.calibration)
            seen = seen.assign(x=seen[X] - vx * seen[FRAME], y=seen[Y] - vy * seen[FRAME])
        tables.append(seen.assign(frame=seen[FRAME] + frame, particle=seen[PARTICLE] + particle))
        if len(part.tracks):
            frame += int(part.tracks[FRAME].max()) + _PAUSE_FRAMES
            particle += int(part.tracks[PARTICLE].max()) + 1
    return pd.concat(tables, ignore_index=True)


def _steady_drift(tracks: pd.DataFrame, calibration: Calibration) -> tuple[float, float]:
    """Velocity in px a frame that all particles of a movie share; 0 where it changes, or one particle tells nothing."""
    usable = movable(build_trackset(tracks))
    if len(usable) < 2:
        return 0.0, 0.0
    found = remove_drift(usable, imaging_of(calibration))
    return (float(found.mean[0]), float(found.mean[1])) if found.kind == "steady" else (0.0, 0.0)
