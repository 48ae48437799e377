"""Help: what a new user reads, on any terminal."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import click
import pytest

from lptem_tracker.cli.app import _COMMANDS, _HEADINGS, app
from lptem_tracker.cli.options import SETTING_OF
from lptem_tracker.settings import Settings


def _command(name: str) -> click.Command:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    return command


def _help(name: str) -> str:
    command = _command(name)
    return command.get_help(click.Context(command, info_name=f"lptem-tracker {name}", max_content_width=100))


def test_every_command_stands_under_one_heading() -> None:
    """The list of commands is complete and names none twice."""
    assert sorted(name for names in _HEADINGS.values() for name in names) == sorted(_COMMANDS)


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_help_shows_examples_before_options(name: str) -> None:
    """Each command's help has examples of itself, which its own parser takes, above its options."""
    text = _help(name)
    examples = re.findall(rf"^  lptem-tracker {name} (.*)$", text, re.MULTILINE)
    assert examples or name == "demo"
    assert text.index("Examples:") < text.index("Options:")
    for example in examples:
        words = re.split(r"\s{2,}\(", example)[0].replace('"', "").split()
        _command(name).make_context(name, words)


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_every_option_is_explained(name: str) -> None:
    """No option without a sentence, and none whose default is silent where it has one."""
    command = _command(name)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.required or parameter.is_flag or parameter.show_default or "default" not in parameter.help


@pytest.mark.parametrize("name", ["analyze", "detect", "link", "measure", "batch"])
def test_defaults_in_the_help_are_those_of_the_settings(name: str) -> None:
    """A number or name shown as default is the value in Settings; where that is None, words stand there."""
    values = Settings().flat()
    for parameter in _command(name).params:
        if isinstance(parameter, click.Option) and parameter.name in SETTING_OF:
            value, shown = values[SETTING_OF[parameter.name]], str(parameter.show_default)
            assert shown.split(":")[0] == str(value) if value is not None else not re.match(r"[\d.]+$", shown)


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "utf-8"])
def test_help_prints_on_any_terminal(encoding: str) -> None:
    """All help comes out in an encoding that lacks some of its signs, spelt out where need be."""
    code = (
        "import sys; from lptem_tracker.cli import main; from lptem_tracker.cli.app import _COMMANDS\n"
        "for words in [['--help'], *([name, '--help'] for name in _COMMANDS)]:\n"
        "    try: main(words)\n"
        "    except SystemExit as stop: assert stop.code == 0, words\n"
    )
    command = [sys.executable, "-X", "utf8=0", "-c", code]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    text = done.stdout.decode(encoding)
    assert text.count("Usage:") == 1 + len(_COMMANDS)
    assert ("movie → detections" if encoding == "utf-8" else "movie -> detections") in text


def test_help_loads_no_heavy_library() -> None:
    """Every command explains itself before any library for arrays, tables, pictures or networks is loaded."""
    code = (
        "import sys; from lptem_tracker.cli import main; from lptem_tracker.cli.app import _COMMANDS\n"
        "for name in _COMMANDS:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0, name\n"
        "heavy = {'torch', 'numba', 'pandas', 'scipy', 'cv2', 'matplotlib', 'pyarrow', 'ultralytics', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr.strip() == "[]"


def test_signs_that_a_terminal_lacks_are_spelt_out() -> None:
    """An arrow becomes ->, a sign nobody spells becomes a question mark; what the encoding has stays."""
    from lptem_tracker.cli.console import PLAIN_SIGNS

    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="cp1252", errors=PLAIN_SIGNS)
    stream.write("3 µm² → α ≥ 1, 粒")
    stream.flush()
    assert buffer.getvalue().decode("cp1252") == "3 µm² -> alpha >= 1, ?"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_progress_shows_on_any_terminal(encoding: str) -> None:
    """Stages, counts and warnings with signs are drawn; no sign of a bar turns into a question mark."""
    from rich.console import Console

    from lptem_tracker.cli.console import PLAIN_SIGNS, _Bars

    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, errors=PLAIN_SIGNS)
    bars = _Bars(Console(file=stream, force_terminal=True, width=100, legacy_windows=False))
    bars.start()
    bars.stage("detect", 8)
    bars.advance(3)
    bars.note("2 frames (größe → 0) were left out [twice].")
    bars.advance(5)
    bars.stage("link")
    bars.stop()
    stream.flush()
    text = buffer.getvalue().decode(encoding)
    assert "detect" in text
    assert "8/8" in text
    assert ("größe → 0" if encoding == "utf-8" else "größe -> 0") in text
    assert "[twice]" in text
    # rich writes 0/? where a total is not known, and its cursor codes have the sign
    assert "?" not in text.replace("\x1b[?", "").replace("/?", "")


def test_the_shell_can_complete() -> None:
    """The completion of an option and of its choices is what click prints for bash."""
    environment = {**os.environ, "_LPTEM_TRACKER_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    environment["COMP_WORDS"] = "lptem-tracker overlay --outline b"
    command = [sys.executable, "-c", "from lptem_tracker.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.stdout.split() == ["plain,box"]
