"""Commands that read movies: info, analyze, detect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lptem_tracker.cli import options as opt
from lptem_tracker.cli.console import progress, rows, say, say_json
from lptem_tracker.cli.help import command, option

if TYPE_CHECKING:
    from lptem_tracker.calibration import Calibration
    from lptem_tracker.progress import Progress
    from lptem_tracker.run import Run
    from lptem_tracker.settings import Settings

_LIVE = "While the camera writes"


@command()
@click.argument("movie", type=click.Path())
@opt.scale_options
@opt.json_option
def info(movie: str, as_json: bool, **scale: float | None) -> None:
    """Show a movie's format, size, calibration with its sources, noise and contrast.

    \b
    lptem-tracker info movie.dm4
    lptem-tracker info "frames/*.tif"
    """
    from lptem_tracker.movie import describe_movie, open_movie

    with open_movie(movie, **scale) as opened:
        description = describe_movie(opened)
        calibration, (t, y, x) = opened.calibration, opened.shape
    if as_json:
        say_json(description)
        return
    say(str(description["source"]))
    duration = description.get("duration_s")
    rows(
        [
            ("format", str(description["format"])),
            ("frames", f"{t} of {x} x {y} px, {description['dtype']}"),
            ("duration", "not known" if duration is None else f"{duration:.6g} s"),
            *_calibration_rows(calibration),
            *[(f"frame {entry['frame']}", _frame_line(entry)) for entry in description["frames"]],
            *[("warning", sentence) for sentence in description["warnings"]],
        ]
    )


def _frame_line(entry: dict[str, Any]) -> str:
    shown = {
        "median {:.4g}": entry["median"],
        "noise {:.3g} per px": entry["noise_sd"],
        "correlated by {:.2f} to the next": entry["noise_correlation"],
        "local contrast {:.0%}": entry["local_contrast"],
        "saturated {:.1%}": entry["saturated_share"],
        "no data {:.1%}": entry["nan_share"],
    }
    return ", ".join(text.format(value) for text, value in shown.items() if value is not None)


@command()
@click.argument("movies", nargs=-1, required=True, type=click.Path(), metavar="MOVIE...")
@opt.output_option
@opt.config_option
@opt.scale_options
@opt.detect_options
@opt.link_options
@opt.liquid_options
@option("--resume", is_flag=True, help="Go on with an interrupted run in the output folder.")
@opt.force_option
@opt.drawing_options
@option("--follow", is_flag=True, section=_LIVE, help="Go on with new frames of a folder as they come.")
@option(
    "--follow-timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    show_default="60",
    section=_LIVE,
    help="End when no frame has come for so long, in s.",
)
@option(
    "--follow-interval",
    type=click.FloatRange(0),
    metavar="S",
    show_default="30",
    section=_LIVE,
    help="Make tables and report anew at most so often, in s.",
)
@option("--dry-run", is_flag=True, help="Show every setting with its origin, and stop.")
@opt.quiet_option
@opt.json_option
def analyze(
    movies: tuple[str, ...],
    output: Path,
    config: Path | None,
    resume: bool,
    force: bool,
    no_overlay: bool,
    no_report: bool,
    follow: bool,
    follow_timeout: float | None,
    follow_interval: float | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Find, follow and measure the particles of a movie; the results go into a run folder.

    \b
    lptem-tracker analyze movie.dm4 -o run
    lptem-tracker analyze frames/ --pixel-size-nm 2 --frame-interval-s 0.0125 -o run
    lptem-tracker analyze a.mp4 b.mp4 c.mp4 -o sample      (one sample: statistics over all three)
    lptem-tracker analyze --follow frames/ -o run          (while the camera writes; Ctrl-C ends it)

    A MOVIE is a video file, TIFF stack, DM3/DM4/EMD/MRC/SER file, folder or glob of images, or a Gatan
    in-situ tree. Without a scale in the file or here, results are in px and frames.
    """
    times = {"timeout_s": follow_timeout, "interval_s": follow_interval}
    times_given = {name: value for name, value in times.items() if value is not None}
    if times_given and not follow:
        raise click.UsageError("--follow-timeout and --follow-interval belong to --follow, which was not given.")
    settings = opt.settings_from(config, given)
    if dry_run:
        _show_plan(movies, settings, output, replaces=force or resume)
        return
    from lptem_tracker.batch import analyze_sample

    with progress(quiet=quiet or as_json) as bars:
        if follow:
            about = {"force": force, "resume": resume, "report": not no_report}
            runs = [_follow(movies, output, settings, bars, times_given, **about)]
        else:
            runs = analyze_sample(list(movies), output, settings=settings, force=force, resume=resume, progress=bars)
        for run in runs:
            draw(run, settings, bars, overlay=not no_overlay, report=not no_report)
    if as_json:
        say_json({str(run.path): run.summary for run in runs})
        return
    for run in runs:
        summarise(run, quiet=quiet)


def _follow(
    movies: tuple[str, ...],
    output: Path,
    settings: Settings,
    bars: Progress,
    times: dict[str, float],
    *,
    force: bool,
    resume: bool,
    report: bool,
) -> Run:
    """Analyse a folder as it grows; the report is drawn at each update, the overlay when it is over."""
    from lptem_tracker.follow import follow
    from lptem_tracker.progress import Silent

    if len(movies) != 1:
        raise click.UsageError(f"--follow takes one folder; {len(movies)} were given.")

    def told(run: Run) -> None:
        draw(run, settings, Silent(), overlay=False, report=report)

    return follow(movies[0], output, settings=settings, force=force, resume=resume, progress=bars, told=told, **times)


