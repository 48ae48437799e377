"""Commands around the detector: simulate, train, evaluate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from lptem_tracker.cli.console import rows, say, say_json
from lptem_tracker.cli.help import command, option
from lptem_tracker.cli.options import (
    PATH,
    Place,
    device_option,
    force_option,
    json_option,
    output_to,
    quiet_option,
    seed_option,
)
from lptem_tracker.simulate.presets import PRESETS


@command()
@option(
    "--scene",
    default="brownian",
    show_default=True,
    help=f"A scene ({', '.join(PRESETS)}), or a TOML file that describes one.",
)
@output_to("FOLDER", "Folder for movie and truth.")
@seed_option("The same seed, the same movie.")
@option("--frames", type=click.IntRange(1), metavar="N", show_default="the scene's", help="Number of frames.")
@force_option
@quiet_option
@json_option
def simulate(scene: str, output: Path, seed: int, frames: int | None, force: bool, quiet: bool, as_json: bool) -> None:
    """Make a movie with known truth: movie.tif, truth_tracks, truth_events.

    \b
    lptem-tracker simulate --scene demo -o simulated
    lptem-tracker simulate --scene aggregation --frames 500 --seed 7 -o simulated
    """
    from lptem_tracker.errors import OutputError
    from lptem_tracker.simulate import simulate_movie, write_simulation

    if output.exists() and (not output.is_dir() or any(output.iterdir())) and not force:
        raise OutputError(f"{output} exists and is not empty; give another -o, or --force to replace what is in it.")
    movie = simulate_movie(scene, seed=seed, n_frames=frames)
    paths = [str(path) for path in write_simulation(movie, output)]
    if as_json:
        say_json({"written": paths})
    for path in paths if not as_json else ():
        say(path, quiet=quiet)


@command()
@option("--from-simulation", is_flag=True, help="From nothing, as the shipped weights were made.")
@option("--data", type=PATH, metavar="LABELS", help="Fine-tune on these labels (YOLO or COCO).")
@option("--from", "start", type=Place(), metavar="FILE", show_default="shipped", help="Weights to fine-tune.")
@output_to("FOLDER", "Folder for the weights.")
@option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    show_default="90; 10 on labels",
    help="Time to train.",
)
@seed_option("The same seed, the same order of images.")
@device_option()
@option(
    "--workers",
    type=click.IntRange(0),
    metavar="N",
    show_default="one a core, less one",
    help="Processes that simulate images.",
)
@option("--resume", is_flag=True, help="Go on with the training from simulation in the output folder.")
def train(
    from_simulation: bool,
    data: Path | None,
    start: str | None,
    output: Path,
    minutes: float | None,
    seed: int,
    device: str | None,
    workers: int | None,
    resume: bool,
) -> None:
    """Train the detector: on simulations from nothing, or on your own labelled frames.

    \b
    lptem-tracker train --from-simulation -o weights-new --minutes 90
    lptem-tracker export run --format yolo -o labels       (then correct them in any labelling tool)
    lptem-tracker train --data labels --from shipped -o mine
    lptem-tracker analyze movie.mp4 --weights mine/weights.safetensors -o run
    """
    import os

    if from_simulation == (data is not None):
        raise click.UsageError("Give either --from-simulation or --data LABELS.")
    if data is None and start is not None:
        raise click.UsageError("--from names the weights that --data fine-tunes; --from-simulation starts from none.")
    if data is not None and (resume or workers is not None):
        raise click.UsageError("--resume and --workers belong to --from-simulation; fine-tuning on --data has neither.")
    device = device or "auto"
    if data is None:
        from lptem_tracker.training.from_simulation import plan_training, train_from_simulation

        workers = max((os.cpu_count() or 2) - 1, 1) if workers is None else workers
        plan = plan_training(minutes=minutes or 90.0, seed=seed, device=device, workers=workers)
        path = train_from_simulation(output, plan, resume=output if resume else None)
    else:
        from lptem_tracker.training.fine_tune import fine_tune

        path = fine_tune(data, output, start=start or "shipped", minutes=minutes or 10.0, seed=seed, device=device)
    say(f"weights → {path}")


@command()
@click.argument("run", type=PATH)
@option("--truth", type=PATH, metavar="FOLDER", required=True, help="Folder written by simulate.")
@json_option
def evaluate(run: Path, truth: Path, as_json: bool) -> None:
    """Score a run of a simulated movie against its truth.

    \b
    lptem-tracker simulate --scene demo -o simulated
    lptem-tracker analyze simulated/movie.tif -o run
    lptem-tracker evaluate run --truth simulated
    """
    from lptem_tracker.evaluate import evaluate_run
    from lptem_tracker.run import open_run

    scores = evaluate_run(open_run(run), truth)
    if as_json:
        say_json(scores)
        return
    for part, values in scores.items():
        say(part)
        rows([(name, _shown(value)) for name, value in values.items()])


def _shown(value: Any) -> str:
    """Return a score as a person reads it: four digits, no brackets of Python, a dash for what is not defined."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(_shown(part) for part in value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
