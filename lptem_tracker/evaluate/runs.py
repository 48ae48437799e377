"""A run of a simulated movie against the movie's truth, stage by stage."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lptem_tracker.errors import InputError
from lptem_tracker.evaluate.detection import score_detections
from lptem_tracker.evaluate.events import identify_particles, score_events
from lptem_tracker.evaluate.tracking import score_tracks

if TYPE_CHECKING:
    from lptem_tracker.run import Run

TRUTH_FILES = {"tracks": "truth_tracks.csv", "events": "truth_events.csv", "scene": "scene.json"}


def evaluate_run(run: Run, truth: str | Path) -> dict[str, dict[str, Any]]:
    """Score detections, tracks, diffusion and events of a run.

    Parameters
    ----------
    run : Run
        The analysis of a simulated movie.
    truth : path
        Folder that ``simulate`` wrote.

    Returns
    -------
    dict
        `detection` (recall, precision, F1, position error in px), `tracking` (HOTA, IDF1, …), `diffusion`
        (true D, found D with its 95 % interval and unit) and `events` (per kind).

    Raises
    ------
    InputError
        The folder does not hold the truth of a simulation.
    """
    folder = Path(truth)
    true_tracks, true_events, scene = (_read(folder, name) for name in ("tracks", "events", "scene"))
    shape = run.record["movie"]["shape"]
    detection = asdict(score_detections(run.detections, true_tracks, n_frames=shape[0]))
    detection["n_false"] = detection["n_detected"] - detection["n_matched"]
    named = identify_particles(run.events, run.tracks, true_tracks)
    events = score_events(named, true_events, field_px=(shape[2], shape[1]))
    return {
        "detection": detection,
        "tracking": asdict(score_tracks(true_tracks, run.tracks)),
        "diffusion": _diffusion(run, scene),
        "events": {
            kind: {**asdict(score), "n_false": score.n_found - score.n_matched, "f1": score.f1}
            for kind, score in events.items()
        },
    }


def _diffusion(run: Run, scene: dict[str, Any]) -> dict[str, Any]:
    ensemble, unit = run.summary.get("ensemble") or {}, run.calibration.units.diffusion
    calibrated = unit == "nm2_s"
    return {
        "unit": unit,
        "truth": scene.get("D_nm2_s") if calibrated else None,
        "found": ensemble.get(f"D_{unit}"),
        "ci95": ensemble.get("D_ci95"),
    }


def _read(folder: Path, name: str) -> Any:
    path = folder / TRUTH_FILES[name]
    try:
        if path.suffix == ".json":
            return json.loads(path.read_text(encoding="utf-8"))
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The truth {path} cannot be read ({reason}); --truth is the folder that lptem-tracker simulate wrote."
        ) from None
