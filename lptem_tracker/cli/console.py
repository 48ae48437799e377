"""What a person sees while a command works: progress on standard error, results on standard output."""

from __future__ import annotations

import codecs
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lptem_tracker.progress import Progress, Silent

PLAIN_SIGNS = "lptem_tracker.plain_signs"
"""Name of the error handler for streams whose encoding lacks a character, as on many Windows terminals."""

_INSTEAD = {"→": "->", "✓": "+", "−": "-", "α": "alpha", "χ": "chi", "ψ": "psi", "σ": "sigma", "≥": ">=", "≤": "<="}
_TOLD_EVERY_S = 30.0
_STEADY_STEPS, _STEADY_S = 3, 5.0


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(sign, "?") for sign in wanted), error.end


codecs.register_error(PLAIN_SIGNS, _plain_signs)


def _rate_text(stage: str, speed: float) -> str:
    return f"{speed:.1f} {'movies' if stage == 'movies' else 'frames'}/s"


class _Plain(Silent):
    """No terminal (a log file, a cluster's job): a line at each stage, and now and then on a long one."""

    def __init__(self) -> None:
        self._begin("", 0)

    def _begin(self, name: str, total: int) -> None:
        self._name, self._total, self._done, self._calls = name, total, 0, 0
        self._told = self._marked = time.monotonic()
        self._done_then = 0

    def stage(self, name: str, total: int | None = None) -> None:
        """Say what begins, and count anew."""
        self._begin(name, total or 0)
        click.echo(f"{name}: {f'0 of {total}' if total else 'begun'}", err=True)

    def advance(self, steps: int = 1) -> None:
        """Say how far the stage is, if nothing was said for half a minute."""
        self._done += steps
        self._calls += steps > 0
        now = time.monotonic()
        # what was done earlier comes first and the first step loads the detector: neither tells the rate
        if self._calls <= 2:
            self._marked, self._done_then = now, self._done
        if now - self._told < _TOLD_EVERY_S or not self._done:
            return
        self._told = now
        text = f"{self._name}: {self._done}" + (f" of {self._total}" if self._total else "")
        steady, seconds = self._done - self._done_then, now - self._marked
        if steady >= _STEADY_STEPS and seconds >= _STEADY_S:
            speed = steady / seconds
            left = (self._total - self._done) / speed
            text += f", about {left / 60:.0f} min left" if left > 90 else ""
            text += f", {_rate_text(self._name, speed)}"
            self._marked, self._done_then = now, self._done
        click.echo(text, err=True)

    def note(self, text: str) -> None:
        """Print a warning line on standard error."""
        click.echo(f"Warning: {text}", err=True)

    def tell(self, text: str) -> None:
        """Print a line on standard error."""
        click.echo(text, err=True)


class _Bars:
    """Progress bars on a terminal, with the rate and the time left.

    Parameters
    ----------
    console : rich.console.Console, optional
        Standard error where not given.
    """

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        console = console or Console(stderr=True)
        utf = str(console.encoding).lower().startswith("utf")
        self._rich = Rich(
            SpinnerColumn("dots" if utf else "line", finished_text="✓"),
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
        )
        self._task: Any = None

    def start(self) -> None:
        self._rich.start()

    def stop(self) -> None:
        self._close_stage()
        self._rich.stop()

    def _close_stage(self) -> None:
        if self._task is not None:
            task = self._rich.tasks[self._rich.task_ids.index(self._task)]
            total = task.total if task.total is not None else max(task.completed, 1)
            self._rich.update(self._task, total=total, completed=total)
            self._task = None

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a new bar; the one before is done."""
        self._close_stage()
        self._task = self._rich.add_task(name, total=total, rate="")

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        self._rich.advance(self._task, steps)
        task = self._rich.tasks[self._rich.task_ids.index(self._task)]
        self._rich.update(self._task, rate=_rate_text(task.description, task.speed) if task.speed else "")

    def note(self, text: str) -> None:
        """Print a warning above the bars."""
        from rich.markup import escape

        self._rich.console.print(f"[yellow]Warning:[/] {escape(text)}", highlight=False)

    def tell(self, text: str) -> None:
        """Print a line above the bars."""
        self._rich.console.print(text, highlight=False, markup=False)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Yield bars on a terminal, plain warnings elsewhere, nothing when quiet."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        plain = _Plain()
        with _compilation_told(plain.tell):
            yield plain
    else:
        bars = _Bars()
        bars.start()
        try:
            with _compilation_told(bars.tell):
                yield bars
        finally:
            bars.stop()


@contextmanager
def _compilation_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Say once that loops are being compiled, which a first run does for about a minute without another sign."""
    from numba.core import event

    class Told(event.Listener):  # type: ignore[misc]
        told = False

        def on_start(self, begun: Any) -> None:
            if not self.told and begun.data["dispatcher"].py_func.__module__.startswith("lptem_tracker."):
                self.told = True
                tell("Compiling for this machine, once; this takes about a minute.")

        def on_end(self, ended: Any) -> None:
            """Nothing is said."""

    with event.install_listener("numba:compile", Told()):
        yield


def say(text: str, *, quiet: bool = False) -> None:
    """Print a line of the result on standard output."""
    if not quiet:
        click.echo(text)


def say_json(content: dict[str, Any]) -> None:
    """Print a result for machines."""
    from lptem_tracker.run import jsonable

    click.echo(json.dumps(jsonable(content), indent=2, ensure_ascii=False))


def rows(pairs: list[tuple[str, str]]) -> None:
    """Print aligned names and values."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"  {name:<{width}}  {value}")


def plain_console() -> Any:
    """Return a console on standard output that adds no colour of its own to numbers."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)
