"""Truncated and bit-flipped copies of every format end in a sentence, a warning, or an honest movie."""

import runpy
from pathlib import Path

import numpy as np
import pytest

FUZZ = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "fuzz_movie.py"))
NAMES = ("tiff", "tiff_deflate", "bigtiff", "imagej", "ome", "mp4", "avi", "mkv", "mov", "mrc", "emd_ncem", "ser",
         "dm4_stack", "dm4", "tvips", "npy", "png", "jpg", "bmp", "tif_folder", "insitu")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["cut", "flip"])
def test_damaged_copies_never_succeed_wrongly(samples, tmp_path, name, kind):
    """Three seeded copies: one sentence or a warning, and no crash; a cut never goes unsaid when frames are lost."""
    reference = FUZZ["read_reference"](str(samples[name]))
    rng = np.random.default_rng([NAMES.index(name), kind == "cut"])
    for case in range(3):
        target = tmp_path / f"{case}_{samples[name].name}"
        done = FUZZ["damage"](samples[name], target, rng, kind)
        outcome, words = FUZZ["try_to_read"](str(target), reference)
        assert outcome in {"refused", "warned", "same"} | ({"other"} if kind == "flip" else set()), f"{done}: {words}"
