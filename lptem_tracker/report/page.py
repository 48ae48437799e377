"""The report: one HTML page that works offline, with the overlay movie beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from lptem_tracker.errors import InputError
from lptem_tracker.movie.base import Movie
from lptem_tracker.report import crops, facts, payload
from lptem_tracker.report.contrast import Contrast, estimate_contrast
from lptem_tracker.report.labels import labels
from lptem_tracker.report.motion_rows import motion_tables
from lptem_tracker.report.plots import numbers
from lptem_tracker.report.results import Results, gather
from lptem_tracker.report.source import checked_output, frame_times, open_run_movie, pixels_of
from lptem_tracker.run import Run, jsonable, write_text

MOST_CROP_FRAMES = 60
BACKGROUND_PX = 900
MOST_TRIED = 100
MOST_TIMES = 20_000


def write_report(
    run: Run, output: str | Path | None = None, *, movie: Movie | None = None, overlay: str | Path | None = None
) -> Path:
    """Write the page of a run.

    Parameters
    ----------
    run : Run
    output : path, optional
        Default: ``report.html`` in the run folder.
    movie : Movie, optional
        The frames that were analysed, for pictures of particles and events; opened from the run's record
        where not given, and done without where they are no longer there.
    overlay : path, optional
        The movie to show; default ``overlay.mp4`` beside the page.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    InputError
        A table of the run cannot be read.
    OutputError
        The page cannot be written.
    """
    path = checked_output(run, Path(output) if output is not None else run.path / "report.html", (".html", ".htm"))
    video = Path(overlay) if overlay is not None else path.parent / "overlay.mp4"
    results = gather(run)
    with nullcontext(movie) if movie is not None else _opened(run) as frames:
        data = _data(run, results, frames, video)
        absences = facts.absences(results, movie=frames is not None, video=data["video"] is not None)
    html = _render(run, results, data, absences)
    write_text(path, html)
    return path


def _opened(run: Run) -> Any:
    try:
        return open_run_movie(run)
    except InputError:
        return nullcontext(None)


def _data(run: Run, results: Results, movie: Movie | None, video: Path) -> dict[str, Any]:
    """Return all that the page's script works on."""
    times = None if movie is None else frame_times(run, movie)
    interval = results.calibration.frame_interval_s
    uneven = times is not None and len(times) > 2 and np.ptp(np.diff(times)) > 1e-3 * float(np.median(np.diff(times)))
    shape = results.record.get("movie", {}).get("shape")
    step = 1 if times is None else max(1, -(-len(times) // MOST_TIMES))
    return {
        "first_frame": results.first_frame,
        "n_frames": results.n_frames,
        "field": [int(shape[2]), int(shape[1])] if shape else None,
        "pixel_size_nm": results.calibration.pixel_size_nm,
        "frame_interval_s": interval,
        "blur": results.calibration.blur_coefficient,
        "times_s": numbers(times[::step], 7) if uneven and times is not None else None,
        "times_step": step,
        "units": {"length": results.calibration.units.length, "time": results.calibration.units.time},
        "tracks": payload.tracks_data(results),
        "particles": payload.table_data(results.listed),
        "events": payload.table_data(results.events),
        "labels": labels([str(name) for name in results.listed]),
        "msd": payload.msd_data(results),
        "plots": payload.plots_data(results),
        "video": payload.video_data(video),
        **_pictures(results, movie),
    }


def _pictures(results: Results, movie: Movie | None) -> dict[str, Any]:
    """Return the background of the map, the particles' crops and the events' strips as JPEG."""
    if movie is None:
        return {"background": None, "crops": {}, "strips": {}, "strip_offsets": crops.STRIP_OFFSETS}
    contrast = estimate_contrast(movie, samples=9, smooth_px=None)
    strips = crops.event_cuts(results.events, results.tracks, len(movie))
    spread = np.unique(np.linspace(0, len(movie) - 1, MOST_CROP_FRAMES).round().astype(int))
    own = crops.particle_cuts(results.tracks, [*spread, *{cut.frame for cut in strips}])
    pictures = crops.cut_all(movie, contrast, [*strips, *own])
    particles: dict[str, list[dict[str, Any]]] = {}
    for cut in own:
        if cut.key in pictures:
            item = {"frame": cut.frame, "src": crops.data_uri(pictures[cut.key])}
            particles.setdefault(str(cut.key[1]), []).append(item)
    joined = {str(n): crops.strip(pictures, n) for n in sorted({cut.key[1] for cut in strips})}
    return {
        "background": _background(movie, contrast, range(results.first_frame, min(results.n_frames, len(movie)))),
        "crops": particles,
        "strips": {key: crops.data_uri(row) for key, row in joined.items() if row is not None},
        "strip_offsets": crops.STRIP_OFFSETS,
    }


def _background(movie: Movie, contrast: Contrast, frames: range) -> str | None:
    """Return the first frame that can be read as a picture; None where none of the first ones can."""
    for index in frames[:MOST_TRIED]:
        pixels = pixels_of(movie, index)
        if pixels is not None:
            return crops.data_uri(crops.reduced(contrast.apply(pixels, index), BACKGROUND_PX), 60)
    return None


def _render(run: Run, results: Results, data: dict[str, Any], absences: dict[str, str]) -> str:
    room = files("lptem_tracker.report") / "templates"
    source = {
        name: (room / name).read_text(encoding="utf-8") for name in ("report.html.j2", "style.css", "plot.js", "app.js")
    }
    script = f"\n{source['plot.js']}\n{source['app.js']}\n"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    paragraphs, references = facts.methods(results)
    return environment.from_string(source["report.html.j2"]).render(
        title=facts.title(results, run.path.resolve().name),
        source=str(results.record.get("movie", {}).get("source") or "a table of positions"),
        facts=facts.movie_facts(results),
        figures=facts.key_figures(results),
        warnings=facts.warnings(results),
        absences=absences,
        motion_tables=motion_tables(results),
        methods=paragraphs,
        references=references,
        settings=run.settings.to_toml(),
        video=data["video"],
        has={key: bool(value) for key, value in data["plots"].items()},
        n_events=len(results.events),
        n_particles=len(results.particles),
        style=Markup(source["style.css"]),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        data=Markup(embedded_json(data)),
    )


def embedded_json(content: Any) -> str:
    """Return JSON that can stand inside a script element: no character that could end it is left.

    Examples
    --------
    >>> embedded_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(jsonable(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, code in (("<", "003c"), (">", "003e"), ("&", "0026"), ("\u2028", "2028"), ("\u2029", "2029")):
        text = text.replace(character, f"\\u{code}")
    return text
