"""A user's mistake: one clear sentence on standard error, exit code 1 (2 for wrong usage), nothing lost."""

import subprocess
import sys

import pytest

from lptem_tracker.cli.app import _run


def _fails(capsys, *args):
    """Run a command that must fail, and return its one line."""
    assert _run([str(arg) for arg in args]) == 1
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("Warning:")]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("Error: ")
    assert "Internal error" not in lines[0]
    return lines[0]


@pytest.mark.parametrize("command", ["analyze", "detect"])
def test_missing_movie(capsys, tmp_path, command):
    """The path that is not there is named."""
    assert "none.tif" in _fails(capsys, command, tmp_path / "none.tif", "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_empty_movie_file(capsys, tmp_path):
    """A file of no bytes is said to be empty."""
    (tmp_path / "empty.tif").touch()
    assert "empty" in _fails(capsys, "analyze", tmp_path / "empty.tif", "-o", tmp_path / "run")


def test_folder_without_images(capsys, tmp_path):
    """A folder that holds no image is named."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("hello", encoding="utf-8")
    assert "notes" in _fails(capsys, "info", tmp_path / "notes")


def test_missing_weights(capsys, tmp_path, small_movie):
    """Weights that are not there are not looked for elsewhere."""
    line = _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", "--weights", tmp_path / "none.pt")
    assert "none.pt" in line


def test_weights_that_are_none(capsys, tmp_path, small_movie):
    """Random bytes are no detector."""
    (tmp_path / "bad.pt").write_bytes(bytes(range(256)) * 8)
    assert "bad.pt" in _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", "--weights", tmp_path / "bad.pt")


def test_weights_that_hold_code_do_not_run_it(capsys, tmp_path, small_movie):
    """A pickle that would run a command is refused, and the command is not run."""
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", "--weights", tmp_path / "evil.pt")
    assert not (tmp_path / "owned").exists()


def test_output_that_exists(capsys, tmp_path, small_movie):
    """An earlier result is not touched without --force."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "particles.csv").write_text("mine", encoding="utf-8")
    assert "--force" in _fails(capsys, "analyze", small_movie, "-o", run)
    assert (run / "particles.csv").read_text(encoding="utf-8") == "mine"


def test_output_that_is_a_file(capsys, tmp_path, small_movie):
    """-o wants a folder, and the file stays."""
    file = tmp_path / "run"
    file.write_text("mine", encoding="utf-8")
    assert "is a file" in _fails(capsys, "analyze", small_movie, "-o", file)
    assert file.read_text(encoding="utf-8") == "mine"


def test_unknown_setting(capsys, tmp_path, small_movie):
    """A misspelt setting in a file is refused before anything is read."""
    (tmp_path / "run.toml").write_text("[link]\nmax_gap = 2\n", encoding="utf-8")
    line = _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", "--config", tmp_path / "run.toml")
    assert "link.max_gap" in line


@pytest.mark.parametrize(
    "options",
    [
        ("--pixel-size-nm", "-1"),
        ("--frame-interval-s", "0"),
        ("--confidence", "7"),
        ("--frames", "9:3"),
        ("--roi", "0,0,9,999"),
    ],
)
def test_options_out_of_range(capsys, tmp_path, small_movie, options):
    """Each names the option or the setting."""
    line = _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", *options)
    assert options[0].strip("-").split("-")[0] in line


def test_exposure_longer_than_interval(capsys, tmp_path, small_movie):
    """Contradicting times are refused."""
    options = ("--frame-interval-s", "0.1", "--exposure-s", "0.2")
    assert "exposure" in _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", *options)


@pytest.mark.parametrize(
    ("command", "text", "words"),
    [
        ("link", "a,b\n1,2\n", "frame"),
        ("link", "", "empty"),
        ("measure", "frame,x,y\n0,1,2\n", "particle"),
        ("measure", "particle,frame,x,y\n", "no"),
        ("measure", "particle,frame,x,y\n1,0,one,2\n", "numeric"),
    ],
)
def test_tables_that_do_not_fit(capsys, tmp_path, command, text, words):
    """A missing column, an empty file and text among numbers are told apart."""
    file = tmp_path / "table.csv"
    file.write_text(text, encoding="utf-8")
    assert words in _fails(capsys, command, file, "-o", tmp_path / "out")


@pytest.mark.parametrize("command", ["overlay", "report"])
def test_a_folder_that_is_no_run(capsys, tmp_path, command):
    """The folder is named, and how to make one."""
    assert "no run" in _fails(capsys, command, tmp_path)


def test_wrong_usage_is_exit_code_2(capsys):
    """A missing argument and an unknown option show how the command is used."""
    assert _run(["analyze"]) == 2
    assert _run(["info", "--nonsense", "x"]) == 2
    assert "Usage" in capsys.readouterr().err


@pytest.mark.parametrize(("wrong", "near"), [("analyse", "analyze"), ("detct", "detect")])
def test_a_misspelt_command_is_put_right(capsys, wrong, near):
    """The nearest command is suggested."""
    assert _run([wrong, "movie.tif"]) == 2
    assert f"'{near}'?" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--frames", "900:"), ("--roi", "0,0,9,999")])
def test_a_dry_run_refuses_what_the_movie_does_not_have(capsys, tmp_path, small_movie, options):
    """A region or frames outside the movie are refused before the run."""
    line = _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", "--dry-run", *options)
    assert options[0] in line


def test_a_dry_run_tells_of_frames_beyond_the_movie(capsys, tmp_path, small_movie):
    """A range that ends after the movie is cut, and that is said."""
    assert _run(["analyze", str(small_movie), "-o", str(tmp_path / "run"), "--dry-run", "--frames", "0:9999"]) == 0
    assert "--frames 0:9999 reaches beyond the movie's" in capsys.readouterr().out


def test_no_traceback_reaches_the_terminal(tmp_path):
    """The console script itself fails with one line."""
    result = subprocess.run(
        [sys.executable, "-m", "lptem_tracker", "info", str(tmp_path / "none.dm4")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["analyze", "a.tif", "-o", "run", "--follow-timeout", "5"], "--follow"),
        (["analyze", "a.tif", "-o", "run", "--follow-interval", "5", "--dry-run"], "--follow"),
        (["batch", "a.tif", "-o", "runs", "--scheduler", "tcp://a:8786", "--workers", "2"], "--workers"),
        (["train", "--from-simulation", "--from", "mine.safetensors", "-o", "new"], "--from"),
        (["train", "--data", "labels", "--workers", "2", "-o", "new"], "--workers"),
        (["train", "--data", "labels", "--resume", "-o", "new"], "--resume"),
        (["train", "-o", "new"], "--from-simulation"),
        (["analyze", "a.tif", "-o", "run", "--detector", "blob", "--weights", "mine.pt"], "--weights"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(capsys, tmp_path, monkeypatch, words, named):
    """What a command cannot heed in the company of another option is wrong usage, before anything is written."""
    monkeypatch.chdir(tmp_path)
    assert _run(words) == 2
    assert named in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["analyze", "a.tif", "-o", "", "--force"], "--output"),
        (["analyze", "a.tif", "-o", "run", "--config", " "], "--config"),
        (["analyze", "a.tif", "-o", "run", "--weights", ""], "--weights"),
        (["overlay", ""], "RUN"),
        (["analyze", "a.tif", "-o", "run", "--roi", "--1,0,20,20"], "--roi"),
        (["analyze", "a.tif", "-o", "run", "--roi", "\N{SUPERSCRIPT TWO},0,20,20"], "--roi"),
        (["analyze", "a.tif", "-o", "run", "--frames", "\N{SUPERSCRIPT TWO}:9"], "--frames"),
    ],
)
def test_a_value_that_can_be_none_is_wrong_usage(capsys, tmp_path, monkeypatch, words, named):
    """An empty path is not the present folder; signs that look like digits are no numbers."""
    (tmp_path / "run.json").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert _run(words) == 2
    assert named in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("name", ["tracks.xlsx", "tracks.JSON", "tracks.geff"])
