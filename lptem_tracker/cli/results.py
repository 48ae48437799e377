"""Commands that show and hand on a run: overlay, report, export, view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lptem_tracker.cli.console import progress, say
from lptem_tracker.cli.options import Roi, quiet_option

if TYPE_CHECKING:
    from lptem_tracker.progress import Progress

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
    help="Colour of boxes and trails. [default: particle]",
)
@click.option("--outline", type=click.Choice(["box", "ellipse", "point", "none"]), help="[default: box]")
@click.option("--trail-frames", type=click.IntRange(0), help="Length of the trails. [default: 40]")
@click.option("--no-ids", is_flag=True, help="Do not write the particles' numbers.")
@click.option("--side-by-side", is_flag=True, help="The bare frame beside the drawn one.")
@click.option("--crop", type=Roi(), help="Only this region, in px.")
@click.option("--follow", type=int, metavar="PARTICLE", help="Keep this particle in the centre.")
@click.option("--zoom", type=float, help="Picture px per frame px. [default: to suit]")
@click.option("--binning", type=click.IntRange(1), help="Average this many px each way. [default: 1]")
@click.option("--every", type=click.IntRange(1), help="One picture for this many frames. [default: 1]")
@click.option("--speed", type=float, help="Playback in multiples of real time.")
@quiet_option
def overlay(run: Path, output: Path | None, no_ids: bool, quiet: bool, **given: Any) -> None:
    """Draw boxes, ids, trails, events, scale bar and time on the movie.

    \b
    lptem-tracker overlay run
    lptem-tracker overlay run -o talk.gif --colour-by motion --every 2
    lptem-tracker overlay run -o zoom.mp4 --follow 12 --zoom 4

    The ending of -o chooses the format: .mp4 (H.264), .mkv (without loss) or .gif.
    """
    from lptem_tracker.report.overlay import write_overlay
    from lptem_tracker.run import open_run

    options = {name: value for name, value in given.items() if value not in (None, False)}
    with progress(quiet=quiet) as bars:
        say(
            str(write_overlay(open_run(run), output, progress=frames_drawn(bars), ids=not no_ids, **options)),
            quiet=quiet,
        )


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


@click.command()
@_run_argument
def view(run: Path) -> None:
    """Open a run in napari: movie, points, tracks and events as layers.

    \b
    lptem-tracker view run

    Needs the optional napari: pip install "lptem-tracker[napari]". In napari itself, File > Open Folder
    on a run, or the run's run.json dropped on the window, opens the same layers.
    """
    from lptem_tracker.export.napari_layers import view as open_viewer
    from lptem_tracker.run import open_run

    open_viewer(open_run(run))
