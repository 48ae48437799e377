"""Freed memory goes back to the system."""

import sys
from pathlib import Path

import numpy as np
import pytest

from lptem_tracker import memory
from lptem_tracker.memory import give_back


def _resident_bytes():
    words = Path("/proc/self/status").read_text(encoding="ascii").split()
    return 1024 * int(words[words.index("VmRSS:") + 1])


@pytest.mark.skipif(memory._trim() is None, reason="the C library of this system cannot be told to")
def test_what_lies_between_blocks_in_use_is_given_back():
    """Of 64 MiB in blocks of 64 KiB with a small one in use after each, three quarters at least go back."""
    blocks, between = [], []
    for _ in range(1024):
        blocks.append(np.ones(8192))
        between.append(np.ones(16))
    held = _resident_bytes()
    blocks.clear()
    give_back()
    assert held - _resident_bytes() > 0.75 * 64 * 2**20


def test_systems_without_it_lose_nothing(monkeypatch):
    """On another system nothing happens and nothing fails."""
    memory._trim.cache_clear()
    monkeypatch.setattr(sys, "platform", "win32")
    give_back()
    assert memory._trim() is None
    memory._trim.cache_clear()
