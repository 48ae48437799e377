"""Help that teaches: what a command does, examples, then the options by what they are about."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from typing import Any

import click

EXAMPLES = "\b\n"  # how click marks lines that are not to be wrapped; here they are examples

_REQUIRED, _OTHERS = "Required", "Options"


class Option(click.Option):
    """An option that stands under a heading of its own in the help.

    Parameters
    ----------
    section : str
        The heading; without one it comes last.
    """

    def __init__(self, *args: Any, section: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return name and help; a default in words has no brackets within brackets."""
        record = super().get_help_record(ctx)
        if record is None or not isinstance(self.show_default, str):
            return record
        return record[0], record[1].replace(f"({self.show_default})", self.show_default)


option = partial(click.option, cls=Option)


class Command(click.Command):
    """A command whose docstring is: one sentence, examples, and what else is to be known."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sentence, the examples and the rest."""
        blocks = inspect.cleandoc(self.help or "").split("\n\n")
        _write_text(formatter, blocks[:1])
        for block in blocks:
            if block.startswith(EXAMPLES):
                with formatter.section("Examples"):
                    formatter.write("".join(f"  {line}\n" for line in block.removeprefix(EXAMPLES).splitlines()))
        _write_text(formatter, [block for block in blocks[1:] if not block.startswith(EXAMPLES)])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, in the order in which the headings first appear."""
        sections: dict[str, list[tuple[str, str]]] = {_REQUIRED: []}
        plain: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None or isinstance(parameter, click.Argument):
                continue
            if parameter.required:
                sections[_REQUIRED].append((record[0], record[1].replace("  [required]", "")))
            elif isinstance(parameter, Option) and parameter.section:
                sections.setdefault(parameter.section, []).append(record)
            else:
                plain.append(record)
        sections = {heading: records for heading, records in (*sections.items(), (_OTHERS, plain)) if records}
        width = max(len(name) for records in sections.values() for name, _ in records)
        for heading, records in sections.items():
            with formatter.section(heading):
                # one width for all headings, so that the columns stand below each other
                padded = [(f"{name:<{min(width, 28)}}", text) for name, text in records]
                formatter.write_dl(padded, col_max=30)


def _write_text(formatter: click.HelpFormatter, blocks: Iterable[str]) -> None:
    for block in blocks:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(" ".join(block.split()))


command = partial(click.command, cls=Command)
