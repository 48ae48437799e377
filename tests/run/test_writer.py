"""Run folders: nothing lost, nothing half written."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from lptem_tracker.errors import InputError, OutputError, SettingsError, TableError
from lptem_tracker.run import Chunk, ChunkStore, Run, RunWriter, open_run, read_rejected, write_table


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    """What was there before stays unless --force is given."""
    (tmp_path / "tracks.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="--force"):
        RunWriter(tmp_path)
    assert (tmp_path / "tracks.csv").read_text(encoding="utf-8") == "mine"


def test_force_replaces_results_and_leaves_other_files(tmp_path):
    """Only files of a run are removed."""
    (tmp_path / "tracks.csv").write_text("old", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with RunWriter(tmp_path, force=True) as writer:
        writer.finish()
    assert not (tmp_path / "tracks.csv").exists()
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_stage_may_add_to_a_run(tmp_path):
    """`link` writes beside the detections that are there, but not over tracks."""
    (tmp_path / "detections.parquet").write_bytes(b"x")
    with RunWriter(tmp_path, only=("tracks.csv",)) as writer:
        writer.write_table("tracks.csv", pd.DataFrame({"x": [1.5]}))
        writer.finish()
    with pytest.raises(OutputError, match=r"already holds tracks\.csv"):
        RunWriter(tmp_path, only=("tracks.csv",))


def test_output_that_is_a_file_is_refused(tmp_path):
    """-o wants a folder."""
    file = tmp_path / "out"
    file.write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="is a file"):
        RunWriter(file)


_HOLD = """
import sys
from lptem_tracker.run import RunWriter
writer = RunWriter(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
writer.close()
"""


def test_two_runs_into_one_folder_the_second_is_refused(tmp_path):
    """The lock of a living run is respected, that of a finished one is gone."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        (tmp_path / "run" / "detections.parquet").touch()  # what it has written so far is nobody's to resume
        for how in ({}, {"force": True}, {"resume": True}):
            with pytest.raises(OutputError, match="Another run"):
                RunWriter(tmp_path / "run", **how)
        process.communicate("\n", timeout=30)
    assert process.returncode == 0
    RunWriter(tmp_path / "run", force=True).close()


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    """A full disk is one sentence, and the file that was there stays whole."""
    with RunWriter(tmp_path / "run") as writer:
        writer.write_text("settings.toml", "good")

        def full(*_args, **_kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.write_text", full)
        with pytest.raises(OutputError, match="disk is full"):
            writer.write_text("settings.toml", "bad")
        monkeypatch.undo()
    assert (tmp_path / "run" / "settings.toml").read_text(encoding="utf-8") == "good"
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions bind"
)
def test_read_only_place_is_one_sentence(tmp_path):
    """No permission to write is said plainly."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            RunWriter(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


def test_json_has_null_for_what_is_not_finite(tmp_path):
    """NaN is no JSON; null says that there is no number."""
    with RunWriter(tmp_path / "run") as writer:
        writer.write_json("summary.json", {"a": float("nan"), "b": [float("inf"), 1]})
    assert json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8")) == {"a": None, "b": [None, 1]}


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.parquet"])
def test_the_same_table_gives_the_same_bytes(tmp_path, name):
    """Two runs on the same input can be compared byte for byte."""
    table = pd.DataFrame({"particle": [1, 2], "x": [0.1, 1 / 3]})
    written = []
    for run in ("a", "b"):
        with RunWriter(tmp_path / run) as writer:
            written.append(writer.write_table(name, table).read_bytes())
    assert written[0] == written[1]


def test_chunks_are_gone_on_with_only_for_the_same_identity(tmp_path):
    """An interrupted run of another movie is not mixed in."""
    table = pd.DataFrame({"frame": [0], "x": [1.0]})
    with RunWriter(tmp_path / "run") as writer:
        ChunkStore(writer.path, {"movie": "a"}).add(Chunk(0, table, {"are constant": [3]}))
    with RunWriter(tmp_path / "run", resume=True) as writer:
        store = ChunkStore(writer.path, {"movie": "a"})
        (stored,) = store.tables(0, 64)
        assert stored.equals(table)
        assert list(store.problems(0, 64)) == [{"are constant": [3]}]
        with pytest.raises(SettingsError, match="another movie"):
            ChunkStore(writer.path, {"movie": "b"})


def test_an_unfinished_chunk_does_not_count(tmp_path):
    """A table without its mark was being written when the run was killed."""
    with RunWriter(tmp_path / "run") as writer:
        store = ChunkStore(writer.path, {})
        store.add(Chunk(0, pd.DataFrame({"frame": [0]}), {}))
        write_table(writer.work / "chunk-000000064.parquet", pd.DataFrame({"frame": [64]}))
        assert [table["frame"].tolist() for table in store.tables(0, 64)] == [[0]]


def test_a_removal_that_is_interrupted_leaves_nothing_to_go_on_with(tmp_path, monkeypatch):
    """A process that ends while the chunks of its finished run are removed, tables first, leaves none that counts."""
    with RunWriter(tmp_path / "run") as writer:
        ChunkStore(writer.path, {"movie": "a"}).add(Chunk(0, pd.DataFrame({"frame": [0]}), {}))

        def interrupted(folder, **_):
            (folder / "chunk-000000000.parquet").unlink()
            raise KeyboardInterrupt

        monkeypatch.setattr("shutil.rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.finish()
    assert not ChunkStore(tmp_path / "run", {"movie": "a"}).has(0)


def test_opening_what_is_no_run_is_one_sentence(tmp_path):
    """A missing folder and a folder without a run are told apart."""
    with pytest.raises(InputError, match="there is none"):
        open_run(tmp_path / "none")
    with pytest.raises(InputError, match="holds no run"):
        open_run(tmp_path)


def test_damaged_tables_are_one_sentence(tmp_path):
    """A truncated Parquet file and a truncated JSON file say what to do."""
    (tmp_path / "tracks.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "run.json").write_text('{"a": ', encoding="utf-8")
    run = Run(tmp_path)
    with pytest.raises(InputError, match="damaged"):
        _ = run.tracks
    with pytest.raises(InputError, match="damaged"):
        _ = run.record


def test_rejected_events_are_read_where_a_person_left_them(tmp_path):
    """No file is no rejection; a file without the columns is one sentence."""
    assert read_rejected(tmp_path) is None
    (tmp_path / "rejected_events.csv").write_text("kind,frame,particle_a,particle_b\nattach,3,1,2\n", encoding="utf-8")
    assert read_rejected(tmp_path)["kind"].tolist() == ["attach"]
    (tmp_path / "rejected_events.csv").write_text("kind\nattach\n", encoding="utf-8")
    with pytest.raises(TableError, match="particle_a"):
        read_rejected(tmp_path)
