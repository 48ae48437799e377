"""The command group, and how a failure reaches the user: one clear line and an exit code."""

from __future__ import annotations

import difflib
import importlib
import itertools
import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import click

from lptem_tracker.cli.console import PLAIN_SIGNS
from lptem_tracker.errors import LptemError, LptemWarning

# name: (module, what the list of commands says)
_COMMANDS = {
    "demo": ("demo", "Simulate a small movie, run everything on it, print truth beside result."),
    "info": ("movies", "Show a movie's format, size, calibration, noise and contrast."),
    "analyze": ("movies", "Find, follow and measure the particles of one or more movies."),
    "detect": ("movies", "Find the particles: movie → detections."),
    "link": ("tables", "Follow the particles: detections → tracks."),
    "measure": ("tables", "Measure the tracks: tracks → D, alpha, events, structure."),
    "overlay": ("results", "Draw the tracks on the movie."),
    "report": ("results", "Write the report page of a run."),
    "export": ("results", "Write a run's tables in another tool's format."),
    "view": ("results", "Open a run in napari (optional)."),
    "batch": ("many", "Analyse many movies on many processes or machines."),
    "simulate": ("models", "Make a movie with known truth."),
    "train": ("models", "Train the detector on simulations, or fine-tune it on your own labels."),
    "evaluate": ("models", "Score a run against known truth."),
}

_HEADINGS = {
    "Start here": ("demo", "info", "analyze", "batch"),
    "One stage at a time": ("detect", "link", "measure"),
    "Show and hand on": ("overlay", "report", "export", "view"),
    "Simulated truth and the detector": ("simulate", "evaluate", "train"),
}


class _Group(click.Group):
    """Loads a command's module when the command is asked for, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"lptem_tracker.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of an unknown one the error names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0].lower(), _COMMANDS, n=1)
            # newer versions of click suggest by themselves
            if not near or near[0] in error.message:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in _HEADINGS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<8}", _COMMANDS[name][1]) for name in names])


_COMPLETION = """Completion by the Tab key: put the line for your shell into its start-up file.

\b
bash: eval "$(_LPTEM_TRACKER_COMPLETE=bash_source lptem-tracker)"
zsh:  eval "$(_LPTEM_TRACKER_COMPLETE=zsh_source lptem-tracker)"
fish: _LPTEM_TRACKER_COMPLETE=fish_source lptem-tracker | source"""


@click.group(
    cls=_Group, epilog=_COMPLETION, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="lptem-tracker", message="%(prog)s %(version)s")
def app() -> None:
    """Track nanoparticles in liquid-phase electron microscopy movies.

    \b
    Try it:          lptem-tracker demo
    Look at a movie: lptem-tracker info movie.dm4
    Analyse it:      lptem-tracker analyze movie.dm4 -o run
    Without scale in the file, give it:
                     lptem-tracker analyze frames/ --pixel-size-nm 2 --frame-interval-s 0.0125 -o run

    Then open run/report.html. "lptem-tracker COMMAND --help" explains each command, examples first.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; exit with 0 (done), 1 (failed, one line said why) or 2 (wrong usage)."""
    warnings.filterwarnings("ignore")
    warnings.filterwarnings("always", category=LptemWarning)
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAIN_SIGNS)
    sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    try:
        result = app.main(args=args, prog_name="lptem-tracker", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _fail(_how_to_go_on(sys.argv[1:] if args is None else list(args)))
    except LptemError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("There is not enough memory; give a smaller --roi or fewer --frames, or close other programs.")
    except BrokenPipeError:
        return 1
    except Exception as error:
        # the last resort: a user gets a line, not a traceback
        if os.environ.get("LPTEM_TRACKER_TRACEBACK"):
            raise
        what = (str(error).splitlines() or [""])[0]
        return _fail(
            f"Internal error ({type(error).__name__}: {what}). This is a bug: please report it with the "
            "output of the same command after setting LPTEM_TRACKER_TRACEBACK=1."
        )


def _how_to_go_on(words: list[str]) -> str:
    """Return what to say to somebody who stopped a command."""
    name = words[0] if words else ""
    if name == "batch":
        return "Stopped. Movies that were finished are kept; the same command does the others."
    tuned = name == "train" and "--from-simulation" not in words
    if name not in {"analyze", "train"} or tuned:
        return "Stopped. Files are written whole or not at all; run the same command again."
    again = words if "--resume" in words else [*words, "--resume"]
    quoted = subprocess.list2cmdline(again) if os.name == "nt" else shlex.join(again)
    kept = "What was finished is kept" if name == "train" or _has_chunk(words) else "Nothing was finished yet"
    return f"Stopped. {kept}; go on with: lptem-tracker {quoted}"


def _has_chunk(words: list[str]) -> bool:
    """Tell whether the run folders that a line of analyze names hold a finished chunk or table."""
    outputs = [value for word, value in itertools.pairwise(words) if word in {"-o", "--output"}]
    outputs += [word.partition("=")[2] for word in words if word.startswith("--output=")]
    outputs += [word[2:] for word in words if word.startswith("-o") and len(word) > 2]
    return any(any(Path(output).rglob("*.parquet")) for output in outputs)


def _fail(sentence: str) -> int:
    click.echo(f"Error: {sentence}", err=True)
    return 1


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"Warning: {message}", err=True)
