"""Compiled loops are kept on disk, and made anew when any file that went into them changes."""

import subprocess
import sys
from pathlib import Path

INNER = "from lptem_tracker.compiled import compiled\n\n\n@compiled\ndef inner(x):\n    return x + {}\n"
OUTER = (
    "from inner import inner\n\nfrom lptem_tracker.compiled import compiled\n\n\n"
    "@compiled\ndef outer(x):\n    return inner(x) * 10\n"
)
SAY = "from outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"


def call(folder):
    """Return what the loop gives in a new process, and how many compiled versions came from the disk."""
    said = subprocess.run(
        [sys.executable, "-B", "-c", SAY], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return [int(word) for word in said.stdout.split()]


def test_loops_are_kept_until_what_they_call_changes(tmp_path):
    """The second process compiles nothing; after a change in the file of an inner function the new code runs."""
    (tmp_path / "inner.py").write_text(INNER.format(1), encoding="utf-8")
    (tmp_path / "outer.py").write_text(OUTER, encoding="utf-8")
    assert call(tmp_path) == [20, 0]
    assert call(tmp_path) == [20, 1]
    (tmp_path / "inner.py").write_text(INNER.format(2), encoding="utf-8")
    assert call(tmp_path) == [30, 0]


def test_a_folder_that_cannot_be_written_only_costs_time(monkeypatch):
    """Where numba finds no place to keep anything, the function is compiled all the same."""
    from numba.core import caching

    from lptem_tracker.compiled import compiled

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled(lambda x: x + 1)(1) == 2


def test_refinement_and_linking_are_kept_that_way():
    """The loops that call functions of other files stand under the checksum of their folder."""
    from lptem_tracker.compiled import checksum
    from lptem_tracker.detect.refine import fit
    from lptem_tracker.link import advance

    for module, loop in ((fit, fit.fit_particles), (advance, advance.add_frames)):
        assert loop._cache._cache_file._source_stamp == checksum(Path(module.__file__).parent)
