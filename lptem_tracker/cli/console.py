"""What a person sees while a command works: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lptem_tracker.progress import Progress, Silent


class _Plain(Silent):
    """No terminal: only what must be said."""

    def note(self, text: str) -> None:
        """Print a warning line on standard error."""
        click.echo(f"Warning: {text}", err=True)


class _Bars:
    """Progress bars on a terminal, with the rate and the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        self._rich = Rich(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
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
        speed = self._rich.tasks[self._rich.task_ids.index(self._task)].speed
        self._rich.update(self._task, rate=f"{speed:.1f} frames/s" if speed else "")

    def note(self, text: str) -> None:
        """Print a warning above the bars."""
        from rich.markup import escape

        self._rich.console.print(f"[yellow]Warning:[/] {escape(text)}", highlight=False)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Yield bars on a terminal, plain warnings elsewhere, nothing when quiet."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield _Plain()
    else:
        bars = _Bars()
        bars.start()
        try:
            yield bars
        finally:
            bars.stop()


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
