"""Rendered movies with every kind of event, and what the shipped detector, refinement and linker make of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lptem_tracker.job import Job
from lptem_tracker.link import LinkOptions, link_with, supported
from lptem_tracker.pipeline import chosen_detector
from lptem_tracker.progress import Silent
from lptem_tracker.settings import Settings
from lptem_tracker.simulate import SimulatedMovie, simulate_movie

_BASE: dict[str, Any] = {
    "width_px": 320, "height_px": 320, "n_frames": 110, "pixel_size_nm": 1.0, "frame_interval_s": 0.1,
    "exposure_s": 0.05, "count": 20, "radius_nm": 8.0, "radius_sd": 0.12, "D_nm2_s": 5.0, "snr": 2.0, "contrast": 0.35,
    "n_attach": 2, "n_detach": 2, "n_coalesce": 2, "n_nucleate": 2, "n_dissolve": 2, "boundary": "reflect",
}  # fmt: skip

RENDERED: dict[str, dict[str, Any]] = {
    "spheres": {},
    "flat disks": {"profile": 0.0, "flat": True},
    "small flat disks": {"profile": 0.0, "radius_nm": 5.5, "count": 26},
    "plates": {"shapes": ("cube", "hexagon", "triangle"), "Dr_rad2_s": 0.05, "profile": 0.0},
    "slow, drifting spheres": {"D_nm2_s": 0.5, "drift_x_nm_s": 0.8, "drift_y_nm_s": -0.4, "fringe": 0.03},
    "fast flat disks": {"profile": 0.0, "D_nm2_s": 20.0, "width_px": 384, "height_px": 384},
}

QUIET: dict[str, dict[str, Any]] = {
    name: {**changes, "n_attach": 0, "n_detach": 0, "n_coalesce": 0, "n_nucleate": 0, "n_dissolve": 0}
    for name, changes in RENDERED.items()
}


@dataclass
class RenderedScene:
    """A movie with its truth, and what was found of it."""

    movie: SimulatedMovie
    found: pd.DataFrame
    tracks: pd.DataFrame

    @property
    def field(self) -> tuple[float, float]:
        """Width and height in px."""
        return float(self.movie.shape[2]), float(self.movie.shape[1])


def rendered_movie(changes: dict[str, Any], seed: int) -> SimulatedMovie:
    """Return the movie of one scene; frames are made when they are read."""
    return simulate_movie({**_BASE, **changes}, seed=seed)


def rendered_scene(name: str, changes: dict[str, Any], seed: int, cache: Path | None = None) -> RenderedScene:
    """Detect, refine and link one movie.

    Parameters
    ----------
    name : str
        What the cached file is called.
    changes : dict
        Values of the simulator's scene.
    seed : int
    cache : path, optional
        Folder that keeps the detections, so that links and events can be looked at again in seconds.
    """
    movie = rendered_movie(changes, seed)
    settings = Settings()
    kept = cache / f"{name.replace(' ', '_').replace(',', '')}_{seed}.parquet" if cache else None
    if kept is not None and kept.exists():
        found = pd.read_parquet(kept)
    else:
        found = Job(movie, settings, Silent()).detect_all(chosen_detector(settings))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            found.to_parquet(kept)
    tracks = link_with(found, LinkOptions.from_settings(settings.link))
    tracks = tracks[supported(tracks, settings.detect.confidence)]
    return RenderedScene(movie, found, tracks)
