"""Spoilt tables in a run folder: one clear sentence or a result, never a traceback.

``python tests/benchmarks/fuzz_tables.py [--seed S] [--cases N] [--quick]`` analyses a small simulated movie, then
spoils one column (or the rows) of one of its tables at a time and runs every command that reads it, in process.
Printed are, for each command, how the cases ended:

done        it finished
refused     one sentence of ours said why not
CRASH       any other exception
WORDS       refused in more than one line

BROKEN      a table that nobody spoilt was not taken

The last three must be empty. Without --cases every table, column and spoiling is tried with every command.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd

Spoiling = Callable[[pd.DataFrame, str], pd.DataFrame]


def _some(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """Put a value into every third row of a column."""
    values = table[column].astype(object).copy()
    values.iloc[::3] = value
    return table.assign(**{column: values})


SPOILINGS: dict[str, Spoiling] = {
    "text": lambda table, column: table.assign(**{column: "abc"}),
    "some text": lambda table, column: _some(table, column, "n/a?"),
    "numbers as text": lambda table, column: table.assign(**{column: table[column].astype(str)}),
    "empty strings": lambda table, column: table.assign(**{column: ""}),
    "some empty strings": lambda table, column: _some(table, column, ""),
    "blank": lambda table, column: table.assign(**{column: np.nan}),
    "some blank": lambda table, column: _some(table, column, None),
    "infinite": lambda table, column: table.assign(**{column: np.inf}),
    "some minus infinite": lambda table, column: _some(table, column, -np.inf),
    "huge": lambda table, column: table.assign(**{column: 1e300}),
    "some huge": lambda table, column: _some(table, column, 10**15),
    "beyond 64 bits": lambda table, column: table.assign(**{column: float(2**70)}),
    "negative": lambda table, column: table.assign(**{column: -5}),
    "zero": lambda table, column: table.assign(**{column: 0}),
    "true": lambda table, column: table.assign(**{column: True}),
    "fractions": lambda table, column: table.assign(**{column: np.arange(len(table)) * 0.37}),
    "dates": lambda table, column: table.assign(**{column: pd.Timestamp("2024-02-03")}),
    "missing": lambda table, column: table.drop(columns=column),
}
UNSPOILT = "as written"
ROWS: dict[str, Spoiling] = {
    UNSPOILT: lambda table, _: table,
    "no rows": lambda table, _: table.iloc[:0],
    "one row": lambda table, _: table.iloc[:1],
    "rows twice": lambda table, _: pd.concat([table, table], ignore_index=True),
    "a row twice": lambda table, _: pd.concat([table, table.iloc[:1]], ignore_index=True),
    "unsorted": lambda table, _: table.sample(frac=1, random_state=1),
    "own index": lambda table, _: table.set_index(np.arange(len(table))[::-1] * 7),
    "column twice": lambda table, _: table.rename(columns={"y_std": "x_std", "frame_last": "frame"}),
}
COMMANDS: dict[str, dict[str, list[str]]] = {
    "detections.parquet": {
        "link": ["link", "{run}", "-o", "{out}"],
        "link table": ["link", "{file}", "-o", "{out}"],
        "report": ["report", "{run}", "-o", "{out}.html"],
        "evaluate": ["evaluate", "{run}", "--truth", "{truth}"],
        "yolo": ["export", "{run}", "--format", "yolo", "-o", "{out}"],
        "coco": ["export", "{run}", "--format", "coco", "-o", "{out}"],
        "csv": ["export", "{run}", "--format", "csv", "-o", "{out}"],
    },
    "tracks.parquet": {
        "measure": ["measure", "{run}", "-o", "{out}"],
        "measure table": ["measure", "{file}", "-o", "{out}"],
        "measure csv": ["measure", "{csv}", "-o", "{out}"],
        "report": ["report", "{run}", "-o", "{out}.html"],
        "overlay": ["overlay", "{run}", "-o", "{out}.mkv", "--every", "5"],
        "evaluate": ["evaluate", "{run}", "--truth", "{truth}"],
        "trackmate": ["export", "{run}", "--format", "trackmate", "-o", "{out}.xml"],
        "geff": ["export", "{run}", "--format", "geff", "-o", "{out}"],
        "napari": ["export", "{run}", "--format", "napari", "-o", "{out}"],
        "imagej-roi": ["export", "{run}", "--format", "imagej-roi", "-o", "{out}.zip"],
    },
    "particles.csv": {
        "report": ["report", "{run}", "-o", "{out}.html"],
        "overlay": ["overlay", "{run}", "-o", "{out}.mkv", "--every", "5", "--colour-by", "D"],
        "csv": ["export", "{run}", "--format", "csv", "-o", "{out}"],
    },
    "events.csv": {
        "report": ["report", "{run}", "-o", "{out}.html"],
        "overlay": ["overlay", "{run}", "-o", "{out}.mkv", "--every", "5", "--colour-by", "cluster"],
        "evaluate": ["evaluate", "{run}", "--truth", "{truth}"],
    },
    "msd.csv": {"report": ["report", "{run}", "-o", "{out}.html"]},
}


SCENE = """
width_px = 128
height_px = 128
n_frames = 30
pixel_size_nm = 1.0
frame_interval_s = 0.1
exposure_s = 0.05
count = 8
radius_nm = 7.0
D_nm2_s = 5.0
snr = 4.0
contrast = 0.35
n_attach = 1
n_coalesce = 1
"""


def make_run(folder: Path) -> Path:
    """Simulate and analyse a small movie with events."""
    movie, run = folder / "movie", folder / "run"
    (folder / "scene.toml").write_text(SCENE, encoding="utf-8")
    for words in (
        ["simulate", "--scene", str(folder / "scene.toml"), "-o", str(movie), "--seed", "3"],
        ["analyze", str(movie / "movie.tif"), "-o", str(run), "--no-overlay", "--no-report", "--quiet"],
    ):
        ended, text = end_of(words)
        if ended != "done":
            raise SystemExit(f"{' '.join(words)}: {ended} {text}")
    return run


def end_of(words: list[str]) -> tuple[str, str]:
    """Run one command in this process and tell how it ended."""
    from lptem_tracker.cli.app import app
    from lptem_tracker.errors import LptemError

    with warnings.catch_warnings(), contextlib.ExitStack() as quiet:
        warnings.simplefilter("ignore")  # as the command line does
        quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
        quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
        try:
            app.main(args=words, prog_name="lptem-tracker", standalone_mode=False)
        except (LptemError, click.ClickException) as error:
            text = error.format_message() if isinstance(error, click.ClickException) else str(error)
            return ("refused" if text and "\n" not in text else "WORDS"), text
        except Exception as error:  # noqa: BLE001 - what this script is looking for
            last = traceback.extract_tb(error.__traceback__)[-1]
            ours = [f for f in traceback.extract_tb(error.__traceback__) if "lptem_tracker" in f.filename][-1]
            where = f"{Path(ours.filename).name}:{ours.lineno} ({Path(last.filename).name})"
            return "CRASH", f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:150]} at {where}"
    return "done", ""


def cases(run: Path, *, quick: bool) -> Iterator[tuple[str, str, str, str]]:
    """Yield every (table, column, spoiling, command)."""
    for name, commands in COMMANDS.items():
        columns = list(_read(run / name).columns)
        for command in commands:
            for column in columns:
                for spoiling in list(SPOILINGS)[:: 4 if quick else 1]:
                    yield name, column, spoiling, command
            for spoiling in ROWS:
                yield name, "", spoiling, command


def _read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def try_case(run: Path, room: Path, name: str, column: str, spoiling: str, command: str) -> tuple[str, str]:
    """Spoil a copy of the run and give it to one command."""
    copy, out = room / "run", room / "out"
    shutil.copytree(run, copy)
    table = _read(run / name)
    spoilt = SPOILINGS[spoiling](table, column) if column else ROWS[spoiling](table, "")
    if name.endswith(".parquet"):
        try:
            spoilt.to_parquet(copy / name)
        except Exception:  # noqa: BLE001 - a column of two kinds, which only text can hold
            try:
                spoilt.assign(**{column: spoilt[column].astype(str)}).to_parquet(copy / name)
            except Exception:  # noqa: BLE001 - two columns of one name
                return "cannot be written", ""
    else:
        spoilt.to_csv(copy / name, index=False)
    if command == "measure csv":
        spoilt.to_csv(room / "table.csv", index=False)
    places = {"run": copy, "file": copy / name, "csv": room / "table.csv", "out": out, "truth": run.parent / "movie"}
    words = [word.format(**{key: str(value) for key, value in places.items()}) for word in COMMANDS[name][command]]
    return end_of(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, help="so many drawn at random")
    parser.add_argument("--quick", action="store_true", help="every fourth spoiling only")
    parser.add_argument("--only", help="tables or commands whose name holds this")
    parser.add_argument("--run", type=Path, help="folder kept between calls, that holds or gets the movie and its run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.run or Path(temporary) / "base"
        folder.mkdir(exist_ok=True, parents=True)
        run = folder / "run" if (folder / "run").exists() else make_run(folder)
        todo = [c for c in cases(run, quick=args.quick) if not args.only or any(args.only in part for part in c)]
        if args.cases:
            picked = np.random.default_rng(args.seed).permutation(len(todo))[: args.cases]
            # what nobody spoilt is always tried: without it a check that refuses everything would pass
            todo = [case for k, case in enumerate(todo) if k in set(picked.tolist()) or case[2] == UNSPOILT]
        count: dict[str, Counter[str]] = {}
        bad: Counter[str] = Counter()
        for case in todo:
            with tempfile.TemporaryDirectory() as room:
                ended, text = try_case(run, Path(room), *case)
            if case[2] == UNSPOILT and ended != "done":
                ended, text = "BROKEN", f"{ended}: {text}"
            count.setdefault(f"{case[0]}: {case[3]}", Counter())[ended] += 1
            if ended in {"CRASH", "WORDS", "BROKEN"}:
                bad[text] += 1
                if bad[text] <= 2:
                    print(f"{ended} {case}: {text}", flush=True)
    for name, ends in count.items():
        print(f"  {name:32s} {dict(sorted(ends.items()))}")
    total = sum(count.values(), Counter())
    print(f"{len(todo)} cases: {dict(sorted(total.items()))}")


if __name__ == "__main__":
    main()
