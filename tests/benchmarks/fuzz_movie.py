"""Truncated and bit-flipped copies of every format: one clear sentence, or an analysed rest with a warning.

``python tests/benchmarks/fuzz_movie.py [--cases N] [--seed S] [--quick] [--shared FOLDER]`` damages copies of small
movies of every format (and of the microscope files in FOLDER), opens each and reads all of its frames in a
process of its own with a limit on time and memory, and prints how each ended:

refused     one MovieError
warned      opened, with a warning that says what is wrong
same        opened, every frame as in the undamaged movie (the damage hit nothing that is read)
other       opened without a warning, same shape, other pixels: a flip among pixels without a checksum
WRONG       a wrong-looking success: fewer or other-sized frames without a warning
CRASH       any other exception, HANG over the time limit, DIED a process that ended by itself

The last four columns must be empty but for "other" in flips.
"""

from __future__ import annotations

import argparse
import multiprocessing
import runpy
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

LIMIT_S = 20.0
MEMORY_BYTES = 6 * 2**30


def damage(source: Path, target: Path, rng: np.random.Generator, kind: str) -> str:
    """Copy a movie with damage and return what was done."""
    if source.is_dir():
        shutil.copytree(source, target)
        files = sorted(path for path in target.rglob("*") if path.is_file())
        target = files[int(rng.integers(len(files)))]
    else:
        shutil.copy(source, target)
    target.chmod(0o644)
    data = bytearray(target.read_bytes())
    if kind == "cut":
        keep = int(len(data) * rng.uniform(0, 1)) if rng.random() < 0.7 else len(data) - int(rng.integers(1, 64))
        target.write_bytes(data[: max(keep, 0)])
        return f"{target.name} cut to {keep} of {len(data)} bytes"
    # headers are where a flip can do more than change a pixel
    end = len(data) if rng.random() < 0.4 else min(len(data), 2048)
    places = rng.integers(0, end, int(rng.integers(1, 9)))
    for place in places:
        data[place] ^= 1 << int(rng.integers(8))
    target.write_bytes(data)
    return f"{target.name} flipped at {sorted(map(int, places))}"


def try_to_read(path: str, reference: Any) -> tuple[str, str]:
    """Open and read everything; return how it ended, and the words."""
    from lptem_tracker.errors import MovieError
    from lptem_tracker.movie import open_movie

    try:
        with open_movie(path) as movie:
            frames = {frame.index: frame.pixels for frame in movie.frames()}
            words = [line for line in movie.warnings if line not in reference[2]]
            shape = movie.shape
    except MovieError as error:
        text = str(error)
        return ("refused" if text and "\n" not in text else "CRASH"), text
    except Exception as error:  # noqa: BLE001 - anything else is what this script is looking for
        return "CRASH", f"{type(error).__name__}: {error}"
    if words:
        return "warned", words[0]
    if shape != reference[0] or sorted(frames) != list(range(shape[0])):
        return "WRONG", f"{shape}, {len(frames)} frames read; undamaged: {reference[0]}"
    same = all(np.array_equal(frames[i], reference[1][i], equal_nan=True) for i in frames)
    return ("same" if same else "other"), ""


def read_reference(path: str) -> Any:
    """Return (shape, frames, warnings) of an undamaged movie."""
    from lptem_tracker.movie import open_movie

    with open_movie(path) as movie:
        return movie.shape, [frame.pixels for frame in movie.frames()], list(movie.warnings)


def worker(pipe: Connection) -> None:
    """Serve cases until the pipe closes."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while (job := pipe.recv()) is not None:
        pipe.send(try_to_read(*job))


class Reader:
    """A process that reads damaged movies and may be lost to one of them."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=worker, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def __call__(self, path: str, reference: Any) -> tuple[str, str, float]:
        start = time.monotonic()
        try:
            self._pipe.send((path, reference))
            done = self._pipe.poll(LIMIT_S)
            outcome = self._pipe.recv() if done else ("HANG", f"over {LIMIT_S:g} s")
        except (EOFError, ConnectionError, BrokenPipeError):
            done, outcome = False, ("DIED", "the process ended by itself")
        if not done:
            self._process.kill()
            self._start()
        return (*outcome, time.monotonic() - start)

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()


def main() -> int:
    """Run the cases and print the table; 1 if any ended as none may."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=12, help="damaged copies of each movie and kind of damage")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--quick", action="store_true", help="5 of each")
    options.add_argument("--shared", type=Path, help="folder with further microscope files")
    options.add_argument("--only", help="one format")
    options.add_argument("--verbose", action="store_true")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = runpy.run_path(str(Path(__file__).parents[1] / "movie" / "conftest.py"))["write_samples"](
            folder / "made"
        )
        if args.shared:
            made |= {path.name: path for path in sorted(args.shared.iterdir()) if path.suffix}
        if args.only:
            made = {args.only: made[args.only]}
        return run(made, folder, 5 if args.quick else args.cases, args.seed, args.verbose)


def run(made: dict[str, Path], folder: Path, cases: int, seed: int, verbose: bool) -> int:
    """Damage, read, count."""
    reader, table, slowest = Reader(), defaultdict(Counter), (0.0, "")
    kinds = ("refused", "warned", "same", "other", "WRONG", "CRASH", "HANG", "DIED")
    for number, (name, path) in enumerate(made.items()):
        reference = read_reference(str(path))
        for kind in ("cut", "flip"):
            rng = np.random.default_rng([seed, number, kind == "cut"])
            for case in range(cases):
                target = (
                    folder / f"{case}{kind}{name}{path.suffix}" if path.is_file() else folder / f"{case}{kind}{name}"
                )
                if path.is_file():  # a TVIPS stream is recognised by its numbered name
                    target = folder / f"{case}{kind}_{path.name}"
                done = damage(path, target, rng, kind)
                outcome, words, seconds = reader(str(target), reference)
                slowest = max(slowest, (seconds, f"{name}: {done}"))
                table[name, kind][outcome] += 1
                if verbose or outcome in kinds[4:] or (outcome == "other" and kind == "cut"):
                    print(f"{outcome:8} {name}: {done}: {words}", flush=True)
                shutil.rmtree(target) if target.is_dir() else target.unlink()
    reader.close()
    print(f"{'format':26}{'damage':8}" + "".join(f"{kind:>9}" for kind in kinds))
    for (name, kind), counts in table.items():
        print(f"{name:26}{kind:8}" + "".join(f"{counts[k] or '.':>9}" for k in kinds))
    total = sum(table.values(), Counter())
    print(f"{'all':34}" + "".join(f"{total[k] or '.':>9}" for k in kinds) + f"   of {total.total()}")
    print(f"slowest: {slowest[0]:.1f} s, {slowest[1]}")
    bad = sum(total[k] for k in kinds[4:]) + sum(c["other"] for (_, kind), c in table.items() if kind == "cut")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