def test_a_table_of_another_kind_is_no_folder(capsys, tmp_path, name):
    """A name that asks for a file which link does not write is refused, not made into a folder of that name."""
    (tmp_path / "found.csv").write_text("frame,x,y\n0,1,2\n", encoding="utf-8")
    assert ".parquet" in _fails(capsys, "link", tmp_path / "found.csv", "-o", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_page_is_a_file(capsys, make_run, monkeypatch):
    """-o names a folder, even the present one: a file is asked for."""
    run = make_run("run", movie=False)
    monkeypatch.chdir(run)
    for folder in (".", str(run)):
        assert "name of a file" in _fails(capsys, "report", run, "-o", folder)
        assert "name of a file" in _fails(capsys, "export", run, "--format", "trackmate", "-o", folder)


def test_a_number_is_told_as_it_was_typed(capsys, tmp_path):
    """Half a frame is 0.5 in the sentence, whatever type the table had."""
    (tmp_path / "found.csv").write_text("frame,x,y\n0.5,1,2\n", encoding="utf-8")
    assert _fails(capsys, "link", tmp_path / "found.csv", "-o", tmp_path / "t.csv").endswith("found 0.5.")


def test_degrees_celsius_are_not_taken_for_kelvin(capsys, tmp_path, small_movie):
    """25 K is no liquid: the sentence says what the number means."""
    words = ["--temperature-k", "25", "--viscosity-pa-s", "0.001"]
    assert "not in °C" in _fails(capsys, "analyze", small_movie, "-o", tmp_path / "run", *words)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_sees_that_the_folder_is_taken(capsys, tmp_path, small_movie):
    """What would stop the analysis at its start is said by the plan."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    for words, told in (([], True), (["--force"], False)):
        assert _run(["analyze", str(small_movie), "-o", str(tmp_path), "--dry-run", *words]) == 0
        assert ("which is not empty" in capsys.readouterr().out) == told