def draw(run: Run, settings: Settings, bars: Progress, *, overlay: bool = True, report: bool = True) -> None:
    """Draw the overlay movie and the report page, as the settings and options ask."""
    if overlay and settings.report.overlay:
        from lptem_tracker.cli.results import frames_drawn
        from lptem_tracker.report.overlay import write_overlay

        write_overlay(run, progress=frames_drawn(bars))
    if report and settings.report.report:
        from lptem_tracker.report.page import write_report

        bars.stage("report", None)
        write_report(run)


def _show_plan(movies: tuple[str, ...], settings: Settings, output: Path, *, replaces: bool) -> None:
    from lptem_tracker.job import Job, open_for
    from lptem_tracker.progress import Silent

    for source in movies:
        with open_for(source, settings) as movie:
            job = Job(movie, settings, Silent())  # refuses frames and a region that the movie does not have
            t, y, x = movie.shape
            say(f"{source}: {movie.format}, {t} frames of {x}x{y} px, {movie.dtype}")
            rows(_calibration_rows(movie.calibration))
            rows([("warning", sentence) for sentence in job.warnings])
    taken = not replaces and output.is_dir() and any(output.iterdir())
    say(f"Output: {output}" + (", which is not empty: give another -o, or --force or --resume" if taken else ""))
    origins = settings.origins
    rows([(name, f"{value}   ({origins[name]})") for name, value in settings.shown().items()])


def _calibration_rows(calibration: Calibration) -> list[tuple[str, str]]:
    entries = [
        ("pixel size", calibration.pixel_size_nm, "nm", calibration.pixel_size_source),
        ("frame interval", calibration.frame_interval_s, "s", calibration.frame_interval_source),
        ("exposure", calibration.exposure_s, "s", calibration.exposure_source),
    ]
    return [(name, f"{value:.6g} {unit} ({source})" if value else "not known") for name, value, unit, source in entries]


def summarise(run: Run, *, quiet: bool = False) -> None:
    """Print what a run found, in a few lines."""
    if quiet:
        return
    summary, units = run.summary, run.calibration.units
    ensemble = summary.get("ensemble") or {}
    lengths = run.track_lengths
    say(f"{run.path}")
    lines = [
        ("detections", f"{lengths.sum()}"),
        ("tracks", f"{len(lengths)}"),
        ("particles", _measured(run, len(lengths))),
    ]
    level = f"{100 * run.settings.motion.confidence_level:g} %"
    d, interval = ensemble.get(f"D_{units.diffusion}"), ensemble.get("D_ci95")
    if d is not None:
        shown = f" [{interval[0]:.3g}, {interval[1]:.3g}] {level}" if interval else ""
        lines.append(("D (ensemble)", f"{d:.3g}{shown} {units.length}²/{units.time}"))
    if ensemble.get("alpha") is not None:
        interval = ensemble.get("alpha_ci95")
        shown = f" [{interval[0]:.2f}, {interval[1]:.2f}] {level}" if interval else ""
        lines.append(("alpha", f"{ensemble['alpha']:.2f}{shown}"))
    if ensemble.get("motion"):
        lines.append(("motion", str(ensemble["motion"])))
    counts = run.events["kind"].value_counts()
    lines.append(("events", ", ".join(f"{n} {kind}" for kind, n in counts.items()) or "none"))
    rows(lines)
    for sentence in summary.get("quality", {}).get("warnings", []):
        click.echo(f"Warning: {sentence}", err=True)
    for name in ("report.html", "overlay.mp4"):
        if (run.path / name).exists():
            say(f"  → {run.path / name}")


def _measured(run: Run, n_tracks: int) -> str:
    """Return how many particles were measured, and why the other tracks were not."""
    from lptem_tracker.settings import Settings

    n = int(run.summary.get("n_particles", 0))
    if n == n_tracks:
        return f"{n} measured"
    key = "link.min_track_frames"
    shortest = int(run.record.get("settings", {}).get(key, Settings().flat()[key]))
    first, stop = run.record.get("movie", {}).get("frames", (0, shortest))
    return f"{n} measured; {n_tracks - n} tracks seen in fewer than {min(shortest, stop - first)} frames were not"


@command()
@click.argument("movie", type=click.Path())
@opt.output_option
@opt.config_option
@opt.scale_options
@opt.detect_options
@opt.force_option
@opt.quiet_option
@opt.json_option
def detect(
    movie: str, output: Path, config: Path | None, force: bool, quiet: bool, as_json: bool, **given: Any
) -> None:
    """Find the particles in every frame.

    \b
    lptem-tracker detect movie.mp4 -o run
    lptem-tracker detect movie.mp4 -o detections.csv
    """
    from dataclasses import asdict

    from lptem_tracker.cli.targets import Target
    from lptem_tracker.job import open_for
    from lptem_tracker.pipeline import detect as detect_movie
    from lptem_tracker.run import environment

    settings = opt.settings_from(config, given)
    with open_for(movie, settings) as opened, Target(output, ("detections.parquet",), force=force) as target:
        with progress(quiet=quiet or as_json) as bars:
            table = detect_movie(opened, settings=settings, progress=bars)
        about = {"source": opened.source, "format": opened.format, "shape": opened.shape, "dtype": str(opened.dtype)}
        target.write("detections.parquet", table)
        target.write_record({**environment(), "movie": about, "calibration": asdict(opened.calibration)}, settings)
    frames = table["frame"].nunique()
    if as_json:
        say_json({"n_detections": len(table), "n_frames": about["shape"][0], "output": str(output)})
        return
    say(f"{len(table)} detections in {frames} of the movie's {about['shape'][0]} frames → {output}", quiet=quiet)
