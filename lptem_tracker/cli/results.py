"""Commands that show and hand on a run: overlay, report, export."""

from __future__ import annotations

from pathlib import Path

import click

from lptem_tracker.cli.console import say

_run_argument = click.argument("run", type=click.Path(path_type=Path))
_output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write. [default: in the run folder]"
)


@click.command()
@_run_argument
@_output
@click.option(
    "--colour-by",
    type=click.Choice(["particle", "speed", "D", "motion", "cluster"]),
    help="Colour of boxes and trails.",
)
@click.option("--side-by-side", is_flag=True, help="The raw frames beside the drawn ones.")
@click.option("--speed-up", type=click.IntRange(1), default=1, help="Show every Nth frame. [default: 1]")
@click.option("--particle", type=int, help="Crop and zoom on this particle.")
def overlay(
    run: Path, output: Path | None, colour_by: str | None, side_by_side: bool, speed_up: int, particle: int | None
) -> None:
    """Draw boxes, ids, trails, events, scale bar and time on the movie.

    \b
    lptem-tracker overlay run
    lptem-tracker overlay run -o talk.gif --colour-by motion --speed-up 2
    lptem-tracker overlay run -o zoom.mp4 --particle 12

    The ending of -o chooses the format: .mp4 (H.264), .mkv (lossless) or .gif.
    """
    from lptem_tracker.report.overlay import write_overlay
    from lptem_tracker.run import open_run

    path = write_overlay(
        open_run(run), output, colour_by=colour_by, side_by_side=side_by_side, speed_up=speed_up, particle=particle
    )
    say(str(path))


@click.command()
@_run_argument
@_output
def report(run: Path, output: Path | None) -> None:
    """Write one HTML page that opens offline by double click.

    \b
    lptem-tracker report run
    """
    from lptem_tracker.report.page import write_report
    from lptem_tracker.run import open_run

    say(str(write_report(open_run(run), output)))


@click.command()
@_run_argument
@_output
@click.option(
    "--format",
    "fmt",
    required=True,
    type=click.Choice(["csv", "parquet", "trackmate", "geff", "napari", "imagej-roi", "yolo", "coco"]),
    help="The tool that will read it.",
)
def export(run: Path, output: Path | None, fmt: str) -> None:
    """Write a run's tables in another tool's format.

    \b
    lptem-tracker export run --format trackmate
    lptem-tracker export run --format yolo -o labels      (labels to correct, then: train --data labels)
    """
    from lptem_tracker.export import export_run
    from lptem_tracker.run import open_run

    for path in export_run(open_run(run), fmt, output):
        say(str(path))
