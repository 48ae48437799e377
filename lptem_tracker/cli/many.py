"""The batch command: many movies on many processes or machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lptem_tracker.cli import options as opt
from lptem_tracker.cli.console import progress, rows, say, say_json
from lptem_tracker.cli.help import command, option

if TYPE_CHECKING:
    from lptem_tracker.batch.many import Outcome
    from lptem_tracker.progress import Progress
    from lptem_tracker.run import Run
    from lptem_tracker.settings import Settings


@command()
@click.argument("movies", nargs=-1, required=True, type=click.Path(), metavar="MOVIE...")
@opt.output_to("RUNS", "Folder to write; it holds a run folder for each movie.")
@option("--conditions", type=opt.PATH, metavar="CSV", help="Which movie is of which sample: columns movie, sample.")
@option("--scheduler", metavar="ADDRESS", show_default="own processes here", help="A Dask scheduler that is running.")
@option("--workers", type=click.IntRange(1), metavar="N", show_default="one a core", help="Own processes.")
@opt.config_option
@opt.scale_options
@opt.detect_options
@opt.link_options
@opt.liquid_options
@opt.force_option
@opt.drawing_options
@option("--dry-run", is_flag=True, help="List the movies, their samples and run folders, and stop.")
@opt.quiet_option
@opt.json_option
def batch(
    movies: tuple[str, ...],
    output: Path,
    conditions: Path | None,
    scheduler: str | None,
    workers: int | None,
    config: Path | None,
    force: bool,
    no_overlay: bool,
    no_report: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Analyse many movies side by side; run again, it does only what is missing.

    \b
    lptem-tracker batch "DATA/**/*.dm4" -o RUNS --dry-run
    lptem-tracker batch "DATA/**/*.dm4" -o RUNS
    lptem-tracker batch "DATA/**/*.dm4" -o RUNS --conditions samples.csv --workers 8
    lptem-tracker batch "DATA/**/*.dm4" -o RUNS --scheduler tcp://node1:8786

    Each movie gets a run folder below RUNS; RUNS/index.html shows how far the batch is, RUNS/summary.json
    pools each sample. A movie that fails is listed with its reason, and the others go on.
    """
    from lptem_tracker.batch.many import run_batch
    from lptem_tracker.batch.plan import plan_batch

    if scheduler is not None and workers is not None:
        raise click.UsageError("Give --scheduler or --workers, not both: a running scheduler has its own workers.")
    settings = opt.settings_from(config, given)
    items = plan_batch(movies, conditions)
    if dry_run:
        rows([(item.source, f"sample {item.sample} → {output / item.name}") for item in items])
        return 0
    finish = partial(_draw, overlay=not no_overlay, report=not no_report)
    with progress(quiet=quiet or as_json) as bars:
        bars.stage("movies", len(items))
        outcomes = run_batch(
            items,
            output,
            settings,
            scheduler=scheduler,
            workers=workers,
            force=force,
            finish=finish,
            told=_teller(bars, output),
        )
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if as_json:
        say_json({"movies": [asdict(outcome) for outcome in outcomes], "output": str(output)})
        return 1 if failed else 0
    say(f"{len(outcomes) - len(failed)} of {len(outcomes)} movies done → {output / 'index.html'}", quiet=quiet)
    for outcome in failed:
        click.echo(f"Error: {outcome.source}: {outcome.reason}", err=True)
    return 1 if failed else 0


def _draw(run: Run, settings: Settings, *, overlay: bool, report: bool) -> None:
    """Draw one run on a worker."""
    from lptem_tracker.cli.movies import draw
    from lptem_tracker.progress import Silent

    draw(run, settings, Silent(), overlay=overlay, report=report)


def _teller(bars: Progress, output: Path) -> Callable[[list[Outcome]], None]:
    from lptem_tracker.report.batch_page import write_batch_page

    finished = 0

    def tell(outcomes: list[Outcome]) -> None:
        nonlocal finished
        now = sum(outcome.state != "waiting" for outcome in outcomes)
        bars.advance(now - finished)
        finished = now
        write_batch_page(output, outcomes)

    return tell
