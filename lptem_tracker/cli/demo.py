"""The demo command: a simulated movie, the whole analysis, and truth beside result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptem_tracker.cli.console import plain_console, progress, say
from lptem_tracker.cli.help import command
from lptem_tracker.cli.options import output_to, seed_option

if TYPE_CHECKING:
    from lptem_tracker.run import Run


@command()
@output_to("RUN", "Run folder to write.", default="lptem-demo, numbered")
@seed_option("The same seed, the same movie.")
def demo(output: Path | None, seed: int) -> None:
    """Simulate a small liquid-phase TEM movie, analyse it, and print truth beside result.

    \b
    lptem-tracker demo
    lptem-tracker demo -o somewhere --seed 3

    Needs no network and no GPU, and takes under two minutes.
    """
    from lptem_tracker.cli.movies import draw
    from lptem_tracker.errors import OutputError
    from lptem_tracker.evaluate import evaluate_run
    from lptem_tracker.pipeline import analyze
    from lptem_tracker.settings import Settings
    from lptem_tracker.simulate import simulate_movie, write_simulation

    folder = output or _free_name()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and is not empty; give another -o.")
    simulation = folder / "simulation"
    with progress() as bars:
        bars.stage("simulate", None)
        movie = simulate_movie("demo", seed=seed)
        write_simulation(movie, simulation)
        # a TIFF stack holds pixel size and frame interval, but has no place for the exposure
        settings = Settings.load(overrides={"movie.exposure_s": movie.calibration.exposure_s})
        # the folder holds the simulation alone, so forcing replaces nothing
        run = analyze(simulation / "movie.tif", folder, settings=settings, force=True, progress=bars)
        draw(run, settings, bars)
    show_comparison(run, evaluate_run(run, simulation))


def _free_name() -> Path:
    names = (Path("lptem-demo" if n == 1 else f"lptem-demo-{n}") for n in range(1, 10_000))
    return next(path for path in names if not path.exists())


def show_comparison(run: Run, scores: dict[str, dict[str, Any]]) -> None:
    """Print the truth of a simulated movie beside what a run found."""
    from rich.table import Table

    from lptem_tracker.report.labels import unit_text

    table = Table(title="Truth beside result", title_justify="left")
    for name in ("", "truth", "found"):
        table.add_column(name, justify="left" if not name else "right")
    found, motion, events = scores["detection"], scores["diffusion"], scores["events"]
    table.add_row(
        "particles in all frames", str(found["n_truth"]), f"{found['n_matched']} right, {found['n_false']} false"
    )
    table.add_row("recall, precision", "1, 1", f"{found['recall']:.3f}, {found['precision']:.3f}")
    table.add_row("position error", "0 px", f"{found['error_px']:.2f} px (rms)")
    table.add_row("identities kept (IDF1)", "1", f"{scores['tracking']['idf1']:.3f}")
    low, high = motion["ci95"]
    unit = unit_text(motion["unit"])
    table.add_row(f"D ({unit})", f"{motion['truth']:.4g}", f"{motion['found']:.4g}  [{low:.4g}, {high:.4g}] 95 %")
    for kind, counts in events.items():
        if kind != "all" and (counts["n_truth"] or counts["n_found"]):
            table.add_row(
                f"{kind} events", str(counts["n_truth"]), f"{counts['n_matched']} right, {counts['n_false']} false"
            )
    plain_console().print(table)
    say(f"Everything is in {run.path}; open {run.path / 'report.html'}")
