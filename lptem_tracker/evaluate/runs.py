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
    """Score detections, tracks, diffusion and events of a run against the truth of the frames and region it analysed.

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
        The folder does not hold the truth of a simulation, or that of another movie, or the run is no analysis.
    """
    folder = Path(truth)
    true_tracks, true_events, scene = (_read(folder, name) for name in ("tracks", "events", "scene"))
    movie = run.record.get("movie") or {}
    if "shape" not in movie:
        raise InputError(f"{run.path} is no analysis of a movie, which a score needs; give a run that analyze wrote.")
    _same_movie(movie["shape"], scene, folder)
    start, stop = movie.get("frames") or (0, movie["shape"][0])
    x, y, width, height = movie.get("roi") or (0, 0, movie["shape"][2], movie["shape"][1])
    field = (width, height)
    detections, tracks, found = (_moved(table, x, y) for table in (run.detections, run.tracks, run.events))
    true_tracks, true_events = (
        _within(_moved(table, x, y), field, start, stop) for table in (true_tracks, true_events)
    )
    detection = asdict(score_detections(detections, true_tracks, n_frames=stop - start))
    detection["n_false"] = detection["n_detected"] - detection["n_matched"]
    events = score_events(identify_particles(found, tracks, true_tracks), true_events, field_px=field)
    return {
        "detection": detection,
        "tracking": asdict(score_tracks(true_tracks, tracks)),
        "diffusion": _diffusion(run, scene),
        "events": {
            kind: {**asdict(score), "n_false": score.n_found - score.n_matched, "f1": score.f1}
            for kind, score in events.items()
        },
    }


def _moved(table: pd.DataFrame, x: float, y: float) -> pd.DataFrame:
    """Count positions from the corner of the region."""
    return table.assign(x=table["x"] - x, y=table["y"] - y)


def _within(table: pd.DataFrame, field: tuple[float, float], start: int, stop: int) -> pd.DataFrame:
    """Rows of the frames and the region analysed."""
    inside = table["x"].between(-0.5, field[0] - 0.5) & table["y"].between(-0.5, field[1] - 0.5)
    return table[inside & (table["frame"] >= start) & (table["frame"] < stop)]


def _same_movie(shape: list[int], scene: dict[str, Any], folder: Path) -> None:
    plan = scene.get("scene") or {}
    true = [plan.get(name) for name in ("n_frames", "height_px", "width_px")]
    if None not in true and list(shape) != true:
        raise InputError(
            f"The truth in {folder} is of a movie of {true[0]} frames of {true[2]} × {true[1]} px, and the run's has "
            f"{shape[0]} of {shape[2]} × {shape[1]}; give the folder that this movie came from."
        )


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
