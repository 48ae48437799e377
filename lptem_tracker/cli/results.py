"""Commands that show and hand on a run: overlay, report, export, view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lptem_tracker.cli.console import progress, say, say_json
from lptem_tracker.cli.help import command, option
from lptem_tracker.cli.options import PATH, Roi, force_option, frames_option, json_option, output_to, quiet_option

if TYPE_CHECKING:
    from lptem_tracker.progress import Progress
    from lptem_tracker.run import Run

_run_argument = click.argument("run", type=PATH)
_IN_RUN = "in the run folder"
_PART = "Part of the movie"


@command()
@_run_argument
@output_to("PATH", "File to write.", default=_IN_RUN)
@option(
    "--format",
    type=click.Choice(["mp4", "mkv", "gif"]),
    show_default="by the ending of -o, else mp4",
    help="H.264, lossless FFV1, or GIF.",
)
@option(
    "--quality",
    type=click.IntRange(0, 51),
    metavar="CRF",
    show_default="20",
    help="Of H.264: 18 looks lossless, 26 is small.",
)
@option(
    "--colour-by",
    type=click.Choice(["particle", "speed", "D", "motion", "cluster"]),
    show_default="setting report.colour_by: particle",
    section="Marks",
    help="Colour of outlines and trails.",
)
@option(
    "--outline",
    type=click.Choice(["box", "ellipse", "point", "none"]),
    show_default="box",
    section="Marks",
    help="Boxes and ellipses are turned with the particle.",
)
@option(
    "--trail-frames",
    type=click.IntRange(0),
    metavar="N",
    show_default="setting report.trail_frames: 40",
    section="Marks",
    help="Length of the trails; 0: none.",
)
@option("--no-ids", is_flag=True, section="Marks", help="Leave out the particles' numbers.")
@option("--no-events", is_flag=True, section="Marks", help="Leave out the marks of events.")
@option("--no-scale-bar", is_flag=True, section="Marks", help="Leave out the scale bar.")
@option("--no-time-stamp", is_flag=True, section="Marks", help="Leave out the time.")
@frames_option(_PART, default="all that were analysed")
@option("--crop", type=Roi(), show_default="all that was analysed", section=_PART, help="Only this region, in px.")
@option("--follow", type=int, metavar="PARTICLE", section=_PART, help="Keep this particle in the centre, magnified.")
@option(
    "--zoom",
    type=float,
    metavar="F",
    show_default="whole steps up to 640 px a side",
    section="Picture",
    help="Picture px per frame px.",
)
@option(
    "--binning",
    type=click.IntRange(1),
    metavar="PX",
    show_default="1",
    section="Picture",
    help="Average this many px each way.",
)
@option(
    "--smooth-px",
    type=float,
    metavar="PX",
    show_default="1.5 where noise hides the particles, else 0",
    section="Picture",
    help="Smooth the shown frames; 0: as recorded.",
)
@option("--side-by-side", is_flag=True, section="Picture", help="Put the bare frame beside the drawn one.")
@option(
    "--every", type=click.IntRange(1), metavar="N", show_default="1", section="Time", help="One picture for N frames."
)
@option("--average", is_flag=True, section="Time", help="With --every: the mean of the N frames, not the first.")
@option("--speed", type=float, metavar="X", section="Time", help="Play X times as fast as it happened.")
@option(
    "--fps",
    type=float,
    metavar="N",
    show_default="the movie's own from 8 to 60, else 25",
    section="Time",
    help="Play N pictures a second.",
)
@quiet_option
@json_option
def overlay(
    run: Path, output: Path | None, frames: str | None, format: str | None, quiet: bool, as_json: bool, **given: Any
) -> None:
    """Draw outlines, ids, trails, events, scale bar and time on the movie.

    \b
    lptem-tracker overlay run
    lptem-tracker overlay run --format gif -o talk.gif --colour-by motion --every 4 --average
    lptem-tracker overlay run -o zoom.mp4 --follow 12 --side-by-side
    lptem-tracker overlay run -o slow.mkv --frames 100:200 --speed 0.1 --outline ellipse

    The ending of -o chooses the format: .mp4 (H.264, plays everywhere), .mkv (FFV1, without loss) or .gif.
    Frames at unequal times are shown at unequal times.
    """
    from lptem_tracker.report.overlay import write_overlay
    from lptem_tracker.run import open_run

    opened = open_run(run)
    # a particle, a length or a smoothing of 0 is a value, not an option left out
    options = {name: v for name, v in given.items() if v is not None and v is not False and not name.startswith("no_")}
    options |= {name: not given[f"no_{name}"] for name in ("ids", "events", "scale_bar", "time_stamp")}
    if frames is not None:
        options["frames"] = _range(frames, opened)
    with progress(quiet=quiet or as_json) as bars:
        path = write_overlay(opened, _named(opened, output, format), progress=frames_drawn(bars), **options)
    _told([path], quiet=quiet, as_json=as_json)


def _range(text: str, run: Run) -> tuple[int, int]:
    from lptem_tracker.movie.stream import frame_range

    shape = run.record.get("movie", {}).get("shape")
    return frame_range(text, int(shape[0]) if shape else int(run.tracks["frame"].max()) + 1)


def _named(run: Run, output: Path | None, format: str | None) -> Path | None:
    """Return where the overlay goes; a format and an ending that differ are refused."""
    if format is None:
        return output
    if output is None:
        return run.path / f"overlay.{format}"
    if output.suffix.lower() != f".{format}":
        raise click.BadParameter(f"{format} does not fit the name {output.name}; leave one out.", param_hint="--format")
    return output


def _told(paths: list[Path], *, quiet: bool, as_json: bool) -> None:
    """Say what was written."""
    if as_json:
        say_json({"written": [str(path) for path in paths]})
        return
    for path in paths:
        say(str(path), quiet=quiet)


def frames_drawn(bars: Progress) -> Callable[[int, int], None]:
    """Return a callback (done, total) that moves a progress bar."""
    last = 0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if last == 0:
            bars.stage("overlay", total)
        bars.advance(done - last)
        last = done

    return tell


@command()
@_run_argument
@output_to("PATH", "File to write.", default=_IN_RUN)
@quiet_option
@json_option
def report(run: Path, output: Path | None, quiet: bool, as_json: bool) -> None:
    """Write one HTML page that opens offline by double click.

    \b
    lptem-tracker report run
    lptem-tracker report run -o page.html

    The page shows overlay.mp4 where it lies beside it; write that first with: lptem-tracker overlay RUN
    """
    from lptem_tracker.report.page import write_report
    from lptem_tracker.run import open_run

    _told([write_report(open_run(run), output)], quiet=quiet, as_json=as_json)


@command()
@_run_argument
@output_to("PATH", "File to write; csv, parquet, geff, napari and yolo write a folder.", default=_IN_RUN)
@option(
    "--format",
    "fmt",
    required=True,
    type=click.Choice(["csv", "parquet", "trackmate", "geff", "napari", "imagej-roi", "yolo", "coco"]),
    help="The tool that will read it.",
)
@force_option
@quiet_option
@json_option
def export(run: Path, output: Path | None, fmt: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a run's tables in another tool's format.

    \b
    lptem-tracker export run --format trackmate
    lptem-tracker export run --format yolo -o labels      (labels to correct, then: train --data labels)

    csv and parquet hold every table; trackmate, geff and napari the tracks; imagej-roi, yolo and coco the
    outlines. trackpy takes a run's tracks.csv as it is. link and measure read csv, parquet, trackmate and geff.
    """
    from lptem_tracker.export import export_run
    from lptem_tracker.export.run_files import FORMATS
    from lptem_tracker.run import open_run

    paths = export_run(open_run(run), fmt, output, force=force)
    if fmt == "yolo" and not as_json:
        folder = output or run / "export" / FORMATS[fmt][0]
        say(f"{folder} ({sum(path.suffix == '.txt' for path in paths)} label files)", quiet=quiet)
        return
    _told(paths, quiet=quiet, as_json=as_json)


@command()
@_run_argument
def view(run: Path) -> None:
    """Open a run in napari: movie, points, tracks and events as layers.

    \b
    lptem-tracker view run

    Needs the optional napari: python -m pip install ".[napari]" in the source folder of lptem-tracker. In
    napari itself, File > Open Folder on a run, or the run's run.json dropped on the window, opens the same layers.
    """
    from lptem_tracker.export.napari_layers import view as open_viewer
    from lptem_tracker.run import open_run

    open_viewer(open_run(run))
