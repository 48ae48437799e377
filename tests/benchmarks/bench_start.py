"""How long a user waits for the package and its help, beside an empty Python in the same run.

Prints the median CPU and wall time of a process of its own, over alternating repetitions:

* ``import lptem_tracker`` over ``python -c pass`` (asked: at most 0.3 s more);
* ``lptem-tracker --help`` over it (asked: at most 0.7 s more), and the help of every command.

    python tests/benchmarks/bench_start.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import numpy as np

HELP = "import sys; from lptem_tracker.cli import main; main(sys.argv[1:])"
COMMANDS = ("analyze", "overlay", "measure", "batch", "train")


def seconds(words: list[str]) -> tuple[float, float]:
    """Return wall and CPU time of a Python process with these arguments."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - begun, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    repeats = 5 if parser.parse_args().quick else 15
    wanted = {"python -c pass": ["-c", "pass"], "import lptem_tracker": ["-c", "import lptem_tracker"]}
    wanted["lptem-tracker --help"] = ["-c", HELP, "--help"]
    wanted |= {f"lptem-tracker {name} --help": ["-c", HELP, name, "--help"] for name in COMMANDS}
    found = {name: np.array([seconds(words)]) for name, words in wanted.items()}  # the first fills the disk's cache
    found = {name: np.empty((0, 2)) for name in found}
    for _ in range(repeats):
        for name, words in wanted.items():
            found[name] = np.vstack([found[name], seconds(words)])
    empty = np.median(found["python -c pass"], axis=0)
    print(f"{'python -c pass':28s} {empty[0]:.3f} s (CPU {empty[1]:.3f} s)")
    for name, times in found.items():
        if name != "python -c pass":
            more = np.median(times, axis=0) - empty
            print(f"{name:28s} {more[0]:+.3f} s over it (CPU {more[1]:+.3f} s), {1 + more[0] / empty[0]:.1f} times")


if __name__ == "__main__":
    main()
